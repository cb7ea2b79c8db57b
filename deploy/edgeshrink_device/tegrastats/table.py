"""Samples as rows of a table: one flat column a number, in an order that does not change from run to run."""

__all__ = ["Columns", "cells"]

SCALARS = (
    "timestamp",
    "ram_used_mb",
    "ram_total_mb",
    "lfb_blocks",
    "lfb_block_mb",
    "swap_used_mb",
    "swap_total_mb",
    "swap_cached_mb",
    "iram_used_kb",
    "iram_total_kb",
    "iram_lfb_kb",
    "emc_percent",
    "emc_mhz",
    "gpu_percent",
    "ape_mhz",
    "edp_limit",
)
GROUPS = 7  # cores, GPU clocks, engines, mts, temperatures, highest temperatures, rails
LAST = ("unread", "error", "line")


def cells(record):
    """The filled cells of a record of `parse_line`.

    Returns:
        (cells of `SCALARS` and `LAST`, one dict of cells for each of the `GROUPS`), each {column: value}. A
        core or an engine that is off has no cells, as one that is missing: JSON tells them apart.
    """
    groups = [{} for _ in range(GROUPS)]
    if "error" in record:
        return {"error": record["error"], "line": _printable(record["line"])}, groups
    cores, clocks, engines, mts, temperatures, highest, rails = groups
    for number, core in enumerate(record["cpu"] or ()):
        _spread(cores, "cpu{}".format(number), core)
    for number, clock in enumerate(record["gpu_mhz"] or ()):
        clocks["gpu{}_mhz".format(number)] = clock
    for name, engine in (record["engines"] or {}).items():
        _spread(engines, name, engine)
    _spread(mts, "mts", record["mts"])
    for zone, value in (record["temps_c"] or {}).items():
        temperatures["temp_{}_c".format(zone)] = value
    for zone, value in (record["temps_max_c"] or {}).items():
        highest["temp_{}_max_c".format(zone)] = value
    for name, rail in (record["rails_mw"] or {}).items():
        for key in ("cur", "avg", "peak"):
            if rail[key] is not None:
                rails["{}_{}_mw".format(name, key)] = rail[key]
    fixed = {key: record[key] for key in SCALARS if record[key] is not None}
    if record["unread"]:
        fixed["unread"] = _printable(" | ".join(record["unread"]))
    return fixed, groups


class Columns:
    """The columns of a table: marks, those of `SCALARS`, what `add` finds group by group, those of `LAST`.

    Args:
        marks: {name: boolean} that every record of this table bears.
    """

    def __init__(self, marks=None):
        self._marks = marks or {}
        self._groups = [{} for _ in range(GROUPS)]

    def add(self, record):
        """Take in what this record has."""
        for known, group in zip(self._groups, cells(record)[1]):
            known.update(dict.fromkeys(group))

    def names(self):
        """All columns in order."""
        return [*self._marks, *SCALARS, *(name for group in self._groups for name in group), *LAST]

    def row(self, record):
        """The record's cells in the order of `names`, "" for none; and which of its columns are not here."""
        fixed, groups = cells(record)
        row = [str(value).lower() for value in self._marks.values()]  # as JSON has them
        row += [fixed.get(name, "") for name in SCALARS]
        extra = []
        for known, group in zip(self._groups, groups):
            row += [group.get(name, "") for name in known]
            extra += [name for name in group if name not in known]
        row += [fixed.get(name, "") for name in LAST]
        return row, extra


def _spread(columns, name, values):
    for key, value in (values or {}).items():
        if value is not None:
            columns["{}_{}".format(name, key)] = value


def _printable(text):
    """ASCII alone: the terminal of a board may know nothing else."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
