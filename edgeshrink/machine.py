"""What this machine is: a Jetson or another computer, and its plain facts; nothing that identifies it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

__all__ = ["board_model", "l4t_release", "this_machine", "usable_cores"]

ROOT = Path("/")


def this_machine(root: Path = ROOT) -> dict[str, Any]:
    """Facts about this machine; None where one cannot be read.

    Args:
        root: Where `proc/` and `etc/` lie; a test's folder, or `/`.

    Returns:
        `jetson` (bool), `board` (the device tree's name of a Jetson), `l4t` ("32.7.1"), `architecture`,
        `cpu`, `cpu_cores` (those this process may use), `memory_bytes`, `system`, `python`.
    """
    board, l4t = board_model(root), l4t_release(root)
    return {
        "jetson": board is not None or l4t is not None,
        "board": board,
        "l4t": l4t,
        "architecture": platform.machine(),
        "cpu": _first(r"(?m)^model name\s*:\s*(.+)$", root / "proc/cpuinfo"),
        "cpu_cores": usable_cores(),
        "memory_bytes": _memory_bytes(root),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def board_model(root: Path = ROOT) -> str | None:
    """A Jetson's name in the device tree, `NVIDIA Jetson Nano Developer Kit` say; None on anything else."""
    # The second place is where containers mount the first, since Docker mounts nothing from /proc.
    for place in ("proc/device-tree/model", "tmp/nv_jetson_model"):
        model = _read(root / place).strip("\0\n ")
        if "jetson" in model.lower() or "nvidia orin" in model.lower():  # JetPack 5 says it without
            return model
    return None


def l4t_release(root: Path = ROOT) -> str | None:
    """The Jetson Linux release, `32.7.1` say, as /etc/nv_tegra_release has it; None elsewhere."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", _read(root / "etc/nv_tegra_release"))
    return f"{found[1]}.{found[2]}" if found else None


def usable_cores() -> int | None:
    """How many cores this process may use; None where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_bytes(root: Path) -> int | None:
    found = _first(r"(?m)^MemTotal:\s*(\d+) kB", root / "proc/meminfo")
    return int(found) * 1024 if found else None


def _first(pattern: str, path: Path) -> str | None:
    found = re.search(pattern, _read(path))
    return found[1].strip() if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
