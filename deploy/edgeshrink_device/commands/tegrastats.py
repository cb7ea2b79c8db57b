"""`tegrastats`: a log, another program's output or the board's own tegrastats as JSON lines or CSV."""

import csv
import json
import os
import stat
import sys

from edgeshrink_device import sysroot
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.tegrastats.lines import read_lines
from edgeshrink_device.tegrastats.parser import parse_line
from edgeshrink_device.tegrastats.table import Columns

__all__ = ["add"]

INTERRUPTED = 130
FASTEST_MS, USUAL_MS, SLOWEST_MS = 10, 1000, 24 * 3600 * 1000
GIVE_A_LOG = "Give a log of tegrastats, or - to read what another program prints."

DESCRIPTION = """\
Reads tegrastats lines of any Jetson release and prints one JSON object a line, or CSV. What a line does not
tell is null (an empty cell in CSV), never 0; a line that cannot be read becomes {"error": ..., "line": ...}.
"""
EPILOG = """\
Without FILE stdin is read where it is a pipe or a file; else, and always with --interval, the board's own
tegrastats is run until Ctrl-C. A socket counts as neither: it is what ssh gives a command, and mostly silent;
there, name - to read it.

What the board's own prints has "emulated", true where a stand-in printed it. The second number of a rail,
"avg", is the mean since that tegrastats started; add up "cur". CSV of a file has the columns of all its
lines; CSV of a stream has those of its first sample, and what does not fit them is said on stderr.
"""


def add(subparsers):
    """Add the command and its options."""
    parser = subparsers.add_parser(
        "tegrastats",
        help="turn tegrastats lines into JSON or CSV",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
    )
    add_option = parser.add_argument
    add_option("file", nargs="?", metavar="FILE|-", help="a log, or - for stdin; without, see below")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line (as without this option)")
    form.add_argument("--csv", action="store_true", help="comma-separated values with a header")
    add_option("--interval", type=int, metavar="MS", help="of this board's tegrastats ({})".format(USUAL_MS))
    add_option("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)


def run(options):
    """Print every line; returns 0, 1 when not one line could be read, 130 after Ctrl-C."""
    source = _source(options)
    counts = {"read": 0, "unreadable": 0}
    try:
        with source:
            records = _counted(source, counts)
            if options.csv:
                _print_csv(source, records)
            else:
                _print_json(source, records)
    except KeyboardInterrupt:
        _summarize(source, counts)
        return INTERRUPTED
    _summarize(source, counts)
    if counts["read"]:
        return 0
    raise DeviceError(
        "{}: no line of tegrastats in it".format(source.name),
        "" if counts["unreadable"] else _of_nothing(options),
    )


def _of_nothing(options):
    """What to say of an empty input; cron and the like give such a pipe that nobody asked for."""
    if options.file is not None:
        return "It is empty."
    return "It is empty. For this board's own tegrastats add --interval {}.".format(USUAL_MS)


def _source(options):
    if options.file is None and (options.interval is not None or not _is_fed()):
        return _Board(USUAL_MS if options.interval is None else options.interval)
    if options.file is None:
        _note("reading stdin; --interval {} reads this board's tegrastats".format(USUAL_MS))
        return _File("-")
    if options.interval is not None:
        raise InputError(
            "--interval is that of this board's tegrastats, not of {}".format(options.file),
            "Leave out --interval, or FILE.",
        )
    return _File(options.file)


def _is_fed():
    """Whether stdin is a pipe or a file, which someone put there; /dev/null and terminals are neither.

    ripgrep decides alike, but counts sockets. sshd gives a command without a terminal a socket (session.c,
    do_exec_no_pty), on which nothing comes unless the user pipes into ssh.
    """
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # there is no stdin, or it is closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


class _File:
    """Lines of a file or of stdin.

    Attributes:
        name: For messages.
        live: Whether lines come as they are written: each is then passed on at once.
        marks: What is added to each record: nothing, since who printed the lines is not known.
    """

    marks = ()

    def __init__(self, path):
        self.name = "stdin" if path == "-" else path
        try:
            self._file = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115, __exit__
        except OSError as error:
            raise InputError(
                "{}: cannot be read: {}".format(path, error.strerror),
                GIVE_A_LOG,
            ) from error
        self._mine = path != "-"
        self.live = not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._start = None if self.live else self._file.tell()
        self._end = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._mine:
            self._file.close()

    def lines(self):
        """Yield the lines; a second time from the start, and then no further than the first time."""
        if self._end is not None:
            self._file.seek(self._start)
        whole = True
        try:
            for text, whole in read_lines(self._file):  # noqa: B007, used after the loop
                yield text
                if self._end is not None and self._file.tell() >= self._end:
                    return
        except OSError as error:
            raise DeviceError("{}: cannot be read: {}".format(self.name, error.strerror)) from error
        if not self.live:
            self._end = self._file.tell()
        if not whole:
            _note("the last line of {} has no end: its last number may be cut short".format(self.name))


class _Board:
    """Lines of the tegrastats of this board, or of what stands in for it, which `marks` tell."""

    live = True

    def __init__(self, interval_ms):
        from edgeshrink_device.tegrastats.process import Process, find

        if not FASTEST_MS <= interval_ms <= SLOWEST_MS:
            raise InputError(
                "--interval {}: tegrastats takes whole milliseconds from {}".format(interval_ms, FASTEST_MS),
                "Below 100 the meters repeat their values; {} is a day.".format(SLOWEST_MS),
            )
        path = find()
        if path is None:
            raise InputError(_nothing_to_run(), GIVE_A_LOG)
        self.name = path
        self.marks = (("emulated", sysroot.is_stand_in(path)),)
        self._process = Process(path, interval_ms)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self._process.stop()

    def lines(self):
        """Yield lines until tegrastats ends, which is an error."""
        while True:
            yield self._process.readline()


def _nothing_to_run():
    from edgeshrink_device import boards

    missing = "no tegrastats in /usr/bin, the home folder or PATH"
    if boards.detect() is None:
        return missing + ": this is no Jetson"
    return missing + "; a container shows the board's own only where /usr/bin/tegrastats is mounted into it"


def _counted(source, counts):
    for text in source.lines():
        record = parse_line(text)
        counts["unreadable" if "error" in record else "read"] += 1
        record.update(source.marks)
        yield record


def _print_json(source, records):
    encode, write = json.JSONEncoder(check_circular=False).encode, sys.stdout.write
    for record in records:
        write(encode(record) + "\n")
        if source.live:
            sys.stdout.flush()


def _print_csv(source, records):
    columns = Columns(dict(source.marks))
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    if source.live:
        records = _after_first_sample(records, columns)
    else:
        for text in source.lines():
            columns.add(parse_line(text))
    told = set()
    header = False
    for record in records:
        if not header:
            write(columns.names())
            header = True
        row, extra = columns.row(record)
        write(row)
        if source.live:
            sys.stdout.flush()
        for name in extra:
            if name not in told:
                told.add(name)
                _note("{} was not in the first sample and has no column (JSON has it)".format(name))


def _after_first_sample(records, columns):
    """The records from the first sample on, whose columns are taken; what comes before is told."""
    for record in records:
        if "error" not in record:
            columns.add(record)
            yield record
            break
        _note("before the first sample: {}: {!a}".format(record["error"], record["line"][:200]))
    for record in records:
        yield record


def _summarize(source, counts):
    if sys.stderr.isatty():
        lines = counts["read"] + counts["unreadable"]
        _note("{}: {} lines, {} of them not readable".format(source.name, lines, counts["unreadable"]))


def _note(text):
    sys.stderr.write("note: {}\n".format(text))
