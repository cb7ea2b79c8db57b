import os
import signal
import sys

import edgeshrink_device
import psutil
import pytest
from edgeshrink_device import DeviceError, profile_models, workers
from edgeshrink_device.workers import Workers

from . import processes
from .helpers import QUICK, QUICK_WORDS, write_bundle, write_double
from .processes import wait_for


def main(*words):
    return edgeshrink_device.main([str(word) for word in words])


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.fixture
def model(tmp_path):
    return write_double(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["profile", "{tmp}/modle.onnx"], "no such file or folder.\nDid you mean '{tmp}/model.onnx'?"),
        (["profile", "{tmp}/folder"], "a folder, but no bundle: it holds no model.onnx.\nMake one where"),
        (["profile", "{tmp}/empty.onnx"], "empty.onnx: the file is empty"),
        (["profile", "{tmp}/corrupt.onnx"], "corrupt.onnx: ONNX Runtime cannot load it"),
        (["profile", "{tmp}/cut.onnx"], "cut.onnx: ONNX Runtime cannot load it"),
        (
            ["profile", "{tmp}/model.onnx", "--power", "rappl"],
            "unknown power source 'rappl'.\nDid you mean 'rapl'?",
        ),
        (["profile", "{tmp}/model.onnx", "--device", "cup"], "unknown device 'cup'.\nDid you mean 'cpu'?"),
        (["profile", "{tmp}/model.onnx", "--samples", "{tmp}/no.npz"], "no.npz: no such file or folder"),
        (["profile", "{tmp}/model.onnx", "--samples", "{tmp}/corrupt.onnx"], "cannot be read as samples"),
        (["profile", "{tmp}/model.onnx", "--threads", "0"], "threads must be at least 1, not 0"),
        (["profile", "{tmp}/model.onnx", "--seconds", "nan"], "seconds must be at least 0, not nan"),
        (
            ["profile", "{tmp}/model.onnx", "--runs", "many"],
            "invalid int value: 'many'.\nSee: ",
        ),
        (["profile"], "the following arguments are required"),
        (["profil"], "invalid choice: 'profil'"),
        ([], "required"),
    ],
)
def test_a_wrong_call_is_told_clearly_and_leaves_nothing(
    words, message, model, tmp_path, capsys, monkeypatch
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "corrupt.onnx").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:60])
    monkeypatch.chdir(tmp_path)
    before = names(tmp_path)
    assert main(*(word.format(tmp=tmp_path) for word in words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message.format(tmp=tmp_path) in captured.err
    assert "Traceback" not in captured.err
    assert names(tmp_path) == before
    assert psutil.Process().children() == []


@pytest.mark.parametrize(
    "out", ["{tmp}/taken.json", "{tmp}", "/proc/nowhere/out.json", "{tmp}/model.onnx/out.json"]
)
def test_an_output_that_cannot_be_is_told_before_anything_is_measured(
    out, model, tmp_path, capsys, monkeypatch
):
    (tmp_path / "taken.json").write_text("kept")
    (tmp_path / "profile-cpu-model.json").write_text("kept")
    monkeypatch.setattr("edgeshrink_device.launches.run_launches", None)
    assert main("profile", model, "-o", out.format(tmp=tmp_path)) == 2
    assert (tmp_path / "taken.json").read_text() == "kept"
    assert capsys.readouterr().err.startswith("error: ")


def test_force_replaces_a_profile(model, tmp_path):
    (tmp_path / "out.json").write_text("old")
    assert main("profile", model, "-o", tmp_path / "out.json", "--force", *QUICK_WORDS) == 0
    assert (tmp_path / "out.json").read_text().startswith("{")


def test_debug_shows_where(tmp_path, capsys):
    assert main("profile", tmp_path / "none.onnx", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_samples_for_another_model_are_refused(model, tmp_path, capsys):
    other = write_bundle(tmp_path / "b.edge")
    write_double(tmp_path / "wide.onnx", batch="4, 4")
    assert main("profile", tmp_path / "wide.onnx", "--samples", f"{other}/samples.npz") == 2
    assert "samples of input 'x' are [6, 4], the model takes [4, 4, 4]" in capsys.readouterr().err


def test_a_fault_in_a_worker_is_an_error_with_its_traceback_kept():
    with Workers(["m.onnx"]) as (worker,), pytest.raises(DeviceError, match=r"m\.onnx: TypeError") as caught:
        worker.ask("open", nonsense=1)
    assert "Traceback" in caught.value.worker_traceback


def test_workers_close_what_they_opened_unless_something_failed(monkeypatch):
    monkeypatch.setattr(workers, "CLOSING_S", 60)  # however busy this machine is
    with Workers(["m.onnx"]) as (worker,):
        pass
    assert worker._process.returncode == 0
    with pytest.raises(DeviceError), Workers(["m.onnx"]) as (worker,):
        worker.ask("nonsense")
    assert worker._process.returncode == -signal.SIGKILL


def test_a_worker_killed_in_the_middle_is_told_and_the_others_are_ended(model):
    def kill_one(name, phase, fraction):
        if phase == "measure" and fraction > 0.5:
            psutil.Process().children()[0].kill()

    with pytest.raises(DeviceError, match=r"its worker process died \(signal 9, SIGKILL\)") as caught:
        profile_models([model, model], progress=kill_one, **QUICK)
    assert caught.value.exit_status == 1
    assert "more memory" in caught.value.hint
    assert psutil.Process().children() == []


def test_an_interrupt_in_process_ends_the_workers(model):
    def interrupt(name, phase, fraction):
        if phase == "measure":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile_models([model, model], progress=interrupt, **QUICK)
    assert psutil.Process().children() == []


def start(model, out):
    """A long measurement in a process group of its own, once both its workers run."""
    words = ["profile", model, model, "-o", out, "--seconds", "600"]
    process = processes.start(sys.executable, "-m", "edgeshrink_device", *words, start_new_session=True)
    parent = psutil.Process(process.pid)
    wait_for(lambda: len(parent.children()) == 2)
    return process, parent.children()


def gone(children):
    return all(not child.is_running() or child.status() == psutil.STATUS_ZOMBIE for child in children)


@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_leaves_no_file_and_no_worker(whole_group, model, tmp_path):
    process, children = start(model, tmp_path / "out")
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "error: interrupted; nothing was left half written.\n")
    assert names(tmp_path) == ["model.onnx"]
    wait_for(lambda: gone(children))


def test_workers_end_when_their_parent_is_killed(model, tmp_path):
    process, children = start(model, tmp_path / "out")
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: gone(children))
    assert names(tmp_path) == ["model.onnx"]
