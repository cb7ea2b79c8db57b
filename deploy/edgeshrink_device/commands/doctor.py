"""`doctor`: whether this machine is ready, what is missing, and the command that mends it."""

import sys

from edgeshrink_device import boards, doctor, program
from edgeshrink_device.files import dumps

__all__ = ["add"]

WORDS = (
    ("build", "build engines"),
    ("profile_gpu", "profile on the GPU"),
    ("profile_cpu", "profile on the CPU"),
    ("energy", "measure energy"),
)
DESCRIPTION = """\
Looks at this machine and changes nothing. Exit status 0 when it can build engines and profile them (on a
machine that is no Jetson: when it can profile on the CPU), 1 otherwise.
"""


def add(subparsers):
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "doctor",
        help="whether this machine is ready, and what is missing",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)


def run(options):
    """Look, print; returns the exit status: 1 where it is not ready."""
    checks, can, reasons, emulated = doctor.examine(_progress)
    _progress()
    jetson = boards.detect()
    ok = can["build"] and can["profile_gpu"] if jetson else can["profile_cpu"]
    if options.json:
        document = {
            "schema_version": 1,
            "ok": ok,
            "emulated": emulated,
            "can": can,
            "why_not": reasons,
            "board": jetson and dict(jetson._asdict()),
            "checks": [dict(check._asdict()) for check in checks],
        }
        print(dumps(document))
    else:
        print("\n".join(_describe(checks, can, reasons, emulated, ok, jetson is not None)))
    return 0 if ok else 1


def _progress(name=None):
    """On a terminal, a line that says what is looked at (TensorRT takes its time), gone without a name."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K{}".format("looking at {}".format(name) if name else ""))
        sys.stderr.flush()


def _describe(checks, can, reasons, emulated, ok, jetson):
    width = max(len(check.name) for check in checks)
    lines = ["EMULATED: parts of this board are simulated", ""] if emulated else []
    for check in checks:
        lines.append("{:<10}  {:<{}}  {}".format(check.status, check.name, width, check.found))
        if check.mend:
            lines.append("{:<10}  {:<{}}  -> {}".format("", "", width, check.mend))
    lines.append("")
    for word, value in (("it can", True), ("it cannot", False)):
        told = [text for key, text in WORDS if can[key] is value]
        if told:
            lines.append("{}: {}".format(word, ", ".join(told)))
    lines += ["cannot {}: {}".format(text, reasons[key]) for key, text in WORDS if key in reasons]
    lines.append(_verdict(checks, ok, jetson))
    if ok:
        lines.append("next: " + program.command("build" if jetson else "profile", "BUNDLE"))
    return lines


def _verdict(checks, ok, jetson):
    if ok:
        return "PASS"
    missing = [check.name for check in checks if check.status == "missing"]
    what = "this board cannot build and profile" if jetson else "this machine cannot profile"
    return "FAIL: {}{}".format(what, "; missing: " + ", ".join(missing) if missing else "")
