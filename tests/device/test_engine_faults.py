"""What goes wrong in the middle of a build: power, signals, a full disk, another build. No halves stay."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from edgeshrink_device import DeviceError, InputError
from edgeshrink_device.engines import cache, folder, planning, trtexec
from edgeshrink_device.engines.cache import open_engine
from edgeshrink_device.engines.interruption import Interruption
from edgeshrink_device.engines.lock import NAME, FolderLock

from tests.emulated_jetson.board import board

from .engine_helpers import files, write_bundle
from .processes import gone, wait_for

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from edgeshrink_device import main
sys.exit(main(sys.argv[2:]))
"""
SOON_S = 60


@pytest.fixture
def started():
    """Starts a build on a board that lasts a while; gives its process once it holds the lock."""
    running = []

    def start(made, bundle, **variables):
        environment = dict(made.environment, **variables)
        words = [sys.executable, "-m", "edgeshrink_device", "build", str(bundle)]
        process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append(process)
        end = time.monotonic() + SOON_S
        while not list((bundle / "engines").glob(".edgeshrink-unfinished-*")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.5)  # from the lock to the builder itself
        return process

    yield start
    for process in running:
        with process:
            process.kill()


def leave_behind(tmp_path, **said):
    folder = tmp_path / "net.edge" / "engines"
    folder.mkdir()
    (folder / NAME).write_text(json.dumps(said))
    (folder / ".edgeshrink-unfinished-abc").write_bytes(b"half an engine")
    return folder


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_lock_from_before_a_loss_of_power_is_recognized_and_told(model, tmp_path):
    folder = leave_behind(tmp_path, pid=os.getpid(), boot="another", since="2024-05-01 10:00:00")
    opened = open_engine(model)
    assert opened.why == (
        "there was none yet; an earlier build (begun 2024-05-01 10:00:00) was cut short by a restart or a"
        " loss of power; what it had begun to write was removed"
    )
    assert files(folder) == ["model-fp16.engine", "model-fp16.json", "timing.cache"]
    assert open_engine(model).why is None


def test_a_lock_of_a_build_that_was_killed_is_recognized_and_told(model, tmp_path):
    leave_behind(tmp_path, pid=1 << 22, boot=boot_id())
    assert "was killed, perhaps for want of memory" in open_engine(model).why


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', '{"pid": "x", "boot": 5}', "\0\0"])
def test_a_damaged_lock_keeps_nobody_out(model, tmp_path, text):
    (leave_behind(tmp_path) / NAME).write_text(text)
    assert open_engine(model).built


@pytest.mark.parametrize("make", ["file", "link", "pipe", "folder"])
def test_what_only_bears_the_locks_name_is_left_alone(model, tmp_path, make):
    path, kept = leave_behind(tmp_path) / NAME, tmp_path / "kept.txt"
    kept.write_text("precious")
    path.unlink()
    {
        "file": lambda: path.write_text("precious"),
        "link": lambda: path.symlink_to(kept),
        "pipe": lambda: os.mkfifo(str(path)),
        "folder": path.mkdir,
    }[make]()
    with pytest.raises(DeviceError, match=r"is no lock of a build|cannot be written to"):
        open_engine(model)
    assert make != "file" or path.read_text() == "precious"
    assert kept.read_text() == "precious"


def test_the_users_files_beside_engines_stay_as_they_are(model, tmp_path):
    names = ["build.lock", ".unfinished-novel.txt", "notes.json", "model.engine"]
    for name in names:
        (tmp_path / "net.edge" / name).write_text("precious")
    opened = open_engine(model, folder=str(tmp_path / "net.edge"))
    assert opened.why == "there was none yet"
    open_engine(model, folder=str(tmp_path / "net.edge"), force=True)
    assert [(tmp_path / "net.edge" / name).read_text() for name in names] == ["precious"] * len(names)


def test_a_lock_lets_others_in_when_it_is_left(tmp_path):
    with FolderLock(str(tmp_path), "a.onnx") as told:
        assert told is None
        said = json.loads((tmp_path / NAME).read_text())
        assert (said["pid"], said["building"]) == (os.getpid(), "a.onnx")
        with pytest.raises(DeviceError, match=f"another build is running: process {os.getpid()}"):
            FolderLock(str(tmp_path), "b.onnx").__enter__()
    assert not (tmp_path / NAME).exists()
    with FolderLock(str(tmp_path), "b.onnx") as told:
        assert told is None


def test_a_second_build_does_not_start_and_a_killed_one_is_told(tmp_path, started):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    first = started(made, bundle, EMULATED_BUILD_SECONDS="60")
    second = made.device("build", bundle)
    assert second.returncode == 1
    assert f"another build is running: process {first.pid}" in second.stderr
    assert "Wait for it to end" in second.stderr
    first.kill()
    first.wait()
    third = made.device("build", bundle)
    assert (third.stderr, third.returncode) == ("", 0)
    assert "was killed, perhaps for want of memory" in third.stdout
    assert files(bundle / "engines") == ["model-fp16.engine", "model-fp16.json", "timing.cache"]


