"""`edgeshrink doctor`: the device package looks at the machine it runs on."""

from __future__ import annotations

from edgeshrink.cli.shared import device_command

__all__ = ["command"]

command = device_command("doctor")
