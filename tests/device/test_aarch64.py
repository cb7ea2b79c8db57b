"""The .pyz under an aarch64 Python, which qemu's user mode runs from a folder of unpacked Debian packages.

qemu-aarch64-static is taken from PATH or its package; the packages come from this machine's own apt sources
and are unpacked, not installed. Where either cannot be had the tests are skipped.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulated_jetson import roots

from . import processes
from .helpers import QUICK_WORDS, host, write_null

pytestmark = pytest.mark.slow

PACKAGES = ("python3", "python3-numpy", "python3-psutil")
ARCHITECTURE = ("-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64")
LIBRARIES = "usr/lib/aarch64-linux-gnu"
LINE = "RAM 1021/3964MB (lfb 412x4MB) CPU [3%@102,2%@102,off,off] POM_5V_IN 1399/1405\n"

WRAPPER = """#!/bin/sh
exec "{qemu}" -0 "{self}" -L "{root}" -E LD_LIBRARY_PATH="{blas}" -E PYTHONHOME="{root}/usr" \\
    -E PYTHONPATH="{root}/usr/lib/python3/dist-packages" "{python}" "$@"
"""


def apt_get(*words, cwd, **options):
    done = processes.run("apt-get", *words, cwd=str(cwd), **options)
    if done.returncode:
        pytest.skip(f"apt-get {words[-1]} fails: {done.stderr.strip().splitlines()[-1:]}")


def find_qemu(folder):
    found = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if found:
        return found
    folder.mkdir()
    apt_get("download", "qemu-user-static", cwd=folder)
    unpack(folder, folder)
    return folder / "usr/bin/qemu-aarch64-static"


def unpack(packages, root):
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


def fetch_packages(folder):
    """Download PACKAGES and what they need, with lists and a status of their own."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "state/status").touch()
    own = [f"Dir::State={folder / 'state'}", f"Dir::State::status={folder / 'state/status'}"]
    own += [f"Dir::Cache={folder / 'cache'}", "Debug::NoLocking=1", "APT::Sandbox::User="]
    options = [*ARCHITECTURE, *(word for option in own for word in ("-o", option))]
    apt_get(*options, "update", cwd=folder)
    apt_get(*options, "install", "--download-only", "--no-install-recommends", "-y", *PACKAGES, cwd=folder)
    return folder / "cache/archives"


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory):
    """The path of a Python that runs as on an aarch64 board, with numpy and psutil."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("no apt-get and dpkg-deb to have arm64 packages from")
    folder = tmp_path_factory.mktemp("aarch64")
    root, python = folder / "root", folder / "python3"
    root.mkdir()
    unpack(fetch_packages(folder / "packages"), root)
    python.write_text(
        WRAPPER.format(
            qemu=find_qemu(folder / "qemu"),
            self=python,
            root=root,
            blas=f"{root / LIBRARIES / 'blas'}:{root / LIBRARIES / 'lapack'}",
            python=next(root.glob("usr/bin/python3.[0-9]*[0-9]")),
        )
    )
    python.chmod(0o755)
    return python


@pytest.fixture(scope="module")
def pyz(tmp_path_factory):
    path = tmp_path_factory.mktemp("pyz") / "edgeshrink-device.pyz"
    host("edgeshrink.bundle").write_device_package(path)
    return path


def run(aarch64, *words, root=None):
    environment = {"PATH": "/usr/bin:/bin", **({"EDGESHRINK_SYSROOT": str(root)} if root else {})}
    return processes.run(aarch64, *words, env=environment)


def test_it_is_an_aarch64_python(aarch64):
    code = "import os, numpy, psutil; print(os.uname().machine, numpy.ones(3).sum())"
    assert run(aarch64, "-c", code).stdout == "aarch64 3.0\n"


def test_doctor_looks_at_an_emulated_nano(aarch64, pyz, tmp_path):
    roots.write_root(tmp_path / "root", "jetson-nano", "32.7.1")
    done = run(aarch64, pyz, "doctor", "--json", root=tmp_path / "root")
    assert (done.stderr, done.returncode) == ("", 1)  # a board without TensorRT
    document = json.loads(done.stdout)
    checks = {check["name"]: check for check in document["checks"]}
    assert document["emulated"] is True
    assert checks["board"]["found"] == "Jetson Nano (p3448-0000), L4T 32.7.1, JetPack 4.6.1"
    assert (checks["numpy"]["status"], checks["power meter"]["status"]) == ("ok", "ok")
    assert [name for name, check in checks.items() if check["status"] == "missing"] == [
        "TensorRT",
        "trtexec",
        "CUDA",
    ]


def test_tegrastats_lines_are_read(aarch64, pyz, tmp_path):
    (tmp_path / "log").write_text(LINE)
    done = run(aarch64, pyz, "tegrastats", tmp_path / "log")
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout)["rails_mw"]["POM_5V_IN"] == {"cur": 1399, "avg": 1405, "peak": None}


def test_the_null_device_is_profiled(aarch64, pyz, tmp_path):
    model = write_null(Path(tmp_path) / "m.null")
    words = ["profile", model, "--device", "null", "-o", tmp_path / "out.json", *QUICK_WORDS]
    done = run(aarch64, pyz, *words)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "m.null EMULATED" in done.stdout
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["device"]["architecture"] == "aarch64"
    # a device with a clock of its own: 2 ms, slowed by 0 to 4% in turn
    assert 2.0 <= document["latency_ms"]["end_to_end"]["median"] <= 2.08
