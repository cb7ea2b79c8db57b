"""Units that carry the same values, up to a factor, become one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.bake.merge_duplicates import MergeDuplicates
from edgeshrink.graph.likeness import Table, alike
from tests.bake.support import dims, model, rng, run_pass

CHAIN = """(float[2, 3, 8, 8] x) => (y) {
    a = Conv<pads=[1, 1, 1, 1]>(x, w1, b1)
    r = %s(a)
    y = Conv<pads=[1, 1, 1, 1]>(r, w2)
}"""


def arrays(seed: int = 0, **others: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of CHAIN: 3 -> 6 -> 4 channels."""
    draw = rng(seed)
    shapes = {"w1": (6, 3, 3, 3), "b1": (6,), "w2": (4, 6, 3, 3)}
    made = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**made, **others}


def copied(row: int, of: int, factor: float = 1.0) -> dict[str, np.ndarray]:
    made = arrays()
    for name in ("w1", "b1"):
        made[name][row] = made[name][of] * np.float32(factor)
    return made


def test_two_equal_filters_become_one():
    baked = run_pass(model(CHAIN % "Sigmoid", copied(4, of=1)), MergeDuplicates)
    assert dims(baked)["w1"] == (5, 3, 3, 3)
    assert dims(baked)["w2"] == (4, 5, 3, 3)


@pytest.mark.parametrize("op", ["Relu", "LeakyRelu", "Identity", "Abs"])
@pytest.mark.parametrize("factor", [3.0, 0.3, 1e-3])
def test_a_multiple_becomes_one_where_the_activation_lets_factors_through(op: str, factor: float):
    baked = run_pass(model(CHAIN % op, copied(4, of=1, factor=factor)), MergeDuplicates)
    assert dims(baked)["w1"][0] == 5


@pytest.mark.parametrize("op", ["Sigmoid", "HardSwish", "Elu", "Softplus", "Tanh", "Exp"])
def test_a_multiple_stays_where_the_activation_bends(op: str):
    before = model(CHAIN % op, copied(4, of=1, factor=0.5))
    assert not MergeDuplicates()(before).modified


@pytest.mark.parametrize(("op", "units"), [("Relu", 6), ("LeakyRelu", 6), ("Abs", 5), ("Neg", 5)])
def test_a_negative_multiple_passes_only_what_is_odd_or_even(op: str, units: int):
    baked = run_pass(model(CHAIN % op, copied(4, of=1, factor=-2.0)), MergeDuplicates)
    assert dims(baked)["w1"][0] == units


def test_equal_filters_with_other_biases_stay():
    made = copied(4, of=1)
    made["b1"][4] += 0.1
    assert not MergeDuplicates()(model(CHAIN % "Relu", made)).modified


def test_filters_that_differ_by_more_than_rounding_stay():
    made = copied(4, of=1)
    made["w1"][4, 0, 0, 0] *= 1 + 2e-6
    assert not MergeDuplicates()(model(CHAIN % "Relu", made)).modified


def test_nothing_alike_changes_nothing():
    assert not MergeDuplicates()(model(CHAIN % "Relu", arrays())).modified


def test_what_is_alike_because_its_inputs_are_is_found_too():
    """The second layer's filters 0 and 2 differ, but not on the two equal inputs taken together."""
    draw, made = rng(1), copied(4, of=1)
    made["w2"][2] = made["w2"][0]
    shift = draw.integers(-3, 4, made["w2"][0, 1].shape).astype(np.float32)
    made["w2"] = np.round(made["w2"] * 8) / 8  # sums and differences of these are exact
    made["w2"][2, 1] += shift
    made["w2"][2, 4] -= shift
    made["w3"] = draw.standard_normal((5, 4, 1, 1)).astype(np.float32)
    text = (CHAIN % "Relu").replace("y = Conv", "c = Conv").replace("}", "s = Relu(c)\n y = Conv(s, w3)\n}")
    baked = run_pass(model(text, made), MergeDuplicates)
    assert dims(baked)["w3"][1] == 3
    assert dims(baked)["w2"][:2] == (3, 5)


def test_columns_that_cancel_leave_nothing():
    """x_4 = x_1 and w_4 = -w_1: neither is needed, and a third that only they kept alive is."""
    made = copied(4, of=1)
    made["w2"][:, 4] = -made["w2"][:, 1]
    assert dims(run_pass(model(CHAIN % "Tanh", made), MergeDuplicates))["w1"][0] == 4


