"""A .onnx file -> ONNX IR, checked, and brought to what the rest of the road expects: opset 13 or newer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Literal

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes

from edgeshrink.errors import InputError, no_such_file
from edgeshrink.graph.open_sizes import fixed
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.inputs import InputSpec, SizeRange, random_inputs, sizes_at
from edgeshrink.onnx_guard import require_small, require_sound
from edgeshrink.verify import compare_outputs, run_onnx

__all__ = ["OLDEST", "Traced", "load_onnx", "read_onnx"]

_AGAIN = "Copy it again, with its external data beside it, or export the network again."
_MOST_ELEMENTS = 2**28  # of one value: 1 GB of floats
OLDEST = 13  # older forms (axes as attributes of Squeeze, say) would double what every pass has to know


@dataclass(frozen=True)
class Traced:
    """A network as ONNX IR.

    Attributes:
        model: The graph; from torch its inputs are named after forward's arguments.
        exporter: What wrote it: torch's own exporter, its older one (the fallback), or a .onnx file.
        warnings: What the user should know about the way here, a sentence each.
        ranges: What each open size may be, by its name in the graph.
    """

    model: ir.Model
    exporter: Literal["dynamo", "legacy", "onnx"]
    warnings: tuple[str, ...] = ()
    ranges: Mapping[str, SizeRange] = field(default_factory=dict)


def read_onnx(path: str | Path, inputs: Sequence[InputSpec] = ()) -> Traced:
    """Read a .onnx file, its external data included, and check it.

    Sizes that the file leaves open are taken from `inputs`, by name or in order, and stay open where those
    give a range; a batch that is still open is fixed at 1, an opset below 13 is raised to 13, and both are
    told as warnings.

    Raises:
        InputError: It is missing, no ONNX, breaks ONNX's rules, lacks its external data, cannot be raised,
            leaves other sizes open, or does not take `inputs`.
    """
    path = Path(path)
    proto = _load(path)
    warnings = []
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    opset = versions.get("", versions.get("ai.onnx", OLDEST))
    if opset > (newest := onnx.defs.onnx_opset_version()):
        raise InputError(
            f"{path} is written in opset {opset}, and edgeshrink knows them up to {newest}.",
            f"Export it again with opset {newest} or older.",
        )
    if opset < OLDEST:
        proto = _raised(proto, path, opset)
        warnings.append(f"{path.name} is written in opset {opset}; it was raised to {OLDEST}.")
    model = _deserialized(proto, path)
    ranges = _fix_sizes(model, inputs, path)
    if batches := _fix_batch(model, ranges):
        names = ", ".join(batches)
        warnings.append(f"{path.name} leaves the batch size of {names} open; it was fixed at 1.")
    _require_bounded_values(model, path)
    if ranges:
        _require_bounded_values(fixed(model, sizes_at("max", ranges)), path)
    return Traced(model, "onnx", tuple(warnings), ranges)


def load_onnx(path: str | Path) -> ir.Model:
    """A .onnx file as it stands, checked and otherwise unchanged; external data stays where it is.

    Raises:
        InputError: It is missing, no ONNX, breaks ONNX's rules, or lacks its external data.
    """
    path = Path(path)
    return _deserialized(_load(path), path, in_memory=False)


def _deserialized(proto: onnx.ModelProto, path: Path, *, in_memory: bool = True) -> ir.Model:
    """The graph, with all its weights in memory unless told."""
    try:
        model = ir.serde.deserialize_model(proto)
        ir.external_data.set_base_dir(model.graph, path.absolute().parent)
        if in_memory:
            ir.external_data.load_to_model(model)
        passes.RemoveInitializersFromInputsPass()(model)
    except Exception as error:  # onnx_ir raises whatever Python's own types raise
        raise InputError(f"{path} is not valid ONNX: {_first_line(error)}", _AGAIN) from error
    return model


def _first_line(error: Exception) -> str:
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip()[:300]}".splitlines()[0]


def _load(path: Path) -> onnx.ModelProto:
    """The file's graph, checked; external data is checked to be there, and left where it is."""
    try:
        _require_no_other(path)
        require_small(path)
        proto = onnx.load(path, load_external_data=False)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise no_such_file(path) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", "Check the file's permissions."
        ) from error
    except Exception as error:  # protobuf's errors share no class over its versions
        raise InputError(f"{path} is no ONNX file, or is cut off: {error}.", _AGAIN) from error
    if not proto.graph.node:
        raise InputError(f"{path} holds no network: it has no nodes.", _AGAIN)
    require_sound(proto, path)
    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # a checker's or an inference's error, or a plain ValueError
        raise InputError(f"{path} is not valid ONNX: {str(error).strip()}", _AGAIN) from error
    return proto


def _require_no_other(path: Path) -> None:
    """Let pass what is not known to be something else: a checkpoint, samples, an engine, a profile."""
    from edgeshrink_device import InputError as DeviceInputError
    from edgeshrink_device.other_files import require_no_other

    if path.is_file():
        try:
            require_no_other(str(path))
        except DeviceInputError as error:
            raise InputError(error.message, error.hint) from error


