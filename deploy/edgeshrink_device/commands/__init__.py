"""The commands: one module each with `add(subparsers)`, listed here in the order of the help."""

from edgeshrink_device.commands import build, doctor, profile, tegrastats

__all__ = ["COMMANDS"]

COMMANDS = (doctor, build, profile, tegrastats)
