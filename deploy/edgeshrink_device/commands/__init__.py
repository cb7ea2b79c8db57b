"""The commands: one module each with `add(subparsers)`, listed here in the order of the help."""

from edgeshrink_device.commands import build, profile, tegrastats

__all__ = ["COMMANDS"]

COMMANDS = (build, profile, tegrastats)
