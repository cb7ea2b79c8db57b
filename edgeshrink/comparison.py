"""Two profiles side by side. A ratio above 1 always means that the second is better."""

from __future__ import annotations

from math import exp, hypot, log
from typing import Any

from edgeshrink.errors import InputError
from edgeshrink.stored_profile import Profile

__all__ = ["compare"]

_CONDITIONS = (
    *("name", "cores_usable", "governor", "power_mode", "clocks_locked", "runner", "through", "cuda_graph"),
    *("threads", "software"),
)


def compare(before: Profile, after: Profile) -> dict[str, Any]:
    """Compare two profiles.

    Returns:
        `models` (both), `emulated` (whether any figure comes from a simulated board), `rows` (each with
        `figure`, `unit`, `before`, `after`, `ratio` before / after and its `ci95`; what was not measured is
        None, with a `reason`), `method` of the latencies' intervals, `other_machine` (whether they were
        measured on two), and `warnings`.

    Raises:
        InputError: A profile holds no times.
    """
    from edgeshrink_device import InputError as DeviceInputError
    from edgeshrink_device import stats

    try:
        latency = stats.ratio_interval(before, after)
    except DeviceInputError as error:
        raise InputError(error.message, error.hint) from error
    return {
        "models": {"before": before["model"], "after": after["model"]},
        "emulated": bool(before["emulated"] or after["emulated"]),
        "rows": [
            *_latency_rows(before, after, latency),
            *_gpu_rows(before, after),
            *_memory_rows(before, after),
            *_energy_rows(before, after),
        ],
        "method": latency["method"],
        "other_machine": before["device"]["name"] != after["device"]["name"],
        "warnings": _warnings(before, after),
    }


def _row(figure: str, unit: str, before: float | None, after: float | None, **extra: Any) -> dict[str, Any]:
    ratio = before / after if before is not None and after else None
    return {
        "figure": figure,
        "unit": unit,
        "before": before,
        "after": after,
        "ratio": ratio,
        "ci95": None,
        **extra,
    }


def _latency_rows(before: Profile, after: Profile, ratio: dict[str, Any]) -> list[dict[str, Any]]:
    a, b = before["latency_ms"]["end_to_end"], after["latency_ms"]["end_to_end"]
    first = _row("median latency", "ms", a["median"], b["median"], ci95=ratio["ci95"])
    return [first, *(_tail_row(f"{key} latency", a[key], b[key]) for key in ("p90", "p99"))]


def _gpu_rows(before: Profile, after: Profile) -> list[dict[str, Any]]:
    """The GPU's own time, where both were measured on one."""
    from edgeshrink_device import stats

    times = [profile["latency_ms"].get("gpu") for profile in (before, after)]
    if None in times:
        return []
    ci95 = stats.ratio_interval(before, after, clock="gpu")["ci95"]
    return [_row("median GPU time", "ms", *(each["median"] for each in times), ci95=ci95)]


def _tail_row(figure: str, before: float, after: float) -> dict[str, Any]:
    """A tail percentile; no ratio, because one disturbed run more or less makes it what it likes."""
    return {"figure": figure, "unit": "ms", "before": before, "after": after, "ratio": None, "ci95": None}


def _memory_rows(before: Profile, after: Profile) -> list[dict[str, Any]]:
    a, b = before["memory_bytes"], after["memory_bytes"]
    rows = [_row("model file", "bytes", before["model"].get("bytes"), after["model"].get("bytes"))]
    if None not in (a.get("engine"), b.get("engine")):
        rows.append(_row("engine", "bytes", a["engine"], b["engine"]))
    titles = {"process_peak": "peak memory of the process", "model_delta": "of that, the model's"}
    rows += [_row(title, "bytes", a.get(key), b.get(key)) for key, title in titles.items()]
    return rows


def _energy_rows(before: Profile, after: Profile) -> list[dict[str, Any]]:
    rows = [_energy_row("energy per inference", "total", before, after)]
    above = [(profile.get("energy_mj") or {}).get("above_idle") for profile in (before, after)]
    if any(above):
        rows.append(_energy_row("of that, above idle", "above_idle", before, after))
    return rows


