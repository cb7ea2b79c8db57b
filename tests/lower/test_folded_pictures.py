"""Pictures put together, cut and turned, and layouts and types that opset 13 has no word for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from edgeshrink.devices import device
from edgeshrink.errors import UnsupportedError
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.inputs import random_inputs
from edgeshrink.lower import lower
from edgeshrink.lower.opsets import faults_at
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.support import NANO, lowered, lowered_same, parse


def columns(picture: Sequence[int], block: Sequence[int], given: str) -> ir.Model:
    """Col2Im of as many blocks as fit."""
    options = {"strides": 1, "dilations": 1, "begin": 0, "end": 0}
    options |= {k: int(v) for k, v in (part.split("=") for part in given.split())}
    rank = len(picture)
    total = 1
    for size, taps in zip(picture, block, strict=True):
        space = size + options["begin"] + options["end"] - options["dilations"] * (taps - 1) - 1
        total *= space // options["strides"] + 1
    pads = [options["begin"]] * rank + [options["end"]] * rank
    attributes = (
        f"strides={[options['strides']] * rank}, dilations={[options['dilations']] * rank}, pads={pads}"
    )
    shape = f"2, {3 * int(np.prod(block))}, {total}"
    text = f"(float[{shape}] x) => (y) {{ y = Col2Im<{attributes}>(x, picture, block) }}"
    return parse(text, 18, picture=np.array(picture), block=np.array(block))


@pytest.mark.parametrize(
    "given", ["", "strides=2", "dilations=2", "begin=1 end=1 strides=2", "begin=1 strides=3"]
)
@pytest.mark.parametrize(("picture", "block"), [([9], [3]), ([8, 9], [3, 2]), ([5, 6, 7], [2, 1, 3])])
def test_blocks_are_put_together_by_a_transposed_convolution(
    picture: list[int], block: list[int], given: str
) -> None:
    """Against the standard's reference: ONNX Runtime misplaces dilated blocks of one and three dimensions."""
    model = columns(picture, block, given)
    feeds = random_inputs(model, 2)
    before = reference(model, feeds)
    after = lowered(model)
    parity = compare_outputs(before, run_onnx(model, feeds))
    assert parity.ok, parity.worst
    assert after.ops == {"Reshape": 1, "ConvTranspose": 1}


def test_blocks_stay_where_the_target_puts_them_together() -> None:
    assert lowered_same(columns([6, 6], [2, 2], ""), 18).ops == {"Col2Im": 1}


def test_blocks_of_a_computed_picture_are_reported() -> None:
    text = "(float[1, 8, 9] x, int64[2] picture) => (y) { y = Col2Im(x, picture, block) }"
    with pytest.raises(UnsupportedError, match="Col2Im came with opset 18"):
        lowered(parse(text, block=np.array([2, 2])))


@pytest.mark.parametrize("wanted", [[3, 9], [4, 4], [7, 2], [5, 6], [6, 7]])
@pytest.mark.parametrize("axes", ["", "<axes=[1, 0]>", "<axes=[-2, -1]>"])
def test_a_picture_is_cropped_and_padded_around_its_middle(wanted: list[int], axes: str) -> None:
    model = parse(
        f"(float[5, 6] x) => (y) {{ y = CenterCropPad{axes}(x, wanted) }}", 18, wanted=np.array(wanted)
    )
    assert lowered_same(model).report.rules == {"LowerCenterCropPad": 1}


def test_a_picture_of_unknown_size_is_not_cropped() -> None:
    with pytest.raises(UnsupportedError, match="CenterCropPad came with opset 18"):
        lowered(parse("(float[n, 6] x) => (y) { y = CenterCropPad(x, wanted) }", 18, wanted=np.array([3, 3])))


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("size", [[2, 3, 4, 5], [2, 1, 3, 4, 2]])
def test_an_affine_grid_is_a_product(size: list[int], corners: int) -> None:
    rank = len(size) - 2
    given = f"<align_corners={corners}>"
    text = f"(float[2, {rank}, {rank + 1}] t) => (y) {{ y = AffineGrid{given}(t, size) }}"
    model = parse(text, 20, size=np.array(size))
    feeds = random_inputs(model, 2)
    before = run_onnx(model, feeds)
    assert lowered(model).ops["MatMul"] == 1
    parity = compare_outputs(before, run_onnx(model, feeds))
    assert parity.ok, parity.worst


