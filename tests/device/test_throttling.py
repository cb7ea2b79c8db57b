"""Throttling that begins and ends while something is measured."""

import threading

import pytest
from edgeshrink_device import profile_models, sysroot
from edgeshrink_device.thermal import Thermal, ThermalWatch

from tests.emulated_jetson import sysfs

from .helpers import QUICK, write_double
from .processes import wait_for


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    sysfs.board(tmp_path, "nano")
    sysfs.zone(tmp_path, 0, "GPU-therm", 60)
    sysfs.cooler(tmp_path, 0, "thermal-devfreq-0", 0)
    return tmp_path


def test_what_limits_only_between_two_ends_is_seen(root):
    thermal = Thermal()
    with ThermalWatch(thermal):
        sysfs.cooler(root, 0, "thermal-devfreq-0", 5)
        wait_for(lambda: thermal.read()[0]["throttled"])
        sysfs.cooler(root, 0, "thermal-devfreq-0", 0)
    told = thermal.read()[0]
    assert (told["throttled"], told["limited_by"]) == (True, ["thermal-devfreq-0"])


@pytest.mark.parametrize("kind", ["pwm-fan", "thermal-fan-est", "hot-surface-alert"])
def test_a_fan_and_the_warning_of_a_warm_case_limit_nothing(root, kind):
    sysfs.cooler(root, 1, kind, 1)
    told = Thermal().read()[0]
    assert (told["throttled"], told["limited_by"]) == (False, [])


def test_the_thread_ends_with_the_measuring_also_where_that_fails(root):
    before = set(threading.enumerate())
    watch = ThermalWatch(Thermal())
    with pytest.raises(KeyboardInterrupt):
        interrupted(watch, before)
    assert set(threading.enumerate()) == before


def interrupted(watch, before):
    with watch:
        assert len(set(threading.enumerate()) - before) == 1
        raise KeyboardInterrupt


def test_a_board_that_throttles_only_within_a_timed_block_is_told_so(root):
    """Of the block's 2 s the cooling device is up in the first: four looks."""
    hot = threading.Timer(1.0, sysfs.cooler, (root, 0, "thermal-devfreq-0", 0))

    def heat(model, phase, fraction):
        if phase == "measure" and hot.ident is None:
            sysfs.cooler(root, 0, "thermal-devfreq-0", 4)
            hot.start()

    model = write_double(root / "m.onnx")
    (told,) = profile_models([model], progress=heat, **dict(QUICK, seconds=8))
    hot.join()
    assert (told["thermal"]["throttled"], told["thermal"]["limited_by"]) == (True, ["thermal-devfreq-0"])
    assert any("slowed itself down while it was measured" in warning for warning in told["warnings"])
