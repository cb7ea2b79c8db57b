"""A whole emulated board: a root, its programs, TensorRT, CUDA and the environment that leads to them."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import roots

HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / "deploy"

# TensorRT: (the board that has it, L4T, CUDA as cudaRuntimeGetVersion says it)
RELEASES = {
    "8.2": ("jetson-nano", "32.7.1", 10020),
    "8.6": ("jetson-orin-nano", "36.2.0", 12020),
    "10.3": ("jetson-orin-nano", "36.4.3", 12060),
    "10.16": ("jetson-agx-thor", "38.4.0", 13000),
    "11.4": ("jetson-agx-thor", "39.0.0", 13000),
}
PLACES = {
    "trtexec": "usr/src/tensorrt/bin",
    "tegrastats": "usr/bin",
    "nvpmodel": "usr/sbin",
    "jetson_clocks": "usr/bin",
}
CUDA_FOLDER = "usr/local/cuda/lib64"


class Board:
    """What `board` made.

    `root` is the folder that stands for /, `environment` what a process on the board has in os.environ.
    """

    def __init__(self, root, environment):
        self.root, self.environment = root, environment

    def run(self, *words, python=None, timeout=120, **changes):
        """Run `python WORDS` on the board; `changes` are further variables."""
        return subprocess.run(
            [str(python or sys.executable), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=timeout,
            env=dict(self.environment, **{name: str(value) for name, value in changes.items()}),
        )

    def device(self, *words, **options):
        """Run `python3 -m edgeshrink_device WORDS` on the board."""
        return self.run("-m", "edgeshrink_device", *words, **options)

    def use(self, monkeypatch):
        """Let this very process be on the board, for variables and importing, until the test ends."""
        for name in self.environment:
            if os.environ.get(name) != self.environment[name]:
                monkeypatch.setenv(name, self.environment[name])
        for name in ("tensorrt", "pycuda", "pycuda.driver", "pycuda.autoinit", "pycuda.autoprimaryctx"):
            monkeypatch.setitem(sys.modules, name, None)  # so that it is forgotten when the test ends, too
            del sys.modules[name]
        for folder in self.environment["PYTHONPATH"].split(os.pathsep):
            monkeypatch.syspath_prepend(folder)


def board(tmp_path, kind=None, tensorrt="8.2", pycuda=False, cudart=True, programs=None, **variables):
    """An emulated board under `tmp_path`, idle, with clocks that follow the load.

    Args:
        tmp_path: An empty folder.
        kind: A key of roots.KINDS ("jetson-nano"); unless given, a board that has this TensorRT.
        tensorrt: "8.2", "8.6", "10.3", "10.16", "11.4"; None for 8.2 without its Python module.
        pycuda: Whether PyCUDA is installed.
        cudart: Whether libcudart is there; without a C compiler the test is skipped.
        programs: Which of PLACES are there; all unless given.
        variables: Further variables, EMULATED_... (faults.py, libcudart.c, programs/*.py).
    """
    usual, l4t, cuda = RELEASES[tensorrt or "8.2"]
    kind = kind or usual
    root = tmp_path / "root"
    roots.write_root(root, kind, l4t)
    trace = tmp_path / "tegrastats.json"
    trace.write_text(json.dumps(roots.idle_trace(kind, l4t)))
    for program in PLACES if programs is None else programs:
        write_program(root / PLACES[program] / program, program)
    environment = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    environment.update(
        EDGESHRINK_SYSROOT=str(root),
        PATH=os.pathsep.join([str(root / "usr/bin"), str(root / "usr/sbin"), "/usr/bin", "/bin"]),
        PYTHONPATH=os.pathsep.join(map(str, python_path(tensorrt, pycuda))),
        PYTHONDONTWRITEBYTECODE="1",
        EMULATED_GPU=roots.KINDS[kind].gpu,
        EMULATED_GPU_SM=roots.KINDS[kind].sm,
        EMULATED_TOTAL_BYTES=str(roots.memory_bytes(kind)),
        EMULATED_TENSORRT=tensorrt or "8.2",
        EMULATED_CUDA_VERSION=str(cuda),
        EMULATED_TEGRASTATS_TRACE=str(trace),
    )
    if cudart:
        library = put_libcudart(root / CUDA_FOLDER)
        environment.update(LD_LIBRARY_PATH=str(library.parent), EMULATED_LIBCUDART=str(library))
    environment.update({name: str(value) for name, value in variables.items()})
    return Board(root, environment)


def python_path(tensorrt, pycuda):
    folders = [DEPLOY]
    if tensorrt:
        folders.append(HERE / "python")
    if pycuda:
        folders.append(HERE / "python_pycuda")
    return folders


def write_program(path, name):
    """A program of that name, which is a script of the folder programs under this process's Python.

    The mark in it is what `sysroot.is_stand_in` looks for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    script = HERE / "programs" / (name + ".py")
    path.write_text(f'#!/bin/sh\n# edgeshrink_emulated\nexec "{sys.executable}" "{script}" "$@"\n')
    path.chmod(0o755)


def put_libcudart(folder):
    """Put libcudart.so and what links to it into `folder`; its path."""
    folder.mkdir(parents=True)
    library = folder / "libcudart.so"
    shutil.copy(str(compile_libcudart()), str(library))
    for version in ("10.2", "11.0", "12", "13"):
        (folder / ("libcudart.so." + version)).symlink_to("libcudart.so")
    return library


@functools.lru_cache(maxsize=1)
def compile_libcudart():
    """The compiled stand-in of libcudart, made once a process; without a C compiler the test is skipped."""
    import atexit
    import tempfile

    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) for the stand-in of libcudart")
    folder = Path(tempfile.mkdtemp(prefix="libcudart"))
    atexit.register(shutil.rmtree, str(folder), True)
    made = folder / "libcudart.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra"]
    subprocess.run([compiler, *flags, "-o", str(made), str(HERE / "libcudart.c"), "-lpthread"], check=True)
    return made
