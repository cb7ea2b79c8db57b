"""nn.Module -> ONNX IR by torch.onnx.export: where torch's world ends."""

from __future__ import annotations

import functools
import inspect
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes
import torch

from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.inputs import InputSpec, Selector
from edgeshrink.logs import unspoken
from edgeshrink.onnx_reader import Traced
from edgeshrink.open_axes import OpenAxes
from edgeshrink.signature import bind_inputs, call_arguments, example, flat_outputs, run_module

__all__ = ["OPSET", "Traced", "trace_module"]

OPSET = 18  # what torch.onnx.export(dynamo=True) writes best; asked for less it warns and writes 18 anyway


def trace_module(module: torch.nn.Module, inputs: Sequence[InputSpec]) -> Traced:
    """Export `module`, put in eval mode, for the shapes of `inputs`.

    Graph inputs bear the names of forward's arguments. A single output is called `output`, several ones
    `output_0`, `output_1`..., those of a dictionary by their keys. Open sizes are named by `OpenAxes`.

    Raises:
        InputError: The inputs do not fit forward, a layer fails on them (the message names the layer), or the
            network does not allow a size to stay open (the message names the axis).
        EdgeshrinkError: Neither of torch's exporters can write the network.
    """
    module.eval()
    specs = bind_inputs(module, inputs)
    before = _weights(module)
    axes = OpenAxes(specs)
    returned = _run_once(module, _examples(specs, "opt"))
    for selector in ("min", "max") if axes.ranges else ():
        _run_once(module, _examples(specs, selector))
    replaced = [name for name, tensor, data in before if tensor.data_ptr() != data.data_ptr()]
    del before
    outputs = flat_outputs(returned)
    if not outputs:
        raise EdgeshrinkError("The network returns no tensor, so there is nothing to export.")
    args = _examples(specs, "max")  # not min: torch takes a 1 for a size that is always 1
    with _quiet() as told, _returning_tensors(module):
        model, exporter = _export(module, args, axes, replaced, told)
    _refuse_frozen_branches(told)
    _require_open(model, axes)
    _name_outputs(model, list(outputs))
    return Traced(model, exporter, tuple(dict.fromkeys(told)), axes.ranges)


def _examples(specs: Mapping[str, InputSpec], selector: Selector) -> dict[str, torch.Tensor]:
    """What to run the network on, open sizes at one end of their ranges or at opt."""
    return {name: example(spec.at(selector)) for name, spec in specs.items()}


def _weights(module: torch.nn.Module) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """Parameters and buffers, each with the data it holds now, kept alive so that no other gets its place."""
    named = (*module.named_parameters(), *module.named_buffers())
    return [(name, tensor, tensor.data) for name, tensor in named if not torch.nn.parameter.is_lazy(tensor)]


def _export(
    module: torch.nn.Module,
    args: Mapping[str, torch.Tensor],
    axes: OpenAxes,
    replaced: Sequence[str],
    told: list[str],
) -> tuple[ir.Model, Literal["dynamo", "legacy"]]:
    """Export by torch's exporter, else by its legacy one, and say so in `told`.

    Open sizes that torch finds to be equal are made one in `axes`. A forward that sets `weight.data`
    (`replaced` names such weights) is for the legacy exporter alone: the other dies of it, and the process
    with it.
    """
    try:
        if replaced:
            raise NotImplementedError(f"it cannot follow a forward that sets {replaced[0]}.data")
        return _export_dynamo(module, args, axes), "dynamo"
    except Exception as error:  # torch raises whatever the module and its own parts raise
        if axes.share(error):
            return _export(module, args, axes, replaced, told)
        if refusal := axes.refusal(error):
            raise refusal from error
        told.append(f"torch's exporter failed ({_reason(error)}); its legacy exporter was used.")
        return _export_legacy(module, args, axes, error), "legacy"


def _require_open(model: ir.Model, axes: OpenAxes) -> None:
    """Refuse a graph whose sizes are not open where they were to be."""
    for value in model.graph.inputs:
        for axis, name in axes.named.get(value.name or "", {}).items():
            if value.shape is None or str(value.shape[axis]) != name:
                raise axes.cannot(name, "torch's exporter fixed it")


def _refuse_frozen_branches(told: Sequence[str]) -> None:
    """The legacy exporter keeps the way that one input took through forward: for another it may be wrong."""
    frozen = [line for line in told if line.startswith("Converting a tensor to a Python")]
    if frozen:
        raise EdgeshrinkError(
            f"forward branches on the values of its tensors, and a graph holds one way only: {frozen[0]}",
            "Write the branch with torch.where, so that both ways are computed.",
        )


