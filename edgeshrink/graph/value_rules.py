"""What each operator makes of value numbers: which of its outputs' indices carry the same again.

Layers and sums keep what is in one proportion, rectifiers and maxima a positive factor, other functions only
what is equal. An operator without a rule here makes all its outputs different: that is always safe.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgeshrink.graph.analysis import Analysis
from edgeshrink.graph.constants import array_of
from edgeshrink.graph.likeness import Floats, Integers, Table, alike
from edgeshrink.graph.numbering import Numbered, Numbering, length_of
from edgeshrink.graph.operators import Operator, operator_of
from edgeshrink.graph.operators.base import opset_of, sizes, source_of
from edgeshrink.graph.operators.contraction import Contraction, has_plain_bias
from edgeshrink.graph.operators.elementwise import aligned_axis
from edgeshrink.graph.operators.normalization import affine_of
from edgeshrink.graph.operators.reduction import kept_axes, reduced_axes

__all__ = ["distinct_rows", "number_values"]


def number_values(graph: ir.Graph, analysis: Analysis) -> Numbering:
    """Number all tracked axes of a graph whose nodes are sorted; nothing is changed."""
    numbering = Numbering(analysis)
    for node in graph:
        rule = _rule_of(node)
        for output in node.outputs if rule is not None else ():
            for axis in analysis.spaces.axes_of(output):
                assert rule is not None
                numbered = rule(numbering, node, output, axis)
                if numbered is not None and numbered.numbers.size == length_of(output, axis):
                    numbering.put(output, axis, numbered)
    return numbering


def distinct_rows(node: ir.Node) -> bool:
    """Whether no two filters of a layer are proportional, leaving out their biases, whatever they read.

    True too where the node is no layer that the analysis can shrink.
    """
    rows = _filters(node)
    if rows is None:
        return True
    matrix, _, step = rows
    table = Table(np.zeros((matrix.shape[0], 1), np.int64), matrix.reshape(matrix.shape[0], -1), step)
    return bool((alike(table)[0] == np.arange(matrix.shape[0])).all())


Rule = Callable[[Numbering, ir.Node, ir.Value, int], Numbered | None]
"""What an operator makes of its inputs' numbers, along an axis of one of its outputs; None: nothing known."""


def _rule_of(node: ir.Node) -> Rule | None:
    operator = operator_of(node)
    if type(operator) is Operator:  # not known, or not as we know it
        return None
    return _layer if isinstance(operator, Contraction) else _RULES.get(node.op_type)


