"""Does a node mean the same at an older opset? Its two schemas answer, and small tables where they cannot.

A newer version of an operator mostly takes more types, or has a new attribute whose value is the old meaning:
then the node is the older one once that attribute is gone. Whatever else differs is named, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import onnx_ir as ir

__all__ = ["REVIEWED", "drop_what_says_nothing", "faults_at"]

REVIEWED = 28  # newest opset whose changes went into these tables (onnx 1.23, operator changelog)

# What the version without the attribute means: the value at which it can be dropped.
_OLD_MEANING: dict[tuple[str, str], object] = {
    ("Attention", "left_window_size"): -1,
    ("Attention", "right_window_size"): -1,
    ("BatchNormalization", "training_mode"): 0,
    ("DequantizeLinear", "block_size"): 0,
    ("DequantizeLinear", "output_dtype"): 0,
    ("GRU", "layout"): 0,
    ("LSTM", "layout"): 0,
    ("LpPool", "ceil_mode"): 0,
    ("QuantizeLinear", "block_size"): 0,
    ("QuantizeLinear", "output_dtype"): 0,
    ("QuantizeLinear", "precision"): 0,
    ("RNN", "layout"): 0,
    ("Reshape", "allowzero"): 0,
    ("Resize", "antialias"): 0,
    ("Resize", "keep_aspect_ratio_policy"): "stretch",
    ("RoiAlign", "coordinate_transformation_mode"): "output_half_pixel",
    ("ScatterElements", "reduction"): "none",
    ("ScatterND", "reduction"): "none",
    ("Shape", "start"): 0,
    ("SpaceToDepth", "mode"): "DCR",
}
# Attributes that only concern types which older versions do not take.
_IRRELEVANT = {
    ("Cast", "saturate"),
    ("Cast", "round_mode"),
    ("QuantizeLinear", "saturate"),
    ("Range", "stash_type"),
}
# Values that an attribute took on in a later opset.
_NEW_VALUES = {
    ("GridSample", "mode", "cubic"): 20,
    ("GridSample", "mode", "linear"): 20,
    ("Pad", "mode", "wrap"): 19,
    ("Resize", "coordinate_transformation_mode", "half_pixel_symmetric"): 19,
    ("ScatterElements", "reduction", "max"): 18,
    ("ScatterElements", "reduction", "min"): 18,
    ("ScatterND", "reduction", "max"): 18,
    ("ScatterND", "reduction", "min"): 18,
}
_MAKE_SEQUENCES = frozenset(
    {
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceMap",
        "SplitToSequence",
    }
)


def faults_at(node: ir.Node, opset: int, target: int) -> list[str]:
    """Why `node`, written for `opset`, cannot stand at opset `target`; empty where it can.

    An attribute that the older version lacks and means anyway is none; drop_what_says_nothing removes it.
    """
    try:
        new = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return [f"no opset up to {opset} has {node.op_type}"]
    try:
        old = onnx.defs.get_schema(node.op_type, target, "")
    except onnx.defs.SchemaError:
        return [f"{node.op_type} came with opset {_first_version(node.op_type)}"]
    if new.since_version == old.since_version:
        return []
    if new.since_version > REVIEWED:
        return [f"{node.op_type} changed in opset {new.since_version}, which edgeshrink does not know yet"]
    return [*_attribute_faults(node, old, new, target), *_value_faults(node, old)]


def drop_what_says_nothing(node: ir.Node, target: int) -> None:
    """Remove the attributes that opset `target` lacks from a node in which `faults_at` found no fault."""
    known = onnx.defs.get_schema(node.op_type, target, "").attributes
    for name in [name for name in node.attributes if name not in known]:
        del node.attributes[name]


def _first_version(op_type: str, attribute: str = "") -> int:
    return min(
        s.since_version
        for s in onnx.defs.get_all_schemas_with_history()
        if s.name == op_type and not s.domain and (not attribute or attribute in s.attributes)
    )


def _attribute_faults(node: ir.Node, old: Any, new: Any, target: int) -> Iterator[str]:
    for name in [*node.attributes, *(name for name in new.attributes if name not in node.attributes)]:
        value = _effective(node, name, new)
        if name not in old.attributes and not _means_nothing(node, name, value):
            yield f"{name}={value} came with opset {_first_version(node.op_type, name)}"
        since = _NEW_VALUES.get((node.op_type, name, str(value)), 0)
        if since > target:
            yield f"{name}={value} came with opset {since}"
    for name, attribute in old.attributes.items():
        if attribute.required and name not in node.attributes:
            yield f"opset {target} wants the attribute {name}"
    if node.op_type in ("MaxPool", "AveragePool") and node.attributes.get_int("ceil_mode", 0) == 1:
        yield f"ceil_mode=1 counts windows differently before opset {new.since_version}"
    if node.op_type == "GridSample" and old.since_version < 20 <= new.since_version and not _is_picture(node):
        yield "volumes came with opset 20"
    if (
        node.op_type == "Attention"
        and old.since_version < 24 <= new.since_version
        and _is_capped_and_masked(node)
    ):
        yield "softcap comes before the mask from opset 24 on"
    if node.op_type == "Mod" and not node.attributes.get_int("fmod", 0) and _is_float(node.inputs[0]):
        yield f"fmod=0 of floats came with opset {new.since_version}"


def _effective(node: ir.Node, name: str, schema: Any) -> object:
    """The attribute's value, its default where the node does not say, None where there is neither."""
    if name in node.attributes:
        return node.attributes[name].value
    default = schema.attributes[name].default_value
    return onnx.helper.get_attribute_value(default) if default.type else None


