"""A torch.export program's JSON, checked: which tensors it brings, what it takes, computes and returns.

Nothing of the file is evaluated, and names never become code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from edgeshrink.checkpoint.programs.steps import Graph, read_graph
from edgeshrink.checkpoint.programs.symbols import require_arithmetic
from edgeshrink.errors import InputError

__all__ = ["Program", "State", "read_program", "unflatten"]


@dataclass(frozen=True)
class State:
    """A parameter, a buffer or a constant: its name in the graph, in the network, and which of them it is."""

    value: str
    name: str
    is_parameter: bool = False
    persistent: bool = False


@dataclass(frozen=True)
class Program:
    """A program, checked.

    Attributes:
        graph: Its operators.
        state: The tensors it brings.
        inputs: Name of forward's argument -> (name in the graph, its meta data as stored).
        result: How the outputs are nested: None for a tensor, or (keys, tuple or list, and the parts).
        ranges: Symbol -> the least size it may have.
    """

    graph: Graph
    state: tuple[State, ...]
    inputs: dict[str, tuple[str, dict[str, Any]]]
    result: Any
    ranges: dict[str, int]


def read_program(stored: dict[str, Any], where: str) -> Program:
    """Check a program and make it ready to run.

    Raises:
        InputError: A symbolic size is no arithmetic, an operator is not plain ATen's, it was exported in
            training mode, changes its own buffers, or is damaged.
    """
    try:
        require_arithmetic(stored, where)
        module = stored["graph_module"]
        graph, signature = module["graph"], module["signature"]
        inputs, state = _sort_inputs(graph, signature["input_specs"])
        _refuse_state_changes(signature["output_specs"], where)
        held = {entry.value for entry in state}
        checked = read_graph(graph, [*held, *inputs], frozenset(held), where)
        called = _call(module["module_call_graph"])
        names = _argument_names(called, inputs)
        metas = {
            name: (value, graph["tensor_values"][value]) for name, value in zip(names, inputs, strict=True)
        }
        result = (
            _nested(json.loads(called["out_spec"])[1]) if called else (tuple, (None,) * len(checked.outputs))
        )
        if _leaves(result) != len(checked.outputs):
            raise ValueError("its outputs are not nested as it says")
        ranges = {
            symbol: int(bounds.get("min_val") or 0) for symbol, bounds in stored["range_constraints"].items()
        }
        return Program(checked, tuple(state), metas, result, ranges)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{where} is a torch.export program, but damaged or of an unknown version "
            f"({type(error).__name__}: {error})",
            "Save it again with torch.export.save of torch 2.7 or newer.",
        ) from error


def unflatten(result: Any, values: Iterator[Any]) -> Any:
    """Nest a flat row of outputs as the network returned them."""
    if result is None:
        return next(values)
    form, parts = result
    made = [unflatten(part, values) for part in parts]
    return form(made) if isinstance(form, type) else dict(zip(form, made, strict=True))


def _sort_inputs(graph: Mapping[str, Any], specs: Sequence[Any]) -> tuple[list[str], list[State]]:
    """Tell the user's tensors, by name in the graph, from the network's own."""
    inputs: list[str] = []
    state: list[State] = []
    for spec, given in zip(specs, graph["inputs"], strict=True):
        ((kind, entry),) = spec.items()
        if kind == "parameter":
            state.append(State(entry["arg"]["name"], entry["parameter_name"], True, True))
        elif kind == "buffer":
            state.append(State(entry["arg"]["name"], entry["buffer_name"], False, bool(entry["persistent"])))
        elif kind == "tensor_constant":
            state.append(State(entry["arg"]["name"], entry["tensor_constant_name"]))
        elif kind == "user_input" and "as_tensor" in given:
            inputs.append(given["as_tensor"]["name"])
        elif kind not in ("user_input", "constant_input") or "as_sym_int" in given:
            raise ValueError(f"an input is a {kind} of {', '.join(given)}")
    if not all(isinstance(text, str) for entry in state for text in (entry.value, entry.name)):
        raise ValueError("a tensor's name is no text")
    return inputs, state


def _refuse_state_changes(specs: Sequence[Mapping[str, Any]], where: str) -> None:
    for spec in specs:
        ((kind, entry),) = spec.items()
        if kind != "user_output":
            what = str(entry.get("buffer_name", entry))[:80]
            raise InputError(
                f"{where} is a program that gives out a {kind} ({what}) beside its outputs",
                "Export the network for inference: net.eval(), then torch.export.export.",
            )


def _call(calls: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The call of the whole network: how its arguments and outputs are nested."""
    return next((entry["signature"] for entry in calls if entry["fqn"] == ""), None)


def _argument_names(called: Mapping[str, Any] | None, inputs: Sequence[str]) -> list[str]:
    """Name every tensor input after forward's argument; nested ones get a number more.

    Arguments that are no tensor (None, a number) are frozen in the program: they have no name.
    """
    names = list(inputs)
    if called is not None:
        args, kwargs = json.loads(called["in_spec"])[1]["children_spec"]
        given = called.get("forward_arg_names") or []
        if len(given) >= len(args["children_spec"]):
            known = [
                *zip(given, args["children_spec"], strict=False),
                *zip(json.loads(kwargs["context"]), kwargs["children_spec"], strict=True),
            ]
            flat = [name for argument, spec in known for name in _numbered(argument, _leaves(_nested(spec)))]
            if len(flat) == len(inputs):
                names = flat
    plain = [name for name in names if isinstance(name, str) and name.isidentifier() and not iskeyword(name)]
    fit = len(set(plain)) == len(names) and "self" not in names
    return names if fit else [f"input_{index}" for index in range(len(names))]


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{index}" for index in range(count)]


def _nested(spec: Mapping[str, Any]) -> Any:
    """A stored tree as ``unflatten`` takes it."""
    if spec["type"] is None:
        return None
    parts = tuple(_nested(part) for part in spec["children_spec"])
    keys = json.loads(spec["context"]) if isinstance(spec["context"], str) else None
    if isinstance(keys, list) and len(keys) == len(parts) and all(isinstance(key, str) for key in keys):
        return tuple(keys), parts
    return (list if spec["type"] == "builtins.list" else tuple), parts


def _leaves(nested: Any) -> int:
    return 1 if nested is None else sum(_leaves(part) for part in nested[1])