def reference(model: ir.Model, feeds: Sequence[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    evaluator = ReferenceEvaluator(ir.serde.serialize_model(model))
    names = [output.name or "" for output in model.graph.outputs]
    return [dict(zip(names, evaluator.run(None, feed), strict=True)) for feed in feeds]


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("states", [False, True])
def test_a_batch_in_front_is_transposed(op_type: str, gates: int, states: bool) -> None:
    """ONNX Runtime has no kernel for the layout, so the standard's own reference says what is right."""
    draw = np.random.default_rng(1)
    weights = {
        "w": draw.standard_normal((1, gates * 2, 3)),
        "r": draw.standard_normal((1, gates * 2, 2)),
        "b": draw.standard_normal((1, gates * 4)),
    }
    extra = ", , h" + (", c" if op_type == "LSTM" else "") if states else ""
    head = (
        "float[4, 5, 3] x"
        + (", float[4, 1, 2] h" + (", float[4, 1, 2] c" if op_type == "LSTM" else "")) * states
    )
    outputs = "y, yh, yc" if op_type == "LSTM" else "y, yh"
    text = f"({head}) => ({outputs}) {{ {outputs} = {op_type}<hidden_size=2, layout=1>(x, w, r, b{extra}) }}"
    model = parse(text, 14, **{name: array.astype(np.float32) for name, array in weights.items()})
    feeds = random_inputs(model, 2)
    before = reference(model, feeds)
    after = lowered(model)
    assert after.report.rules == {"LowerRecurrentLayout": 1}
    assert "layout" not in after.node(op_type).attributes
    parity = compare_outputs(before, run_onnx(model, feeds))
    assert parity.ok, parity.worst


def test_the_usual_layout_stays() -> None:
    weights = {"w": np.ones((1, 3, 3), np.float32), "r": np.ones((1, 3, 1), np.float32)}
    text = "(float[5, 1, 3] x) => (y) { y, h = GRU<hidden_size=1>(x, w, r) }"
    assert not lowered_same(parse(text, 14, **weights)).report.rules


@pytest.mark.parametrize("target", [16, 17, 19])
@pytest.mark.parametrize("mode", ["", '<mode="linear">', '<mode="cubic">', '<mode="nearest">'])
def test_a_grids_modes_get_their_old_names(mode: str, target: int) -> None:
    text = f"(float[1, 2, 4, 5] x, float[1, 3, 3, 2] g) => (y) {{ y = GridSample{mode}(x, g) }}"
    after = lowered_same(parse(text, 20), target)
    old = {"": "bilinear", "linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}
    assert after.node("GridSample").attributes.get_string("mode") == old[mode[7:-2]]


def test_a_grids_modes_stay_from_opset_20_on() -> None:
    text = '(float[1, 2, 4, 5] x, float[1, 3, 3, 2] g) => (y) { y = GridSample<mode="linear">(x, g) }'
    assert not lowered_same(parse(text, 22), 20).report.rules


def test_a_grid_in_a_volume_is_reported() -> None:
    text = "(float[1, 1, 3, 4, 5] x, float[1, 2, 3, 3, 3] g) => (y) { y = GridSample(x, g) }"
    with pytest.raises(UnsupportedError, match="volumes came with opset 20"):
        lowered(parse(text, 20), 17)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("sizes", [[8, 13], [2, 5], [8, 18]])
def test_a_policy_becomes_its_scale_where_both_give_one_size(
    policy: str, mode: str, sizes: list[int]
) -> None:
    given = f'mode="{mode}", axes=[2, 3], keep_aspect_ratio_policy="{policy}"'
    model = parse(f"(float[1, 2, 4, 6] x) => (y) {{ y = Resize<{given}>(x, , , s) }}", 18, s=np.array(sizes))
    try:
        after = lowered_same(model)
    except UnsupportedError:
        assert sizes in ([8, 13], [2, 5])  # 13 / 6 and 5 / 6 of 4 are rounded up
    else:
        assert after.report.rules == {"LowerResizeSizes": 1}


@pytest.mark.parametrize("target", [13, 18, 20])
@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("source", [18, 20, 21])
def test_scales_of_groups_and_of_channels_are_written_out(source: int, target: int, computed: bool) -> None:
    count = 2 if source < 21 else 4
    head = f"float[n, 4, 3] x, float[{count}] z" if computed else "float[n, 4, 3] x"
    scale = "s = Abs(z)" if computed else "s = Abs(c)"
    text = f"({head}) => (y) {{ {scale} y = GroupNormalization<num_groups=2>(x, s, s) }}"
    model = parse(text, source, **({} if computed else {"c": np.linspace(0.5, 2, count, dtype=np.float32)}))
    after = lowered(model.clone(), target)
    assert after.report.rules == {"LowerGroupNormalization": 1}
    assert after.report.opset[1] == min(source, target)
    feeds = random_inputs(model, 2)
    assert compare_outputs(run_onnx(model, feeds), run_onnx(after.model, feeds)).ok


@pytest.mark.parametrize("zero", ["", ", z"])
def test_a_quantized_type_is_the_zero_points(zero: str) -> None:
    text = f"(float[2, 9] x) => (y) {{ y = QuantizeLinear<output_dtype=3>(x, s{zero}) }}"
    used = {"s": np.float32(0.05)} | ({"z": np.int8(0)} if zero else {})
    after = lowered_same(parse(text, 21, **used))
    assert after.node("QuantizeLinear").attributes.keys() <= {"axis"}
    assert len(after.node("QuantizeLinear").inputs) == 3


@pytest.mark.parametrize("fault", ["output_dtype=10", "block_size=2"])
def test_other_quantization_is_reported(fault: str) -> None:
    text = f"(int8[4, 4] x) => (y) {{ y = DequantizeLinear<axis=0, {fault}>(x, s) }}"
    scale = np.float32(0.1) if "dtype" in fault else np.full((2, 4), 0.1, np.float32)
    with pytest.raises(UnsupportedError, match=f"{fault} came with opset"):
        lowered(parse(text, 23, s=scale))


def test_what_is_dequantized_to_the_scales_type_is_said_by_the_scale() -> None:
    text = "(int8[4, 4] x) => (y) { y = DequantizeLinear<output_dtype=1>(x, s) }"
    assert lowered_same(parse(text, 23, s=np.float32(0.1))).ops == {"DequantizeLinear": 1}


def test_sequences_that_older_opsets_do_not_pass_on_are_reported() -> None:
    text = "(float[2] x) => (seq(float[2]) t) { s = SequenceConstruct(x, x) t = Identity(s) }"
    model = parse(text, 14)
    infer_shapes(model)
    faults = faults_at(model.graph[1], 14, 13)
    assert faults
    assert all("seq(tensor(float))" in fault for fault in faults)


def test_a_cap_before_or_behind_a_mask_is_told_apart() -> None:
    head = "float[1, 1, 2, 4] x, float[2, 2] m"
    text = f"({head}) => (y) {{ y = Attention<softcap=2.0>(x, x, x, m) }}"
    with pytest.raises(UnsupportedError, match="softcap comes before the mask"):
        lowered(parse(text, 24), 23)


def test_nothing_of_it_is_written_for_a_runtime_that_has_all() -> None:
    text = "(float[2, 2, 3] t) => (y) { y = AffineGrid(t, size) }"
    model = parse(text, 20, size=np.array([2, 1, 3, 4]))
    assert not lower(model, device("onnxruntime-cpu")).rules
    assert lower(model, NANO).rules
    assert onnx.checker.check_model(ir.serde.serialize_model(model)) is None
