"""trtexec that exports times which cannot be, or that never ends."""

import json
import os
import signal
import sys

import numpy as np
import psutil
import pytest
from edgeshrink_device.engines.trtexec import Trtexec
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.inference import trtexec_session
from edgeshrink_device.inference.trtexec_session import TrtexecSession, read_times

from tests.emulated_jetson.board import PLACES, board

from .inference_helpers import QUICK, document, profiled, write_bundle
from .processes import start, wait_for

TRUE = {"startComputeMs": 250.0, "latencyMs": 3.4, "computeMs": 3.0}


def read(**changes):
    return read_times(json.dumps([TRUE, dict(TRUE, **changes)]), 200)


def test_a_row_may_have_no_copies_and_six_digits():
    assert np.allclose(read(latencyMs=3.0, computeMs=3.00001)[1], (0.003, 0.00300001), rtol=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"latencyMs": -1},
        {"latencyMs": 0, "computeMs": 0},
        {"computeMs": 0},
        {"computeMs": -3.0},
        {"latencyMs": 2.9},
        {"latencyMs": True},
        {"latencyMs": "3.4"},
        {"computeMs": float("nan")},
        {"latencyMs": float("inf")},
        {"latencyMs": 1e300},
        {"startComputeMs": float("nan")},
    ],
    ids=str,
)
def test_times_that_cannot_be_are_refused_with_their_row(changes):
    with pytest.raises(DeviceError, match="trtexec exported times that cannot be: row 2: "):
        read(**changes)


@pytest.mark.parametrize("text", ["[null]", "[[1, 2]]", '["x"]', '[{"latencyMs": null}]'])
def test_rows_that_are_none_are_told(text):
    with pytest.raises(DeviceError, match="times cannot be read: row 1 has no 'startComputeMs'"):
        read_times(text, 200)


def program(path, text):
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(0o755)
    return TrtexecSession(Trtexec(str(path), "8.2.1", set(), True), "m.engine", {})


def test_a_program_that_never_ends_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(trtexec_session, "START_S", 0.5)
    monkeypatch.setattr(trtexec_session, "SLOWEST_S", 0.1)
    session = program(tmp_path / "trtexec", f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    with pytest.raises(DeviceError, match="trtexec hangs: it was ended after 1 s"):
        session.outputs({})
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_profile_of_times_that_cannot_be_is_none(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    made = lying(tmp_path, "rows[-1].update(latencyMs=-1)")
    done = profiled(made, bundle)
    assert (done.stdout, done.returncode) == ("", 1)
    assert "trtexec exported times that cannot be: row " in done.stderr
    assert ": -1 ms with the copies, " in done.stderr
    assert not list(bundle.glob("profile*"))


def test_fewer_runs_than_were_asked_for_are_told(tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    made = lying(tmp_path, "rows[:] = rows[-1:]")
    assert profiled(made, bundle).returncode == 0
    told = document(bundle)
    assert told["latency_ms"]["end_to_end"]["n"] == 1
    assert "1 run was timed where 8 were asked for" in told["warnings"]


LIE = """#!{python}
# edgeshrink_emulated
import json, subprocess, sys
status = subprocess.call(["{true}"] + sys.argv[1:])
for word in sys.argv[1:]:
    if word.startswith("--exportTimes="):
        path = word.split("=", 1)[1]
        rows = json.load(open(path))
        {change}
        json.dump(rows, open(path, "w"))
sys.exit(status)
"""


def lying(path, change):
    """A board whose trtexec changes the rows that it exports."""
    made = board(path, tensorrt=None, cudart=False)
    true = made.root / PLACES["trtexec"] / "trtexec"
    moved = true.with_name("trtexec.true")
    true.rename(moved)
    true.write_text(LIE.format(python=sys.executable, true=moved, change=change))
    true.chmod(0o755)
    return made


def test_ctrl_c_leaves_no_temporary_files(tmp_path):
    bundle, temporary = write_bundle(tmp_path / "b.edge", baseline=False), tmp_path / "tmp"
    temporary.mkdir()
    made = board(tmp_path, tensorrt=None, cudart=False, EMULATED_LATENCY_MS=200, TMPDIR=str(temporary))
    words = ["-m", "edgeshrink_device", "profile", bundle, *QUICK, "--seconds", "60"]
    process = start(sys.executable, *words, env=made.environment, start_new_session=True)
    wait_for(lambda: list(temporary.rglob("*.bin")))
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(temporary.iterdir()) == []
