"""What the parser's table says of each operator: not there, or only with these types and constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import onnx
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.traps import ATTRIBUTES
from edgeshrink.lint.values import dtype_of, input_of, is_constant, rank_of
from edgeshrink.lower import RULES as LOWERING
from edgeshrink.parsers import Operator, parsers

__all__: list[str] = []

ONNX = ("", "ai.onnx")
LOWERED = frozenset(op_type for rule in LOWERING for op_type in rule.op_types)
"""Operators that export can write with others, in most of their forms."""

EXPORTED = "Take it through `edgeshrink export`, which writes most forms of it with other operators"
WRITTEN = "Write it with other operations in forward"
SEEN = frozenset({"Cast", "Clip", "Constant", "DequantizeLinear", "Einsum", "If", "MatMul", "PRelu"}) | {
    "Pad",
    "QuantizeLinear",
    "Range",
    "Transpose",
    "Where",
}
"""Operators whose restrictions in words other rules look at."""


@rule("unknown-parser", "warning")
def unknown_parser(network: Subject) -> Iterator[Hit]:
    """No table is about the device's TensorRT: operators were not checked."""
    if network.parser is None:
        version, known = network.device.tensorrt, ", ".join(table.version for table in parsers())
        yield Hit(
            f"{network.device.name} has TensorRT {version or 'of unknown version'}, which no parser table is "
            "about: its operators were not checked.",
            f"Tables are there for {known}: `tensorrt` in the profile says which version the device has.",
        )


@rule("unsupported-operator", "error")
def unsupported_operator(network: Subject) -> Iterator[Hit]:
    """The parser has no importer: it looks for a plugin of that name, and fails where there is none."""
    if network.parser is None:
        return
    for node in network.nodes:
        if node.domain in ONNX and not network.parser.supports(node.op_type):
            way = EXPORTED if _exported(network, node) else WRITTEN
            yield Hit(
                f"The parser of TensorRT {network.parser.version} has no importer for {node.op_type}.",
                f"{way}, or choose a device with a newer TensorRT.",
                node,
            )


def _exported(network: Subject, node: ir.Node) -> bool:
    """Whether export may write the node with other operators, as far as it has not been there already."""
    return node.op_type in LOWERED and not network.lowered


@rule("foreign-operator", "error")
def foreign_operator(network: Subject) -> Iterator[Hit]:
    """The operator is none of ONNX's own."""
    for node in network.nodes:
        if node.domain not in ONNX:
            yield Hit(
                f"{node.op_type} is of the domain {node.domain!r}: the parser takes it for a plugin.",
                "Write it with ONNX's operators, or load a plugin of that name on the device.",
                node,
            )


def _listed(network: Subject) -> Iterator[tuple[ir.Node, Operator]]:
    """The nodes that the parser's table is about, with what it says."""
    if network.parser is None:
        return
    for node in network.nodes:
        entry = network.parser.operators.get(node.op_type)
        if entry is not None and node.domain in ONNX:
            yield node, entry


@rule("refused-type", "error")
def refused_type(network: Subject) -> Iterator[Hit]:
    """An input has a type that the importer refuses, after the parser's narrowing."""
    for node, entry in _listed(network):
        if (kind := _kind(network, node)) in entry.refused:
            way = EXPORTED if _exported(network, node) else "Cast to FLOAT before it, and back after it"
            yield Hit(f"The parser refuses {node.op_type} of {kind}.", f"{way}.", node)


@rule("operator-type", "warning")
def operator_type(network: Subject) -> Iterator[Hit]:
    """An input has a type that the table does not list for its operator, after the parser's narrowing."""
    for node, entry in _listed(network):
        kind = _kind(network, node)
        if not entry.types or network.parser is None or kind in entry.refused:
            continue
        if kind not in entry.types and kind in network.parser.network_types:
            yield Hit(
                f"{node.op_type} of {kind} is not among what the parser documents: {', '.join(entry.types)}.",
                "Cast to one of these types before it, or expect that the build fails here.",
                node,
            )


def _kind(network: Subject, node: ir.Node) -> str:
    """The type of the node's data as the parser narrows it; empty where it is not known."""
    dtype = dtype_of(_data(node))
    if network.parser is None or dtype is None:
        return ""
    return network.parser.narrowed.get(dtype.name, dtype.name)


