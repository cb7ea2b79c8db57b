"""Silent traps: what the parser takes without a word and computes wrongly.

Which trap a parser has, and where that is known from, stands in its table; when a node falls into one, here.
A trap of a table that no condition here is about is told as possible, for every node of its operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import constant_of, input_of, rank_of

__all__ = ["ATTRIBUTES", "CONDITIONS"]

Condition = Callable[[Subject, ir.Node], str]
"""What to do about it where the node falls into the trap, nothing where it does not."""

CONDITIONS: dict[str, Condition] = {}
"""By the trap's id."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {}
"""Attributes that a trap is about, by its id: nothing more needs to be said of them."""

LOWER = "Lower the network with `edgeshrink export`."
WRITTEN = "Write it with other operations in forward."


def _trap(name: str, *attributes: str) -> Callable[[Condition], Condition]:
    def register(condition: Condition) -> Condition:
        CONDITIONS[name], ATTRIBUTES[name] = condition, attributes
        return condition

    return register


@rule("silent-trap", "error")
def silent_trap(network: Subject) -> Iterator[Hit]:
    """A node falls into a trap of the parser's table."""
    for node, name, text in _traps(network):
        condition = CONDITIONS.get(name)
        if condition is not None and (remedy := condition(network, node)):
            mended = network.lowered and "edgeshrink export" in remedy
            yield Hit(f"{text} ({name})", WRITTEN if mended else remedy, node)


@rule("possible-trap", "warning")
def possible_trap(network: Subject) -> Iterator[Hit]:
    """A node may fall into a trap that only its text describes."""
    for node, name, text in _traps(network):
        if name not in CONDITIONS:
            yield Hit(
                f"{text} ({name})", "Compare the outputs on the device with those of ONNX Runtime.", node
            )


def _traps(network: Subject) -> Iterator[tuple[ir.Node, str, str]]:
    if network.parser is None:
        return
    for node in network.nodes:
        if node.domain in ("", "ai.onnx"):
            for trap in network.parser.traps(node.op_type):
                yield node, trap.id, trap.text


@_trap("batch-normalization-training-mode-ignored", "training_mode")
def training_mode(network: Subject, node: ir.Node) -> str:
    """The batch's own mean and variance, as in training."""
    return "Export after model.eval()." if _int(node, "training_mode") else ""


@_trap("celu-computed-wrongly")
def celu(_: Subject, __: ir.Node) -> str:
    """Every one; lowering writes it with Elu."""
    return LOWER


@_trap("clip-bound-read-as-float32")
def clip_bounds(network: Subject, node: ir.Node) -> str:
    """Bounds of FLOAT are read as what they are, all others as garbage."""
    bounds = [constant_of(value) for value in node.inputs[1:3]]
    if all(bound is None or bound.dtype == np.float32 for bound in bounds):
        return ""
    return "Take it through `edgeshrink export`; better in float32, and TensorRT chooses FP16 when it builds."


@_trap("constant-int-attribute-garbled")
def constant_ints(network: Subject, node: ir.Node) -> str:
    """Integers that stand in the attribute itself, not in a tensor."""
    return LOWER if {"value_int", "value_ints"} & node.attributes.keys() else ""


@_trap("nms-padded-output")
def nms_padded(network: Subject, node: ir.Node) -> str:
    """Always: ONNX's output has as many rows as boxes were kept."""
    return "End the network at boxes and scores, and suppress on the host; or read the rows as padded."


@_trap("pad-axes-ignored")
def pad_axes(network: Subject, node: ir.Node) -> str:
    """The fourth input came with opset 18."""
    return LOWER if input_of(node, 3) is not None else ""


@_trap("pad-value-read-as-float32")
def pad_value(network: Subject, node: ir.Node) -> str:
    """Zero is zero in every type."""
    value = constant_of(input_of(node, 2))
    if value is None or value.dtype == np.float32 or not value.any():
        return ""
    return "Pad with 0, or pad float32 and cast after it."


@_trap("recurrent-layout-ignored", "layout")
def recurrent_layout(network: Subject, node: ir.Node) -> str:
    """Batch first."""
    return LOWER if _int(node, "layout") else ""


@_trap("reduce-axes-as-input")
def reduce_axes(network: Subject, node: ir.Node) -> str:
    """Harmless where the input names all axes, or is left out."""
    axes = input_of(node, 1)
    array = constant_of(axes)
    whole = array is not None and array.size == rank_of(input_of(node, 0))
    return "" if axes is None or whole else LOWER


@_trap("reduce-noop-ignored", "noop_with_empty_axes")
def reduce_noop(network: Subject, node: ir.Node) -> str:
    """The attribute, without any axes."""
    axes = constant_of(input_of(node, 1))
    given = "axes" in node.attributes or (axes is not None and axes.size)
    return LOWER if _int(node, "noop_with_empty_axes") and not given else ""


@_trap("reshape-allowzero-required")
def reshape_allowzero(network: Subject, node: ir.Node) -> str:
    """From opset 14 on the attribute is read without a default."""
    return LOWER if network.opset >= 14 and "allowzero" not in node.attributes else ""


@_trap("resize-opset-18-attributes-ignored", "antialias", "keep_aspect_ratio_policy")
def resize_attributes(network: Subject, node: ir.Node) -> str:
    """Smoothing, some of the axes, or another way to keep the aspect ratio."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if not _int(node, "antialias") and "axes" not in node.attributes and policy == "stretch":
        return ""
    return "Resize all dimensions, with antialias=False; `edgeshrink export` writes axes out."


@_trap("scatter-reduction-ignored", "reduction")
def scatter_reduction(network: Subject, node: ir.Node) -> str:
    """Updates that are added up, multiplied or compared."""
    plain = node.attributes.get_string("reduction", "none") == "none"
    other = "else write it with one_hot and a matrix product in forward."
    return "" if plain else f"`edgeshrink export` writes it out, up to a size; {other}"


@_trap("shape-start-end-ignored")
def shape_range(network: Subject, node: ir.Node) -> str:
    """Part of a shape."""
    end = node.attributes.get_int("end")
    return "" if not _int(node, "start") and end in (None, rank_of(input_of(node, 0))) else LOWER


@_trap("split-uneven")
def split_uneven(network: Subject, node: ir.Node) -> str:
    """Harmless where the parts are equal."""
    parts, source, axis = node.attributes.get_int("num_outputs"), input_of(node, 0), _int(node, "axis")
    if not parts:
        return ""
    sizes = () if source is None or source.shape is None else tuple(source.shape)
    size = sizes[axis] if -len(sizes) <= axis < len(sizes) else None
    return "" if isinstance(size, int) and size % parts == 0 else LOWER


@_trap("topk-largest-ignored", "largest")
def topk_smallest(network: Subject, node: ir.Node) -> str:
    """The smallest."""
    return "" if node.attributes.get_int("largest", 1) else LOWER


def _int(node: ir.Node, name: str) -> int:
    return node.attributes.get_int(name, 0) or 0
