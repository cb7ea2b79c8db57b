"""nn.Module -> ONNX IR by torch.onnx.export: where torch's world ends."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes
import torch
from torch.utils import _pytree as pytree

from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.inputs import InputSpec
from edgeshrink.onnx_reader import Traced, read_onnx

__all__ = ["OPSET", "Traced", "flat_outputs", "read_onnx", "trace_module"]

OPSET = 18  # what torch.onnx.export(dynamo=True) writes best; asked for less it warns and writes 18 anyway


def trace_module(module: torch.nn.Module, inputs: Sequence[InputSpec]) -> Traced:
    """Export `module`, put in eval mode, for the shapes of `inputs`.

    Graph inputs bear the names of forward's arguments. A single output is called `output`, several ones
    `output_0`, `output_1`..., those of a dictionary by their keys.

    Raises:
        InputError: The inputs do not fit forward, or a layer fails on them (the message names the layer).
        EdgeshrinkError: Neither of torch's exporters can write the network.
    """
    module.eval()
    args = _bind(module, inputs)
    outputs = flat_outputs(_run_once(module, args))
    if not outputs:
        raise EdgeshrinkError("The network returns no tensor, so there is nothing to export.")
    with _quiet() as told:
        try:
            model, exporter = _export_dynamo(module, args), "dynamo"
        except Exception as error:  # torch raises whatever the module and its own parts raise
            told.append(
                f"torch's exporter failed ({_first_line(error)}); its legacy exporter wrote the network."
            )
            model, exporter = _export_legacy(module, args, error), "legacy"
    _name_outputs(model, list(outputs))
    return Traced(model, "dynamo" if exporter == "dynamo" else "legacy", tuple(dict.fromkeys(told)))


def _bind(module: torch.nn.Module, inputs: Sequence[InputSpec]) -> dict[str, torch.Tensor]:
    """Example tensors by the name of the argument they go to, in forward's order."""
    parameters = inspect.signature(module.forward).parameters.values()
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
    return {name: _example(given[name]) for name in names if name in given}


def _takes(module: torch.nn.Module, names: Sequence[str]) -> str:
    return f"{type(module).__name__}.forward takes: {', '.join(names) or 'nothing'}."


def _example(spec: InputSpec) -> torch.Tensor:
    """Standard normal floats from a fixed seed; integers are 0, which every table and every mask accepts."""
    dtype: torch.dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point:
        return torch.randn(spec.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return torch.zeros(spec.shape, dtype=dtype)


def _run_once(module: torch.nn.Module, args: Mapping[str, torch.Tensor]) -> Any:
    """The outputs of one plain run; where it fails, the input does not fit, and the layer is named."""
    inside: list[str] = []
    with _watched(module, inside), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return module(**args)
        except Exception as error:
            shapes = ", ".join(f"{name} {_shape(value)}" for name, value in args.items())
            layer = inside[-1] if inside else ""
            where = f"layer {layer!r} ({type(module.get_submodule(layer)).__name__})" if layer else "forward"
            raise InputError(
                f"The network does not run on {shapes}: {where} failed: {_first_line(error)}",
                "Give the shape the network was trained on with --input.",
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


def _export_dynamo(module: torch.nn.Module, args: Mapping[str, torch.Tensor]) -> ir.Model:
    names = list(args)
    program = torch.onnx.export(
        module,
        kwargs=dict(args),
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        input_names=names,
    )
    assert program is not None
    return program.model


def _export_legacy(module: torch.nn.Module, args: Mapping[str, torch.Tensor], first: Exception) -> ir.Model:
    buffer = io.BytesIO()
    try:
        torch.onnx.export(
            module,
            (dict(args),),
            buffer,  # type: ignore[arg-type]  # its annotation forgets that it takes streams
            dynamo=False,
            opset_version=17,
            input_names=list(args),
            verbose=False,
        )
    except Exception as second:
        raise EdgeshrinkError(
            f"torch cannot export this network: {_first_line(first)}\n"
            f"Its legacy exporter failed too: {_first_line(second)}",
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
    loggers = [
        logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._dynamo", "onnxscript")
    ]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield told
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    told.extend(str(w.message).splitlines()[0] for w in caught if w.category.__name__ == "TracerWarning")


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
