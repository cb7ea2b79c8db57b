"""Two profiles side by side. A ratio above 1 always means that the second is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeshrink.errors import InputError

__all__ = ["compare", "read_profile"]

Profile = dict[str, Any]

_NEEDED = (
    "emulated",
    "device.name",
    "model.name",
    "memory_bytes.process_peak",
    *(f"latency_ms.end_to_end.{key}" for key in ("times_ms", "median", "p90", "p99")),
)

_CONDITIONS = ("name", "cores_usable", "governor", "power_mode", "runner", "threads", "software")


def read_profile(path: Path) -> Profile:
    """Read a profile.json.

    Raises:
        InputError: The file is missing, no JSON, no profile, or of another schema version.
    """
    hint = "`edgeshrink profile MODEL.onnx` writes one."
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON file: {error}.", hint) from error
    if not _holds(document, "schema_version"):
        raise InputError(f"{path} is no profile: it has no schema_version.", hint)
    if document["schema_version"] != 1:
        raise InputError(
            f"{path} has schema version {document['schema_version']}; this edgeshrink reads version 1.",
            "Measure again with this edgeshrink, or compare with the one that measured.",
        )
    missing = [key for key in _NEEDED if not _holds(document, key)]
    if missing:
        raise InputError(f"{path} is no profile: it has no {', '.join(missing)}.", hint)
    return document  # type: ignore[no-any-return]


def _holds(document: Any, key: str) -> bool:
    """Whether a document has what `a.b.c` names."""
    for word in key.split("."):
        if not isinstance(document, dict) or word not in document:
            return False
        document = document[word]
    return True


def compare(before: Profile, after: Profile) -> dict[str, Any]:
    """Compare two profiles.

    Returns:
        `models` (both), `emulated` (whether any figure comes from a simulated board), `rows` (each with
        `figure`, `unit`, `before`, `after`, `ratio` before / after and its `ci95`; what was not measured is
        None, with a `reason`), `method` of the intervals, and `warnings`.

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
            _energy_row(before, after),
        ],
        "method": latency["method"],
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


def _energy_row(before: Profile, after: Profile) -> dict[str, Any]:
    energies = [profile.get("energy_mj") for profile in (before, after)]
    if None in energies:
        reasons = {profile["energy_reason"] for profile in (before, after) if profile.get("energy_reason")}
        return _row(
            "energy per inference", "mJ", None, None, reason="; ".join(sorted(reasons)) or "not measured"
        )
    a, b = (energy["total"]["mean"] for energy in energies)  # type: ignore[index]
    return _row("energy per inference", "mJ", a, b)


def _warnings(before: Profile, after: Profile) -> list[str]:
    found = []
    differing = [key for key in _CONDITIONS if before["device"].get(key) != after["device"].get(key)]
    if differing:
        found.append(f"the two were not measured under the same conditions: {', '.join(differing)} differ")
    if any(before["model"].get(key) != after["model"].get(key) for key in ("batch", "inputs", "outputs")):
        found.append("the two take other inputs, batches or outputs: their figures are not of the same work")
    for name, profile in (("before", before), ("after", after)):
        parity = profile.get("parity")
        if parity and not parity["ok"]:
            found.append(
                f"the outputs of {profile['model']['name']} ({name}) were wrong when it was measured"
            )
        found += [f"{profile['model']['name']}: {warning}" for warning in profile.get("warnings", [])]
    return list(dict.fromkeys(found))
