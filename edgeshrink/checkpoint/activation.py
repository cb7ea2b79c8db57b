"""Which activation the dendrites have: no weight file says, so it is asked for, looked up, or assumed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edgeshrink.errors import InputError

__all__ = ["choose_activation", "ignored_activation"]

_FIELD = "pai_forward_function"
_UPLOADED, _SECTION = "config.json", "pai_config"  # as uploads to Hugging Face hold the settings
_LARGEST_CONFIG_BYTES = 1_000_000
# "torch.tanh", and how Python shows functions: "<function relu at 0x7f...>", "<built-in method tanh of ...>"
_SHOWN = re.compile(r"<(?:built-in )?(?:function|method) ([\w.]+)[ >]")


def choose_activation(checkpoint: Path, flag: str | None) -> tuple[str, str, str | None]:
    """Choose the dendrites' activation: the user's flag, else the config beside the file, else sigmoid.

    Returns:
        Its name, where it comes from, and a warning where it is only assumed, or where a config contradicts.

    Raises:
        InputError: The activation named is unknown, or several configs beside the file disagree.
    """
    configs = _configured(checkpoint)
    if flag is not None:
        name = _known(flag)
        others = {config.name: said for config, said in configs.items() if said != name}
        told = ", ".join(f"{config}: {said}" for config, said in others.items())
        beside = f"the config beside {checkpoint.name} says another activation of its dendrites ({told})"
        return name, "flag", f"{beside} than --dendrite-activation {name}, which is used" if others else None
    if len(set(configs.values())) > 1:
        listing = ", ".join(f"{config.name}: {name}" for config, name in configs.items())
        raise InputError(
            f"the configs beside {checkpoint} disagree about the dendrites' activation ({listing})",
            "Say which is right with --dendrite-activation.",
        )
    for config, name in configs.items():
        return _known(name, f"{config.name} beside {checkpoint.name}: "), f"config file {config.name}", None
    return (
        "sigmoid",
        "default",
        f"{checkpoint.name} does not say which activation its dendrites have, nor a *_config.json beside "
        "it: sigmoid is assumed, and if that is wrong every output is wrong; give --dendrite-activation",
    )


def ignored_activation(flag: str | None) -> str | None:
    """Warn of a flag that has nothing to act on, as there are no dendrites.

    Raises:
        InputError: The activation named is unknown.
    """
    return f"the network has no dendrites: --dendrite-activation {_known(flag)} is ignored" if flag else None


def _known(name: str, where: str = "") -> str:
    """Give an activation's own name for "torch.tanh", "Tanh" and the like."""
    from edgeshrink.dendrites import activation as find_activation

    try:
        find_activation(name)
    except InputError as error:
        raise InputError(f"{where}{error.message}", error.hint) from error
    return _short(name)


def _short(name: str) -> str:
    return name.strip().rsplit(".", 1)[-1].lower()


def _configured(checkpoint: Path) -> dict[Path, str]:
    """Look for configs beside the file: its namesake's alone, else the folder's, an upload's, else all."""
    folder = checkpoint.absolute().parent
    namesakes = (f"{checkpoint.stem}_config.json", f"{folder.name}_config.json", _UPLOADED)
    for config in (folder / name for name in namesakes):
        if name := _read_field(config):
            return {config: name}
    return {config: name for config in sorted(folder.glob("*_config.json")) if (name := _read_field(config))}


def _read_field(config: Path) -> str | None:
    try:
        if not config.is_file():
            return None  # a pipe or a device would be read for ever
        with config.open("rb") as file:
            data = file.read(_LARGEST_CONFIG_BYTES + 1)
        document = json.loads(data) if len(data) <= _LARGEST_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    if config.name == _UPLOADED and isinstance(document, dict):
        document = document.get(_SECTION)
    name = document.get(_FIELD) if isinstance(document, dict) else None
    if not isinstance(name, str):
        return None
    shown = _SHOWN.match(name)
    return _short(shown[1] if shown else name)
