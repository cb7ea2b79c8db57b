"""`edgeshrink build`: the device package's own builder, the very code that runs on a board."""

from __future__ import annotations

from edgeshrink.cli.shared import device_command

__all__ = ["command"]

command = device_command("build")
