"""What goes into a torch network and what comes out: forward's arguments, and its outputs by stable names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec

__all__ = ["bind_inputs", "call_arguments", "example", "flat_outputs", "run_module"]


def bind_inputs(module: torch.nn.Module, inputs: Sequence[InputSpec]) -> dict[str, InputSpec]:
    """The inputs by the name of the argument they go to, in forward's order.

    Raises:
        InputError: They do not fit forward; the message names the argument.
    """
    parameters = inspect.signature(module.forward).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return {spec.name or f"input_{index}": spec for index, spec in enumerate(inputs)}
    names = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    needed = [p.name for p in parameters if p.name in names and p.default is p.empty]
    given: dict[str, InputSpec] = {}
    for spec in inputs:
        if spec.name is not None:
            if spec.name not in names or spec.name in given:
                raise InputError(f"The network has no further input {spec.name!r}.", _takes(module, names))
            given[spec.name] = spec
    free = iter([name for name in names if name not in given])
    for spec in inputs:
        if spec.name is None:
            name = next(free, None)
            if name is None:
                raise InputError(f"{len(inputs)} inputs are given, that is too many.", _takes(module, names))
            given[name] = spec
    if missing := [name for name in needed if name not in given]:
        raise InputError(
            f"The shape of the network's input {missing[0]!r} is not known.",
            f"{_takes(module, names)} Give one --input each, for example --input {missing[0]}:1x3x224x224.",
        )
    return {name: given[name] for name in names if name in given}


def _takes(module: torch.nn.Module, names: Sequence[str]) -> str:
    return f"{type(module).__name__}.forward takes: {', '.join(names) or 'nothing'}."


def example(spec: InputSpec) -> torch.Tensor:
    """Standard normal floats from a fixed seed; integers are 0, which every table and every mask accepts."""
    dtype: torch.dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point:
        return torch.randn(spec.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return torch.zeros(spec.shape, dtype=dtype)


def call_arguments(
    module: torch.nn.Module, named: Mapping[str, torch.Tensor]
) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """The arguments of one call, positional and by name; by position only where forward takes no names."""
    kinds = {p.kind for p in inspect.signature(module.forward).parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY}:
        return tuple(named.values()), {}
    return (), dict(named)


def run_module(module: torch.nn.Module, named: Mapping[str, torch.Tensor]) -> Any:
    """What forward returns for these arguments, without gradients and on one thread.

    torch's threads wait for each other at every layer, spinning: beside other work on two cores a ResNet-50
    takes 0.7 s on two threads and 0.12 s on one. One thread also sums in the same order every time.
    """
    positional, by_name = call_arguments(module, named)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return module(*positional, **by_name)
    finally:
        torch.set_num_threads(threads)


def flat_outputs(returned: Any) -> dict[str, torch.Tensor]:
    """The tensors in what forward returned, by the names the exported graph gives them."""
    leaves = [(path, leaf) for path, leaf in pytree.tree_flatten_with_path(_plain(returned))[0]]
    tensors = [(path, leaf) for path, leaf in leaves if isinstance(leaf, torch.Tensor)]
    if len(tensors) == 1 and not any(isinstance(key, pytree.MappingKey) for key in tensors[0][0]):
        return {"output": tensors[0][1]}
    named: dict[str, torch.Tensor] = {}
    for path, leaf in tensors:
        words = [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", "")))) for key in path]
        name = "_".join(words if isinstance(path[0], pytree.MappingKey) else ["output", *words])
        named[name if name not in named else f"{name}_{len(named)}"] = leaf
    return named


def _plain(returned: Any) -> Any:
    """Dictionaries of a class of their own (as transformers return them) as plain ones."""
    return dict(returned) if isinstance(returned, Mapping) else returned
