"""The options that say which network is meant, shared by inspect and export."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgeshrink.loading import Request

__all__ = ["network_options", "options_of", "request_of"]

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("checkpoint", type=click.Path(path_type=Path)),
    click.option(
        "--arch",
        metavar="FILE.py:FACTORY",
        help="Callable returning the plain network; also pkg.mod:NAME. For a pickled network FILE.py "
        "will do: its classes are looked up there.",
    ),
    click.option(
        "--arch-args", metavar="JSON", help="Keyword arguments of the factory: '{\"classes\": 10}'."
    ),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="[NAME:]SHAPE[:DTYPE]",
        help="Shape of an input: 1x3x224x224, or 1..8x3x224x224 for a batch that stays open.",
    ),
    click.option(
        "--samples", type=click.Path(path_type=Path), metavar="FILE.npz", help="Real inputs, and labels."
    ),
    click.option(
        "--masks", type=click.Path(path_type=Path), metavar="FILE", help="Masks kept beside the checkpoint."
    ),
    click.option(
        "--dendrite-activation", metavar="NAME", help="The dendrites' activation: sigmoid, tanh, relu, ..."
    ),
    click.option(
        "--trust-pickle",
        is_flag=True,
        help="Let a pickled network run the code it imports; the names are printed first.",
    ),
)


def network_options(function: Function) -> Function:
    """Add the options that name a network to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def request_of(
    *,
    checkpoint: Path,
    arch: str | None,
    arch_args: str | None,
    inputs: tuple[str, ...],
    samples: Path | None,
    masks: Path | None,
    dendrite_activation: str | None,
    trust_pickle: bool,
) -> Request:
    """The request these options make.

    Raises:
        InputError: An option cannot be read.
    """
    from edgeshrink.inputs import parse_input
    from edgeshrink.loading import Request

    return Request(
        path=checkpoint,
        arch=arch,
        arch_args=_keyword_arguments(arch_args),
        masks=masks,
        dendrite_activation=dendrite_activation,
        trust_pickle=trust_pickle,
        inputs=tuple(parse_input(text) for text in inputs),
        samples=samples,
    )


def options_of(network: Mapping[str, Any]) -> str:
    """The checkpoint and the options that named the network, as they would be typed again."""
    words = [str(network["checkpoint"])]
    for name, value in network.items():
        flag = "--input" if name == "inputs" else f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and each is not False and name != "checkpoint":
                words += [flag] if each is True else [flag, str(each)]
    return shlex.join(words)


def _keyword_arguments(text: str | None) -> dict[str, Any] | None:
    from edgeshrink.errors import InputError

    if text is None:
        return None
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"--arch-args is no JSON: {error}", "Write an object: '{\"classes\": 10}'."
        ) from error
    if not isinstance(arguments, dict):
        raise InputError(
            "--arch-args must be a JSON object of keyword arguments.", "Write '{\"classes\": 10}'."
        )
    return arguments
