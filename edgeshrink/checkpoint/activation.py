"""Which activation the dendrites have: no weight file says, so it is asked for, looked up, or assumed."""

from __future__ import annotations

import json
from pathlib import Path

from edgeshrink.errors import InputError

__all__ = ["choose_activation"]

_FIELD = "pai_forward_function"
_LARGEST_CONFIG_BYTES = 1_000_000


def choose_activation(checkpoint: Path, flag: str | None) -> tuple[str, str, str | None]:
    """Choose the dendrites' activation: the user's flag, else the config beside the file, else sigmoid.

    Returns:
        Its name, where it comes from, and a warning where it is only assumed.

    Raises:
        InputError: The activation named is unknown, or several configs beside the file disagree.
    """
    from edgeshrink.dendrites import activation as find_activation

    if flag is not None:
        find_activation(flag)
        return flag, "flag", None
    found = _configured(checkpoint)
    if found:
        name, config = found
        find_activation(name)
        return name.rsplit(".", 1)[-1], f"config file {config.name}", None
    return (
        "sigmoid",
        "default",
        f"{checkpoint.name} does not say which activation its dendrites have, nor a *_config.json beside "
        "it: sigmoid is assumed, and if that is wrong every output is wrong; give --dendrite-activation",
    )


def _configured(checkpoint: Path) -> tuple[str, Path] | None:
    """Look for ``*_config.json`` beside the file; the file's namesake goes first, then the folder's."""
    folder = checkpoint.absolute().parent
    named = {config: name for config in sorted(folder.glob("*_config.json")) if (name := _read_field(config))}
    for namesake in (f"{checkpoint.stem}_config.json", f"{folder.name}_config.json"):
        if folder / namesake in named:
            return named[folder / namesake], folder / namesake
    if len(set(named.values())) > 1:
        listing = ", ".join(f"{config.name}: {name}" for config, name in named.items())
        raise InputError(
            f"the configs beside {checkpoint} disagree about the dendrites' activation ({listing})",
            "Say which is right with --dendrite-activation.",
        )
    return next(((name, config) for config, name in named.items()), None)


def _read_field(config: Path) -> str | None:
    try:
        if not config.is_file() or config.stat().st_size > _LARGEST_CONFIG_BYTES:
            return None  # a pipe or a device would be read for ever
        document = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    name = document.get(_FIELD) if isinstance(document, dict) else None
    return name if isinstance(name, str) else None
