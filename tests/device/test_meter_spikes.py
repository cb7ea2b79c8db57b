"""Readings that no board draws are left out; single ones that make much of the energy are told."""

import numpy as np
import pytest
from edgeshrink_device import boards, sysroot
from edgeshrink_device.boards.known import FAMILIES
from edgeshrink_device.energy_sampled import summarize_sampled
from edgeshrink_device.power.ina3221 import Ina3221

from tests.emulated_jetson import sysfs

from .power_traces import Board, Source, sample


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("milliamperes", "watts"), [(3000, 15.0), (7900, 39.5), (8100, None), (80000, None)])
def test_a_nano_of_10_watts_cannot_draw_more_than_40(root, milliamperes, watts):
    sysfs.board(root, "nano")
    sysfs.old_meter(root, {"POM_5V_IN": (5000, 600)})
    source = Ina3221()
    assert source.unavailable() == ""
    source.start()
    sysfs.set_rail(root, "POM_5V_IN", 5000, milliamperes)
    assert source.read() == watts


def test_every_board_may_draw_what_its_highest_power_mode_allows_and_more(root):
    for kind, highest_w in (
        ("tx2", 57),
        ("xavier-nx", 20),
        ("agx-xavier", 60),
        ("orin-nano", 25),
        ("thor", 140),
    ):
        sysfs.board(root, kind)
        assert highest_w < boards.most_watts(boards.detect()) < 600
    assert {family.mode_w > 0 for family in FAMILIES} == {True}
    assert boards.most_watts(None) == float("inf")


def energy_with(spike_at=None, watts=40.0):
    """Energy and warnings of loads of 7 W, idle at 2 W, where one reading shows `watts`."""
    board = Board()
    trace = sample(board, np.random.RandomState(0))
    if spike_at is not None:
        trace.watts[int(np.searchsorted(trace.times_s, spike_at))] = watts
    energy, reason, warnings = summarize_sampled(Source(), "asked for", trace, board.turns)
    assert reason is None
    return energy, warnings


def test_a_steady_load_needs_no_word():
    assert energy_with()[1] == []


@pytest.mark.parametrize("watts", [60.0, 400.0])
def test_one_reading_that_makes_much_of_a_loads_energy_is_told(watts):
    usual = energy_with()[0]["total"]["mean"]
    energy, (warning,) = energy_with(11.0, watts)
    assert warning.startswith(f"one reading of {watts:g} W among others about 7")
    share = 100 * (energy["total"]["mean"] / usual - 1)
    told = float(warning.split(" total by ")[1].split("%")[0])
    assert told == pytest.approx(share, rel=0.4)  # a reading counts for 0.075 to 0.125 s


def test_one_reading_that_makes_much_of_the_idle_power_is_told():
    energy, warnings = energy_with(3.0)
    assert "changes the energy above idle by" in warnings[-1]
    assert energy["above_idle"]["mean"] < 100  # the truth


def test_a_reading_that_makes_little_needs_no_word():
    assert energy_with(11.0, 20.0)[1] == []
