"""RemoveUnits through what moves channels: splits, slices, gathers, shuffles, blocks, pads, resizes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.bake.remove_units import RemoveUnits
from edgeshrink.bake.shuffle_channels import GatherShuffles, RestoreShuffles
from tests.bake.support import Arrays, bake, dims, model, ops, rng, run_pass


def weights(*shape: int, dead: tuple[int, ...] = (), seed: int = 1) -> np.ndarray:
    array = rng(seed).standard_normal(shape).astype(np.float32)
    array[list(dead)] = 0
    return array


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def moved(
    text: str,
    dead: tuple[int, ...],
    *,
    batch: str = "N",
    opset: int = 18,
    silent: bool = False,
    **more: np.ndarray,
) -> ir.Model:
    """Eight channels `a`, those named dead, then the text, which ends in `y`."""
    bias = weights(8, seed=5) * (not silent)
    arrays = {"w1": weights(8, 3, 1, 1, dead=dead), "b1": bias, **more}
    return model(f"(float[{batch}, 3, 6, 6] x) => (y) {{ a = Conv(x, w1, b1) {text} }}", arrays, opset)


def width(of: ir.Model, name: str = "w1") -> int:
    return dims(of)[name][0]


# split


@pytest.mark.parametrize(("opset", "split"), [
    (18, "Split<axis = 1, num_outputs = 2>(a)"),
    (18, "Split<axis = -3>(a, lengths)"),
    (13, "Split<axis = 1>(a)"),
    (13, "Split<axis = 1>(a, lengths)"),
    (11, "Split<axis = 1>(a)"),
    (11, "Split<axis = 1, split = [4, 4]>(a)"),
])  # fmt: skip
def test_parts_of_a_split_lose_their_own_channels(opset: int, split: str):
    before = moved(
        f"c, d = {split} e = Conv(c, w2) f = Conv(d, w3) y = Add(e, f)",
        (0, 1, 6),
        opset=opset,
        lengths=whole(4, 4),
        w2=weights(2, 4, 3, 3),
        w3=weights(2, 4, 3, 3, seed=3),
    )
    after = run_pass(before, RemoveUnits)
    assert (width(after), dims(after)["w2"][1], dims(after)["w3"][1]) == (5, 2, 3)


def test_an_uneven_split_into_several_outputs():
    text = "c, d, e = Split<axis = 1, num_outputs = 3>(a) p = Concat<axis = 1>(e, c, d) y = Conv(p, w2)"
    after = run_pass(moved(text, (0, 7), w2=weights(2, 8, 3, 3)), RemoveUnits)
    assert (width(after), dims(after)["w2"][1]) == (6, 6)


def test_a_part_that_is_a_graph_output_or_wholly_dead_keeps_what_it_must():
    before = model(
        """(float[N, 3, 6, 6] x) => (c, y) { a = Conv(x, w1, b1) c, d = Split<axis = 1>(a, lengths)
        y = Conv(d, w2) }""",
        {
            "w1": weights(8, 3, 1, 1, dead=(0, 3, 4, 5, 6, 7)),
            "b1": weights(8),
            "lengths": whole(3, 5),
            "w2": weights(2, 5, 1, 1),
        },
    )
    after = run_pass(before, RemoveUnits)
    assert width(after) == 4  # three are an output, one of the others stays, as no axis may be empty


def test_a_split_along_positions_carries_channels():
    text = "c, d = Split<axis = 2, num_outputs = 2>(a) s = Add(c, d) y = Conv(s, w2)"
    assert width(run_pass(moved(text, (0, 7), w2=weights(2, 8, 3, 3)), RemoveUnits)) == 6


def test_a_split_by_lengths_made_at_run_time_pins():
    before = model(
        """(float[N, 3, 6, 6] x, int64[2] lengths) => (float[N, 2, 6, 6] y) { a = Conv(x, w1, b1)
        c, d = Split<axis = 1>(a, lengths) y = Concat<axis = 1>(d, c) }""",
        {"w1": weights(8, 3, 1, 1, dead=(0, 3)), "b1": weights(8)},
        strict=False,
    )
    RemoveUnits()(before)
    assert width(before) == 8


# slice


@pytest.mark.parametrize(("start", "end", "step", "left"), [
    (0, 4, 1, 3),  # channel 0 is dead, 4 and behind are not read at all
    (4, 8, 1, 3),
    (-4, 2**62, 1, 3),
    (2, 3, 1, 1),
    (1, 8, 2, 3),
    (0, 8, 3, 2),  # channels 0, 3 and 6 of which 0 is dead
    (7, -(2**62), -1, 6),
    (-2, 0, -2, 3),
    (6, 1, -3, 2),
])  # fmt: skip
def test_slices_of_channels(start: int, end: int, step: int, left: int):
    count = len(range(8)[start:end:step])
    bounds = {"s": whole(start), "e": whole(end), "axis": whole(1), "step": whole(step)}
    text = "c = Slice(a, s, e, axis, step) y = Conv(c, w2)"
    after = run_pass(moved(text, (0, 5), w2=weights(2, count, 3, 3), **bounds), RemoveUnits)
    assert dims(after)["w2"][1] == left
    assert width(after) == left


def test_a_slice_by_attributes_as_it_once_was():
    text = "c = Slice<axes = [1], starts = [2], ends = [7]>(a) y = Conv(c, w2)"
    after = run_pass(moved(text, (2, 6, 7), opset=9, w2=weights(2, 5, 3, 3)), RemoveUnits)
    assert width(after) == 3


@pytest.mark.parametrize("step", [2, -2, 3])
def test_what_is_left_of_a_wide_step_is_gathered_where_it_is_no_range(step: int):
    """Another reader keeps some of the channels in between, so that those sliced are not evenly apart."""
    start, end = (1, 8) if step > 0 else (7, 0)
    bounds = {"s": whole(start, 1), "e": whole(end, 5), "axis": whole(1, 2), "step": whole(step, 1)}
    other = weights(2, 8, 1, 1, seed=4)
    other[:, [0, 2, 3, 6]] = 0
    before = model(
        """(float[N, 3, 6, 6] x) => (y, z) { a = Conv(x, w1, b1) c = Slice(a, s, e, axis, step)
        y = Conv(c, w2) z = Conv(a, w3) }""",
        {
            "w1": weights(8, 3, 1, 1),
            "b1": weights(8),
            "w2": weights(2, len(range(8)[start:end:step]), 3, 3),
            "w3": other,
            **bounds,
        },
    )
    after = run_pass(before, RemoveUnits)
    assert ops(after)["Slice"] == 1
    assert width(after) == len(set(range(8)[start:end:step]) | {1, 4, 5, 7})


def test_a_slice_that_is_a_graph_output_is_renumbered():
    text = "y = Slice(a, s, e, axis)"
    after = run_pass(moved(text, (), s=whole(3), e=whole(6), axis=whole(1)), RemoveUnits)
    assert width(after) == 3


# gather


@pytest.mark.parametrize(("indices", "left"), [
    ([7, 6, 5, 4, 3, 2, 1, 0], 6),
    ([0, 2, 4, -1], 3),
    ([1, 1, 3, 0], 2),
    ([-8, 5], 1),
])  # fmt: skip
@pytest.mark.parametrize("pads", [0, 1])
def test_gathered_channels_are_renumbered(indices: list[int], left: int, pads: int):
    text = f"c = Gather<axis = 1>(a, i) y = Conv<pads = {[pads] * 4}>(c, w2)"
    before = moved(text, (0, 5), silent=True, i=whole(*indices), w2=weights(2, len(indices), 3, 3))
    assert width(run_pass(before, RemoveUnits)) == left


@pytest.mark.parametrize("rank", [0, 2])
def test_what_is_gathered_one_by_one_or_as_a_table_stays_and_the_rest_leaves(rank: int):
    """Channels nobody names leave; the other axes are carried."""
    arrays = {
        "i": np.array(3) if rank == 0 else whole(3, 1).reshape(1, 2),
        "axis": whole(1, 2) if rank else whole(1),
    }
    drop = "r = ReduceMean<keepdims = 0>(g, axis)" if rank else "r = Identity(g)"
    before = moved(f"g = Gather<axis = 1>(a, i) {drop} y = Neg(r)", (0,), **arrays)
    assert width(run_pass(before, RemoveUnits)) == (2 if rank else 1)


def test_indices_made_at_run_time_pin_their_axis_alone():
    before = model(
        """(float[N, 3, 6, 6] x, int64[2] i) => (y) { a = Conv(x, w1, b1) c = Gather<axis = 2>(a, i)
        y = Conv(c, w2) }""",
        {"w1": weights(8, 3, 1, 1, dead=(0, 5)), "b1": weights(8), "w2": weights(2, 8, 1, 1)},
    )
    feeds = [{"x": weights(2, 3, 6, 6, seed=seed), "i": whole(seed, 5 - seed)} for seed in range(5)]
    assert width(run_pass(before, RemoveUnits, feeds=feeds)) == 6


def test_columns_of_a_table_that_nobody_reads_leave():
    columns = weights(6, 2)
    columns[[1, 4]] = 0
    before = model(
        "(int64[N] tokens) => (y) { e = Gather(table, tokens) r = Relu(e) y = MatMul(r, w) }",
        {"table": weights(10, 6), "w": columns},
    )
    feeds = [{"tokens": whole(seed, 9 - seed, 3)} for seed in range(8)]
    assert dims(run_pass(before, RemoveUnits, feeds=feeds))["table"] == (10, 4)


def test_indices_shared_by_two_gathers_are_written_for_each():
    before = model(
        """(float[N, 3, 6, 6] x) => (y) { a = Conv(x, w1, b1) c = Conv(x, w2, b1) g = Gather<axis = 1>(a, i)
        h = Gather<axis = 1>(c, i) e = Conv(g, w3) f = Conv(h, w3) y = Add(e, f) }""",
        {
            "w1": weights(8, 3, 1, 1, dead=(0, 5)),
            "w2": weights(8, 3, 1, 1, dead=(5, 6, 7)),
            "b1": weights(8),
            "w3": weights(2, 4, 1, 1),
            "i": whole(5, 4, 0, 2),
        },
    )
    after = run_pass(before, RemoveUnits)
    assert dims(after)["w3"][1] == 3


# shuffle

SHUFFLE = """r = Reshape(a, apart) t = Transpose<perm = [0, 2, 1, 3, 4]>(r) s = Reshape(t, joined)
    y = Conv(s, w2)"""
TABLES: Arrays = {"apart": whole(0, 2, 4, 6, 6), "joined": whole(0, 8, 6, 6), "w2": weights(2, 8, 3, 3)}


@pytest.mark.parametrize("batch", ["N", "2"])
def test_channels_leave_through_a_shuffle(batch: str):
    after = bake(moved(SHUFFLE, (0, 1, 6), batch=batch, **TABLES))
    assert (width(after), dims(after)["w2"][1]) == (5, 5)
    assert ops(after) == {"Conv": 2, "Gather": 1}


@pytest.mark.parametrize("dead", [(), (1, 5)])
def test_a_shuffle_that_is_regular_still_is_put_back(dead: tuple[int, ...]):
    after = bake(moved(SHUFFLE, dead, **TABLES))
    assert width(after) == 8 - len(dead)
    assert ops(after) == {"Conv": 2, "Reshape": 2, "Transpose": 1}


def test_a_shuffle_of_three_factors_and_one_of_the_last_axis():
    text = SHUFFLE.replace("0, 2, 1, 3, 4", "0, 3, 2, 1, 4, 5")
    before = moved(text, (), **{**TABLES, "apart": whole(0, 2, 2, 2, 6, 6)})
    assert ops(run_pass(before, GatherShuffles))["Gather"] == 1
    assert ops(run_pass(before, GatherShuffles, RestoreShuffles)) == ops(before)
    text = """l = Transpose<perm = [0, 2, 3, 1]>(a) r = Reshape(l, apart)
        t = Transpose<perm = [0, 1, 2, 4, 3]>(r) s = Reshape(t, joined) y = MatMul(s, w2)"""
    tables = {"apart": whole(0, 6, 6, 4, 2), "joined": whole(0, 6, 6, 8), "w2": weights(8, 2)}
    assert width(bake(moved(text, (0, 3), **tables))) == 6


@pytest.mark.parametrize("text", [
    SHUFFLE.replace("0, 2, 1, 3, 4", "0, 2, 1, 4, 3"),  # moves positions as well
    SHUFFLE.replace("y =", "o = Neg(t) z = Reshape(o, joined) q = Add(s, z) y =").replace("Conv(s", "Conv(q"),
    SHUFFLE.replace("Reshape(t, joined)", "Reshape(t, other)"),
])  # fmt: skip
def test_what_is_no_shuffle_alone_is_left(text: str):
    before = moved(text, (0, 1, 6), **TABLES, other=whole(0, 8, 4, 9))
    assert ops(run_pass(before, GatherShuffles)) == ops(before)


def test_a_gather_that_never_was_a_shuffle_stays_one():
    before = moved(
        "c = Gather<axis = 1>(a, i) y = Conv(c, w2)", (), i=whole(0, 4, 1, 5, 2, 6, 3, 7), w2=TABLES["w2"]
    )
    assert ops(bake(before))["Gather"] == 1


# blocks


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("live", [False, True])
def test_the_channels_of_a_block_leave_together(mode: str, live: bool):
    dead = (0, 2, 4, 6) if mode == "DCR" else (0, 1, 2, 3)
    text = f'd = DepthToSpace<blocksize = 2, mode = "{mode}">(a) y = Conv(d, w2)'
    before = moved(text, (*dead, 7), silent=not live, w2=weights(3, 2, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == (8 if live else 4)  # other numbers make a pattern
    before.graph.initializers["b1"].const_value = ir.tensor(np.full(8, 0.5, np.float32), name="b1")
    assert width(run_pass(before, RemoveUnits)) == 4


def test_channels_become_blocks_of_channels():
    before = moved("d = SpaceToDepth<blocksize = 2>(a) y = Conv(d, w2)", (1, 4), w2=weights(3, 32, 3, 3))
    after = run_pass(before, RemoveUnits)
    assert (width(after), dims(after)["w2"][1]) == (6, 24)


# pad, resize and sampling


@pytest.mark.parametrize(("pad", "left"), [
    ("Pad(a, pads)", 8),
    ("Pad(a, pads, half)", 7),
    ('Pad<mode = "edge">(a, pads)', 5),
    ('Pad<mode = "reflect">(a, pads)', 5),
    ("Pad(a, crop)", 5),
    ("Pad(a, two, half, axes)", 7),
])  # fmt: skip
def test_constants_past_a_pad(pad: str, left: int):
    bias = np.array([0.25, 0.5, 1, 1, 1, -1, 1, 1], np.float32)
    before = model(
        f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w1, b1) p = {pad} y = Conv(p, w2) }}",
        {
            "w1": weights(8, 3, 1, 1, dead=(0, 1, 5)),
            "b1": bias,
            "pads": whole(0, 0, 1, 0, 0, 0, 1, 1),
            "crop": whole(0, 0, -1, 0, 0, 0, -1, -1),
            "two": whole(1, 0, 0, 2),
            "axes": whole(2, -1),
            "half": np.array(0.5, np.float32),
            "w2": weights(2, 8, 3, 3),
        },
    )
    assert width(run_pass(before, RemoveUnits)) == left
    before.graph.initializers["b1"].const_value = ir.tensor(bias * 0, name="b1")
    assert width(run_pass(before, RemoveUnits)) == (8 if "half" in pad else 5)


def test_padded_channels_pin():
    before = moved(
        "p = Pad(a, pads) y = Conv(p, w2)", (0, 1), pads=whole(0, 1, 0, 0, 0, 0, 0, 0), w2=weights(2, 9, 3, 3)
    )
    assert width(run_pass(before, RemoveUnits)) == 8


@pytest.mark.parametrize(("resize", "left"), [
    ('Resize<mode = "nearest">(a, , scales)', 6),
    ('Resize<mode = "linear">(a, , scales)', 6),
    ('Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(a, , , lengths)', 6),
    ('Resize<mode = "cubic">(a, , scales)', 8),
    ('Resize<mode = "linear", antialias = 1>(a, , smaller)', 8),
    ('Resize<mode = "nearest", axes = [2, 3]>(a, , , two)', 6),
    ('Resize<mode = "nearest">(a, , , lengths)', 6),
])  # fmt: skip
def test_channels_through_a_resize(resize: str, left: int):
    tables = {
        "scales": np.array([1, 1, 2, 1.5], np.float32),
        "smaller": np.array([1, 1, 0.5, 0.5], np.float32),
        "lengths": whole(2, 8, 9, 12),
        "two": whole(12, 9),
        "w2": weights(2, 8, 3, 3),
    }
    before = moved(f"r = {resize} y = Conv(r, w2)", (0, 5), batch="2", **tables)
    assert width(run_pass(before, RemoveUnits)) == left
    before = moved(f"r = {resize} y = Conv(r, w2)", (0, 5), batch="2", silent=True, **tables)
    assert width(run_pass(before, RemoveUnits)) == 6


def test_upsample_as_it_once_was():
    tables = {"scales": np.array([1, 1, 2, 2], np.float32), "w2": weights(2, 8, 3, 3)}
    assert (
        width(
            run_pass(moved("r = Upsample(a, scales) y = Conv(r, w2)", (0, 5), opset=9, **tables), RemoveUnits)
        )
        == 6
    )


def test_channels_that_are_resized_themselves_pin():
    tables = {"scales": np.array([1, 2, 1, 1], np.float32), "w2": weights(2, 16, 3, 3)}
    assert (
        width(run_pass(moved("r = Resize(a, , scales) y = Conv(r, w2)", (0, 5), **tables), RemoveUnits)) == 8
    )


@pytest.mark.parametrize("silent", [False, True])
def test_sampling_by_a_grid(silent: bool):
    before = model(
        """(float[2, 3, 6, 6] x, float[2, 4, 4, 2] grid) => (y) { a = Conv(x, w1, b1) g = GridSample(a, grid)
        y = Conv(g, w2) }""",
        {"w1": weights(8, 3, 1, 1, dead=(0, 5)), "b1": weights(8) * (not silent), "w2": weights(2, 8, 3, 3)},
    )
    assert width(run_pass(before, RemoveUnits)) == (6 if silent else 8)


# choices, norms over windows, places of maxima


def test_a_choice_by_a_constant_for_each_channel():
    holds = np.array([1, 1, 0, 0, 1, 1, 1, 1], bool).reshape(8, 1, 1)
    text = "z = Where(holds, a, zero) y = Conv<pads = [1, 1, 1, 1]>(z, w2)"
    before = moved(text, (), holds=holds, zero=np.array(0, np.float32), w2=weights(2, 8, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == 6


def test_a_choice_by_a_comparison_of_channels():
    text = "h = Greater(a, zero) n = Neg(a) z = Where(h, a, n) y = Conv(z, w2)"
    before = moved(text, (0, 5), silent=True, zero=np.array(0, np.float32), w2=weights(2, 8, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == 6  # 0 and -0 agree
    text = "h = Greater(a, zero) z = Where(h, a, a) y = Conv(z, w2)"
    before = moved(text, (0, 5), zero=np.array(0, np.float32), w2=weights(2, 8, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == 6


@pytest.mark.parametrize("pool", ["LpPool<kernel_shape = [2, 2]>(a)", "GlobalLpPool(a)"])
def test_norms_over_windows_keep_zero_alone(pool: str):
    kernel = 1 if "Global" in pool else 3
    for silent, left in ((True, 6), (False, 8)):
        before = moved(f"p = {pool} y = Conv(p, w2)", (0, 5), silent=silent, w2=weights(2, 8, kernel, kernel))
        assert width(run_pass(before, RemoveUnits)) == left


def test_who_asks_where_the_maxima_are_pins_the_channels():
    text = "p, i = MaxPool<kernel_shape = [2, 2]>(a) y = Conv(p, w2)"
    assert width(run_pass(moved(text, (0, 5), w2=weights(2, 8, 3, 3)), RemoveUnits)) == 6
    text = "p, i = MaxPool<kernel_shape = [2, 2]>(a) f = Cast<to = 1>(i) q = Add(p, f) y = Conv(q, w2)"
    assert width(run_pass(moved(text, (0, 5), w2=weights(2, 8, 3, 3)), RemoveUnits)) == 8


@pytest.mark.parametrize(
    ("opset", "dropout"),
    [(18, "Dropout(a)"), (18, "Dropout(a, ratio, off)"), (11, "Dropout<ratio = 0.5>(a)")],
)
def test_dropout_at_inference_does_nothing(opset: int, dropout: str):
    tables = {"ratio": np.array(0.5, np.float32), "off": np.array(False), "w2": weights(2, 8, 3, 3)}
    before = moved(f"d = {dropout} y = Conv(d, w2)", (0, 5), opset=opset, **tables)
    assert width(run_pass(before, RemoveUnits)) == 6


# quantization


@pytest.mark.parametrize("channelwise", [False, True])
def test_quantized_channels_carry_the_number_on_the_grid(channelwise: bool):
    """Scales are powers of two and constants lie off the middle between two steps, so nothing is in doubt."""
    scale = (
        np.array([0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5], np.float32)
        if channelwise
        else np.float32(0.25)
    )
    tables = {"s": np.asarray(scale), "z": np.full(np.shape(scale), 3, np.int8), "w2": weights(2, 8, 3, 3)}
    text = "q = QuantizeLinear<axis = 1>(a, s, z) d = DequantizeLinear<axis = 1>(q, s, z) y = Conv(d, w2)"
    before = model(
        f"(float[N, 3, 6, 6] x) => (y) {{ a = Conv(x, w1, b1) {text} }}",
        {
            "w1": weights(8, 3, 1, 1, dead=(0, 1, 5)),
            "b1": np.array([0.3, 0, 1, 1, 1, 99, 1, 1], np.float32),
            **tables,
        },
    )
    after = run_pass(before, RemoveUnits)
    assert width(after) == 5
    assert dims(after)["s"] == ((5,) if channelwise else ())


def test_a_constant_half_way_between_two_steps_is_not_known():
    tables = {"s": np.array(0.25, np.float32), "z": np.array(0, np.int8), "w2": weights(2, 8, 3, 3)}
    before = model(
        """(float[N, 3, 6, 6] x) => (y) { a = Conv(x, w1, b1) q = QuantizeLinear(a, s, z)
        d = DequantizeLinear(q, s, z) y = Conv(d, w2) }""",
        {
            "w1": weights(8, 3, 1, 1, dead=(0, 1)),
            "b1": np.array([0.125, 0.25, 1, 1, 1, 1, 1, 1], np.float32),
            **tables,
        },
    )
    assert width(run_pass(before, RemoveUnits)) == 7


def test_scales_found_at_run_time_pin():
    text = "q, s, z = DynamicQuantizeLinear(a) d = DequantizeLinear(q, s, z) y = Conv(d, w2)"
    assert width(run_pass(moved(text, (0, 5), w2=weights(2, 8, 3, 3)), RemoveUnits)) == 8


# shapes


@pytest.mark.parametrize("shape", ["Shape(a)", "Shape<start = 0, end = 1>(a)", "Shape<end = -3>(a)"])
def test_a_batch_size_read_off_channels_does_not_pin_them(shape: str):
    text = f"s = {shape} n = Gather(s, first) c = Cast<to = 1>(n) m = Mul(a, c) y = Conv(m, w2)"
    before = moved(text, (0, 5), silent=True, first=whole(0), w2=weights(2, 8, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == 6


def test_a_channel_count_read_at_run_time_pins():
    text = "s = Shape(a) n = Gather(s, first) c = Cast<to = 1>(n) m = Mul(a, c) y = Conv(m, w2)"
    before = moved(text, (0, 5), silent=True, first=whole(-3), w2=weights(2, 8, 3, 3))
    assert width(run_pass(before, RemoveUnits)) == 8


# what stays opaque


@pytest.mark.parametrize("node", [
    "o = Loop<body = b (int64 i, bool c, float[N, 8, 6, 6] s) => (bool k, float[N, 8, 6, 6] t) "
    "{ k = Identity(c) t = Add(s, a) }>(trips, go, a) y = Conv(o, w2)",
    "o = Scan<num_scan_inputs = 1, scan_input_axes = [1], body = b (float[N, 6, 6] s) => (float[N, 6, 6] t) "
    "{ t = Neg(s) }>(a) p = Transpose<perm = [1, 0, 2, 3]>(o) y = Conv(p, w2)",
])  # fmt: skip
def test_bodies_of_loops_pin_what_they_read(node: str):
    arrays = {"trips": np.array(2), "go": np.array(True), "w2": weights(2, 8, 3, 3)}
    arrays |= {"w1": weights(8, 3, 1, 1, dead=(0, 5)), "b1": weights(8)}
    text = f"(float[N, 3, 6, 6] x) => (float[N, 2, 4, 4] y) {{ a = Conv(x, w1, b1) {node} }}"
    before = model(text, arrays, strict=False)
    assert width(run_pass(before, RemoveUnits)) == 8


@pytest.mark.parametrize("node", [
    "o = GatherElements<axis = 1>(a, places)",
    "o = ScatterElements<axis = 1>(a, places, zeros)",
    "o = GatherND<batch_dims = 1>(a, all)",
])  # fmt: skip
def test_what_moves_single_elements_pins(node: str):
    tables = {
        "places": np.zeros((2, 8, 6, 6), np.int64),
        "zeros": np.zeros((2, 8, 6, 6), np.float32),
        "all": np.tile(np.arange(8).reshape(1, 8, 1), (2, 1, 1)),
        "w2": weights(2, 8, 1, 1),
    }
    assert width(run_pass(moved(f"{node} y = Conv(o, w2)", (0, 5), batch="2", **tables), RemoveUnits)) == 8
