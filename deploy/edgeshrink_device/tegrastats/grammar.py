"""The grammar of a tegrastats line, as two regular expressions.

Releases differ in order and in words (L4T R21 to R39), so a line is read token by token and no token's place
means anything. A token is a name and a value; the form of the value is the name of a group below, the name
tells what it is. What fits no form is `other`. Every form must be followed by a space or the end, and the
numbers of a rail carry mW all or not at all: `5297mW/52`, cut short, is no mean of 52 mW.

What the fields mean: NVIDIA, "tegrastats Utility" (Jetson Linux and DRIVE OS developer guides).
"""

import re

__all__ = ["HEAD", "ISO_TIME", "TOKEN"]

# Every sample starts with its RAM, after the time of day on R34 and later. IRAM is another field.
HEAD = re.compile(
    r"(?:(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])-(\d{4}) +((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d) +)?"
    r"\bRAM +(\d{1,9})/(\d{1,9})MB(?: *\(lfb +(\d{1,9})x(\d{1,9})([kM])B\))?(?!\S)",
    re.ASCII,
)

# What loggers write before a line that has no time of its own.
ISO_TIME = re.compile(
    r"\b(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))[ T]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)", re.ASCII
)

_CELSIUS = r"-?\d{1,4}(?:\.\d{1,6})?"
_CLOCK = r"(?:\d{1,9}|\[\d{1,9}(?:, ?\d{1,9})*\])"
_CORE = r"(?:\d{1,3}%(?:@\d{1,9})?|off)"

# The name, then one group for each form of a value; few groups, since each costs time in every match.
TOKEN = re.compile(
    r"([A-Za-z][\w.+-]*)(?:"
    # cpu@52.5C   CV0@-256C   tj@35.906C/35.906C (R39: now and highest)
    r"@(?P<temperature>{celsius}C(?:/{celsius}C)?)"
    r"| +(?:"
    # VDD_IN 4067/4067   VDD_IN 4067mW/4067mW   VIN_SYS_5V0 6667mW/6717mW/6767mW (R39)   VDD_IN 2171mW
    r"(?P<rail>-?\d{{1,9}}(?:/-?\d{{1,9}}){{1,2}}|-?\d{{1,9}}mW(?:/-?\d{{1,9}}mW){{0,2}})"
    # NVDEC off
    r"|(?P<off>off)"
    # VIC 59%@423   GR3D_FREQ 0%   GR3D_FREQ 12%@[1300,1300]   GR3D_FREQ @[314,314,314] (Thor)
    r"|(?P<use>\d{{1,3}}%(?:@{clock})?|@{clock})"
    # APE 174   NVDEC 716   VIC_FREQ 729
    r"|(?P<plain>\d{{1,9}})"
    # CPU [23%@2188,off]   cpu [25%,7%,1%,1%]@2218 (R21)
    r"|(?P<cores>\[{core}(?:, ?{core})*\](?:@\d{{1,9}})?)"
    # SWAP 86/31420MB (cached 0MB)   IRAM 0/252kB(lfb 252kB)
    r"|(?P<memory>\d{{1,9}}/\d{{1,9}}[kM]B(?: *\((?:lfb|cached) +\d{{1,9}}[kM]B\))?)"
    # MTS fg 0% bg 3%   EDP limit 1734 (R24)
    r"|(?P<words>fg +\d{{1,3}}% +bg +\d{{1,3}}%|limit +\d{{1,9}})"
    r"))(?!\S)|(?P<other>\S+)".format(celsius=_CELSIUS, clock=_CLOCK, core=_CORE),
    re.ASCII,
)
