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
    ("Pad", "mode", "wrap"): 19,
    ("Resize", "coordinate_transformation_mode", "half_pixel_symmetric"): 19,
    ("ScatterElements", "reduction", "max"): 18,
    ("ScatterElements", "reduction", "min"): 18,
    ("ScatterND", "reduction", "max"): 18,
    ("ScatterND", "reduction", "min"): 18,
}


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


def _first_version(op_type: str) -> int:
    return min(
        s.since_version
        for s in onnx.defs.get_all_schemas_with_history()
        if s.name == op_type and not s.domain
    )


def _attribute_faults(node: ir.Node, old: Any, new: Any, target: int) -> Iterator[str]:
    for name in [*node.attributes, *(name for name in new.attributes if name not in node.attributes)]:
        value = _effective(node, name, new)
        if name not in old.attributes and not _means_nothing(node, name, value):
            yield f"{name}={value} came with opset {new.since_version}"
        since = _NEW_VALUES.get((node.op_type, name, str(value)), 0)
        if since > target:
            yield f"{name}={value} came with opset {since}"
    for name, attribute in old.attributes.items():
        if attribute.required and name not in node.attributes:
            yield f"opset {target} wants the attribute {name}"
    if node.op_type in ("MaxPool", "AveragePool") and node.attributes.get_int("ceil_mode", 0) == 1:
        yield f"ceil_mode=1 counts windows differently before opset {new.since_version}"
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
    if name == "noop_with_empty_axes":
        return value == 0  # the rules for axes have read it
    if name == "dilations":
        return all(step == 1 for step in value)  # type: ignore[attr-defined]
    if key == ("Reshape", "allowzero"):
        shape = None if node.inputs[1] is None else ir.convenience.get_const_tensor(node.inputs[1])
        return shape is not None and 0 not in shape.numpy()  # a zero alone is read in two ways
    return False


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
    """The type as schemas write it, `tensor(float)`; None where it is not known or no tensor."""
    if value is None or not isinstance(value.type, ir.TensorType):
        return None
    name = value.type.dtype.name
    return f"tensor({ {'FLOAT': 'float', 'DOUBLE': 'double'}.get(name, name.lower()) })"
