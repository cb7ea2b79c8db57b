"""What a profile.json must hold for two of them to be compared; what else stands in it is free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, isfinite
from statistics import median
from typing import Any

__all__ = ["fault_of"]


@dataclass(frozen=True)
class Maybe:
    """A form, or null, or nothing there at all.

    A form is a type, a list of one form for all its elements, or the forms of a document's entries by key.
    """

    form: Any


class Positive(float):
    """A finite number above 0."""


class Count(int):
    """A whole number, 0 or more."""


_MOMENTS = {"times_ms": [Positive], "median": Positive, "p90": Positive, "p99": Positive}
_MEAN = {"mean": float, "ci95": [float]}
_SIDE = {"name": str, "dtype": str}

FORM: dict[str, Any] = {
    "emulated": bool,
    "device": {"name": str},
    "model": {
        "name": str,
        "bytes": Maybe(Positive),
        "batch": Maybe(Count),
        "computed_in": Maybe(str),
        "inputs": Maybe([_SIDE]),
        "outputs": Maybe([_SIDE]),
    },
    "latency_ms": {"end_to_end": _MOMENTS, "gpu": Maybe(_MOMENTS)},
    "memory_bytes": {"process_peak": Positive, "model_delta": Maybe(float), "engine": Maybe(float)},
    "energy_mj": Maybe({"total": _MEAN, "above_idle": Maybe(_MEAN), "covers": Maybe(str)}),
    "energy_reason": Maybe(str),
    "parity": Maybe({"ok": bool}),
    "thermal": Maybe({"throttled": Maybe(bool)}),
    "blocks": Maybe([{"runs": Count, "launch": Maybe(Count)}]),
    "session": Maybe({"id": Maybe(str)}),
    "warnings": Maybe([str]),
}
"""Of schema version 1, as far as `edgeshrink compare` reads it."""

_KINDS = {
    bool: "true or false",
    str: "a text",
    float: "a number",
    Positive: "a number above 0",
    Count: "a count",
}


def fault_of(profile: Any) -> str:
    """What is wrong with a profile, a clause such as `it has no device.name`; nothing where it is right."""
    return _fault(profile, FORM, "") or _edited(profile)


def _fault(value: Any, form: Any, path: str) -> str:
    if isinstance(form, Maybe):
        return "" if value is None else _fault(value, form.form, path)
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"its {path} is no object" if path else "it is no object"
        faults = (_entry(value, key, of, f"{path}.{key}" if path else key) for key, of in form.items())
        return next(filter(None, faults), "")
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"its {path} is no list"
        faults = (_fault(item, form[0], f"{path}[{index}]") for index, item in enumerate(value))
        return next(filter(None, faults), "")
    return "" if _is(value, form) else f"its {path} is not {_KINDS[form]}"


def _entry(value: Mapping[str, Any], key: str, form: Any, path: str) -> str:
    if key in value or isinstance(form, Maybe):
        return _fault(value.get(key), form, path)
    return f"it has no {path}"


def _is(value: Any, kind: type) -> bool:
    if kind in (bool, str):
        return isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if kind is Count:
        return isinstance(value, int) and 0 <= value < 2**53
    return abs(value) < 2**1000 and isfinite(value) and (value > 0 or kind is float)


def _edited(profile: Mapping[str, Any]) -> str:
    """Whether figures do not belong together: medians are those of the times, intervals have two ends."""
    for clock, moments in profile["latency_ms"].items():
        if not moments or clock not in ("end_to_end", "gpu"):
            continue
        if not moments["times_ms"]:
            return f"its latency_ms.{clock}.times_ms is empty"
        if not isclose(median(moments["times_ms"]), moments["median"], rel_tol=1e-6):
            return f"its latency_ms.{clock}.median is not that of its times"
    for key, mean in (profile.get("energy_mj") or {}).items():
        if key in ("total", "above_idle") and mean and not _is_around(mean["ci95"], mean["mean"]):
            return f"its energy_mj.{key}.ci95 is no interval around the mean"
    return ""


def _is_around(interval: list[float], mean: float) -> bool:
    return len(interval) == 2 and interval[0] <= mean <= interval[1]