@contextmanager
def _returning_tensors(module: torch.nn.Module) -> Iterator[None]:
    """Let forward return its tensors alone, in order: exporters stumble over numbers and over own classes."""
    forward = module.forward

    @functools.wraps(forward)
    def tensors(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, ...]:
        return tuple(flat_outputs(forward(*args, **kwargs)).values())

    # Said, as a method whose signature was set by hand hands it on with its self.
    tensors.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    own = vars(module).get("forward")
    module.forward = tensors
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def _run_once(module: torch.nn.Module, args: Mapping[str, torch.Tensor]) -> Any:
    """The outputs of one plain run; where it fails, the input does not fit, and the layer is named."""
    inside: list[str] = []
    with _watched(module, inside), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run_module(module, args)
        except Exception as error:
            shapes = ", ".join(f"{name} {_shape(value)}" for name, value in args.items())
            layer = inside[-1] if inside else ""
            where = f"layer {layer!r} ({type(module.get_submodule(layer)).__name__})" if layer else "forward"
            raise InputError(
                f"The network does not run on {shapes}: {where} failed: {_reason(error)}",
                "Give the shape and the type that the network was trained on with --input (1x10:int64, say).",
            ) from error


@contextmanager
def _watched(module: torch.nn.Module, inside: list[str]) -> Iterator[None]:
    """Keep in `inside` the names of the layers that are running, outermost first."""

    def leave(*_: object) -> None:
        inside.pop()

    hooks = []
    for name, layer in module.named_modules():
        hooks.append(layer.register_forward_pre_hook(lambda *_, name=name: inside.append(name)))
        hooks.append(layer.register_forward_hook(leave))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _shape(value: torch.Tensor) -> str:
    return "x".join(map(str, value.shape)) + f":{str(value.dtype).removeprefix('torch.')}"


def _export_dynamo(module: torch.nn.Module, args: Mapping[str, torch.Tensor], axes: OpenAxes) -> ir.Model:
    positional, named = call_arguments(module, args)
    dynamic: dict[str, Any] = {}
    program: torch.nn.Module | torch.export.ExportedProgram = module
    if axes.ranges:  # by torch.export itself, as the exporter would let an axis be fixed without a word
        dims = axes.dims(module, args)
        program = torch.export.export(module, positional, named, dynamic_shapes=dims)
        dynamic = {"dynamic_shapes": axes.names(module, args)}
    exported = torch.onnx.export(
        program,
        positional,
        kwargs=named,
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        input_names=list(args),
        **dynamic,
    )
    assert exported is not None
    return exported.model


def _export_legacy(
    module: torch.nn.Module, args: Mapping[str, torch.Tensor], axes: OpenAxes, first: Exception
) -> ir.Model:
    buffer = io.BytesIO()
    positional, named = call_arguments(module, args)
    try:
        torch.onnx.export(
            module,
            (*positional, named),
            buffer,  # type: ignore[arg-type]  # its annotation forgets that it takes streams
            dynamo=False,
            opset_version=17,
            input_names=list(args),
            dynamic_axes=axes.named,
            verbose=False,
        )
    except Exception as second:
        raise EdgeshrinkError(
            f"torch cannot export this network: {_reason(first)}\n"
            f"Its legacy exporter failed too: {_reason(second)}",
            "Replace the operation that it names, or give edgeshrink a .onnx file of your own.",
        ) from first
    return ir.serde.deserialize_model(onnx.load_from_string(buffer.getvalue()))


def _name_outputs(model: ir.Model, names: list[str]) -> None:
    """Give the graph's outputs their names; one that is an input, or given twice, gets a node of its own."""
    passes.OutputFixPass()(model)
    if len(names) != len(model.graph.outputs):
        return  # the exporter dropped or added some: its own names are the truth
    taken = {value.name for value in model.graph.inputs} | set(model.graph.initializers)
    wanted = [name if name not in taken else f"{name}_out" for name in names]
    for node in model.graph.all_nodes():
        for made in node.outputs:
            if made.name in wanted:
                made.name = f"{made.name}_value"
    for value, name in zip(model.graph.outputs, wanted, strict=True):
        value.name = name


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep torch's talk off the terminal; yields the list that what concerns the user is added to."""
    told: list[str] = []
    libraries = ("torch.onnx", "torch.export", "torch._dynamo", "onnxscript", "onnx_ir")
    with warnings.catch_warnings(record=True) as caught, unspoken(*libraries):
        warnings.simplefilter("always")
        yield told
    told.extend(str(w.message).splitlines()[0] for w in caught if w.category.__name__ == "TracerWarning")


def _reason(error: BaseException) -> str:
    """The first line of the error at the root: torch's own begin with how to report them."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
