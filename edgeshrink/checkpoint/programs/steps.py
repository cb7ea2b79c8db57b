"""The operators of a torch.export program as steps that can be run: plain ATen on named values, nothing else.

Every operator is looked up among ATen's own, by its whole name; its arguments are numbers, types and values
that are already there. Symbolic sizes are computed again by the steps that use them, never read from text.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.programs.values import (
    Reference,
    names_in,
    read_results,
    read_value,
    references_in,
)
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Graph", "Step", "read_graph"]

_MOST_STEPS = 100_000

_SYMBOLIC: dict[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod")},
    **{f"_operator.{name}": getattr(operator, name) for name in ("truediv", "neg", "eq", "ne", "lt", "le")},
    **{f"_operator.{name}": getattr(operator, name) for name in ("gt", "ge", "and_", "or_")},
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc", "sqrt")},
    "torch.sym_float": float,
    "torch.sym_int": int,
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_not": operator.not_,
    "torch._sym_sqrt": math.sqrt,
}
_GRAD_MODE = "torch.ops.higher_order.wrap_with_set_grad_enabled"
_CHECKS = re.compile(r"torch\.ops\.aten\.(_assert_\w+|sym_constrain_range\w*)\.\w+")  # true for fixed sizes
# The arguments of operators that may hold text; a file's name is none of them.
_TEXTS = {
    *("mode", "rounding_mode", "approximate", "reduction", "equation", "padding", "padding_mode"),
    *("indexing", "interpolation", "reduce", "driver", "ord"),
}


@dataclass(frozen=True)
class Step:
    """One operator.

    Attributes:
        target: Its whole name.
        run: The operator; a graph of its own takes the arguments one for one.
        args: Positional arguments: constants, references, and lists of both.
        kwargs: Those by name.
        results: What its results are called: one name, or one for each of several (None: unused).
        last: Names that no later step reads.
    """

    target: str
    run: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: Any
    last: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Steps in order, the names they start from, and what comes out."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Any, ...]


def read_graph(stored: Mapping[str, Any], inputs: Sequence[str], state: frozenset[str], where: str) -> Graph:
    """Check a stored graph and make it ready to run.

    Args:
        stored: The graph as torch.export writes it.
        inputs: The names of the values that are there before.
        state: Those of them that are the network's own, which no step may change.
        where: The file, for messages.

    Raises:
        InputError: It uses what is no plain ATen operator, or one that works as in training.
        KeyError, TypeError, ValueError, ...: It is damaged.
    """
    return _Reader(where, state).graph(stored, inputs)


class _Reader:
    """Reads graphs of one program, those inside operators too."""

    def __init__(self, where: str, state: frozenset[str]) -> None:
        self.where, self.state, self.count = where, state, 0

    def graph(self, stored: Mapping[str, Any], inputs: Sequence[str]) -> Graph:
        known = set(inputs)
        steps = []
        for node in stored["nodes"]:
            self.count += 1
            if self.count > _MOST_STEPS:
                raise ValueError(f"more than {_MOST_STEPS} operators")
            step = self.step(node)
            if step is None:
                continue
            _require_known((step.args, step.kwargs), known)
            known.update(names_in(step.results))
            steps.append(step)
        outputs = tuple(read_value(output) for output in stored["outputs"])
        _require_known(outputs, known)
        return Graph(tuple(inputs), _with_last_uses(steps, outputs), outputs)

    def step(self, node: Mapping[str, Any]) -> Step | None:
        target, given = str(node["target"]), node["inputs"]
        if _CHECKS.fullmatch(target):
            return None
        results = read_results(node["outputs"])
        if target in _SYMBOLIC:
            args = tuple(read_value(entry["arg"]) for entry in given)
            return Step(target, _SYMBOLIC[target], args, {}, results)
        if target == _GRAD_MODE:
            inner = given[1]["arg"]["as_graph"]["graph"]
            names = [entry["as_tensor"]["name"] for entry in inner["inputs"]]
            args = tuple(read_value(entry["arg"]) for entry in given[2:])
            several = [results] if isinstance(results, str) else results
            return Step(target, self.graph(inner, names), args, {}, several)
        args, kwargs = self.arguments(op := self.operator(target), target, given)
        self.refuse_training(op, target, op._schema.arguments, args, kwargs)
        return Step(target, op, args, kwargs, results)

    def operator(self, target: str) -> torch._ops.OpOverload:
        import torch

        found: Any = None
        if match := re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)", target):
            found = getattr(getattr(torch.ops.aten, match[1], None), match[2], None)
        if not isinstance(found, torch._ops.OpOverload):
            raise InputError(
                f"{self.where} is a program that calls {target[:100]!r}, which is no plain ATen operator",
                "Nothing of it was run. Export the network without custom operators and without branches on "
                "values, or export it to ONNX and give the .onnx file.",
            )
        return found

    def arguments(
        self, op: torch._ops.OpOverload, target: str, given: Sequence[Mapping[str, Any]]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments by the operator's own schema: positional as far as there is no gap."""
        import torch

        values = {entry["name"]: read_value(entry["arg"]) for entry in given}
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        gap = False
        for argument in op._schema.arguments:
            if argument.name not in values:
                gap = True
                continue
            value = values.pop(argument.name)
            if isinstance(value, str) and argument.name not in _TEXTS:
                raise self.refused(target, f"is given the text {value[:60]!r} as {argument.name}")
            if argument.alias_info is not None and argument.alias_info.is_write:
                self.refuse_write(target, value)
            if argument.name == "pin_memory":
                gap = True
            elif gap or argument.kwarg_only:
                kwargs[argument.name] = value
            else:
                args.append(value)
        schema = {argument.name: argument for argument in op._schema.arguments}
        if "device" in schema and "device" not in kwargs and not any(map(_is_tensor, schema.values())):
            kwargs["device"] = torch.device("cpu")  # said, so that a run on shapes alone can say otherwise
        if values:
            raise ValueError(f"{target} has no argument {next(iter(values))!r}")
        return tuple(args), kwargs

    def refuse_write(self, target: str, value: Any) -> None:
        if isinstance(value, Reference) and value.name in self.state:
            raise self.refused(target, f"changes the network's own tensor {value.name!r} at every run")

    def refuse_training(
        self,
        op: torch._ops.OpOverload,
        target: str,
        schema: Sequence[Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Refuse what an operator does in training alone: chance, and statistics of the batch."""
        import torch

        given = {argument.name: value for argument, value in zip(schema, args, strict=False)} | dict(kwargs)
        training = given.get("train", given.get("training"))
        chance = given.get("p", given.get("dropout", given.get("dropout_p")))
        if "batch_norm" in target:
            active = training is True and given.get("running_mean") is not None
        elif training is None and chance is None and "dropout_p" not in {a.name for a in schema}:
            active = torch.Tag.nondeterministic_seeded in op.tags
        else:
            active = training is not False and bool(chance)
        if active:
            raise self.refused(target, "works as in training (chance, or statistics of the batch)")

    def refused(self, target: str, why: str) -> InputError:
        return InputError(
            f"{self.where} is a program whose operator {target} {why}",
            "Export the network for inference: net.eval(), then torch.export.export(net, example).",
        )


def _is_tensor(argument: torch.Argument) -> bool:
    return "Tensor" in str(argument.type)


def _require_known(value: Any, known: set[str]) -> None:
    for name in references_in(value):
        if name not in known:
            raise ValueError(f"the value {name!r} is read before it is made")


def _with_last_uses(steps: Sequence[Step], outputs: Sequence[Any]) -> tuple[Step, ...]:
    """Note at every step what can be let go after it."""
    needed = set(references_in(outputs))
    kept = []
    for step in reversed(steps):
        used = {*references_in((step.args, step.kwargs)), *names_in(step.results)}
        last = tuple(used - needed)
        needed |= used
        kept.append(replace(step, last=last))
    return tuple(reversed(kept))
