"""Where stdout and stderr lead: to a closed pipe, a full disk, nowhere, or what takes no such letters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edgeshrink_device import streams

from .helpers import QUICK_WORDS, write_null

SOON_S = 60
PROGRAM = [sys.executable, "-m", "edgeshrink_device"]
FULL = "/dev/full"  # takes nothing: no space left on device

full = pytest.mark.skipif(not Path(FULL).exists(), reason="there is no /dev/full")


def shell(text, *words, **options):
    """Run a shell's line in which "$@" are the words; (exit status, stdout, stderr)."""
    done = subprocess.run(
        ["bash", "-c", text, "bash", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=SOON_S,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def words(tmp_path):
    """What measures a model in a moment and writes into a folder `out`."""
    model = write_null(tmp_path / "m.null")
    return [*PROGRAM, "profile", model, "--device", "null", *QUICK_WORDS, "-o", tmp_path / "out", "--force"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_pipe_that_nobody_reads_is_no_error(words, more):
    assert shell('"$@" | true; exit ${PIPESTATUS[0]}', *words, *more) == (0, b"", b"")


def test_a_help_that_nobody_reads_is_none_either():
    assert shell('"$@" --help | true; exit ${PIPESTATUS[0]}', *PROGRAM) == (0, b"", b"")


def test_an_error_that_nobody_reads_keeps_its_status():
    assert shell('"$@" profile nowhere 2>&1 | true; exit ${PIPESTATUS[0]}', *PROGRAM) == (2, b"", b"")


@full
@pytest.mark.parametrize("more", [[], ["--json"], ["--json", "--runs", "3000"]])
def test_a_full_disk_under_stdout_is_told(words, more):
    """The last document is longer than any buffer."""
    told = b"error: what was printed cannot be written: No space left on device.\n"
    assert shell('"$@" > ' + FULL, *words, *more) == (1, b"", told)


def test_streams_that_are_closed_are_not_missed(words, tmp_path):
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert shell('"$@" ' + closed, *words)[0] == 0
        assert json.loads((tmp_path / "out" / "profile-null-m.json").read_text())["schema_version"] == 1
    assert shell('"$@" 2>&-', *PROGRAM, "profile", "nowhere") == (2, b"", b"")


def test_a_stdin_that_is_closed_is_empty():
    status, out, err = shell('"$@" tegrastats - <&-', *PROGRAM)
    assert (status, out) == (1, b"")
    assert err.startswith(b"error: stdin: no line of tegrastats in it.")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict"])
def test_names_that_stdout_cannot_print_are_printed_with_backslashes(words, tmp_path, encoding):
    folder = os.fsencode(str(tmp_path)) + b"/z\xe4\xc3\xa4"
    words[words.index("-o") + 1] = os.fsdecode(folder)
    environment = dict(os.environ, PYTHONIOENCODING=encoding)
    done = subprocess.run(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=SOON_S
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\nwrote " in done.stdout
    assert b"\\udce4" in done.stdout
    assert os.path.isfile(folder + b"/profile-null-m.json")  # noqa: PTH113, Path takes no bytes


def test_streams_that_somebody_put_there_stay(capsys):
    before = sys.stdin, sys.stdout, sys.stderr
    with streams.whole():
        assert (sys.stdin, sys.stdout, sys.stderr) == before
    assert (sys.stdin, sys.stdout, sys.stderr) == before


LIMITED = """
import resource
from edgeshrink_device import DeviceError
from edgeshrink_device.workers import Worker
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    Worker("m")
except DeviceError as error:
    print(error)
"""


def test_no_room_for_temporary_files_is_told():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=SOON_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("there is no room for temporary files: ")
    assert "TMPDIR=DIR" in done.stdout
