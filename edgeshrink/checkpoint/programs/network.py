"""A torch.export program as a plain torch network: its own parameters by name, its operators run in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgeshrink.checkpoint.programs.graph import Program, unflatten
from edgeshrink.checkpoint.programs.steps import Graph
from edgeshrink.checkpoint.programs.values import Reference

__all__ = ["StepError", "build_network", "live_bytes"]

_LARGEST = 2**63  # sizes are computed in Python, where a hostile product would grow without end


class StepError(Exception):
    """An operator failed; says which."""


def build_network(program: Program, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Make the network: parameters and buffers under their names, forward with the program's arguments.

    Raises:
        KeyError: A tensor that the program reads is missing, or its name cannot be a network's.
    """
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in program.inputs
    ]
    signature = inspect.Signature(parameters)

    def forward(*args: Any, **kwargs: Any) -> Any:
        network, *given = signature.bind(*args, **kwargs).args
        return network.run(given)

    forward.__signature__ = signature  # type: ignore[attr-defined]
    network: nn.Module = type("ExportedNetwork", (_ExportedNetwork,), {"forward": forward})(program, tensors)
    return network


class _ExportedNetwork(nn.Module):
    """Runs a program's operators one after the other; nothing in it depends on training or evaluation."""

    def __init__(self, program: Program, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._program = program
        made: dict[int, nn.Parameter] = {}  # tied parameters stay one
        for entry in program.state:
            tensor = tensors[entry.name]
            owner, name = _owner(self, entry.name)
            if entry.is_parameter:
                trains = tensor.is_floating_point()
                parameter = made.setdefault(id(tensor), nn.Parameter(tensor, requires_grad=trains))
                owner.register_parameter(name, parameter)
            else:
                owner.register_buffer(name, tensor, persistent=entry.persistent)

    def run(self, given: Sequence[Tensor]) -> Any:
        program = self._program
        values = {entry.value: _get(self, entry.name) for entry in program.state}
        values |= {value: tensor for (value, _), tensor in zip(program.inputs.values(), given, strict=True)}
        return unflatten(program.result, iter(_run(program.graph, values)))


def live_bytes(network: nn.Module, given: Sequence[Tensor]) -> int:
    """The most memory a run takes beside the weights, computed from shapes alone; state must stay as it is.

    Args:
        network: What ``build_network`` made.
        given: The inputs, on the meta device.

    Raises:
        StepError: An operator does not take what it is given, or changes what the network keeps.
        NotImplementedError: An operator's shapes cannot be told without running it.
    """
    assert isinstance(network, _ExportedNetwork)
    program = network._program
    state = {entry.value: _get(network, entry.name).to("meta") for entry in program.state}
    versions = {value: tensor._version for value, tensor in state.items()}
    values: dict[str, Any] = dict(state)
    held = frozenset(values)
    values |= {value: tensor for (value, _), tensor in zip(program.inputs.values(), given, strict=True)}
    peak = 0

    def look(made: Mapping[str, Any]) -> None:
        nonlocal peak
        tensors = [part for name, value in made.items() if name not in held for part in _tensors(value)]
        peak = max(peak, sum(tensor.numel() * tensor.element_size() for tensor in tensors))

    with torch.no_grad():
        _run(program.graph, values, torch.device("meta"), look)
    for entry in program.state:  # torch counts what is written through a view, too
        if state[entry.value]._version != versions[entry.value]:
            raise StepError(f"{entry.name} changes from one call to the next, and a graph keeps nothing")
    return peak


def _run(
    graph: Graph,
    values: dict[str, Any],
    device: torch.device | None = None,
    look: Callable[[Mapping[str, Any]], None] | None = None,
) -> list[Any]:
    """Run a graph's steps on named values, letting each go after its last use."""
    for step in graph.steps:
        args = [_filled(argument, values, device) for argument in step.args]
        kwargs = {name: _filled(argument, values, device) for name, argument in step.kwargs.items()}
        try:
            if isinstance(step.run, Graph):
                made: Any = _run(step.run, dict(zip(step.run.inputs, args, strict=True)), device, look)
            else:
                made = step.run(*args, **kwargs)
            _bind(step.results, made, values)
        except (StepError, NotImplementedError):
            raise
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise StepError(f"{step.target}: {first}") from error
        if look is not None:
            look(values)
        for name in step.last:
            values.pop(name, None)
    return [_filled(output, values, device) for output in graph.outputs]


def _filled(argument: Any, values: Mapping[str, Any], device: torch.device | None) -> Any:
    if isinstance(argument, Reference):
        return values[argument.name]
    if isinstance(argument, list):
        return [_filled(part, values, device) for part in argument]
    if isinstance(argument, torch.device) and device is not None:
        return device
    return argument


def _bind(names: Any, made: Any, values: dict[str, Any]) -> None:
    """Give results their names."""
    if isinstance(names, str):
        if isinstance(made, int) and abs(made) >= _LARGEST:
            raise OverflowError("a size is beyond any tensor's")
        values[names] = made
    elif isinstance(names, list):
        for name, part in zip(names, made, strict=True):
            _bind(name, part, values)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [part for part in value if isinstance(part, Tensor)] if isinstance(value, (list, tuple)) else []


def _owner(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds a tensor of this name, made where it is not there yet, and the name in it."""
    *path, last = name.split(".")
    for part in path:
        children = network._modules
        if part not in children:
            network.add_module(part, nn.Module())
        child = children[part]
        assert child is not None
        network = child
    return network, last


def _get(network: nn.Module, name: str) -> Tensor:
    *path, last = name.split(".")
    for part in path:
        child = network._modules[part]
        assert child is not None
        network = child
    tensor: Tensor = getattr(network, last)
    return tensor
