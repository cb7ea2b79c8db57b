"""What sums over units mean: zeros leave, constants are added back, a mean keeps its divisor."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bake.support import Arrays, bake, dims, model, ops, parameters, rng
from tests.graph.support import seen

NAN = pytest.approx(float("nan"), nan_ok=True)
DRAW = rng(5)
W = DRAW.standard_normal((3, 6)).astype(np.float32)
W[:, [1, 4]] = 0
ZEROS = DRAW.standard_normal(6).astype(np.float32)
ZEROS[[1, 4]] = 0
LIVE = DRAW.standard_normal(6).astype(np.float32)
ARRAYS = {"w": W, "zeros": ZEROS, "live": LIVE, "axes": np.array([1]), "v": DRAW.standard_normal((6, 2))}
ARRAYS["v"] = ARRAYS["v"].astype(np.float32)

K = DRAW.standard_normal((6, 2, 3, 3)).astype(np.float32)
K[[1, 4]] = 0
IMAGES = {
    "k": K,
    "zeros": ZEROS,
    "live": LIVE,
    "c": np.array([1]),
    "cw": np.array([1, -1]),
    "hw": np.array([2, 3]),
}


def units_left(text: str, arrays: Arrays = ARRAYS, *, inputs: str = "float[N, 3] x") -> int:
    """How many of the six units of the first layer are left; the rest of the network is checked by itself."""
    weight = "k" if "k" in arrays else "w"
    return dims(bake(model(f"({inputs}) => (y) {{ {text} }}", arrays, strict=False)))[weight][
        int(weight == "w")
    ]


def image(text: str, bias: str = "zeros") -> int:
    return units_left(f"a = Conv(x, k, {bias}) {text}", IMAGES, inputs="float[N, 2, 6, 6] x")


@pytest.mark.parametrize("bias", ["zeros", "live"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean"])
def test_dead_units_leave_a_sum_and_their_constants_stay(op: str, keep: int, bias: str):
    assert units_left(f"a = Gemm(x, w, {bias}) r = Relu(a) y = {op}<keepdims = {keep}>(r, axes)") == 4


def test_a_mean_still_divides_by_all():
    after = bake(
        model(
            "(float[N, 3] x) => (y) { a = Gemm(x, w, zeros) y = ReduceMean(a, axes) }", ARRAYS, strict=False
        )
    )
    assert ops(after) == {"Gemm": 1, "ReduceMean": 1, "Mul": 1}
    assert parameters(after) == 3 * 4 + 4 + 1


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceL2", "ReduceSumSquare"])
def test_only_zeros_leave_a_norm(op: str):
    assert units_left(f"a = Gemm(x, w, zeros) y = {op}(a, axes)") == 4
    assert units_left(f"a = Gemm(x, w, live) y = {op}(a, axes)") == 6


def test_only_zeros_leave_the_logarithm_of_a_sum():
    assert units_left("a = Gemm(x, w, zeros) b = Abs(a) y = ReduceLogSum(b, axes)") == 4
    assert units_left("a = Gemm(x, w, live) b = Abs(a) y = ReduceLogSum(b, axes)") == 6


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSumExp"])
def test_what_is_no_sum_keeps_its_units(op: str):
    assert units_left(f"a = Gemm(x, w, zeros) y = {op}(a, axes)") == 6


def test_a_summed_value_that_is_an_output_too_keeps_its_units():
    text = "(float[N, 3] x) => (a, y) { a = Gemm(x, w, zeros) y = ReduceSum(a, axes) }"
    assert dims(bake(model(text, ARRAYS, strict=False)))["w"] == (3, 6)


def test_a_sum_over_an_axis_known_at_run_time_keeps_its_units():
    text = "(float[N, 3] x, int64[1] given) => (y) { a = Gemm(x, w, zeros) y = ReduceSum(a, given) }"
    a = seen(text, ARRAYS, strict=False)
    assert a.pinned("a") == "read by ReduceSum, which the analysis does not know"


def test_a_sum_that_nobody_needs_demands_nothing():
    text = """(float[N, 3, 4] x) => (y) { a = Conv(x, k) t = MatMul(a, m) s = ReduceSum<keepdims = 0>(t, axes)
        y = Gemm(s, last) }"""
    last = np.ones((5, 2), np.float32)
    arrays = {"k": np.ones((2, 3, 1), np.float32), "m": np.ones((4, 5), np.float32), "axes": np.array([1])}
    assert seen(text, {**arrays, "last": last}, strict=False).demand("t") == [True, True]
    assert seen(text, {**arrays, "last": 0 * last}, strict=False).demand("t") == [False, False]


def test_a_shared_sum_and_a_bias_read_by_two_stay_exact():
    text = """a = Gemm(x, w, live) b = Gemm(x, w, live) s = ReduceSum(a, axes) t = ReduceMean(b, axes)
        y = Sub(s, t)"""
    assert units_left(text) == 4


@pytest.mark.parametrize("bias", ["zeros", "live"])
def test_a_normalization_written_out_loses_what_nobody_reads(bias: str):
    """Mean and variance over all units; the layer behind reads the dead ones with zeros."""
    read = ARRAYS["v"].copy()
    read[[1, 4]] = 0
    text = f"""a = Gemm(x, w, {bias}) m = ReduceMean(a, axes) d = Sub(a, m) q = Mul(d, d)
        e = ReduceMean(q, axes) f = Add(e, eps) g = Sqrt(f) n = Div(d, g) y = Gemm(n, read)"""
    left = units_left(text, {**ARRAYS, "read": read, "eps": np.float32(1e-5)})
    assert left == 6  # the dead units' distance from the mean varies, and enters the variance


def test_a_root_mean_square_loses_dead_units():
    text = """a = Gemm(x, w, zeros) q = Pow(a, two) e = ReduceMean(q, axes) f = Add(e, eps) g = Sqrt(f)
        h = Reciprocal(g) n = Mul(a, h) y = Gemm(n, v)"""
    assert units_left(text, {**ARRAYS, "eps": np.float32(1e-5), "two": np.float32(2)}) == 4


@pytest.mark.parametrize(("reduce", "zeros", "live"), [
    ("ReduceSum(a, c)", 4, 4),
    ("ReduceMean<keepdims = 0>(a, c)", 4, 4),
    ("ReduceSum(a, cw)", 4, 4),
    ("ReduceMean(a, cw)", 4, 4),
    ("ReduceMean(a)", 4, 4),
    ("ReduceSum(a)", 4, 6),  # how many there are of a constant depends on the batch
    ("ReduceL2(a, cw)", 4, 6),
])  # fmt: skip
def test_sums_over_channels_and_positions(reduce: str, zeros: int, live: int):
    assert image(f"y = {reduce}", "zeros") == zeros
    assert image(f"y = {reduce}", "live") == live


def test_a_channel_that_is_scaled_by_the_mean_of_all_stays_exact():
    """Squeeze over the channels, as spatial attention does: each place gets a number from all of them."""
    text = "m = ReduceMean(a, c) s = Sigmoid(m) p = Mul(a, s) y = ReduceSum(p, hw)"
    assert image(f"{text}", "zeros") == 6  # an output
    assert image(f"{text.replace('y =', 'q =')} y = ReduceSum(q, c)", "zeros") == 4


@pytest.mark.parametrize(("op", "number"), [
    ("Sum", 180), ("Mean", 5), ("L1", 180), ("L2", 30), ("SumSquare", 900), ("LogSum", np.log(180)),
    ("LogSumExp", 5 + np.log(36)), ("Max", 5), ("Prod", NAN),
])  # fmt: skip
def test_what_a_constant_is_reduced_to(op: str, number: float):
    weight = np.ones((3, 2, 1, 1), np.float32)
    weight[:2] = 0
    arrays = {"w": weight, "b": np.array([5, 0, 1], np.float32), "hw": np.array([2, -1])}
    text = f"(float[N, 2, 6, 6] x) => (y) {{ a = Conv(x, w, b) p = Reduce{op}(a, hw) y = Relu(p) }}"
    known = seen(text, arrays, strict=False).constants("p")
    of_zero = {"LogSum": NAN, "LogSumExp": pytest.approx(np.log(36), abs=1e-5)}.get(op, 0)
    assert known == [number if number is NAN else pytest.approx(number, abs=1e-4), of_zero, NAN]


def test_what_a_constant_sums_to_over_lengths_known_at_run_time():
    arrays = {
        "w": np.zeros((2, 2, 1, 1), np.float32),
        "b": np.array([5, 0], np.float32),
        "hw": np.array([2, 3]),
    }
    text = "(float[N, 2, H, W] x) => (y) { a = Conv(x, w, b) p = ReduceSum(a, hw) y = Relu(p) }"
    assert seen(text, arrays, strict=False).constants("p") == [NAN, 0]


def test_means_of_integers_keep_their_units():
    text = """(float[N, 3] x) => (y) { a = Gemm(x, w, zeros) i = Cast<to = 7>(a) y = ReduceMean(i, axes) }"""
    assert seen(text, ARRAYS, strict=False).pinned("i") == "reduced over by ReduceMean"


@pytest.mark.parametrize("op", ["Sum", "Mean", "L1", "L2", "SumSquare", "Max"])
def test_copies_and_multiples_of_a_channel_are_found_behind_a_reduction(op: str):
    weight = K.copy()
    weight[[1, 4]] = weight[[0, 2]] * np.float32([2, 1])[:, None, None, None]
    text = f"a = Conv(x, k) p = Reduce{op}<keepdims = 0>(a, hw) y = Gemm(p, v)"
    assert units_left(text, {**IMAGES, "k": weight, "v": ARRAYS["v"]}, inputs="float[N, 2, 6, 6] x") == 4
