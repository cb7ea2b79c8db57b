"""RemoveUnits on grouped and transposed convolutions: groups stay equal, or leave as a whole."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.bake.plan import plan_removal
from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.graph.analysis import analyse
from tests.bake.support import Arrays, dims, model, rng, run_pass


def weights(
    *shape: int, dead: tuple[int, ...] = (), unread: tuple[int, ...] = (), seed: int = 1
) -> np.ndarray:
    array = rng(seed).standard_normal(shape).astype(np.float32)
    array[list(dead)] = 0
    if unread:
        array[:, list(unread)] = 0
    return array


def counted(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def chain(middle: str, arrays: Arrays, *, batch: str = "N", size: str = "8, 8") -> ir.Model:
    return model(
        f"(float[{batch}, 3, {size}] x) => (y) {{ a = Conv(x, w1, b1) {middle} y = Conv(g, w3) }}", arrays
    )


def groups(of: ir.Model) -> list[int]:
    return [node.attributes.get_int("group", 1) for node in of.graph if "Conv" in node.op_type]


LIVE = counted(1, 2, 3, 4, 5, 6, 7, 8)
SILENT = np.zeros(8, np.float32)
GROUPED = "g = Conv<group = 2, pads = [PADS]>(a, w2, b2)"


def grouped(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "w1": weights(8, 3, 1, 1),
        "b1": LIVE,
        "w2": weights(6, 4, 3, 3, seed=2),
        "b2": counted(1, 2, 3, 4, 5, 6),
        "w3": weights(2, 6, 1, 1, seed=3),
        **changes,
    }


@pytest.mark.parametrize(("dead", "left"), [
    ((0, 5), 3),
    ((0, 1, 5, 6), 2),
    ((0, 1, 5), 3),  # the second group has lost one alone, so the first keeps one of its two
    ((0, 1, 2), 4),
    ((1, 2, 3, 5, 6, 7), 1),
])  # fmt: skip
def test_every_group_loses_as_many_inputs_as_the_poorest_can(dead: tuple[int, ...], left: int):
    arrays = grouped(w1=weights(8, 3, 1, 1, dead=dead))
    after = run_pass(chain(GROUPED.replace("PADS", "0, 0, 0, 0"), arrays), RemoveUnits)
    assert dims(after)["w1"][0] == 2 * left
    assert dims(after)["w2"] == (6, left, 3, 3)
    assert groups(after) == [1, 2, 1]


def test_behind_padding_each_group_has_a_carrier_of_its_own():
    arrays = grouped(w1=weights(8, 3, 1, 1, dead=(0, 1, 2, 4, 5, 6)))
    after = run_pass(chain(GROUPED.replace("PADS", "1, 1, 1, 1"), arrays), RemoveUnits)
    assert dims(after)["w2"] == (6, 2, 3, 3)
    np.testing.assert_array_equal(after.graph.initializers["b1"].const_value.numpy(), [3, 4, 7, 8])
    arrays["b1"] = SILENT
    after = run_pass(chain(GROUPED.replace("PADS", "1, 1, 1, 1"), arrays), RemoveUnits)
    assert dims(after)["w2"] == (6, 1, 3, 3)


def test_dead_outputs_leave_in_equal_numbers():
    arrays = grouped(w2=weights(6, 4, 3, 3, dead=(0, 1, 5), seed=2))
    after = run_pass(chain(GROUPED.replace("PADS", "0, 0, 0, 0"), arrays), RemoveUnits)
    assert dims(after)["w2"] == (4, 4, 3, 3)
    assert dims(after)["b2"] == (4,)
    assert dims(after)["w3"] == (2, 4, 1, 1)


@pytest.mark.parametrize(("count", "dead", "left"), [(2, (0, 1, 2), 1), (3, (2, 3), 2), (6, (1, 4), 4)])
def test_a_group_with_no_living_output_leaves_with_all_its_inputs(
    count: int, dead: tuple[int, ...], left: int
):
    inputs = 12 // count
    arrays = {
        "w1": weights(12, 3, 1, 1),
        "b1": weights(12),
        "w2": weights(6, inputs, 3, 3, dead=dead, seed=2),
        "b2": counted(1, 2, 3, 4, 5, 6),
        "w3": weights(2, 6, 1, 1, seed=3),
    }
    after = run_pass(chain(f"g = Conv<group = {count}, pads = [1, 1, 1, 1]>(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w1"][0] == left * inputs
    assert dims(after)["w2"] == (left * (6 // count), inputs, 3, 3)
    assert groups(after) == [1, left, 1]


def test_a_group_whose_inputs_others_read_stays():
    arrays = grouped(w2=weights(6, 4, 3, 3, dead=(0, 1, 2), seed=2), w4=weights(2, 8, 1, 1))
    before = model(
        """(float[N, 3, 8, 8] x) => (y, z) { a = Conv(x, w1, b1)
        g = Conv<group = 2>(a, w2, b2) y = Conv(g, w3) z = Conv(a, w4) }""",
        arrays,
    )
    after = run_pass(before, RemoveUnits)
    assert dims(after)["w1"][0] == 8
    assert dims(after)["w2"] == (6, 4, 3, 3)


def test_why_a_dead_looking_unit_stays():
    before = chain(GROUPED.replace("PADS", "0, 0, 0, 0"), grouped(w1=weights(8, 3, 1, 1, dead=(0,))))
    next(
        node for node in before.graph if groups(before)[1:2] == [2] and node.outputs[0].name == "g"
    ).name = "branch"
    assert set(plan_removal(analyse(before.graph)).reasons.values()) >= {
        "keeps the groups of Conv 'branch' equal"
    }


@pytest.mark.parametrize("multiplier", [2, 3])
@pytest.mark.parametrize("pads", ["0, 0, 0, 0", "1, 1, 1, 1"])
def test_depthwise_with_several_filters_a_channel(multiplier: int, pads: str):
    wide = 4 * multiplier
    arrays = {
        "w1": weights(4, 3, 1, 1, dead=(1,)),
        "b1": np.zeros(4, np.float32),
        "w2": weights(wide, 1, 3, 3, dead=tuple(range(multiplier)), seed=2),
        "b2": weights(wide),
        "w3": weights(2, wide, 1, 1, seed=3),
    }
    after = run_pass(chain(f"g = Conv<group = 4, pads = [{pads}]>(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w1"][0] == 2  # channel 0 has no filter, channel 1 is 0
    assert dims(after)["w2"] == (2 * multiplier, 1, 3, 3)
    assert groups(after) == [1, 2, 1]


def test_two_grouped_layers_in_a_row_agree():
    arrays = {
        "w1": weights(12, 3, 1, 1, dead=(0, 1, 4, 8)),
        "b1": np.zeros(12, np.float32),
        "w2": weights(12, 4, 3, 3, dead=(0, 1, 6, 7), seed=2),
        "b2": np.zeros(12, np.float32),
        "w4": weights(6, 6, 3, 3, seed=4),
        "w3": weights(2, 6, 1, 1, seed=3),
    }
    middle = "h = Conv<group = 3, pads = [1, 1, 1, 1]>(a, w2, b2) r = Relu(h) g = Conv<group = 2>(r, w4)"
    after = run_pass(chain(middle, arrays), RemoveUnits)
    assert dims(after)["w1"][0] == 9
    assert dims(after)["w2"][1] == 3
    assert dims(after)["w2"][0] % 6 == 0


@pytest.mark.parametrize("spatial", [1, 3])
def test_groups_over_one_and_three_axes(spatial: int):
    arrays = grouped(
        w1=weights(8, 3, *[1] * spatial, dead=(0, 5)),
        w2=weights(6, 4, *[3] * spatial, seed=2),
        w3=weights(2, 6, *[1] * spatial, seed=3),
    )
    before = chain(
        'g = Conv<group = 2, auto_pad = "SAME_UPPER">(a, w2, b2)', arrays, size=", ".join(["5"] * spatial)
    )
    assert dims(run_pass(before, RemoveUnits))["w2"][1] == 4  # the constants of both groups need a carrier
    arrays["b1"] = SILENT
    before = chain(
        'g = Conv<group = 2, auto_pad = "SAME_LOWER">(a, w2, b2)', arrays, size=", ".join(["5"] * spatial)
    )
    assert dims(run_pass(before, RemoveUnits))["w2"][1] == 3


def test_what_a_grouped_layer_reads_from_a_graph_input_stays():
    before = model(
        "(float[N, 4, 6, 6] x) => (y) { g = Conv<group = 2>(x, w, b) y = Conv(g, w3) }",
        {"w": weights(8, 2, 3, 3, dead=(0, 1, 4)), "b": LIVE, "w3": weights(2, 8, 1, 1)},
    )
    after = run_pass(before, RemoveUnits)
    assert dims(after)["w"] == (6, 2, 3, 3)


def test_a_grouped_layer_that_is_a_graph_output_keeps_all_outputs():
    before = model(
        "(float[N, 3, 6, 6] x) => (g) { a = Conv(x, w1, b1) g = Conv<group = 2>(a, w2, b2) }",
        grouped(w1=weights(8, 3, 1, 1, dead=(0, 4)), w2=weights(6, 4, 3, 3, dead=(0, 3))),
    )
    assert dims(run_pass(before, RemoveUnits))["w2"] == (6, 3, 3, 3)


def test_a_shared_grouped_weight_pins():
    before = model(
        """(float[N, 3, 6, 6] x) => (y, z) { a = Conv(x, w1, b1)
        g = Conv<group = 2>(a, w2, b2) y = Conv(g, w3) r = Relu(a)
        h = Conv<group = 2>(r, w2, b2) z = Conv(h, w3) }""",
        grouped(w1=weights(8, 3, 1, 1, dead=(0, 4)), b1=SILENT),
    )
    assert dims(run_pass(before, RemoveUnits))["w1"][0] == 8


@pytest.mark.parametrize("layer", ["Conv<group = 2>(a, dyn)", "ConvTranspose<group = 2>(a, dyn)"])
def test_weights_made_at_run_time_pin(layer: str):
    shape = "6, 4, 1, 1" if layer.startswith("Conv<") else "8, 3, 1, 1"
    before = model(
        f"(float[N, 3, 6, 6] x, float[{shape}] dyn) => (y)"
        f"{{ a = Conv(x, w1, b1) g = {layer} y = Conv(g, w3) }}",
        grouped(w1=weights(8, 3, 1, 1, dead=(0, 4)), b1=SILENT),
    )
    assert dims(run_pass(before, RemoveUnits))["w1"][0] == 8


def test_half_precision_and_no_bias():
    arrays = {name: array.astype(np.float16) for name, array in grouped().items()}
    arrays["w1"] = weights(8, 3, 1, 1, dead=(0, 4)).astype(np.float16)
    before = model(
        """(float16[N, 3, 6, 6] x) => (y) { a = Conv(x, w1, b1) s = Sigmoid(a)
        g = Conv<group = 2>(s, w2) y = Conv(g, w3) }""",
        arrays,
    )
    after = before.clone()
    RemoveUnits()(after)
    assert dims(after)["w2"] == (6, 3, 3, 3)
    assert {value.dtype for value in after.graph.initializers.values()} == {ir.DataType.FLOAT16}


# transposed


def transposed(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "w1": weights(4, 3, 1, 1, dead=(0, 2)),
        "b1": counted(1, 2, 3, 4),
        "w2": weights(4, 6, 2, 2, seed=2),
        "b2": counted(1, 2, 3, 4, 5, 6),
        "w3": weights(2, 6, 1, 1, seed=3),
        **changes,
    }


@pytest.mark.parametrize("attributes", [
    "strides = [2, 2]",
    "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]",
    "strides = [1, 1]",
    "dilations = [2, 2]",
    'auto_pad = "SAME_UPPER", strides = [2, 2]',
    "output_shape = [17, 17], strides = [2, 2]",
])  # fmt: skip
@pytest.mark.parametrize("live", [False, True])
def test_a_transposed_layer_loses_inputs_and_outputs(attributes: str, live: bool):
    arrays = transposed(w2=weights(4, 6, 2, 2, unread=(1, 5), seed=2))
    arrays["b1"] = arrays["b1"] * live
    after = run_pass(chain(f"g = ConvTranspose<{attributes}>(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w2"] == (3 if live else 2, 4, 2, 2)  # constants make a pattern: one carrier


def test_a_transposed_layer_of_one_tap_folds_constants():
    arrays = transposed(w2=weights(4, 6, 1, 1, seed=2))
    after = run_pass(chain("g = ConvTranspose(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w2"] == (2, 6, 1, 1)


@pytest.mark.parametrize("live", [False, True])
def test_a_transposed_layer_in_groups(live: bool):
    arrays = transposed(w2=weights(4, 3, 2, 2, seed=2))
    arrays["b1"] = arrays["b1"] * live
    after = run_pass(chain("g = ConvTranspose<group = 2, strides = [2, 2]>(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w2"] == (4 if live else 2, 3, 2, 2)


def test_a_transposed_layer_with_one_filter_a_channel():
    arrays = transposed(w2=weights(4, 1, 3, 3, seed=2), b2=counted(1, 2, 3, 4), w3=weights(2, 4, 1, 1))
    arrays["b1"] = np.zeros(4, np.float32)
    after = run_pass(chain("g = ConvTranspose<group = 4>(a, w2, b2)", arrays), RemoveUnits)
    assert dims(after)["w2"] == (2, 1, 3, 3)
    assert groups(after) == [1, 2, 1]