def _means_nothing(node: ir.Node, name: str, value: object) -> bool:
    key = (node.op_type, name)
    if value is None or key in _IRRELEVANT:
        return True
    if key in _OLD_MEANING and _plain(value) == _OLD_MEANING[key]:
        return True
    if name == "output_dtype" and value == _quantized_type(node):
        return True
    if name == "noop_with_empty_axes":
        return value == 0  # the rules for axes have read it
    if name == "dilations":
        return all(step == 1 for step in value)  # type: ignore[attr-defined]
    if key == ("Reshape", "allowzero"):
        shape = None if node.inputs[1] is None else ir.convenience.get_const_tensor(node.inputs[1])
        return shape is not None and 0 not in shape.numpy()  # a zero alone is read in two ways
    return False


def _quantized_type(node: ir.Node) -> int | None:
    """The output's type by what the older version goes by: a zero point or a scale."""
    index = 2 if node.op_type == "QuantizeLinear" else 1
    if len(node.inputs) <= index or node.inputs[index] is None:
        return int(ir.DataType.UINT8) if index == 2 else None
    dtype = node.inputs[index].dtype  # type: ignore[union-attr]
    return None if dtype is None else int(dtype)


def _is_picture(node: ir.Node) -> bool:
    x = node.inputs[0]
    return x is not None and x.shape is not None and x.shape.rank() == 4


def _is_capped_and_masked(node: ir.Node) -> bool:
    masked = len(node.inputs) > 3 and node.inputs[3] is not None
    return masked and node.attributes.get_float("softcap", 0.0) != 0


def _plain(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def _value_faults(node: ir.Node, old: Any) -> Iterator[str]:
    """Inputs and outputs in number and type."""
    for what, values, formal in (("input", node.inputs, old.inputs), ("output", node.outputs, old.outputs)):
        used = [value for value in values if value is not None and (what == "input" or value.name)]
        if len(values) > len(formal) and not _variadic(formal):
            yield f"opset {old.since_version} has no {what} {len(formal)}"
            continue
        for index, value in enumerate(values):
            types = formal[min(index, len(formal) - 1)].types
            kind = _type_name(value) if value in used else None
            if kind is not None and kind not in types:
                yield f"{what} {index} is {kind}, which opset {old.since_version} does not take"


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype is not None and value.dtype.is_floating_point()


def _variadic(formal: Any) -> bool:
    return bool(formal) and formal[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic


def _type_name(value: ir.Value | None) -> str | None:
    """The type as schemas write it, `tensor(float)`; None where it is not known."""
    if value is None or not isinstance(value.type, ir.TensorType | ir.SequenceType):
        return None
    name = value.type.dtype.name
    tensor = f"tensor({ {'FLOAT': 'float', 'DOUBLE': 'double'}.get(name, name.lower()) })"
    return f"seq({tensor})" if _is_sequence(value) else tensor


def _is_sequence(value: ir.Value) -> bool:
    """By what makes it, too: onnx_ir keeps of an inferred sequence the type of its elements alone."""
    node = value.producer()
    while node is not None and node.op_type == "Identity" and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return isinstance(value.type, ir.SequenceType) or (node is not None and node.op_type in _MAKE_SEQUENCES)
