"""A hypothesis strategy for small networks with random masks: what pruned checkpoints look like, and worse.

Every network has layers whose filters, columns or outer taps are zero, biases that are zero or not, and ties
of all kinds: sums, concatenations, shared weights, pooling, reshapes, several outputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.bake.random_attention import ATTENTION
from tests.bake.random_copies import COPIES
from tests.bake.random_recurrent import recurrent

__all__ = ["networks"]

Shape = tuple[int, ...]


class Builder:
    """A graph under construction: nodes, weights, and the shape of every value but for its batch size."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 10_000)))
        self.batch: int | str = draw(st.sampled_from(["N", 1, 2]))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.shapes: dict[str, Shape] = {}
        self.convs: list[tuple[str, str | None, Shape, dict[str, object]]] = []

    def pick(self, *options: object) -> object:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def one_of(self, rank: int | None = None) -> str | None:
        """Some value of a rank, most often the newest."""
        names = [name for name, shape in self.shapes.items() if rank is None or len(shape) == rank]
        return self.draw(st.sampled_from([*names[-4:], *names[-1:] * 5])) if names else None

    def weight(self, array: np.ndarray, dtype: type = np.float32) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def add(self, op: str, inputs: list[str], shape: Shape, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{name}", **attributes))
        self.shapes[name] = shape
        return name

    def inner(self, op: str, inputs: list[str], shape: Shape, **attributes: object) -> str:
        """A node whose value no other step may take."""
        name = self.add(op, inputs, shape, **attributes)
        del self.shapes[name]
        return name

    def whole(self, *numbers: int) -> str:
        return self.weight(np.array(numbers), np.int64)

    def masked(self, *shape: int) -> np.ndarray:
        """Random weights (rows, columns, *taps), some rows, columns and outer taps zero."""
        fan_in = max(int(np.prod(shape[1:])), 1)
        array = self.random.standard_normal(shape) / np.sqrt(fan_in)
        share = float(self.draw(st.sampled_from([0.5, 0.7, 0.3, 0.0, 1.0])))
        array[self.random.random(shape[0]) < share] = 0
        if self.chance(30):
            array[:, self.random.random(shape[1]) < 0.4] = 0
        for axis in range(2, len(shape)):
            for end in (0, -1):
                if self.chance(20):
                    np.moveaxis(array, axis, 0)[end] = 0
        return array

    def vector(self, count: int) -> np.ndarray:
        """Random numbers, sometimes all zero or many equal."""
        kind = self.pick("live", "zero", "few")
        live = self.random.standard_normal(count)
        return live * {"live": 1.0, "zero": 0.0, "few": 1.0}[str(kind)] if kind != "few" else np.round(live)


def _window(b: Builder, size: int, *, pool: bool = False) -> tuple[int, int, int, int, int, int] | None:
    """Kernel, stride, dilation, padding in front and behind, and the length that comes out, of one axis."""
    kernel, stride = b.integer(1, 3), b.integer(1, 2)
    dilation = 1 if pool or kernel == 1 else b.integer(1, 2)
    limit = kernel - 1 if pool else 2
    front, behind = (b.integer(0, limit), b.integer(0, limit)) if b.chance(60) else (0, 0)
    length = (size + front + behind - dilation * (kernel - 1) - 1) // stride + 1
    return (kernel, stride, dilation, front, behind, length) if length >= 1 else None


def conv(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    groups = c if b.chance(20) else 2 if c % 2 == 0 and b.chance(10) else 1
    out = c * b.integer(1, 2) if groups == c and b.chance(20) else groups if groups > 1 else b.integer(1, 6)
    if out % groups:
        out = groups
    rows, columns = _window(b, h), _window(b, w)
    if rows is None or columns is None:
        return
    attributes: dict[str, object] = {
        "group": groups,
        "strides": [rows[1], columns[1]],
        "dilations": [rows[2], columns[2]],
        "pads": [rows[3], columns[3], rows[4], columns[4]],
    }
    weight = b.weight(b.masked(out, c // groups, rows[0], columns[0]))
    bias = b.weight(b.vector(out)) if b.chance(70) else None
    b.add("Conv", [source, weight, *([bias] if bias else [])], (out, rows[5], columns[5]), **attributes)
    b.convs.append((weight, bias, (out, c, rows[0], columns[0]), attributes))


def shared_conv(b: Builder) -> None:
    """A conv that reads another value with the weight of an earlier one."""
    fitting = [
        (name, entry)
        for name, shape in b.shapes.items()
        for entry in b.convs
        if len(shape) == 3 and shape[0] == entry[2][1] and entry[3]["group"] == 1
    ]
    if not fitting:
        return
    source, (weight, bias, (out, _, *kernel), attributes) = b.draw(st.sampled_from(fitting))
    size = []
    for i in range(2):
        span = attributes["dilations"][i] * (kernel[i] - 1) + 1
        padding = attributes["pads"][i] + attributes["pads"][2 + i]
        size.append((b.shapes[source][1 + i] + padding - span) // attributes["strides"][i] + 1)
    if min(size) >= 1:
        b.add("Conv", [source, weight, *([bias] if bias else [])], (out, *size), **attributes)


def transposed_conv(b: Builder) -> None:
    source = b.one_of(3)
    if source is not None and b.shapes[source][1] <= 6:
        c, h, w = b.shapes[source]
        out = b.integer(1, 4)
        weight = b.weight(np.swapaxes(b.masked(out, c, 2, 2), 0, 1))
        b.add("ConvTranspose", [source, weight], (out, 2 * h, 2 * w), strides=[2, 2])


def batch_norm(b: Builder) -> None:
    source = b.one_of(b.pick(3, 3, 1))
    if source is None:
        return
    c = b.shapes[source][0]
    scale = b.random.uniform(0.5, 1.5, c) * (b.random.random(c) > b.pick(0.0, 0.5))
    arrays = [scale, b.vector(c), b.vector(c), b.random.uniform(0.5, 1.5, c)]
    b.add("BatchNormalization", [source, *map(b.weight, arrays)], b.shapes[source])


def activation(b: Builder) -> None:
    source = b.one_of()
    if source is None:
        return
    op = b.pick(
        "Relu", "Sigmoid", "LeakyRelu", "HardSwish", "Tanh", "Clip", "PRelu", "Neg", "Identity", "Elu"
    )
    inputs = [source]
    if op == "Clip":
        inputs += [b.weight(np.array(-0.5)), b.weight(np.array(b.pick(0.5, 6.0)))]
    if op == "PRelu":
        c = b.shapes[source][0 if len(b.shapes[source]) == 3 else -1]
        slope = b.vector(c)
        inputs.append(b.weight(slope.reshape(-1, 1, 1) if len(b.shapes[source]) == 3 else slope))
    b.add(str(op), inputs, b.shapes[source])


def pool(b: Builder) -> None:
    source = b.one_of(3)
    padded = (node.output[0] for node in b.nodes if node.op_type == "Pad")
    if source is None or source in padded:  # ONNX Runtime joins the two, also where it then refuses them
        return
    c, h, w = b.shapes[source]
    rows, columns = _window(b, h, pool=True), _window(b, w, pool=True)
    if rows is None or columns is None:
        return
    op = str(b.pick("MaxPool", "AveragePool"))
    extra = {"count_include_pad": b.integer(0, 1)} if op == "AveragePool" else {}
    b.add(
        op,
        [source],
        (c, rows[5], columns[5]),
        kernel_shape=[rows[0], columns[0]],
        strides=[rows[1], columns[1]],
        pads=[rows[3], columns[3], rows[4], columns[4]],
        **extra,
    )


def global_pool(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    if b.chance(50):
        b.add(str(b.pick("GlobalAveragePool", "GlobalMaxPool")), [source], (b.shapes[source][0], 1, 1))
    else:
        axes = b.weight(np.array([2, -1]), np.int64)
        b.add("ReduceMean", [source, axes], (b.shapes[source][0],), keepdims=0)


def combine(b: Builder) -> None:
    """A sum or product of two values of one shape, a value with itself included."""
    left = b.one_of()
    if left is None:
        return
    equal = [name for name, shape in b.shapes.items() if shape == b.shapes[left]]
    right = b.draw(st.sampled_from(equal))
    b.add(str(b.pick("Add", "Add", "Mul", "Sub", "Max")), [left, right], b.shapes[left])


def gate(b: Builder) -> None:
    """Channels times a number each, computed from the channels: squeeze and excite."""
    source = b.one_of(3)
    if source is None:
        return
    c = b.shapes[source][0]
    x = b.add("GlobalAveragePool", [source], (c, 1, 1))
    x = b.add("Conv", [x, b.weight(b.masked(c, c, 1, 1)), b.weight(b.vector(c))], (c, 1, 1))
    x = b.add(str(b.pick("Sigmoid", "Relu")), [x], (c, 1, 1))
    b.add("Mul", [source, x], b.shapes[source])


def with_constant(b: Builder) -> None:
    source = b.one_of()
    if source is None:
        return
    shape = b.shapes[source]
    count = shape[0] if len(shape) == 3 else shape[-1]
    array = np.round(b.vector(count) * 2) / 2
    array = array.reshape(-1, 1, 1) if len(shape) == 3 else array
    constant = b.weight(b.pick(array, array[None], np.array(0.5), np.array(0.0)))
    op = str(b.pick("Add", "Mul", "Sub"))
    inputs = [constant, source] if b.chance(50) else [source, constant]
    b.add(op, inputs, shape)


def concat(b: Builder) -> None:
    left = b.one_of(b.pick(3, 1))
    if left is None:
        return
    fitting = [name for name, shape in b.shapes.items() if shape[1:] == b.shapes[left][1:]]
    parts = [left, *(b.draw(st.sampled_from(fitting)) for _ in range(b.integer(1, 2)))]
    count = sum(b.shapes[part][0] for part in parts)
    if count <= 24:
        b.add("Concat", parts, (count, *b.shapes[left][1:]), axis=b.pick(1, 1 - (len(b.shapes[left]) + 1)))


def channels_last(b: Builder) -> None:
    """NCHW -> NHWC, a linear layer over the channels, and back."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    out = b.integer(1, 5)
    name = b.add("Transpose", [source], (h, w, c), perm=[0, 2, 3, 1])
    moved = b.shapes.pop(name)
    name = b.add("MatMul", [name, b.weight(b.masked(out, c).T)], (*moved[:2], out))
    del b.shapes[name]
    if b.chance(50):
        name = b.add("Add", [name, b.weight(b.vector(out))], (*moved[:2], out))
        del b.shapes[name]
    b.add("Transpose", [name], (out, h, w), perm=[0, 3, 1, 2])


def flatten(b: Builder) -> None:
    source = b.one_of(3)
    if source is None or np.prod(b.shapes[source]) > 200:
        return
    size = int(np.prod(b.shapes[source]))
    if b.chance(50):
        b.add("Flatten", [source], (size,), axis=b.pick(1, -3))
    else:
        batch = b.pick(0, -1) if b.batch == "N" else b.pick(0, b.batch)
        shape = [batch, b.pick(size, -1) if batch != -1 else size]
        b.add("Reshape", [source, b.weight(np.array(shape), np.int64)], (size,))


def unflatten(b: Builder) -> None:
    source = b.one_of(1)
    if source is None:
        return
    (c,) = b.shapes[source]
    if b.chance(50):
        b.add("Unsqueeze", [source, b.weight(np.array([2, 3]), np.int64)], (c, 1, 1))
    elif c % 2 == 0:
        b.add("Reshape", [source, b.weight(np.array([0, c // 2, 2, 1]), np.int64)], (c // 2, 2, 1))


def linear(b: Builder) -> None:
    source = b.one_of(1)
    if source is None:
        return
    (c,) = b.shapes[source]
    out = b.integer(1, 6)
    array = b.masked(out, c)
    if b.chance(40):
        name = b.add("MatMul", [source, b.weight(array.T)], (out,))
        if b.chance(50):
            b.add("Add", [name, b.weight(b.vector(out))], (out,))
        return
    transposed = b.integer(0, 1)
    bias = b.pick(None, b.vector(out), b.vector(out)[None], np.array(0.5))
    inputs = [source, b.weight(array if transposed else array.T), *([] if bias is None else [b.weight(bias)])]
    alpha, beta = b.pick(1.0, 0.5), b.pick(1.0, 1.0, 2.0)
    b.add("Gemm", inputs, (out,), transB=transposed, alpha=alpha, beta=beta)


def softmax(b: Builder) -> None:
    source = b.one_of()
    if source is not None:
        b.add("Softmax", [source], b.shapes[source], axis=b.integer(1, len(b.shapes[source])))


# what moves channels


def grouped_conv(b: Builder) -> None:
    """Any number of groups, any multiplier, transposed or not."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    groups = b.draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    each = b.integer(1, 3)
    bias = [b.weight(b.vector(groups * each))] if b.chance(60) else []
    if b.chance(70):
        rows, columns = _window(b, h), _window(b, w)
        if rows is None or columns is None:
            return
        weight = b.weight(b.masked(groups * each, c // groups, rows[0], columns[0]))
        shape = (groups * each, rows[5], columns[5])
        attributes = {
            "strides": [rows[1], columns[1]],
            "dilations": [rows[2], columns[2]],
            "pads": [rows[3], columns[3], rows[4], columns[4]],
        }
        b.add("Conv", [source, weight, *bias], shape, group=groups, **attributes)
    elif h * w <= 40:
        kernel, stride = b.integer(1, 3), b.integer(1, 2)
        weight = b.weight(b.masked(c, each, kernel, kernel))
        shape = (groups * each, (h - 1) * stride + kernel, (w - 1) * stride + kernel)
        b.add("ConvTranspose", [source, weight, *bias], shape, group=groups, strides=[stride, stride])


def split(b: Builder) -> None:
    source = b.one_of()
    if source is None or b.shapes[source][0] < 2:
        return
    c, *rest = b.shapes[source]
    cut = b.integer(1, c - 1)
    names = [f"v{len(b.nodes)}_{i}" for i in range(2)]
    lengths = b.weight(np.array([cut, c - cut]), np.int64)
    b.nodes.append(helper.make_node("Split", [source, lengths], names, name=f"Split_{names[0]}", axis=1))
    for name, size in zip(names, (cut, c - cut), strict=True):
        b.shapes[name] = (size, *rest)


def slice_channels(b: Builder) -> None:
    source = b.one_of()
    if source is None:
        return
    c, *rest = b.shapes[source]
    step = b.pick(1, 1, 2, -1, -2)
    start, end = sorted((b.integer(-c, c), b.integer(-c, c)))
    bounds = (start, end, step) if step > 0 else (end, start, step)
    left = len(range(c)[slice(*bounds)])
    if left:
        arrays = [np.array([number]) for number in (bounds[0], bounds[1], 1, bounds[2])]
        b.add("Slice", [source, *(b.weight(array, np.int64) for array in arrays)], (left, *rest))


def gather(b: Builder) -> None:
    """Chosen channels, some twice; or a permutation."""
    source = b.one_of()
    if source is None:
        return
    c, *rest = b.shapes[source]
    permuted = b.chance(40)
    indices = b.random.permutation(c) if permuted else b.random.integers(-c, c, b.integer(1, min(c + 1, 8)))
    b.add(
        "Gather", [source, b.weight(indices, np.int64)], (len(indices), *rest), axis=b.pick(1, -1 - len(rest))
    )


def shuffle(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    groups = [g for g in range(2, c) if c % g == 0]
    if groups:
        g = b.draw(st.sampled_from(groups))
        first = b.add(
            "Reshape", [source, b.weight(np.array([0, g, c // g, h, w]), np.int64)], (g, c // g, h, w)
        )
        del b.shapes[first]
        second = b.add("Transpose", [first], (c // g, g, h, w), perm=[0, 2, 1, 3, 4])
        del b.shapes[second]
        b.add("Reshape", [second, b.weight(np.array([0, c, h, w]), np.int64)], (c, h, w))


def pad(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    mode = b.pick("constant", "constant", "edge", "reflect")
    pads = [b.integer(0, 1) for _ in range(4)]
    if mode == "reflect" and min(h, w) < 2:
        return
    value = [b.weight(np.array(b.pick(0.0, 0.5, 1.0)))] if mode == "constant" and b.chance(50) else []
    array = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]])
    shape = (c, h + pads[0] + pads[2], w + pads[1] + pads[3])
    b.add("Pad", [source, b.weight(array, np.int64), *value], shape, mode=mode)


def resize(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    if h * w > 40:
        return
    mode = b.pick("nearest", "linear", "cubic")
    if b.chance(50) or b.batch == "N":
        scales = b.weight(np.array([1, 1, 2, 2], np.float32))
        b.add("Resize", [source, "", scales], (c, 2 * h, 2 * w), mode=mode)
    else:
        lengths = b.weight(np.array([b.batch, c, h + 1, 2 * w]), np.int64)
        b.add("Resize", [source, "", "", lengths], (c, h + 1, 2 * w), mode=mode)


def blocks(b: Builder) -> None:
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    if c % 4 == 0 and h * w <= 40:
        mode = b.pick("DCR", "CRD")
        b.add("DepthToSpace", [source], (c // 4, 2 * h, 2 * w), blocksize=2, mode=mode)
    elif c <= 4 and h % 2 == 0 and w % 2 == 0:
        b.add("SpaceToDepth", [source], (4 * c, h // 2, w // 2), blocksize=2)


def where(b: Builder) -> None:
    """One of two values by a constant for each channel, or by a comparison."""
    left = b.one_of()
    if left is None:
        return
    shape = b.shapes[left]
    right = b.draw(st.sampled_from([name for name, other in b.shapes.items() if other == shape]))
    if b.chance(50):
        holds = (b.random.random(shape[0]) < 0.5).reshape(-1, *[1] * (len(shape) - 1))
        condition = b.weight(holds, np.bool_)
    else:
        condition = b.add("Greater", [right, b.weight(np.array(b.pick(0.1, -0.3)))], shape)
        del b.shapes[condition]
    zero = b.weight(np.array(0.0))
    b.add("Where", [condition, *b.draw(st.sampled_from([(left, right), (left, zero), (zero, left)]))], shape)


def dropout(b: Builder) -> None:
    source = b.one_of()
    if source is not None:
        b.add("Dropout", [source], b.shapes[source])


CHANNEL_MOVES = (
    *((grouped_conv, 4), (split, 2), (slice_channels, 1), (gather, 2), (shuffle, 2), (pad, 1), (resize, 1)),
    *((blocks, 1), (where, 1), (dropout, 1)),
)


def block(b: Builder) -> None:
    """A layer with dead filters and live biases, what follows it, and a layer that reads it."""
    conv(b)
    for step in b.draw(
        st.lists(st.sampled_from([batch_norm, activation, pool, combine, concat]), max_size=3)
    ):
        step(b)
    conv(b)


def twins(b: Builder) -> None:
    """A layer some of whose filters are multiples of others, some steps, and a layer that reads them."""
    source = b.one_of(b.pick(3, 3, 1))
    if source is None:
        return
    c, *positions = b.shapes[source]
    out, kernel = b.integer(2, 6), 1 + 2 * b.integer(0, 1) if positions else 1
    weight = b.random.standard_normal((out, c, *[kernel] * len(positions))).astype(np.float32) / c
    bias = b.vector(out).astype(np.float32)
    for _ in range(b.integer(1, 3)):
        row, of = b.integer(0, out - 1), b.integer(0, out - 1)
        factor = np.float32(b.pick(1.0, 1.0, 0.3, -1.0, 7.0))
        weight[row], bias[row] = factor * weight[of], factor * bias[of]
    inputs = [source, b.weight(weight), b.weight(bias)]
    if positions:
        b.add("Conv", inputs, (out, *positions), pads=[kernel // 2] * 4)
    else:
        b.add("Gemm", inputs, (out,), transB=1)
    behind = [activation, pool, combine, concat, with_constant, gate, batch_norm, flatten, channels_last]
    for step in b.draw(st.lists(st.sampled_from(behind), max_size=2)):
        step(b)
    conv(b) if len(b.shapes[next(reversed(b.shapes))]) == 3 else linear(b)


STEPS: tuple[tuple[Callable[[Builder], None], int], ...] = (
    *(
        (block, 5),
        (conv, 4),
        (shared_conv, 1),
        (transposed_conv, 1),
        (batch_norm, 3),
        (activation, 4),
        (pool, 3),
    ),
    *((global_pool, 2), (combine, 4), (gate, 1), (with_constant, 3), (concat, 2), (channels_last, 1)),
    *((flatten, 2), (unflatten, 1), (linear, 4), (softmax, 1)),
    *CHANNEL_MOVES,
    *ATTENTION,
    *COPIES,
    (twins, 2),
    (recurrent, 2),
)
_WEIGHTED = [step for step, weight in STEPS for _ in range(weight)]


def head(b: Builder) -> None:
    """One more layer over the newest value, as networks end: its units are read, not outputs."""
    newest = next(reversed(b.shapes))
    if len(b.shapes[newest]) == 3:
        conv(b) if b.chance(50) else flatten(b)
    linear(b)


@st.composite
def networks(draw: st.DrawFn, most_steps: int = 14) -> ir.Model:
    """A valid network of up to `most_steps` random steps, with shapes on all values."""
    b = Builder(draw)
    image = (b.integer(1, 4), b.integer(3, 6), b.integer(3, 6))
    b.shapes["image"] = image
    for step in draw(st.lists(st.sampled_from(_WEIGHTED), min_size=4, max_size=most_steps)):
        step(b)
    if b.chance(80):
        head(b)
    made = [name for name in b.shapes if name != "image"]
    if not made:
        b.add("Relu", ["image"], image)
        made = list(b.shapes)[1:]
    others = draw(st.lists(st.sampled_from(made), max_size=2)) if b.chance(25) else []
    outputs = {made[-1], *others}
    graph = helper.make_graph(
        b.nodes,
        "random",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [b.batch, *image])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [b.batch, *b.shapes[name]])
            for name in sorted(outputs)
        ],
        initializer=b.weights,
    )
    opsets = [helper.make_opsetid("", 18)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True))
