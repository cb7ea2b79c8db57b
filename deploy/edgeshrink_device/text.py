"""Figures and tables as text for people."""

__all__ = ["aligned", "megabytes"]


def aligned(rows):
    """Rows of cells (texts, equally many a row) as lines: the first column to the left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def megabytes(value):
    """Bytes in kB or MB of a thousand; None is not known."""
    if value is None:
        return "not known"
    return "{:.1f} kB".format(value / 1e3) if value < 1e6 else "{:.1f} MB".format(value / 1e6)
