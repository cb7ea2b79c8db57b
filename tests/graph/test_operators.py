"""What each operator means for units, constants and demand, and that everything else is pinned by name."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graph.support import seen

NAN = pytest.approx(float("nan"), nan_ok=True)
W = np.ones((3, 2, 1, 1), np.float32)
W[0] = 0
B = np.array([5, 6, 7], np.float32)
U = np.ones((2, 3, 3, 3), np.float32)
G = np.ones((3, 2), np.float32)
X = "(float[N, 2, 6, 6] x)"
A = "a = Conv(x, w, b)"


def over(text: str, **arrays: np.ndarray):
    return seen(f"{X} => (y) {{ {A} {text} }}", {"w": W, "b": B, "u": U, "g": G, **arrays})


# layers


def test_a_layer_ends_one_space_and_begins_another():
    a = over("y = Conv(a, u)")
    assert a.tied(("w", 0), ("a", 1))
    assert a.tied(("b", 0), ("a", 1))
    assert a.tied(("u", 1), ("a", 1))
    assert not a.tied(("u", 0), ("u", 1))
    assert a.pinned("y") == "graph output 'y'"


def test_a_row_of_constant_columns_is_constant_unless_padding_shows():
    zero = np.ones((2, 3, 1, 1), np.float32)
    zero[0, 1:] = 0
    assert over("y = Conv(a, u)", u=zero).constants("y") == [5, NAN]
    assert over("y = Conv<pads = [1, 0, 0, 0]>(a, u)", u=zero).constants("y") == [NAN, NAN]
    silent = over("y = Conv<pads = [1, 0, 0, 0]>(a, u)", u=zero, b=np.zeros(3, np.float32))
    assert silent.constants("y") == [0, NAN]


def test_demand_is_what_a_demanded_row_reads():
    u = np.zeros((2, 3, 1, 1), np.float32)
    u[0, 0] = u[1, 2] = 1
    v = np.zeros((1, 2, 1, 1), np.float32)
    v[0, 0] = 1
    a = over("c = Conv(a, u) y = Conv(c, v)", u=u, v=v)
    assert a.demand("c") == [True, False]
    assert a.demand("a") == [True, False, False]


@pytest.mark.parametrize(
    "layer", ["y = Conv(a, dyn)", "y = Conv<group = 3>(a, dyn3)", "y = ConvTranspose(a, dynt)"]
)
def test_what_is_no_such_layer_pins_what_it_reads(layer: str):
    a = seen(
        f"(float[N, 2, 6, 6] x, float[2, 3, 1, 1] dyn, float[6, 1, 1, 1] dyn3, float[3, 2, 1, 1] dynt) => (y)"
        f"{{ {A} {layer} }}",
        {"w": W, "b": B},
    )
    assert (
        a.pinned("a") == f"read by {layer[4:].split('<')[0].split('(')[0]}, which the analysis does not know"
    )


@pytest.mark.parametrize("bias", [np.zeros((4, 3)), np.zeros((4, 1))])
def test_a_bias_of_more_than_one_number_a_row_pins(bias: np.ndarray):
    a = seen(
        "(float[4, 2] x) => (y) { a = Gemm(x, g, c) y = Relu(a) }", {"g": G.T, "c": bias.astype(np.float32)}
    )
    assert a.classes("a") is None


# elementwise


@pytest.mark.parametrize("op", ["Ceil", "Floor", "Round", "Sign"])
def test_jumps_carry_units_but_no_constants(op: str):
    a = over(f"r = {op}(a) y = Conv(r, u)")
    assert a.tied(("r", 1), ("a", 1))
    assert a.constants("r") == [NAN] * 3


def test_constants_of_other_types_are_not_known():
    a = over("i = Cast<to = 7>(a) f = Cast<to = 1>(i) d = Cast<to = 11>(a) y = Add(f, f)")
    assert a.constants("i") == [NAN] * 3
    assert a.constants("f") == [NAN] * 3
    assert a.constants("d") == [5, NAN, NAN]


def test_infinite_constants_are_not_known():
    assert over("l = Log(a) y = Neg(l)", b=np.zeros(3, np.float32)).constants("l") == [NAN] * 3


def test_a_function_the_reference_cannot_compute_is_not_known(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("edgeshrink.graph.operators.elementwise.evaluate", fails)
    assert over("r = Relu(a) y = Neg(r)").constants("r") == [NAN] * 3


def test_a_product_with_zero_is_zero_and_demands_nothing():
    mask = np.array([1, 0, 1], np.float32).reshape(3, 1, 1)
    a = over("m = Mul(a, mask) y = Conv(m, u)", mask=mask)
    assert a.constants("m") == [5, 0, NAN]
    assert a.demand("a") == [True, False, True]


def test_a_square_demands_its_own_zeros():
    a = over("m = Mul(a, a) y = Conv(m, u)", b=np.zeros(3, np.float32))
    assert a.constants("m") == [0, NAN, NAN]
    assert a.demand("a") == [True] * 3


def test_a_unit_that_is_broadcast_stays():
    one = np.zeros((1, 2, 1, 1), np.float32)
    a = over("c = Conv(x, o) s = Add(a, c) y = Conv(s, u)", o=one)
    assert a.pinned("c") == "broadcast by Add"
    assert a.pinned("a") is None


def test_a_sum_with_what_cannot_shrink():
    a = seen(
        f"(float[N, 2, 6, 6] x, float[N, 3, 6, 6] z) => (y) {{ {A} s = Add(z, a) y = Conv(s, u) }}",
        {"w": W, "b": B, "u": U},
    )
    assert a.pinned("a") == "combined by Add with a value that cannot shrink"


def test_a_table_over_positions_is_never_cut():
    table = np.zeros((1, 3, 6, 6), np.float32)
    a = over("s = Add(a, table) y = Conv(s, u)", table=table)
    assert a.tied(("table", 1), ("a", 1))
    assert a.classes("table", 2) is None


# norms and mixing


def test_batch_norm_carries_and_a_scale_of_zero_silences():
    norm = {
        "s": np.array([1, 0, 2], np.float32),
        "o": np.array([0, 9, 0], np.float32),
        "m": np.zeros(3, np.float32),
        "v": np.ones(3, np.float32),
    }
    a = over("n = BatchNormalization<epsilon = 0.0>(a, s, o, m, v) y = Conv(n, u)", **norm)
    assert a.constants("n") == [5, 9, NAN]
    assert a.demand("a") == [True, False, True]
    assert a.tied(("v", 0), ("a", 1))


@pytest.mark.parametrize(
    ("axis", "opset", "pinned"),
    [(1, 13, True), (2, 13, False), (1, 12, True), (2, 12, False), (3, 12, False)],
)
def test_softmax(axis: int, opset: int, pinned: bool):
    a = seen(
        f"{X} => (y) {{ {A} s = Softmax<axis = {axis}>(a) y = Conv(s, u) }}", {"w": W, "b": B, "u": U}, opset
    )
    assert a.pinned("a") == ("mixed by Softmax" if pinned else None)
    assert a.constants("s") == [NAN] * 3
    assert (a.classes("s") is None) is pinned


# pooling


@pytest.mark.parametrize(("pool", "kept"), [
    ("MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>", True),
    ("MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>", True),
    ("MaxPool<kernel_shape = [1, 1], strides = [4, 4], ceil_mode = 1>", False),  # a window past the end: -inf
    ("MaxPool<kernel_shape = [2, 2], dilations = [3, 3], pads = [1, 1, 1, 1]>", False),
    ("MaxPool<kernel_shape = [2, 2], dilations = [3, 3]>", True),
    ("AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>", True),
    ("AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>", False),
    ("AveragePool<kernel_shape = [3, 3], count_include_pad = 1>", True),
    ("AveragePool<kernel_shape = [3, 3], strides = [2, 2], count_include_pad = 1, ceil_mode = 1>", False),
    ('AveragePool<kernel_shape = [3, 3], auto_pad = "SAME_UPPER", count_include_pad = 1>', False),
    ("GlobalAveragePool", True),
    ("GlobalMaxPool", True),
])  # fmt: skip
def test_pooling_keeps_constants_where_no_padding_shows(pool: str, kept: bool):
    a = over(f"p = {pool}(a) y = Relu(p)")
    assert a.tied(("p", 1), ("a", 1))
    assert a.constants("p") == [5 if kept else NAN, NAN, NAN]


def test_averaged_padding_keeps_a_constant_zero():
    text = "p = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(a) y = Relu(p)"
    assert over(text, b=np.zeros(3, np.float32)).constants("p") == [0, NAN, NAN]


@pytest.mark.parametrize(("reduce", "numbers"), [
    ("ReduceMean<keepdims = 0>(a, axes)", [5, NAN, NAN]),
    ("ReduceMax(a, axes)", [5, NAN, NAN]),
    ("ReduceSum(a, axes)", [180, NAN, NAN]),
])  # fmt: skip
def test_reductions_over_positions_carry_channels(reduce: str, numbers: list[float]):
    a = over(f"p = {reduce} y = Relu(p)", axes=np.array([2, -1]))
    assert a.tied(("p", 1), ("a", 1))
    assert a.constants("p") == numbers


@pytest.mark.parametrize(("reduce", "reason"), [
    ("ReduceMax<keepdims = 1>(a, axes)", "reduced over by ReduceMax"),
    ("ReduceProd<keepdims = 1>(a)", "reduced over by ReduceProd"),
    ("ReduceMean<keepdims = 1>(a, given)", "read by ReduceMean, which the analysis does not know"),
])  # fmt: skip
def test_reductions_over_channels_pin_them(reduce: str, reason: str):
    text = f"(float[N, 2, 6, 6] x, int64[1] given) => (float[A, B, C, D] y) {{ {A} y = {reduce} }}"
    a = seen(text, {"w": W, "b": B, "axes": np.array([1])}, strict=False)
    assert a.pinned("a") == reason


def test_a_reduction_with_no_axes_that_asks_to_do_nothing():
    assert over("p = ReduceMean<noop_with_empty_axes = 1>(a) y = Conv(p, u)").pinned("a") is None


# layout


def test_transposed_axes_keep_their_units():
    a = over("t = Transpose<perm = [0, 2, 3, 1]>(a) y = MatMul(t, g)")
    assert a.tied(("t", 3), ("g", 0))
    assert a.pinned("a") is None


@pytest.mark.parametrize(("reshape", "carried"), [
    ("Flatten<axis = 1>(a)", True),
    ("Flatten<axis = 0>(a)", False),
    ("Flatten<axis = 2>(a)", False),
    ("Reshape(a, keep)", True),
    ("Reshape(a, split)", False),
    ("Reshape(a, given)", False),
    ("Reshape(a, mixed)", False),
])  # fmt: skip
def test_what_merges_and_what_splits_channels(reshape: str, carried: bool):
    shapes = {"keep": np.array([0, 3, 36]), "split": np.array([-1, 27, 4]), "mixed": np.array([-1, 27])}
    text = f"(float[N, 2, 6, 6] x, int64[2] given) => (y) {{ {A} r = {reshape} y = Relu(r) }}"
    before = f"(float[4, 2, 6, 6] x, int64[2] given) => (y) {{ {A} r = {reshape} y = Relu(r) }}"
    a = seen(before if "Flatten" not in reshape else text, {"w": W, "b": B, **shapes}, strict=False)
    reason = a.pinned("a")
    assert (reason == "graph output 'y'") is carried, reason


def test_flattened_units_repeat():
    a = over("f = Flatten(a) y = Relu(f)")
    assert a.constants("f")[:37] == [5] * 36 + [NAN]
    assert len(a.constants("f")) == 108


def test_batch_and_channels_made_one_axis_of_static_size():
    a = seen(f"(float[2, 2, 6, 6] x) => (y) {{ {A} f = Flatten<axis = 2>(a) y = Relu(f) }}", {"w": W, "b": B})
    assert a.classes("f", 0) == a.classes("a") * 2


def test_squeeze_without_axes_pins():
    text = f"(float[2, 2, 6, 6] x) => (y) {{ {A} p = GlobalAveragePool(a) s = Squeeze(p) y = Relu(s) }}"
    a = seen(text, {"w": W, "b": B})
    assert a.pinned("a") == "taken apart by Squeeze"


def test_concat_joins_units_constants_and_demand():
    u = np.zeros((1, 9, 1, 1), np.float32)
    u[0, [0, 4, 8]] = 1
    const = np.stack([np.full((6, 6), 8), np.ones((6, 6)), np.eye(6)])[None].astype(np.float32)
    a = seen(
        f"(float[1, 2, 6, 6] x) => (y) {{ {A} r = Relu(a) c = Concat<axis = -3>(a, "
        f"const, r) y = Conv(c, u) }}",
        {"w": W, "b": B, "u": u, "const": const},
    )
    assert a.classes("c")[:3] == a.classes("c")[6:] == a.classes("a")
    assert a.constants("c") == [5, NAN, NAN, 8, 1, NAN, 5, NAN, NAN]
    assert a.demand("a") == [True, False, True]
    assert a.pinned("const") is None


def test_concat_along_positions_ties_channels():
    a = over("c = Conv(x, w2) j = Concat<axis = 2>(a, c) y = Conv(j, u)", w2=W[::-1].copy())
    assert a.tied(("a", 1), ("c", 1))
    a = seen(
        f"(float[N, 2, 6, 6] x, float[N, 3, 6, 6] z) => (y) {{ {A} j = Concat<axis = "
        f"2>(a, z) y = Conv(j, u) }}",
        {"w": W, "b": B, "u": U},
    )
    assert a.pinned("a") == "joined by Concat with a value that cannot shrink"


def test_slices_of_positions_carry_channels_and_slices_of_channels_take_them_along():
    bounds = {"s": np.array([1]), "e": np.array([3]), "pos": np.array([2]), "ch": np.array([-3])}
    a = over("c = Slice(a, s, e, pos) y = Conv(c, u)", u=U[..., :1, :1], **bounds)
    assert (a.pinned("a"), a.constants("c")) == (None, [5, NAN, NAN])
    a = over("c = Slice(a, s, e, ch) y = Neg(c)", **bounds)
    assert a.classes("c") == a.classes("a")[1:]
    assert (a.pinned("a"), a.pinned("c")) == (None, "graph output 'y'")


# everything else


@pytest.mark.parametrize(
    "node",
    [
        "custom.Relu(a)",
        "LRN<size = 3>(a)",
        "CumSum(a, k)",
        "GatherElements(a, g)",
        "ScatterElements(a, g, a)",
    ],
)
def test_unknown_operators_are_named(node: str):
    text = f"(float[N, 2, 6, 6] x) => (float[N, 3, 6, 6] y) {{ {A} r = {node} y = Neg(r) }}"
    arrays = {"w": W, "b": B, "k": np.array(1), "g": np.zeros((1, 3, 6, 6), np.int64)}
    a = seen(text, arrays, strict=False)
    assert (
        a.pinned("a") == f"read by {node.removeprefix('custom.').split('(')[0].split('<')[0]}, which the "
        f"analysis does not know"
    )
    assert a.demand("a") == [True] * 3


def test_computed_shapes_and_bounds_are_read_by_what_they_steer():
    text = "(float[4, 3] x) => (float[P, Q] y) { s = Add(k, k) y = Reshape(x, s) }"
    a = seen(text, {"k": np.array([6, 1])}, strict=False)
    assert a.pinned("s", 0) == "read by Reshape"
    assert a.demand("s", 0) == [True, True]


def test_old_opsets_that_broadcast_by_attribute_are_unknown():
    a = seen("(float[4, 3] x) => (y) { a = Gemm(x, g) r = Relu(a) y = Neg(r) }", {"g": G}, 6, strict=False)
    assert a.classes("a") is None
