"""Runs `edgeshrink inspect` on the files named as arguments, each in a process of its own.

Prints one JSON list: exit status, seconds, and how much memory each took beyond the code that it runs. One
process imports torch and the rest, and is forked for each file.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ENOUGH_S = 60  # what hangs is killed; how long is allowed, the tests say
ENOUGH_BYTES = 8_000_000_000  # beyond what is in use: more would take the machine's other work along


def run(path: str) -> dict[str, Any]:
    """Fork, inspect one file, and tell how it went."""
    with tempfile.TemporaryFile() as told:
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            _inspect(path, told.fileno())
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - start
        told.seek(0)
        before, _, text = told.read().decode(errors="replace").partition("\n")
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "bytes": usage.ru_maxrss * 1024 - int(before),
        "told": text[-3000:],
    }


def _inspect(path: str, output: int) -> None:
    from edgeshrink.cli import main

    signal.alarm(ENOUGH_S)
    used, resident = (int(n) * resource.getpagesize() for n in _statm())
    os.write(output, f"{resident}\n".encode())
    resource.setrlimit(resource.RLIMIT_AS, (used + ENOUGH_BYTES, used + ENOUGH_BYTES))
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 99
    try:
        code = main(["inspect", path])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _statm() -> list[str]:
    """This process's size and resident set, in pages."""
    return Path("/proc/self/statm").read_text().split()[:2]


def _warm_up() -> None:
    """Import what reading any format needs, so that it is counted for none."""
    import onnx
    import safetensors.torch
    import torch
    import torch.export

    import edgeshrink.checkpoint.reading
    import edgeshrink.dendrites
    import edgeshrink.inspection
    import edgeshrink.trace

    with tempfile.TemporaryDirectory() as folder:
        torch.save({"w": torch.ones(2, 2)}, f"{folder}/a.pt")
        safetensors.torch.save_file({"w": torch.ones(2, 2)}, f"{folder}/b.pt")
        onnx.save(onnx.ModelProto(), f"{folder}/c.onnx")
        for name in ("a.pt", "b.pt"):
            edgeshrink.checkpoint.reading.read(f"{folder}/{name}").layers  # noqa: B018


if __name__ == "__main__":
    _warm_up()
    print(json.dumps([run(path) for path in sys.argv[1:]]))
