"""Profiles on disk: one read and checked, or the pair that a bundle holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeshrink.errors import InputError
from edgeshrink.profile_form import fault_of

__all__ = ["Profile", "pair_in_bundle", "read_profile"]

Profile = dict[str, Any]
"""A profile.json, as `edgeshrink_device profile` writes it."""

_BEFORE, _AFTER = "profile-*-baseline.json", "profile-{}-model.json"


def pair_in_bundle(folder: Path) -> tuple[Path, Path]:
    """The profiles of a bundle's baseline and of its model, where it holds those of one device.

    Raises:
        InputError: It is no bundle, was not profiled, or was on several devices.
    """
    if not (folder / "manifest.json").is_file():
        raise InputError(
            f"{folder} is no bundle: it has no manifest.json.",
            "Give two profiles, or a bundle with profiles.",
        )
    befores = {path.name[len("profile-") : -len("-baseline.json")]: path for path in folder.glob(_BEFORE)}
    pairs = {
        device: (before, after)
        for device, before in sorted(befores.items())
        if (after := folder / _AFTER.format(device)).is_file()
    }
    if not pairs:
        raise InputError(
            f"{folder} holds no profiles of its baseline and its model.",
            f"`edgeshrink profile {folder}` writes them.",
        )
    if len(pairs) > 1:
        first, second = next(iter(pairs.values()))
        raise InputError(
            f"{folder} holds profiles of several devices: {', '.join(pairs)}.",
            f"Name the two: edgeshrink compare {first} {second}",
        )
    return next(iter(pairs.values()))


def read_profile(path: Path) -> Profile:
    """Read a profile.json.

    Raises:
        InputError: The file is missing, no JSON, no profile, or of another schema version.
    """
    hint = "`edgeshrink profile MODEL.onnx` writes one."
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no profile: it is no JSON file ({error}).", hint) from error
    if not isinstance(document, dict) or "schema_version" not in document:
        raise InputError(f"{path} is no profile: it has no schema_version.", hint)
    if "passes" in document:
        raise InputError(
            f"{path} is a bundle's manifest, no profile.", f"`edgeshrink profile {path.parent}` writes one."
        )
    if document["schema_version"] != 1:
        raise InputError(
            f"{path} has schema version {document['schema_version']}; this edgeshrink reads version 1.",
            "Measure again with this edgeshrink, or compare with the one that measured.",
        )
    if fault := fault_of(document):
        raise InputError(f"{path} is no profile that can be compared: {fault}.", hint)
    return document


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")
