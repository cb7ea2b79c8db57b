"""What bends rules: ties and signs, sizes and constants known only when it runs, graphs within graphs."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import UnsupportedError
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import lowered, parse

F32 = np.float32
X = np.linspace(-3, 3, 12, dtype=F32).reshape(3, 4)
ODD = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-40, 1e30, -1e30, 0.5, -1.5, 88, -88], F32)
INTS = np.array([-7, -6, -3, -1, 0, 1, 2, 3, 6, 7])


def same(
    text: str, opset: int, feed: dict[str, np.ndarray], target: int = 13, **constants: np.ndarray
) -> None:
    model = parse(text, opset, **constants)
    before = run_onnx(model, [feed])
    assert lowered(model, target).report.changed
    parity = compare_outputs(before, run_onnx(model, [feed]))
    assert parity.ok, parity.worst


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(
    "x", [[np.nan, 1, -np.inf, np.inf, 1], [2, -0.0, 0.0, np.nan, np.nan], [3, 3, 3, 3, 3], [5, -5, 5, -5, 0]]
)
def test_the_smallest_of_ties_and_of_what_is_no_number(x: list[float], k: int) -> None:
    text = "(float[5] x) => (v, i) { v, i = TopK<largest=0>(x, k) }"
    same(text, 14, {"x": np.array(x, F32)}, k=np.array([k]))


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("divisors", [[3] * 10, [-3] * 10, [-1] * 10, [-3, 2, -5, 4, -1, 7, -2, 3, -4, 5]])
@pytest.mark.parametrize("computed", [False, True])
def test_remainders_of_every_sign(divisors: list[int], fmod: int, computed: bool) -> None:
    head = "int64[10] x, int64[10] d" if computed else "int64[10] x"
    feed = {"x": INTS, "d": np.array(divisors)} if computed else {"x": INTS}
    constants = {} if computed else {"d": np.array(divisors)}
    same(f"({head}) => (y) {{ y = Mod<fmod={fmod}>(x, d) }}", 14, feed, **constants)


@pytest.mark.parametrize("k", [-3, 0, 2, 9])
@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("head", ["float[3, 4] x, int64 k", "float[a, b] x, int64[1] k"])
def test_a_triangle_whose_edge_is_computed(head: str, upper: int, k: int) -> None:
    edge = np.array([k] if "[1]" in head else k)
    same(f"({head}) => (y) {{ y = Trilu<upper={upper}>(x, k) }}", 14, {"x": X, "k": edge})


def test_a_default_that_is_overridden_is_no_constant() -> None:
    same("(float[3, 4] x, int64 k) => (y) { y = Trilu(x, k) }", 14, {"x": X, "k": np.array(2)}, k=np.int64(0))
    text = "(float[3, 4] x, int64[1] axes) => (y) { y = ReduceMean(x, axes) }"
    with pytest.raises(UnsupportedError, match=r"ReduceMean .* opset 13 has no input 1"):
        lowered(parse(text, 18, axes=np.array([1])))


@pytest.mark.parametrize(
    "op", ["HardSwish", "Mish", "Gelu", "Celu<alpha=0.5>", "Shrink", "IsInf", "IsInf<detect_negative=0>"]
)
def test_activations_of_what_is_no_number(op: str) -> None:
    same(f"(float[12] x) => (y) {{ y = {op}(x) }}", 20, {"x": ODD})


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_a_grid_far_outside(padding: str) -> None:
    head = "float[1, 1, 3, 4] x, float[1, 2, 2, 2] g"
    text = f'({head}) => (y) {{ y = GridSample<padding_mode="{padding}">(x, g) }}'
    grid = np.array([1e4, -1e4, 3, -3, 0, 1, -1, 0.2], F32).reshape(1, 2, 2, 2)
    same(text, 20, {"x": X.reshape(1, 1, 3, 4), "g": grid})


@pytest.mark.parametrize("mask", [np.array(5), np.array([5]), np.array([[0]])])
@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_bits_take_the_rank_of_both(op: str, mask: np.ndarray) -> None:
    same(f"(int64 x) => (y) {{ y = Bitwise{op}(x, m) }}", 18, {"x": np.array(-11)}, m=mask)


def test_names_that_rules_would_give_may_be_taken() -> None:
    body = "y_constant_1 = Mul(x, y_constant_0) y = Gelu(y_constant_1)"
    feed = {"x": X.reshape(12), "y_constant_0": np.array(2, F32)}
    same(f"(float[12] x, float y_constant_0) => (y) {{ {body} }}", 20, feed)


def test_what_is_an_output_and_read_stays_both() -> None:
    same("(float[3, 4] x) => (y, z) { y = HardSwish(x) z = Mish(y) }", 18, {"x": X})


@pytest.mark.parametrize("which", [True, False])
def test_rules_reach_into_branches(which: bool) -> None:
    text = """(bool which, float[3, 4] x, int64[3, 4] i) => (float[3, 4] y) { y = If(which)
        <then_branch = one () => (float[3, 4] p) { q = HardSwish(x)
             p = ScatterElements<reduction="add", axis=1>(q, i, x) },
         else_branch = two () => (float[3, 4] r) { r = Trilu(x) }> }"""
    same(text, 18, {"which": np.array(which), "x": X, "i": np.tile([0, 3, 3, -1], (3, 1))})


def test_rules_reach_into_loops() -> None:
    text = """(float[3, 4] x, int64 times, bool go) => (float[3, 4] y) { y = Loop(times, go, x)
        <body = b (int64 i, bool on, float[3, 4] s) => (bool further, float[3, 4] t)
            { further = Identity(on) g = Gelu(s) t = LayerNormalization(g, w) }> }"""
    feed = {"x": X, "times": np.array(3), "go": np.array(True)}
    same(text, 20, feed, w=np.linspace(0.5, 2, 4, dtype=F32))


@pytest.mark.parametrize("mask", ["float[3, 5]", "bool[3, 5]", "bool[2, 4, 3, 5]", "float[2, 1, 3, 5]"])
@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("shared", [1, 2, 4])
def test_attention_of_shared_heads_with_every_mask(mask: str, causal: int, shared: int) -> None:
    heads = f"float[2, 4, 3, 8] q, float[2, {shared}, 5, 8] k, float[2, {shared}, 5, 6] v, {mask} m"
    draw = np.random.default_rng(2)
    shape = [int(size) for size in mask[mask.index("[") + 1 : -1].split(",")]
    drawn = draw.standard_normal(shape).astype(F32)
    feed = {
        "q": draw.standard_normal((2, 4, 3, 8)).astype(F32),
        "k": draw.standard_normal((2, shared, 5, 8)).astype(F32),
        "v": draw.standard_normal((2, shared, 5, 6)).astype(F32),
        "m": drawn if "float" in mask else drawn > 0.8,
    }
    same(f"({heads}) => (y) {{ y = Attention<is_causal={causal}>(q, k, v, m) }}", 23, feed)