def test_duplicates_are_found_through_batch_norm_pool_and_flatten():
    draw, made = rng(2), copied(4, of=1)
    for name in ("scale", "bias", "mean"):
        made[name] = draw.standard_normal(6).astype(np.float32)
        made[name][4] = made[name][1]
    made["var"] = draw.uniform(0.5, 1.5, 6).astype(np.float32)
    made["var"][4] = made["var"][1]
    made["fc"] = draw.standard_normal((6 * 16, 5)).astype(np.float32)
    before = model(
        """(float[2, 3, 8, 8] x) => (y) {
            a = Conv<pads=[1, 1, 1, 1]>(x, w1, b1)
            n = BatchNormalization(a, scale, bias, mean, var)
            p = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(n)
            q = AveragePool<kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1]>(p)
            f = Flatten(p)
            y = MatMul(f, fc)
        }""",
        made,
    )
    baked = run_pass(before, MergeDuplicates)
    assert dims(baked)["w1"][0] == 5
    assert dims(baked)["fc"] == (5 * 16, 5)


RESIDUAL = """(float[2, 3, 6, 6] x) => (y) {
    a = Conv(x, w1, b1)
    r = Relu(a)
    c = Conv<pads=[1, 1, 1, 1]>(r, w2, b2)
    s = Add(r, c)
    t = Relu(s)
    y = Conv(t, w3)
}"""


def residual(*, second: bool) -> ir.Model:
    draw = rng(3)
    shapes = {"w1": (6, 3, 1, 1), "b1": (6,), "w2": (6, 6, 3, 3), "b2": (6,), "w3": (4, 6, 1, 1)}
    made = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    for name in ("w1", "b1", *(("w2", "b2") if second else ())):
        made[name][5] = 2 * made[name][0]
    return model(RESIDUAL, made)


def test_a_residual_stream_narrows_if_every_addend_is_alike():
    assert dims(run_pass(residual(second=True), MergeDuplicates))["w3"][1] == 5


def test_a_residual_stream_stays_if_one_addend_differs():
    assert dims(run_pass(residual(second=False), MergeDuplicates))["w3"][1] == 6


def test_an_output_keeps_all_its_units():
    before = model(CHAIN.replace("(y)", "(y, r)") % "Relu", copied(4, of=1))
    assert not MergeDuplicates()(before).modified


def test_weights_that_others_read_too_are_not_touched():
    text = (CHAIN % "Relu").replace("(y)", "(y, z)").replace("}", "z = Conv<pads=[1, 1, 1, 1]>(x6, w2)\n}")
    text = text.replace("x)", "x, float[2, 6, 8, 8] x6)", 1)
    assert not MergeDuplicates()(model(text, copied(4, of=1))).modified


def test_every_reader_adds_its_own_columns():
    text = (CHAIN % "Relu").replace("(y)", "(y, z)").replace("}", "z = Conv(r, w3)\n}")
    made = copied(4, of=1, factor=0.5)
    made["w3"] = rng(5).standard_normal((2, 6, 1, 1)).astype(np.float32)
    baked = run_pass(model(text, made), MergeDuplicates)
    assert dims(baked)["w2"][1] == dims(baked)["w3"][1] == 5


def test_many_copies_become_one():
    made = arrays()
    made["w1"][:], made["b1"][:] = made["w1"][0], made["b1"][0]
    assert dims(run_pass(model(CHAIN % "Sigmoid", made), MergeDuplicates))["w1"][0] == 1


def test_a_symbolic_batch_makes_no_difference():
    text = (CHAIN % "Relu").replace("float[2,", "float[N,")
    assert dims(run_pass(model(text, copied(4, of=1)), MergeDuplicates))["w1"][0] == 5


def test_a_depthwise_filter_tells_equal_channels_apart():
    draw, made = rng(6), copied(4, of=1)
    made["d"] = draw.standard_normal((6, 1, 3, 3)).astype(np.float32)
    text = (CHAIN % "Relu").replace("y = Conv<pads=[1, 1, 1, 1]>(r", "q = Conv<group=6>(r, d)\ny = Conv(q")
    assert not MergeDuplicates()(model(text, made)).modified
    made["d"][4] = 3 * made["d"][1]
    assert dims(run_pass(model(text, made), MergeDuplicates))["d"][0] == 5


def test_sums_beyond_the_range_of_the_type_are_left_as_they_are():
    made = copied(4, of=1)
    made["w2"][:, [1, 4]] = 3e38
    made["w1"] *= 1e-38
    made["b1"] *= 1e-38
    assert not MergeDuplicates()(model(CHAIN % "Relu", made)).modified


def test_rows_are_alike_to_two_units_in_the_last_place():
    rows = rng(7).standard_normal((2, 50)).astype(np.float32)
    table = np.stack([rows[0], rows[1], rows[0] * np.float32(np.pi), np.nextafter(rows[1], np.inf)])
    leader, factor = alike(Table(np.zeros((4, 0), dtype=np.int64), table))
    assert leader.tolist() == [0, 1, 0, 1]
    assert factor == pytest.approx([1, 1, np.pi, 1], rel=1e-6)
    assert factor[3] == 1.0
