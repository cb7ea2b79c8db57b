"""A whole emulated board: a root, its programs, TensorRT, CUDA and the environment that leads to them."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / "deploy"

# kind: (the GPU's name as CUDA gives it, compute capability, bytes of memory)
GPUS = {
    "jetson-nano": ("NVIDIA Tegra X1", "5.3", 4156030976),
    "jetson-nano-2gb": ("NVIDIA Tegra X1", "5.3", 2075262976),
    "jetson-tx2": ("NVIDIA Tegra X2", "6.2", 8235577344),
    "jetson-xavier-nx": ("Xavier", "7.2", 8148746240),
    "jetson-agx-xavier": ("Xavier", "7.2", 33465196544),
    "jetson-orin-nano": ("Orin", "8.7", 7990140928),
    "jetson-orin-nx": ("Orin", "8.7", 16337092608),
    "jetson-agx-orin": ("Orin", "8.7", 64313720832),
    "jetson-agx-thor": ("NVIDIA Thor", "11.0", 131881164800),
}
CUDA_VERSIONS = {"8.2": 10020, "8.6": 11040, "10.3": 12060, "10.16": 13000, "11.4": 13000}
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
            capture_output=True,
            text=True,
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
        for folder in self.environment["PYTHONPATH"].split(os.pathsep):
            monkeypatch.syspath_prepend(folder)


def board(
    tmp_path,
    kind="jetson-nano",
    tensorrt="8.2",
    pycuda=False,
    cudart=True,
    programs=tuple(PLACES),
    **variables,
):
    """An emulated board under `tmp_path`.

    Args:
        tmp_path: An empty folder.
        kind: A key of GPUS.
        tensorrt: "8.2", "8.6", "10.3", "10.16", "11.4"; None for a board without its Python module.
        pycuda: Whether PyCUDA is installed.
        cudart: Whether libcudart is there; without a C compiler the test is skipped.
        programs: Which programs are there.
        variables: Further variables, EMULATED_... (faults.py, libcudart.c, programs/*.py).
    """
    root = tmp_path / "root"
    root.mkdir()
    fill_root(root, kind)
    for program in programs:
        write_program(root / PLACES[program] / program, program)
    gpu, sm, memory = GPUS[kind]
    environment = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    environment.update(
        EDGESHRINK_SYSROOT=str(root),
        PATH=os.pathsep.join([str(root / "usr/bin"), str(root / "usr/sbin"), "/usr/bin", "/bin"]),
        PYTHONPATH=os.pathsep.join(map(str, python_path(tensorrt, pycuda))),
        PYTHONDONTWRITEBYTECODE="1",
        EMULATED_GPU=gpu,
        EMULATED_GPU_SM=sm,
        EMULATED_TOTAL_BYTES=str(memory),
        EMULATED_TENSORRT=tensorrt or "8.2",
        EMULATED_CUDA_VERSION=str(CUDA_VERSIONS[tensorrt or "8.2"]),
    )
    if cudart:
        library = put_libcudart(root / CUDA_FOLDER)
        environment.update(LD_LIBRARY_PATH=str(library.parent), EMULATED_LIBCUDART=str(library))
    environment.update({name: str(value) for name, value in variables.items()})
    return Board(root, environment)


def fill_root(root, kind):
    """/proc, /sys and /etc of the board."""
    from . import sysfs

    sysfs.write_board(root, kind)


def python_path(tensorrt, pycuda):
    folders = [DEPLOY]
    if tensorrt:
        folders.append(HERE / "python")
    if pycuda:
        folders.append(HERE / "python_pycuda")
    return folders


def write_program(path, name):
    """A program of that name, which is a script of the folder programs under this process's Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    script = HERE / "programs" / (name + ".py")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
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
    words = [
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        made,
        HERE / "libcudart.c",
        "-lpthread",
    ]
    subprocess.run([compiler, *map(str, words)], check=True)
    return made
