"""Figures and tables as text for people."""

__all__ = ["aligned", "interval", "megabytes", "model_name", "number", "sizes", "told_once"]


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


def number(value):
    """Four digits, and never a power of ten where there are thousands of milliseconds."""
    return "{:.4g}".format(value) if value < 1000 else "{:.0f}".format(value)


def interval(ends):
    """The two ends of an interval."""
    return "{} to {}".format(*map(number, ends))


def sizes(shapes):
    """{input: sizes} as they are typed: "x 1x3x32x32, y 1x4"."""
    return ", ".join("{} {}".format(name, "x".join(map(str, shapes[name])) or "scalar") for name in shapes)


def model_name(profile):
    """What a profile's model is called; wherever a figure stands, so does the word."""
    return profile["model"]["name"] + (" EMULATED" if profile["emulated"] else "")


def told_once(told):
    """Each text once, with those that it holds for.

    Args:
        told: (name, texts) of each thing that something is told of.

    Returns:
        (names, text) in order; names: "a, b", empty where the text holds for all.
    """
    found = []
    for text in dict.fromkeys(text for _, texts in told for text in texts):
        names = [name for name, texts in told if text in texts]
        found.append(("" if len(names) == len(told) else ", ".join(names), text))
    return found