def _data(node: ir.Node) -> ir.Value | None:
    """What an operator's types are about: mostly its first input."""
    if node.op_type in ("ConstantOfShape", "If", "Loop", "OneHot", "Scan"):
        return node.outputs[0]
    index = 1 if node.op_type == "Where" else 0
    return input_of(node, index)


@rule("input-not-constant", "error")
def input_not_constant(network: Subject) -> Iterator[Hit]:
    """An input that the parser only takes as an initializer is computed."""
    for node, entry in _listed(network):
        for index in (*entry.constant_inputs, *entry.constant_of_type.get(_kind(network, node), ())):
            value = input_of(node, index)
            if value is not None and not is_constant(value):
                yield Hit(
                    f"Input {_input_name(network, node, index)} must be constant; {value.name} is computed.",
                    "Make it a constant: fixed numbers in forward, and fixed sizes of the inputs.",
                    node,
                )


def _input_name(network: Subject, node: ir.Node, index: int) -> str:
    try:
        formal = onnx.defs.get_schema(node.op_type, network.opset, "").inputs
    except onnx.defs.SchemaError:
        return str(index)
    return f"{index} ({formal[index].name})" if index < len(formal) else str(index)


@rule("input-missing", "error")
def input_missing(network: Subject) -> Iterator[Hit]:
    """An input is left out, which ONNX allows and the parser does not."""
    for node, entry in _listed(network):
        for index in entry.required_inputs:
            if input_of(node, index) is None:
                yield Hit(
                    f"It leaves out input {_input_name(network, node, index)}, which the parser asks for.",
                    "Write the default of that input into the file.",
                    node,
                )


@rule("negative-constant", "error")
def negative_constant(network: Subject) -> Iterator[Hit]:
    """A constant holds negative numbers where the parser takes none: paddings that crop."""
    for node, entry in _listed(network):
        for index in entry.nonnegative:
            array = stored_array(input_of(node, index))
            if array is not None and array.size and array.min() < 0:
                yield Hit(
                    f"Input {_input_name(network, node, index)} holds {array.min()}; the parser takes no "
                    "negative numbers there.",
                    "Crop by slicing in forward, x[..., 1:], not by a negative padding.",
                    node,
                )


@rule("attribute-value", "error")
def attribute_value(network: Subject) -> Iterator[Hit]:
    """An attribute has a value that the parser does not know."""
    for node, entry in _listed(network):
        trapped = {name for trap in entry.traps for name in ATTRIBUTES.get(trap.id, ())}
        for name, allowed in entry.values.items():
            value = network.attribute(node, name)
            each = value if isinstance(value, list | tuple) else () if value is None else (value,)
            if name not in trapped and any(item not in allowed for item in each):
                yield Hit(
                    f"{name}={value} is not known to the parser, which takes {', '.join(map(str, allowed))}.",
                    f"{EXPORTED}, or choose another {name} in forward."
                    if _exported(network, node)
                    else f"Choose another {name} in forward, or write {node.op_type} with other operations.",
                    node,
                )


@rule("rank", "error")
def rank(network: Subject) -> Iterator[Hit]:
    """The first input has another number of dimensions than the parser takes."""
    for node, entry in _listed(network):
        dimensions = rank_of(input_of(node, 0))
        if not entry.ranks or dimensions is None or dimensions in entry.ranks:
            continue
        yield Hit(
            f"Its input has {dimensions} dimensions; the parser takes {' or '.join(map(str, entry.ranks))}.",
            "Reshape before and after it.",
            node,
        )


@rule("restricted-operator", "note")
def restricted_operator(network: Subject) -> Iterator[Hit]:
    """The table restricts the operator in words alone: told once, with the number of nodes."""
    seen = Counter(node.op_type for node, _ in _listed(network))
    told: set[str] = set()
    for node, entry in _listed(network):
        checked = entry.constant_inputs or entry.values or entry.ranks or node.op_type in SEEN
        if entry.restrictions and not checked and node.op_type not in told:
            told.add(node.op_type)
            nodes = f"{seen[node.op_type]} nodes" if seen[node.op_type] > 1 else "one node"
            yield Hit(
                f"The parser restricts {node.op_type} ({nodes}): {' '.join(entry.restrictions)}",
                "See that it holds; what can be seen in the graph, other rules have looked at.",
                node,
            )
