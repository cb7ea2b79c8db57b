"""Mode and clocks that nobody told fully, or that change while something is measured."""

import pytest
from edgeshrink_device import machine, profile_models, state, sysroot

from tests.emulated_jetson import sysfs

from .helpers import QUICK, write_double


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    sysfs.board(tmp_path, "nano")
    sysfs.power_modes(tmp_path, {0: "MAXN", 1: "5W"}, 0)
    return tmp_path


def set_gpu(root, low):
    sysfs.gpu_clock(root, low, 921.6, 921.6)


def set_cpu(root, low):
    sysfs.cpu_clocks(root, low, 1479, 1479)


@pytest.mark.parametrize(
    ("set_told", "locked_at", "untold"), [(set_cpu, 1479, "GPU"), (set_gpu, 921.6, "CPU")], ids=["CPU", "GPU"]
)
def test_one_locked_clock_does_not_tell_that_all_are(root, set_told, locked_at, untold):
    set_told(root, locked_at)
    told = state.clocks()
    assert (told["locked"], told["reason"]) == (None, f"the system tells no clock limits of the {untold}")
    facts = machine.facts()
    assert (facts["clocks_locked"], facts["clocks_locked_reason"]) == (None, told["reason"])


@pytest.mark.parametrize("set_told", [set_cpu, set_gpu], ids=["CPU", "GPU"])
def test_one_loose_clock_tells_that_not_all_are_locked(root, set_told):
    set_told(root, 100)
    told = state.clocks()
    assert (told["locked"], told["reason"]) == (False, None)


def change_at(phase, change):
    """A progress that makes a change once, when it is first told of a phase."""
    done = []

    def progress(model, now, fraction):
        if now == phase and not done:
            done.append(change())

    return progress


def measured(root, change):
    model = write_double(root / "m.onnx")
    return profile_models([model], progress=change_at("measure", change), **QUICK)[0]["warnings"]


def test_a_power_mode_that_changes_while_it_is_measured_is_told(root):
    warnings = measured(root, lambda: sysfs.power_modes(root, {0: "MAXN", 1: "5W"}, 1))
    changed = "the power mode changed while it was measured, from 0 (MAXN) to 1 (5W): the figures are a mix"
    assert warnings[0].startswith(changed)


def test_clocks_that_are_let_loose_while_it_is_measured_are_told(root):
    set_gpu(root, 921.6)
    set_cpu(root, 1479)
    warnings = measured(root, lambda: set_gpu(root, 76.8))
    assert warnings[0].startswith("the clocks were locked when measuring began and not locked when it ended")


def test_what_stays_or_is_told_at_one_end_alone_is_no_change(root):
    before = machine.facts()
    assert state.changes(before, before) == []
    (root / "var/lib/nvpmodel/status").unlink()
    set_gpu(root, 921.6)
    assert state.changes(before, machine.facts()) == []
    assert state.changes(machine.facts(), before) == []
