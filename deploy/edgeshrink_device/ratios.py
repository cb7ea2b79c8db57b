"""How much faster models are than those they were measured beside, in figures and in words."""

from edgeshrink_device.stats import ratio_interval
from edgeshrink_device.text import model_name

__all__ = ["pairs", "ratio_lines", "ratios"]


def pairs(profiles):
    """Which profiles are compared: a bundle's model with its own baseline, others with the first of all.

    Returns:
        Pairs of positions in `profiles`, (before, after).
    """
    own = {i for i in range(1, len(profiles)) if _of_one_bundle(profiles[i - 1], profiles[i])}
    return [(i - 1 if i in own else 0, i) for i in range(1, len(profiles)) if i + 1 not in own]


def ratios(profiles):
    """The figures of all `pairs`.

    Returns:
        For each `before` and `after`, the two models' names, `same_shapes`, whether they were fed alike, and
        `ratio`, `ci95`, `method` of `ratio_interval`.
    """
    return [_figures(profiles[before], profiles[after]) for before, after in pairs(profiles)]


def ratio_lines(profiles):
    """A line a pair, and how the intervals were found."""
    found = ratios(profiles)
    lines = [_line(ratio, model_name(profiles[after])) for ratio, (_, after) in zip(found, pairs(profiles))]
    methods = list(dict.fromkeys(ratio["method"] for ratio in found))
    return lines + ["(95% intervals: {})".format("; ".join(methods))] * bool(methods)


def _of_one_bundle(before, after):
    names = [profile["model"]["name"].rpartition("/") for profile in (before, after)]
    same = names[0][:2] == names[1][:2] and names[0][1]
    return bool(same) and (names[0][2], names[1][2]) == ("baseline.onnx", "model.onnx")


def _figures(before, after):
    return dict(
        before=before["model"]["name"],
        after=after["model"]["name"],
        same_shapes=before["model"].get("shapes") == after["model"].get("shapes"),
        **ratio_interval(before, after),
    )


def _line(ratio, after):
    """Faster, slower or neither, in words: a number below 1 is easily read past, and so is an interval."""
    times, (low, high), word = ratio["ratio"], ratio["ci95"], "as fast as"
    unclear = ", no difference that could be told" if low <= 1 <= high else ""
    if times < 1 and not unclear:
        times, (low, high), word = 1 / times, (1 / high, 1 / low), "SLOWER than"
    other = "" if ratio["same_shapes"] else "; their inputs differ in size: this is not the same work"
    return "{} is {:.3f}x {} {}{} (95%: {:.3f} to {:.3f}){}".format(
        after, times, word, ratio["before"], unclear, low, high, other
    )
