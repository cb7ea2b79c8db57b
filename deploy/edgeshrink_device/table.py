"""Profiles as a table for people."""

from edgeshrink_device import program
from edgeshrink_device.stats import ratio_interval
from edgeshrink_device.text import aligned, megabytes

__all__ = ["describe", "ratios"]

HEADINGS = ("model", "median", "95% interval", "p90", "p99", "GPU median", "peak memory", "energy")
GPU = HEADINGS.index("GPU median")


def ratios(profiles):
    """The first profile against each other one.

    Returns:
        `before` and `after`, the two models' names, and `ratio`, `ci95`, `method` of
        `ratio_interval`.
    """
    first = profiles[0]
    return [
        dict(before=first["model"]["name"], after=other["model"]["name"], **ratio_interval(first, other))
        for other in profiles[1:]
    ]


def describe(profiles, paths):
    """All lines to print: a failing parity first, then table, ratios, notes, files, verdict, next command."""
    failed = [profile for profile in profiles if profile["parity"] and not profile["parity"]["ok"]]
    lines = ["FAIL {}: {}".format(_name(p), p["parity"]["reason"]) for p in failed]
    lines += ["", *_table(profiles), ""] if lines else [*_table(profiles), ""]
    lines += [_ratio_line(ratio, profiles) for ratio in ratios(profiles)]
    lines += [*_notes(profiles), ""]
    lines += ["wrote {}".format(path) for path in paths]
    lines.append("FAIL: outputs differ from the samples" if failed else _passed(profiles))
    lines.append("next: {}".format(_next(paths)))
    return lines


def _table(profiles):
    rows = [HEADINGS] + [_row(profile) for profile in profiles]
    if not any(profile["latency_ms"]["gpu"] for profile in profiles):
        rows = [row[:GPU] + row[GPU + 1 :] for row in rows]
    return aligned(rows)


def _row(profile):
    latency, energy = profile["latency_ms"]["end_to_end"], profile["energy_mj"]
    gpu = profile["latency_ms"]["gpu"]
    return (
        _name(profile),
        _milliseconds(latency["median"]),
        "{} to {}".format(*(_number(value) for value in latency["ci95"])),
        _milliseconds(latency["p90"]),
        _milliseconds(latency["p99"]),
        _milliseconds(gpu["median"]) if gpu else "not measured",
        megabytes(profile["memory_bytes"]["process_peak"]),
        "{} mJ".format(_number(energy["total"]["mean"])) if energy else "not measured",
    )


def _ratio_line(ratio, profiles):
    """Faster, slower or neither, in words: a number below 1 is easily read past, and so is an interval."""
    times, (low, high), word = ratio["ratio"], ratio["ci95"], "as fast as"
    unclear = ", no difference that could be told" if low <= 1 <= high else ""
    if times < 1 and not unclear:
        times, (low, high), word = 1 / times, (1 / high, 1 / low), "SLOWER than"
    if any(profile["emulated"] for profile in profiles):
        word = "EMULATED " + word
    return "{} is {:.3f}x {} {}{} (95%: {:.3f} to {:.3f}, {})".format(
        ratio["after"], times, word, ratio["before"], unclear, low, high, ratio["method"]
    )


def _notes(profiles):
    """What holds for the measurement as a whole, each said once."""
    device = profiles[0]["device"]
    threads = device["threads"]
    notes = [
        "on {}, {} thread{}, {}".format(
            device["name"], threads, "" if threads == 1 else "s", _versions(device)
        )
    ]
    for profile in profiles:
        if profile["model"].get("engine"):
            notes.append(_engine(profile))
        if profile["energy_reason"]:
            notes.append("energy not measured: {}".format(profile["energy_reason"]))
        else:
            notes += [_above_idle(profile), _meter(profile["energy_mj"])]
        if profile["parity"] and profile["parity"]["ok"]:
            notes.append("parity: {}".format(_parity(profile)))
        elif not profile["parity"]:
            notes.append("parity not checked: {}".format(profile["parity_reason"]))
        notes += ["warning: " + warning for warning in profile["warnings"]]
    return list(dict.fromkeys(notes))


def _name(profile):
    """Wherever a figure stands, so does the word."""
    return profile["model"]["name"] + (" EMULATED" if profile["emulated"] else "")


def _engine(profile):
    model, memory = profile["model"], profile["memory_bytes"]
    context = "" if memory["context"] is None else ", {} to run".format(megabytes(memory["context"]))
    return "{}: engine of {}{}, {}, through {}{}".format(
        _name(profile),
        megabytes(memory["engine"]),
        context,
        model["precision"],
        profile["device"]["through"],
        ", as a CUDA graph" if profile["device"]["cuda_graph"] else "",
    )


def _above_idle(profile):
    name, energy = _name(profile), profile["energy_mj"]
    if energy["above_idle"] is None:
        return "{}: energy above idle not told: {}".format(name, energy["above_idle_reason"])
    return "{}: {} mJ above idle (95%: {} to {}), {} W while it runs".format(
        name,
        _number(energy["above_idle"]["mean"]),
        *(_number(value) for value in energy["above_idle"]["ci95"] + [energy["mean_power_w"]]),
    )


def _meter(energy):
    return "power: {} reads {}: {}".format(energy["source"], " + ".join(energy["rails"]), energy["covers"])


def _parity(profile):
    parity = profile["parity"]
    return "{} gives the expected outputs on {} samples (largest difference {:.2g})".format(
        _name(profile), parity["samples"], parity["max_abs_error"]
    )


def _versions(device):
    software = device["software"]
    return ", ".join("{} {}".format(name, software[name]) for name in sorted(software) if software[name])


def _passed(profiles):
    return "PASS" if any(profile["parity"] for profile in profiles) else "PASS (measured; parity not checked)"


def _next(paths):
    return program.comparing(paths[0], paths[1] if len(paths) > 1 else "ANOTHER.profile.json")


def _milliseconds(value):
    return "{} ms".format(_number(value))


def _number(value):
    return "{:.4g}".format(value) if value < 1000 else "{:.0f}".format(value)