def _layer(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Filters are alike if they treat equal inputs alike together, and their biases are in proportion."""
    operator = operator_of(node)
    axes = operator.axes(node) if isinstance(operator, Contraction) else None
    if axes is None:
        return _grouped(numbering, node, axis)
    if axis != axes.output:  # carried on by a MatMul, which adds no bias: linear
        return _linear(numbering, node, output, axis) if node.op_type == "MatMul" else None
    rows = _filters(node)
    if rows is None:
        return None
    matrix, bias, step = rows
    inputs = numbering.of(source_of(node), axes.source)
    if inputs.numbers.size != matrix.shape[1]:
        return None
    if not inputs.all_different():
        matrix = _merged(matrix, inputs)
    table = _table(matrix, bias, step)
    return numbering.group(table.keys, table.numbers, step)


def _filters(node: ir.Node) -> tuple[npt.NDArray[np.floating], Floats, float] | None:
    """A layer's weight (rows, columns, taps), its bias (rows,) and the step of its type."""
    operator = operator_of(node)
    axes = operator.axes(node) if isinstance(operator, Contraction) else None
    weight = array_of(node.inputs[1]) if axes is not None else None
    if axes is None or weight is None or weight.dtype not in (np.float16, np.float32, np.float64):
        return None
    assert isinstance(operator, Contraction)
    matrix = operator.matrix(node, axes)
    fits = matrix.shape[:2] == (length_of(node.outputs[0], axes.output), weight.shape[axes.columns])
    step = float(np.finfo(matrix.dtype).eps)
    bias = np.broadcast_to(operator.bias(node), matrix.shape[:1])
    wide = matrix.astype(np.float32) if matrix.dtype == np.float16 else matrix
    return (wide, bias, step) if fits else None


def _table(matrix: npt.NDArray[np.floating], bias: Floats, step: float) -> Table:
    """Filters with their biases: as one more number where there is any, which leaves most without a copy."""
    numbers = matrix.reshape(matrix.shape[0], -1)
    keys = (bias != 0).astype(np.int64)[:, None]
    if bias.any():
        numbers = np.concatenate([numbers, bias[:, None].astype(numbers.dtype)], axis=1)
    return Table(keys, numbers, step)


def _merged(matrix: npt.NDArray[np.floating], inputs: Numbered) -> npt.NDArray[np.floating]:
    """What filters make of each different input: their columns for equal ones, scaled and summed."""
    _, first, place = np.unique(inputs.numbers, return_index=True, return_inverse=True)
    scales = inputs.scales[None, :, None]
    merged = matrix[:, first] * scales[:, first]
    for column in np.setdiff1d(np.arange(matrix.shape[1]), first):
        merged[:, place[column]] += matrix[:, column] * scales[:, column]
    return merged


def _grouped(numbering: Numbering, node: ir.Node, axis: int) -> Numbered | None:
    """A Conv whose filters read a few channels each, one or more: alike if those are, and the filters are."""
    weight = array_of(node.inputs[1])
    groups = node.attributes.get_int("group", 1)
    if node.op_type != "Conv" or weight is None or axis != 1 or groups < 2 or not has_plain_bias(node, 0):
        return None
    rows, each = weight.shape[:2]
    inputs = numbering.of(source_of(node), 1)
    if inputs.numbers.size != groups * each or rows % groups or weight.dtype not in (np.float32, np.float64):
        return None
    mine = (np.arange(rows) // (rows // groups))[:, None] * each + np.arange(each)
    taps = weight.reshape(rows, each, -1) * inputs.scales[mine][:, :, None]
    given = array_of(node.inputs[2]) if len(node.inputs) > 2 else None
    bias = np.zeros(rows) if given is None else np.broadcast_to(given.reshape(-1), (rows,))
    numbers = np.concatenate([taps.reshape(rows, -1), bias[:, None]], axis=1)
    return numbering.group(inputs.numbers[mine], numbers)


def _columns(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> tuple[Integers, Floats]:
    """Numbers and scales of all operands along an output axis, both (size, operands).

    An operand that is broadcast along the axis is the same thing for every index.
    """
    count = length_of(output, axis)
    numbers, scales = [], []
    for place, value in enumerate(node.inputs):
        own = None if value is None else aligned_axis(value, output, axis)
        if value is None or own is None or sizes(value)[own] != sizes(output)[axis]:
            numbers.append(np.full(count, -1 - place))
            scales.append(np.ones(count))
        else:
            numbered = numbering.of(value, own)
            numbers.append(numbered.numbers)
            scales.append(numbered.scales)
    return np.stack(numbers, axis=1), np.stack(scales, axis=1)


def _bits(scales: Floats) -> Integers:
    return np.ascontiguousarray(scales).view(np.int64)


def _sum(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Of proportional operands, in one proportion."""
    return numbering.group(*_columns(numbering, node, output, axis))


def _extreme(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """The larger or smaller of operands, all scaled by one positive factor."""
    numbers, scales = _columns(numbering, node, output, axis)
    return numbering.group(np.concatenate([numbers, np.sign(scales).astype(np.int64)], axis=1), scales)


def _product(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Scales multiply, or divide."""
    numbers, scales = _columns(numbering, node, output, axis)
    if node.op_type == "Div":
        scales = np.stack([scales[:, 0], 1 / scales[:, 1]], axis=1)
    return numbering.by_keys(numbers, scales.prod(axis=1))


def _function(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Any function of each element: equal for equal scales alone."""
    numbers, scales = _columns(numbering, node, output, axis)
    return numbering.by_keys(np.concatenate([numbers, _bits(scales)], axis=1), np.ones(len(numbers)))


def _cast(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Between kinds of floats; to integers it has jumps, which the last bit may decide."""
    types = (source_of(node).dtype, output.dtype)
    floats = all(dtype is not None and dtype.is_floating_point() for dtype in types)
    return _function(numbering, node, output, axis) if floats else None


def _rectifier(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """f(s x) = |s| f(sign(s) x): Relu and its like; a slope per channel must be equal."""
    numbers, scales = _columns(numbering, node, output, axis)
    keys = [numbers, np.sign(scales[:, :1]).astype(np.int64), _bits(scales[:, 1:])]
    return numbering.by_keys(np.concatenate(keys, axis=1), np.abs(scales[:, 0]))


def _negated(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    numbered = numbering.of(source_of(node), axis)
    return Numbered(numbered.numbers, -numbered.scales)


def _absolute(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    numbered = numbering.of(source_of(node), axis)
    return numbering.by_keys(numbered.numbers[:, None], np.abs(numbered.scales))


def _same(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    return numbering.of(source_of(node), axis)


def _norm(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """BatchNorm: slope and offset in one proportion."""
    affine = affine_of(node)
    if axis != 1 or affine is None:
        return None
    inputs = numbering.of(source_of(node), 1)
    slope, offset = affine
    if slope.shape != inputs.scales.shape:
        return None
    return numbering.group(inputs.numbers[:, None], np.stack([slope * inputs.scales, offset], axis=1))


def _linear(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """What treats every index of the axis alike, and doubles if they double."""
    inputs = numbering.of(source_of(node), axis)
    return numbering.by_keys(inputs.numbers[:, None], inputs.scales)


def _pool(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Means are linear; maxima change with the sign."""
    if axis != 1:
        return None
    if "Max" not in node.op_type:
        return _linear(numbering, node, output, axis)
    inputs = numbering.of(source_of(node), axis)
    return _of_sign(numbering, inputs)


def _of_sign(numbering: Numbering, inputs: Numbered) -> Numbered:
    keys = np.stack([inputs.numbers, np.sign(inputs.scales).astype(np.int64)], axis=1)
    return numbering.by_keys(keys, np.abs(inputs.scales))


def _reduction(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Over other axes than this: sums are linear, norms take its size, extremes change with the sign."""
    reduced = reduced_axes(node)
    kept = {} if not reduced else {after: before for before, after in kept_axes(node, reduced).items()}
    if axis not in kept:
        return None
    inputs = numbering.of(source_of(node), kept[axis])
    if node.op_type in ("ReduceMax", "ReduceMin"):
        return _of_sign(numbering, inputs)
    scales = inputs.scales
    if node.op_type in ("ReduceL1", "ReduceL2"):
        scales = np.abs(scales)
    elif node.op_type == "ReduceSumSquare":
        scales = np.square(scales)
    return numbering.by_keys(inputs.numbers[:, None], scales)


def _copies(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Expand and Tile: copies of one index are equal, and so are those of equal indices."""
    source, count = source_of(node), length_of(output, axis)
    own = aligned_axis(source, output, axis)
    if own is None or sizes(source)[own] == 1:
        return numbering.by_keys(np.zeros((count, 1), np.int64), np.ones(count))
    length = length_of(source, own)
    if not length or count % length:
        return None
    inputs = numbering.of(source, own)
    keys = np.tile(inputs.numbers, count // length)[:, None]
    return numbering.by_keys(keys, np.tile(inputs.scales, count // length))


def _softmax(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Along another axis: a function of what lies at each index."""
    mixed = node.attributes.get_int("axis", -1) % len(sizes(output))
    return _function(numbering, node, output, axis) if axis != mixed and opset_of(node) >= 13 else None


def _transpose(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    order = node.attributes.get_ints("perm", range(len(sizes(output)))[::-1])
    return numbering.of(source_of(node), order[axis])


def _concat(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Joined along one axis; along the others, all parts together."""
    if axis != node.attributes.get_int("axis", 1) % len(sizes(output)):
        return _sum(numbering, node, output, axis)
    parts = [numbering.of(value, axis) for value in node.inputs if value is not None]
    return Numbered(
        np.concatenate([part.numbers for part in parts]), np.concatenate([part.scales for part in parts])
    )


def _split(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """A stretch of the axis that is split; the others see one function for each output."""
    if axis != node.attributes.get_int("axis", 0) % len(sizes(output)):
        return _linear(numbering, node, output, axis)
    start = 0
    for part in node.outputs:
        if part is output:
            break
        start += length_of(part, axis)
    inputs = numbering.of(source_of(node), axis)
    stretch = slice(start, start + length_of(output, axis))
    return Numbered(inputs.numbers[stretch], inputs.scales[stretch])


def _slice(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Axes that keep their length are not sliced, or stay as they are."""
    source = source_of(node)
    steps = array_of(node.inputs[4]) if len(node.inputs) > 4 else np.ones(1)
    forward = steps is not None and bool((steps.astype(np.int64) > 0).all())
    whole = forward and sizes(source)[axis] == sizes(output)[axis]
    return _linear(numbering, node, output, axis) if whole else None


def _resize(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """Channels that keep their number are interpolated each by itself, without adding anything."""
    mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    kept = axis == 1 and sizes(source_of(node))[1] == sizes(output)[1]
    return _linear(numbering, node, output, axis) if kept and mode != "tf_crop_and_resize" else None


def _reshape(numbering: Numbering, node: ir.Node, output: ir.Value, axis: int) -> Numbered | None:
    """An axis that stays whole, or the first of several that become one: each place of a unit by itself."""
    before, after = list(sizes(source_of(node))), list(sizes(output))
    unknown = [[i for i, size in enumerate(shape) if not isinstance(size, int)] for shape in (before, after)]
    known = [prod(size for size in shape if isinstance(size, int)) for shape in (before, after)]
    if [len(places) for places in unknown] == [1, 1] and known[0] == known[1]:
        before[unknown[0][0]] = after[unknown[1][0]] = -1  # the only unknown lengths are the same then
    elif unknown[0] or unknown[1]:
        return None
    front = 0
    while front < min(len(before), len(after)) and before[front] == after[front]:
        front += 1
    if axis < front:
        return _linear(numbering, node, output, axis)
    back = 0
    while back < min(len(before), len(after)) - front and before[-1 - back] == after[-1 - back]:
        back += 1
    own = axis - len(after) + len(before)
    if axis >= len(after) - back:
        inputs = numbering.of(source_of(node), own)
        return numbering.by_keys(inputs.numbers[:, None], inputs.scales)
    if len(after) - front - back != 1:
        return None
    return _places(numbering, node, front, before[front : len(before) - back])


def _places(
    numbering: Numbering, node: ir.Node, first: int, lengths: list[int | ir.SymbolicDim]
) -> Numbered | None:
    """[C, H, W] made one axis: unit and position, from whichever of the axes has equal numbers."""
    merged = [size for size in lengths if isinstance(size, int) and size >= 0]
    if len(merged) < len(lengths):
        return None
    for place, size in enumerate(merged):
        inputs = numbering.of(source_of(node), first + place)
        if size > 1 and not inputs.all_different():
            front, back = prod(merged[:place]), prod(merged[place + 1 :])
            spread = [np.repeat(np.tile(row, front), back) for row in (inputs.numbers, inputs.scales)]
            where = np.arange(front * size * back)
            keys = np.stack([spread[0], where // (size * back), where % back], axis=1).astype(np.int64)
            return numbering.by_keys(keys, spread[1].astype(np.float64))
    return None


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Add", "Sub", "Sum", "Mean"), _sum),
    **dict.fromkeys(("Max", "Min"), _extreme),
    **dict.fromkeys(("Mul", "Div"), _product),
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu"), _rectifier),
    **dict.fromkeys(("Acos", "Asin", "Atan", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Gelu"), _function),
    **dict.fromkeys(("HardSigmoid", "HardSwish", "Log", "Mish", "Pow", "Reciprocal", "Selu"), _function),
    **dict.fromkeys(("Sigmoid", "Sin", "Softplus", "Softsign", "Sqrt", "Tanh"), _function),
    "Cast": _cast,
    "Neg": _negated,
    "Abs": _absolute,
    "Identity": _same,
    "BatchNormalization": _norm,
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), _pool),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), _reduction),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare"), _reduction),
    **dict.fromkeys(("Expand", "Tile"), _copies),
    "Softmax": _softmax,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Resize": _resize,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
}