def test_a_build_that_dies_at_any_moment_leaves_nothing_that_is_believed(tmp_path):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    words = [sys.executable, "-m", "edgeshrink_device", "build", str(bundle), "--force"]
    random = Random(0)
    for _ in range(8):
        process = subprocess.Popen(
            words, env=made.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(random.uniform(0.05, 0.8))
        process.kill()
        process.communicate()
    done = made.device("build", bundle, "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    (engine,) = json.loads(done.stdout)["engines"]
    data = Path(engine["path"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == engine["engine"]["sha256"]
    done = made.device("build", bundle, "--force")
    assert files(bundle / "engines") == ["model-fp16.engine", "model-fp16.json", "timing.cache"]


@pytest.mark.parametrize("version", ["8.2", "10.3", None])
def test_an_interruption_leaves_nothing(version, tmp_path, started):
    """8.2 cannot be asked to stop, 10.3 can, and None is trtexec, a process of its own."""
    made = board(tmp_path, tensorrt=version, cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    seconds = "4" if version == "10.3" else "60"
    process = started(made, bundle, EMULATED_BUILD_SECONDS=seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 130
    assert b"interrupted; nothing was left half written" in err
    assert b"Traceback" not in err
    assert out == b""
    assert files(bundle / "engines") == []


def test_trtexec_ends_with_the_build_that_started_it(tmp_path, started):
    made = board(tmp_path, tensorrt=None, cudart=False)
    process = started(made, write_bundle(tmp_path / "net.edge"), EMULATED_BUILD_SECONDS="60")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    (program,) = wait_for(lambda: children.read_text().split())
    process.kill()
    process.wait()
    assert wait_for(lambda: gone(program))


def test_a_trtexec_that_cannot_be_started_is_told():
    with pytest.raises(DeviceError, match="/nowhere/trtexec: does not run: "):
        trtexec._run(["/nowhere/trtexec"], None)


def test_an_interruption_is_raised_once_the_builder_is_back():
    before = signal.getsignal(signal.SIGINT)

    def build():
        with Interruption(lambda: None) as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.asked.wait(SOON_S)
            return "what the builder gave"

    with pytest.raises(KeyboardInterrupt):
        build()
    assert signal.getsignal(signal.SIGINT) is before
    with Interruption(lambda: None) as interruption:
        assert not interruption.asked.is_set()


def test_an_interruption_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption(lambda: None) as interruption:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interruption.asked.is_set()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("version", ["8.2", "10.3", None])
def test_a_full_disk_is_told_and_leaves_nothing(version, tmp_path):
    made = board(tmp_path, tensorrt=version, cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    done = made.run("-c", LIMITED, 700, "build", bundle)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    told = done.stderr if version else done.stdout + done.stderr
    assert "no room for the engine" in told or "builds no engine" in told
    assert [name for name in files(bundle / "engines") if not name.startswith("timing")] == []


def test_a_disk_that_is_full_once_the_engine_is_written_leaves_what_was_there(tmp_path):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    bundle = write_bundle(tmp_path / "net.edge")
    assert made.device("build", bundle).returncode == 0
    (path,) = (bundle / "engines").glob("*.engine")
    before, described = path.read_bytes(), path.with_suffix(".json").read_bytes()
    assert len(described) > len(before)
    done = made.run("-c", LIMITED, len(before) + 1, "build", bundle, "--force")
    assert done.returncode == 1
    assert "no room for the engine" in done.stderr
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == (before, described)
    assert files(bundle / "engines") == ["model-fp16.engine", "model-fp16.json", "timing.cache"]
    assert f"found {path}" in made.device("build", bundle).stdout


@pytest.mark.parametrize("where", ["/proc/engines", "{}/file/engines"])
def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_built(model, tmp_path, where):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="engines cannot be kept there") as caught:
        open_engine(model, folder=where.format(tmp_path))
    assert "--engines DIR" in caught.value.hint


@pytest.mark.parametrize("end", [".engine", ".json"])
def test_a_folder_where_the_engine_belongs_is_told_before_anything_is_built(model, end):
    path = Path(open_engine(model).path).with_suffix(end)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="a folder is where an engine is to be kept") as caught:
        open_engine(model)
    assert "Move it away" in caught.value.hint


def test_a_folder_that_comes_there_while_it_is_built_is_told(model):
    plan = planning.make_plan(model)
    (Path(plan.folder) / (plan.stem + ".engine")).mkdir(parents=True)
    with folder.temporary(plan.folder) as path, pytest.raises(DeviceError, match="cannot be written to"):
        cache.store(plan, path, {})
    assert [each.name for each in Path(plan.folder).iterdir()] == [plan.stem + ".engine"]


@pytest.mark.parametrize("letter", ["m", "\u00e4", "\u5b57"])
def test_a_model_whose_name_is_as_long_as_can_be_has_an_engine(model, letter):
    name = letter * ((255 - len(".onnx")) // len(letter.encode("utf-8"))) + ".onnx"
    long = Path(model).with_name(name)
    Path(model).rename(long)
    opened = open_engine(str(long))
    assert opened.built
    assert opened.record["model"] == name
    assert Path(opened.path).name.startswith(letter * 30)
    assert not open_engine(str(long)).built


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_bundle_that_is_read_only_is_told(model, tmp_path):
    (tmp_path / "net.edge").chmod(0o555)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            open_engine(model)
    finally:
        (tmp_path / "net.edge").chmod(0o755)


def test_a_build_that_fails_leaves_the_engine_that_was_there(model, monkeypatch):
    first = open_engine(model)
    monkeypatch.setenv("EMULATED_BUILD_FAILS", "1")
    with pytest.raises(DeviceError):
        open_engine(model, force=True)
    monkeypatch.delenv("EMULATED_BUILD_FAILS")
    again = open_engine(model)
    assert (again.built, again.data) == (False, first.data)
