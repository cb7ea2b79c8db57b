"""Lines of a binary file, one at a time, however long they claim to be."""

from edgeshrink_device.tegrastats.parser import LONGEST_LINE, parse_line

__all__ = ["read_lines", "read_records"]


def read_lines(file):
    """Yield the lines of a binary file as text, each as soon as it is there; blank ones are left out.

    A line longer than a line of tegrastats can be is given cut (and `parse_line` then refuses it), so that a
    file without line ends does not fill the memory.

    Yields:
        The text, and whether the line has its end: the last one of a log that was cut off has none.
    """
    while True:
        raw = file.readline(LONGEST_LINE + 2)
        if not raw:
            return
        whole = raw.endswith(b"\n")
        if not whole and len(raw) > LONGEST_LINE:
            whole = _skip_rest(file)
        if raw.strip():
            yield raw.decode("utf-8", "replace"), whole


def read_records(file):
    """Yield the `parse_line` of every line of a binary file that is not blank."""
    for text, _ in read_lines(file):
        yield parse_line(text)


def _skip_rest(file):
    while True:
        raw = file.readline(LONGEST_LINE)
        if not raw or raw.endswith(b"\n"):
            return bool(raw)
