"""The layers that an engine spends most of its time in, as a table for people; profile.json has them all."""

from edgeshrink_device.text import aligned

__all__ = ["slowest_layers"]

SHOWN = 8
WIDTHS = (52, 34)  # characters of layer and module: TensorRT joins the names of all nodes that it fused


def slowest_layers(layers, shown=SHOWN):
    """Lines: a heading, the slowest layers, slowest first, and what the others take together.

    Args:
        layers: A profile's `layers`.
        shown: How many get a line of their own.
    """
    order = sorted(layers, key=lambda layer: layer["mean_ms"], reverse=True)
    rest = order[shown:]
    rows = [("layer", "module", "mean", "share")] + [_row(layer) for layer in order[:shown]]
    if rest:
        shares = [layer["share"] for layer in rest]
        share = None if None in shares else sum(shares)
        mean_ms = sum(layer["mean_ms"] for layer in rest)
        rows.append(("and {} more together".format(len(rest)), "", _milliseconds(mean_ms), _percent(share)))
    if not any(layer["module"] for layer in layers):
        rows = [row[:1] + row[2:] for row in rows]
    return aligned(rows)


def _row(layer):
    return (
        _short(layer["name"], WIDTHS[0]),
        _short(layer["module"] or "not told", WIDTHS[1]),
        _milliseconds(layer["mean_ms"]),
        _percent(layer["share"]),
    )


def _short(name, width):
    """Both ends of a long name: the first node it is made of, and the last."""
    if len(name) <= width:
        return name
    head = (width - 3) // 2
    return name[:head] + "..." + name[len(name) - (width - 3 - head) :]


def _milliseconds(value):
    return "{:.4f} ms".format(value)


def _percent(share):
    return "not known" if share is None else "{:.1%}".format(share)
