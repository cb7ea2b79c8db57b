"""Processes that tests start, in words that Python 3.6 knows: it has neither capture_output nor text."""

import functools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CAPTURED = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}


def run(*words, **options):
    """The finished process, with what it printed as text."""
    return subprocess.run(list(map(str, words)), **dict(CAPTURED, timeout=300, **options))


def start(*words, **options):
    """The process, which prints text into pipes; `options` may lead it elsewhere."""
    return subprocess.Popen(list(map(str, words)), **dict(CAPTURED, **options))


def wait_for(condition, seconds=60):
    """What `condition` gives once that is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid):
    """Ended, or a zombie that only waits for its parent to ask."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@functools.lru_cache(maxsize=1)
def find_python36():
    """The path of a Python 3.6, from EDGESHRINK_PYTHON36, PATH or pyenv; or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    candidates = [os.environ.get("EDGESHRINK_PYTHON36"), shutil.which("python3.6")]
    candidates += map(str, sorted(pyenv.glob("versions/3.6*/bin/python")))
    for candidate in filter(None, candidates):
        if run(candidate, "-c", "import sys; print(sys.version_info[:2])").stdout == "(3, 6)\n":
            return candidate
    return None


def python36():
    """The path of a Python 3.6; where there is none the test is skipped."""
    return find_python36() or pytest.skip("no Python 3.6 found (EDGESHRINK_PYTHON36, PATH, pyenv)")
