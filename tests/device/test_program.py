"""What is printed to be typed can be typed: it begins with the words that started the program."""

import shlex
import sys
import zipfile
from pathlib import Path

import edgeshrink_device
import pytest
from edgeshrink_device import main, program

from tests.emulated_jetson.board import board

from . import processes
from .engine_helpers import write_bundle
from .helpers import QUICK_WORDS, write_null

PACKAGE = Path(edgeshrink_device.__file__).parent
AS_MODULE = f"{shlex.quote(sys.executable)} -m edgeshrink_device"
START = 'import runpy\n\nrunpy.run_module("edgeshrink_device", run_name="__main__", alter_sys=True)\n'


@pytest.fixture
def pyz(tmp_path):
    """The package in one file, as a bundle has it."""
    path = tmp_path / "net.edge" / "edgeshrink-device.pyz"
    path.parent.mkdir()
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("__main__.py", START)
        for source in PACKAGE.rglob("*.py"):
            archive.write(str(source), f"edgeshrink_device/{source.relative_to(PACKAGE)}")
    return path


def last_line(done):
    return (done.stdout + done.stderr).splitlines()[-1]


def test_a_pyz_is_named_as_it_is_typed_from_here(pyz, tmp_path):
    done = processes.run(sys.executable, "net.edge/edgeshrink-device.pyz", "build", cwd=tmp_path)
    wanted = f"See: {shlex.quote(sys.executable)} net.edge/edgeshrink-device.pyz build --help"
    assert last_line(done) == wanted
    help_of = processes.run(*shlex.split(wanted[len("See: ") :]), cwd=tmp_path)
    assert help_of.stdout.startswith(f"usage: {wanted[len('See: ') : -len(' --help')]}")


def test_a_pyz_elsewhere_is_named_with_its_whole_path(pyz, tmp_path):
    (tmp_path / "here").mkdir()
    done = processes.run(sys.executable, pyz, "build", cwd=tmp_path / "here")
    assert last_line(done) == f"See: {shlex.quote(sys.executable)} {pyz} build --help"


def test_a_module_is_named_as_one():
    done = processes.run(sys.executable, "-m", "edgeshrink_device", "build")
    assert last_line(done) == f"See: {AS_MODULE} build --help"


def test_python3_is_named_so_where_that_is_the_one(tmp_path, monkeypatch):
    (tmp_path / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert program.command("doctor") == "python3 -m edgeshrink_device doctor"


def test_edgeshrink_itself_is_named_so_and_compares_at_once(tmp_path, capsys):
    model = write_null(tmp_path / "m.null")
    words = ["profile", model, "--device", "null", "-o", str(tmp_path / "out.json"), *QUICK_WORDS]
    assert main(words, prog="edgeshrink") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("next: edgeshrink compare ")
    assert main(["build"], prog="edgeshrink") == 2
    assert capsys.readouterr().err.endswith("See: edgeshrink build --help\n")


def test_a_board_which_cannot_compare_says_to_copy_the_profiles(tmp_path, capsys):
    model = write_null(tmp_path / "m.null")
    out = tmp_path / "out.json"
    assert main(["profile", model, "--device", "null", "-o", str(out), *QUICK_WORDS]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    there = f"there: edgeshrink compare {out} "
    assert last.startswith("next: copy the profiles to where edgeshrink is installed; " + there)


def test_the_processes_that_work_for_it_say_the_same_words(tmp_path):
    """The engine is refused in a worker, whose own sys.argv tells nothing."""
    made, bundle = board(tmp_path, programs=[]), write_bundle(tmp_path / "net.edge")
    code = "import sys; from edgeshrink_device import main; sys.exit(main(sys.argv[1:], prog='edgeshrink'))"
    words = ["profile", bundle, "--device", "jetson", *QUICK_WORDS]
    done = made.run("-c", code, *words, EMULATED_NO_DEVICE=1)
    assert done.returncode == 1
    assert "`edgeshrink doctor` looks at the rest" in done.stderr


def test_words_with_spaces_are_quoted():
    with program.called("edgeshrink"):
        assert program.command("build", "my net.edge") == "edgeshrink build 'my net.edge'"
