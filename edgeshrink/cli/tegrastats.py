"""`edgeshrink tegrastats`: the device package's own reader of tegrastats' lines."""

from __future__ import annotations

from edgeshrink.cli.shared import device_command

__all__ = ["command"]

command = device_command("tegrastats")