def _energy_row(figure: str, key: str, before: Profile, after: Profile) -> dict[str, Any]:
    a, b = ((profile.get("energy_mj") or {}).get(key) or {} for profile in (before, after))
    row = _row(figure, "mJ", a.get("mean"), b.get("mean"))
    covers = [(profile.get("energy_mj") or {}).get("covers") for profile in (before, after)]
    if a and b and covers[0] != covers[1]:
        return row | {"ratio": None, "reason": f"the meters cover {covers[0]} before, and {covers[1]} after"}
    if a and b:
        return row | {"ratio": row["ratio"] if b["mean"] > 0 else None, "ci95": _ratio_of_intervals(a, b)}
    reasons = {
        profile["model"]["name"]: profile.get("energy_reason") or "not measured"
        for profile, there in ((before, a), (after, b))
        if not there
    }
    told = set(reasons.values())
    text = told.pop() if len(reasons) == 2 and len(told) == 1 else "; ".join(map(": ".join, reasons.items()))
    return row | {"reason": text}


def _ratio_of_intervals(a: dict[str, Any], b: dict[str, Any]) -> list[float] | None:
    """The 95% interval of a ratio of two means measured apart, of their own intervals.

    On the logarithms, each side's distance is the root of the sum of squares of the two that make it: the
    method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008).
    """
    if min(a["ci95"][0], b["ci95"][0]) <= 0:
        return None
    (a_low, a_high), (b_low, b_high) = a["ci95"], b["ci95"]
    ratio = log(a["mean"] / b["mean"])
    down = hypot(log(a["mean"] / a_low), log(b_high / b["mean"]))
    up = hypot(log(a_high / a["mean"]), log(b["mean"] / b_low))
    return [exp(ratio - down), exp(ratio + up)]


def _warnings(before: Profile, after: Profile) -> list[str]:
    return [*_conditions(before, after), *_works(before, after), *_own_warnings(before, after)]


def _conditions(before: Profile, after: Profile) -> list[str]:
    """What differed around the two."""
    machines = [profile["device"]["name"] for profile in (before, after)]
    differing = [key for key in _CONDITIONS if before["device"].get(key) != after["device"].get(key)]
    if machines[0] != machines[1]:
        return [f"two machines: {machines[0]} before, {machines[1]} after"]
    throttled = [(profile.get("thermal") or {}).get("throttled") for profile in (before, after)]
    if throttled[0] != throttled[1]:
        differing.append("throttled")
    if differing:
        return [f"the two were not measured under the same conditions: {', '.join(differing)} differ"]
    if _session(before) != _session(after):
        return ["the two were measured one after the other, not in turns: what changed meanwhile counts, too"]
    return []


def _session(profile: Profile) -> str | None:
    return (profile.get("session") or {}).get("id")


def _works(before: Profile, after: Profile) -> list[str]:
    """What differed in the work that was measured."""
    found = []
    a, b = before["model"], after["model"]
    if any(a.get(key) != b.get(key) for key in ("batch", "inputs", "outputs")):
        found.append("the two take other inputs, batches or outputs: their figures are not of the same work")
    if a.get("computed_in") != b.get("computed_in"):
        found.append(f"computed in {a.get('computed_in')} before and in {b.get('computed_in')} after")
    if a.get("file") == "model.onnx" and b.get("file") == "baseline.onnx":
        found.append(f"the second is a bundle's baseline ({b['name']}): the two may be the wrong way round")
    return found


def _own_warnings(before: Profile, after: Profile) -> list[str]:
    """What was remarked on when each was measured; of what holds for both, once."""
    found = []
    for name, profile in (("before", before), ("after", after)):
        parity = profile.get("parity")
        if parity and not parity["ok"]:
            found.append(
                f"the outputs of {profile['model']['name']} ({name}) were wrong when it was measured"
            )
    told = [profile.get("warnings") or [] for profile in (before, after)]
    both = [warning for warning in told[0] if warning in told[1]]
    found += [f"both: {warning}" for warning in both]
    for profile, warnings in zip((before, after), told, strict=True):
        found += [f"{profile['model']['name']}: {warning}" for warning in warnings if warning not in both]
    return list(dict.fromkeys(found))
