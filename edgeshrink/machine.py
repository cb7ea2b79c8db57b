"""What this machine is: a Jetson or another computer, and its plain facts; nothing that identifies it.

What a Jetson is, the device package knows; a folder that stands in for a board counts as one, and says so.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

__all__ = ["board_names", "this_machine", "usable_cores"]


def this_machine() -> dict[str, Any]:
    """Facts about this machine; None where one cannot be read.

    Returns:
        `jetson` (bool), `board` (the device tree's name of a Jetson), `l4t` ("32.7.1"), `jetpack`
        ("4.6.1"), `emulated` (whether a stand-in answered), `architecture`, `cpu`, `cpu_cores` (those this
        process may use), `memory_bytes`, `system`, `python`.
    """
    from edgeshrink_device import boards, memory, sysroot

    board = boards.detect()
    return {
        "jetson": board is not None,
        "board": board and board.model,
        "l4t": board and board.l4t,
        "jetpack": board and board.jetpack,
        "emulated": sysroot.emulated(),
        "architecture": platform.machine(),
        "cpu": _first(r"(?m)^model name\s*:\s*(.+)$", Path(sysroot.path("/proc/cpuinfo"))),
        "cpu_cores": usable_cores(),
        "memory_bytes": memory.pick().device_total(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def board_names() -> tuple[str, ...]:
    """What this Jetson is called: by its device tree, then by its family; none on anything else.

    A TX2's device tree says `quill`, its family is `Jetson TX2`.
    """
    from edgeshrink_device import boards

    board = boards.detect()
    if board is None:
        return ()
    return tuple(name for name in (board.model, board.name) if name) or ("unnamed Jetson",)


def usable_cores() -> int | None:
    """How many cores this process may use; None where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _first(pattern: str, path: Path) -> str | None:
    try:
        found = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found[1].strip() if found else None
