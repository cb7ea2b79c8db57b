"""tegrastats, the status line of every Jetson: one parser for all releases, and a running tegrastats to read.

`parse_line` turns a line into a dict, `read_records` a file of lines, `columns` a dict into a row of a table,
and `process` runs the board's own tegrastats.
"""

from edgeshrink_device.tegrastats.lines import read_records
from edgeshrink_device.tegrastats.parser import parse_line

__all__ = ["parse_line", "read_records"]
