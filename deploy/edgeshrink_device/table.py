"""Profiles as a table for people."""

from edgeshrink_device import program
from edgeshrink_device.layers_table import slowest_layers
from edgeshrink_device.notes import notes
from edgeshrink_device.ratios import pairs, ratio_lines
from edgeshrink_device.text import aligned, interval, megabytes, model_name, number

__all__ = ["describe"]

HEADINGS = ("model", "median", "95% interval", "p90", "p99", "GPU median", "peak memory")
GPU = HEADINGS.index("GPU median")
ENERGY = ("energy per inference", "in all", "95% interval", "above idle", "95% interval", "power")
COARSER = ("fp16", "int8")


def describe(profiles, paths):
    """All lines to print: a failing parity first; tables, ratios, notes, files; verdict and next command.

    Without `paths` nothing was written, and there is nothing to go on with.
    """
    failed = [profile for profile in profiles if profile["parity"] and not profile["parity"]["ok"]]
    lines = ["FAIL {}: {}".format(model_name(p), p["parity"]["reason"]) for p in failed]
    lines += ["", *_times(profiles), ""] if lines else [*_times(profiles), ""]
    lines += ratio_lines(profiles)
    lines += _energies(profiles)
    lines += [*notes(profiles), ""]
    lines += [line for profile in profiles if profile["layers"] for line in _layers(profile)]
    lines += ["wrote {}".format(path) for path in paths]
    return lines + (_failed(failed) if failed else _passed(profiles, paths))


def _times(profiles):
    rows = [HEADINGS] + [_row(profile) for profile in profiles]
    if not any(profile["latency_ms"]["gpu"] for profile in profiles):
        rows = [row[:GPU] + row[GPU + 1 :] for row in rows]
    return aligned(rows)


def _row(profile):
    latency, gpu = profile["latency_ms"]["end_to_end"], profile["latency_ms"]["gpu"]
    return (
        model_name(profile),
        _milliseconds(latency["median"]),
        interval(latency["ci95"]),
        _milliseconds(latency["p90"]),
        _milliseconds(latency["p99"]),
        _milliseconds(gpu["median"]) if gpu else "not measured",
        megabytes(profile["memory_bytes"]["process_peak"]),
    )


def _energies(profiles):
    """A table where any was measured; for what was not, the notes have the reason."""
    if not any(profile["energy_mj"] for profile in profiles):
        return []
    return ["", *aligned([ENERGY] + [_energy_row(profile) for profile in profiles]), ""]


def _energy_row(profile):
    energy = profile["energy_mj"]
    if energy is None:
        return (model_name(profile), "not measured", "", "not measured", "", "not measured")
    above = energy["above_idle"]
    return (
        model_name(profile),
        "{} mJ".format(number(energy["total"]["mean"])),
        interval(energy["total"]["ci95"]),
        "{} mJ".format(number(above["mean"])) if above else "not told",
        interval(above["ci95"]) if above else "",
        "{} W".format(number(energy["mean_power_w"])),
    )


def _layers(profile):
    heading = "slowest layers of {} ({})".format(model_name(profile), profile["layers_method"])
    return [heading, *slowest_layers(profile["layers"]), ""]


def _failed(profiles):
    """What to try, where the precision may be the cause; nothing more is worth comparing."""
    coarse = sorted({p["model"]["precision"] for p in profiles} & set(COARSER))
    lines = ["FAIL: outputs differ from the samples"]
    if coarse:
        words = " and ".join(each.upper() for each in coarse)
        lines.append("next: add --precision fp32: if that passes, {} is too coarse for it".format(words))
    return lines


def _passed(profiles, paths):
    checked = any(profile["parity"] for profile in profiles)
    verdict = "PASS" if checked else "PASS (measured; parity not checked)"
    if not paths:
        return [verdict]
    another = "profile-{}-ANOTHER.json".format(profiles[0]["device"]["runner"])
    both = [(paths[before], paths[after]) for before, after in pairs(profiles)] or [(paths[0], another)]
    return [verdict, *("next: {}".format(program.comparing(*each)) for each in both)]


def _milliseconds(value):
    return "{} ms".format(number(value))
