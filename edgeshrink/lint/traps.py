"""Silent traps: what the parser takes without a word and computes wrongly.

Which trap a parser has, and where that is known from, stands in its table; when a node falls into one, here.
A trap of a table that no condition here is about is told as possible, for every node of its operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, rank_of

__all__ = ["ATTRIBUTES", "CONDITIONS"]


class Remedy(NamedTuple):
    """What to do about a trap.

    Attributes:
        text: A sentence.
        by_export: Whether lowering does it; of a lowered network it has not, then.
    """

    text: str
    by_export: bool = False


Condition = Callable[[Subject, ir.Node], Remedy | None]
"""What to do about it where the node falls into the trap, nothing where it does not."""

CONDITIONS: dict[str, Condition] = {}
"""By the trap's id."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {}
"""Attributes that a trap is about, by its id: nothing more needs to be said of them."""

EVALUATE = Remedy("Export after model.eval().")
LOWER = Remedy("Lower the network with `edgeshrink export`.", by_export=True)
WRITTEN = Remedy("Write it with other operations in forward.")


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
            left = WRITTEN if network.lowered and remedy.by_export else remedy
            yield Hit(f"{text} ({name})", left.text, node)


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
def training_mode(network: Subject, node: ir.Node) -> Remedy | None:
    """The batch's own mean and variance, as in training."""
    return EVALUATE if _int(node, "training_mode") else None


@_trap("celu-computed-wrongly")
def celu(_: Subject, __: ir.Node) -> Remedy | None:
    """Every one; lowering writes it with Elu."""
    return LOWER


@_trap("clip-bound-read-as-float32")
def clip_bounds(network: Subject, node: ir.Node) -> Remedy | None:
    """Bounds of FLOAT are read as what they are, all others as garbage."""
    bounds = [stored_array(value) for value in node.inputs[1:3]]
    if all(bound is None or bound.dtype == np.float32 for bound in bounds):
        return None
    return Remedy(
        "Take it through `edgeshrink export`; better in float32, and TensorRT chooses FP16 when it builds.",
        by_export=True,
    )


@_trap("constant-int-attribute-garbled")
def constant_ints(network: Subject, node: ir.Node) -> Remedy | None:
    """Integers that stand in the attribute itself, not in a tensor."""
    return LOWER if {"value_int", "value_ints"} & node.attributes.keys() else None


@_trap("nms-padded-output")
def nms_padded(network: Subject, node: ir.Node) -> Remedy | None:
    """Always: ONNX's output has as many rows as boxes were kept."""
    return Remedy(
        "End the network at boxes and scores, and suppress on the host; or read the rows as padded."
    )


@_trap("pad-axes-ignored")
def pad_axes(network: Subject, node: ir.Node) -> Remedy | None:
    """The fourth input came with opset 18."""
    return LOWER if input_of(node, 3) is not None else None


@_trap("pad-value-read-as-float32")
def pad_value(network: Subject, node: ir.Node) -> Remedy | None:
    """Zero is zero in every type."""
    value = stored_array(input_of(node, 2))
    if value is None or value.dtype == np.float32 or not value.any():
        return None
    return Remedy("Pad with 0, or pad float32 and cast after it.")


@_trap("recurrent-layout-ignored", "layout")
def recurrent_layout(network: Subject, node: ir.Node) -> Remedy | None:
    """Batch first."""
    return LOWER if _int(node, "layout") else None


@_trap("reduce-axes-as-input")
def reduce_axes(network: Subject, node: ir.Node) -> Remedy | None:
    """Harmless where the input names all axes, or is left out."""
    axes = input_of(node, 1)
    array = stored_array(axes)
    whole = array is not None and array.size == rank_of(input_of(node, 0))
    return None if axes is None or whole else LOWER


@_trap("reduce-noop-ignored", "noop_with_empty_axes")
def reduce_noop(network: Subject, node: ir.Node) -> Remedy | None:
    """The attribute, without any axes."""
    axes = stored_array(input_of(node, 1))
    given = "axes" in node.attributes or (axes is not None and axes.size)
    return LOWER if _int(node, "noop_with_empty_axes") and not given else None


@_trap("reshape-allowzero-required")
def reshape_allowzero(network: Subject, node: ir.Node) -> Remedy | None:
    """From opset 14 on the attribute is read without a default."""
    return LOWER if network.opset >= 14 and "allowzero" not in node.attributes else None


@_trap("resize-opset-18-attributes-ignored", "antialias", "keep_aspect_ratio_policy")
def resize_attributes(network: Subject, node: ir.Node) -> Remedy | None:
    """Smoothing, some of the axes, or another way to keep the aspect ratio."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if not _int(node, "antialias") and "axes" not in node.attributes and policy == "stretch":
        return None
    text = "Resize all dimensions, with antialias=False; `edgeshrink export` writes axes out."
    return Remedy(text, by_export=True)


@_trap("scatter-reduction-ignored", "reduction")
def scatter_reduction(network: Subject, node: ir.Node) -> Remedy | None:
    """Updates that are added up, multiplied or compared."""
    plain = node.attributes.get_string("reduction", "none") == "none"
    other = "else write it with one_hot and a matrix product in forward."
    return (
        None if plain else Remedy(f"`edgeshrink export` writes it out, up to a size; {other}", by_export=True)
    )


@_trap("shape-start-end-ignored")
def shape_range(network: Subject, node: ir.Node) -> Remedy | None:
    """Part of a shape."""
    end = node.attributes.get_int("end")
    return None if not _int(node, "start") and end in (None, rank_of(input_of(node, 0))) else LOWER


@_trap("split-uneven")
def split_uneven(network: Subject, node: ir.Node) -> Remedy | None:
    """Harmless where the parts are equal."""
    parts, source, axis = node.attributes.get_int("num_outputs"), input_of(node, 0), _int(node, "axis")
    if not parts:
        return None
    sizes = () if source is None or source.shape is None else tuple(source.shape)
    size = sizes[axis] if -len(sizes) <= axis < len(sizes) else None
    return None if isinstance(size, int) and size % parts == 0 else LOWER


@_trap("topk-largest-ignored", "largest")
def topk_smallest(network: Subject, node: ir.Node) -> Remedy | None:
    """The smallest."""
    return None if node.attributes.get_int("largest", 1) else LOWER


def _int(node: ir.Node, name: str) -> int:
    return node.attributes.get_int(name, 0) or 0