def _raised(proto: onnx.ModelProto, path: Path, opset: int) -> onnx.ModelProto:
    """The model at opset 13, proven to be the same: the converter is not always right."""
    hint = f"Export it again with opset {OLDEST} or newer."
    onnx.external_data_helper.load_external_data_for_model(proto, str(path.absolute().parent))
    try:
        raised = onnx.version_converter.convert_version(proto, OLDEST)
        before, after = (ir.serde.deserialize_model(p) for p in (proto, raised))
        for model in (before, after):
            passes.RemoveInitializersFromInputsPass()(model)
        fault = _difference(before, after)
    except Exception as error:  # the converter raises RuntimeError, ORT classes of its own
        raise InputError(
            f"{path} is written in opset {opset}, which cannot be raised: {error}", hint
        ) from error
    if fault:
        raise InputError(f"{path} is written in opset {opset} and changes when raised: {fault}.", hint)
    return raised


def _difference(before: ir.Model, after: ir.Model) -> str:
    """What differs most between two models on two random inputs; nothing where they are equal."""
    feeds = random_inputs(before, 2)
    parity = compare_outputs(run_onnx(before, feeds), run_onnx(after, feeds))
    return "" if parity.ok else parity.worst


def _fix_sizes(model: ir.Model, inputs: Sequence[InputSpec], path: Path) -> dict[str, SizeRange]:
    """Give the graph's inputs the shapes the user said, where they fit; nothing but a batch may stay open.

    Returns:
        The ranges of sizes that are to stay open, by name.
    """
    by_name = {value.name: value for value in model.graph.inputs}
    ranges: dict[str, SizeRange] = {}
    for index, spec in enumerate(inputs):
        unnamed = model.graph.inputs[index] if index < len(model.graph.inputs) else None
        value = by_name.get(spec.name) if spec.name else unnamed
        if value is None or value.shape is None or not _fits(spec, value.shape):
            takes = ", ".join(f"{v.name}:{'x'.join(map(str, v.shape or ()))}" for v in model.graph.inputs)
            shape = "x".join(map(str, spec.shape))
            raise InputError(
                f"{path} has no input {spec.name or index} of shape {shape}.", f"It takes {takes}."
            )
        _require_free(value, spec, path)
        if any(not isinstance(size, int) for size in value.shape):
            value.shape = ir.Shape(_opened(value, spec, ranges))
            _infer_anew(model)
    for value in model.graph.inputs:
        _require_known(value, ranges, path)
    return ranges


def _require_free(value: ir.Value, spec: InputSpec, path: Path) -> None:
    """Refuse a range for a size that the file fixes."""
    for axis, size in spec.ranges.items():
        there = (value.shape or ())[axis]
        if isinstance(there, int):
            raise InputError(
                f"{path} fixes axis {axis} of input {value.name!r} at {there}, so it cannot be {size}.",
                f"Give {there} there, or export the file with that axis open.",
            )


def _opened(value: ir.Value, spec: InputSpec, ranges: dict[str, SizeRange]) -> list[int | str]:
    """The shape with the user's numbers, and names for what is to stay open; its ranges are added."""
    shape: list[int | str] = list(spec.shape)
    for axis, size in spec.ranges.items():
        there = (value.shape or ())[axis]
        named = isinstance(there, ir.SymbolicDim) and there.value is not None
        shape[axis] = name = str(there) if named else f"{value.name}_{axis}"
        if ranges.setdefault(name, size) != size:
            raise InputError(
                f"The size {name!r} is given as {ranges[name]} and, for input {value.name!r}, as {size}.",
                "The file says that they are the same: give both inputs the same range.",
            )
    return shape


def _require_known(value: ir.Value, ranges: Mapping[str, SizeRange], path: Path) -> None:
    """Refuse an input that leaves more than its batch open without a range."""
    unknown = [s for s in list(value.shape or ())[1:] if not isinstance(s, int) and str(s) not in ranges]
    if unknown:
        sizes = ", ".join(str(size) for size in unknown)
        example = "x".join("1" if i == 0 else str(s) for i, s in enumerate(value.shape or ()))
        raise InputError(
            f"{path} leaves sizes of input {value.name!r} open: {sizes}.",
            f"Give them with --input {value.name}:{example}, numbers for the names, or with --samples.",
        )


def _fits(spec: InputSpec, declared: ir.Shape) -> bool:
    """Whether an input can be what the file declares; ranges are looked at on their own."""
    return declared.rank() == len(spec.shape) and all(
        not isinstance(size, int) or size == given or axis in spec.ranges
        for axis, (size, given) in enumerate(zip(declared, spec.shape, strict=True))
    )


def _require_bounded_values(model: ir.Model, path: Path) -> None:
    """Refuse a graph that computes a value which no board holds: folding it would take all memory here."""
    made = [value for node in model.graph.all_nodes() for value in node.outputs]
    if any(value.shape is None for value in made):
        infer_shapes(model)
    for value in made:
        sizes = [size for size in value.shape or () if isinstance(size, int)]
        if prod(sizes) > _MOST_ELEMENTS:
            raise InputError(
                f"{path} computes a value of {prod(sizes):,} elements, {value.name!r}.",
                "edgeshrink takes networks for small devices: export it for smaller inputs.",
            )


def _infer_anew(model: ir.Model) -> None:
    """Forget the shapes of everything computed and infer them again."""
    for node in model.graph.all_nodes():
        for made in node.outputs:
            made.shape = None
    infer_shapes(model)


def _fix_batch(model: ir.Model, ranges: Mapping[str, SizeRange]) -> list[str]:
    """Make the first dimension 1 in every input where it is open without a range; shapes follow."""
    batches = []
    for value in model.graph.inputs:
        if value.shape is None or not value.shape.rank():
            continue
        if not isinstance(value.shape[0], int) and str(value.shape[0]) not in ranges:
            value.shape = ir.Shape([1, *value.shape[1:]])
            batches.append(str(value.name))
    if batches:
        _infer_anew(model)
    return batches
