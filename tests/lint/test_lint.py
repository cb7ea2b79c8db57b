"""What lint says as a whole, and the rules that need more than a graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeshrink.devices import Precision, devices
from edgeshrink.lint import SEVERITIES, has_errors, lint, lint_ranges
from edgeshrink.lint.subject import Subject
from edgeshrink.lower import lower
from edgeshrink.parsers import Operator
from tests.lint.support import CPU, NANO, board, found, parse, parser

RELU = "(float[2] x) => (float[2] y) { y = Relu(x) }"
KNOWS_RELU = parser(Operator("Relu", types=("FLOAT",)))


def test_a_plain_network_has_no_findings() -> None:
    assert lint(parse(RELU), NANO) == ()


def test_all_findings_come_at_once_and_errors_first() -> None:
    model = parse("(double[n] x) => (y) { a = Trilu(x) y = own.Thing(a) }", opset=18)
    severities = [finding.severity for finding in lint(model, NANO)]
    assert severities == sorted(severities, key=SEVERITIES.index)
    assert severities.count("error") >= 3
    assert "warning" in severities


def test_a_finding_names_the_node_and_the_module_it_came_from() -> None:
    model = parse(RELU)
    (node,) = model.graph
    node.name = "layer1/0/act/Relu"
    (finding,) = found(model, "unsupported-operator", parser=parser())
    assert (finding.node, finding.operator, finding.module) == ("layer1/0/act/Relu", "Relu", "layer1.0.act")


def test_a_finding_of_a_weight_names_the_weight() -> None:
    model = parse("(float[2] x) => (y) { y = Add(x, far) }", far=np.array([1e9, 0], np.float32))
    (finding,) = found(model, "fp16-constant")
    assert (finding.node, finding.operator) == ("far", "")


def test_the_model_is_left_as_it_is() -> None:
    model = parse("(float[2] x) => (y) { a = Relu(x) y = Relu(a) }")
    before = ir.to_proto(model).SerializeToString()
    lint(model, NANO)
    assert ir.to_proto(model).SerializeToString() == before


def test_only_errors_count_as_errors() -> None:
    notes = lint(parse("(bool[1] x) => (float[1] y) { y = Cast<to=1>(x) }"), NANO)
    assert notes
    assert not has_errors(notes)


def test_a_board_without_a_parser_table_is_told_that_operators_were_not_checked() -> None:
    assert found(parse(RELU), "unknown-parser", board(tensorrt=None))
    assert not found(parse(RELU), "unknown-parser", NANO)
    assert not found(parse(RELU), "unknown-parser", CPU)


def test_a_newer_ir_version_is_a_note_for_tensorrt_and_refused_by_onnx_runtime() -> None:
    model = parse(RELU, ir_version=12)
    assert found(model, "ir-version", NANO)
    assert not found(model, "ir-version", CPU)
    assert found(model, "ir-version-refused", CPU)
    assert not found(parse(RELU, ir_version=7), "ir-version", NANO)
    assert not found(parse(RELU, ir_version=7), "ir-version-refused", CPU)


def test_an_open_size_with_a_range_is_right() -> None:
    model = parse("(float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }")
    assert not found(model, "open-size", profiled={"x"})
    assert found(model, "open-size", profiled={"another"})


def test_tensors_in_other_files_are_told(tmp_path) -> None:
    model = parse("(float[2] x) => (y) { y = Add(x, w) }", w=np.array([1, 2], np.float32))
    assert not found(model, "external-data")
    ir.save(model, tmp_path / "m.onnx", external_data="weights", size_threshold_bytes=0)
    assert found(ir.load(tmp_path / "m.onnx"), "external-data")


def test_quantized_weights_count_as_constant() -> None:
    text = "(float[1, 3, 8, 8] x) => (y) { w = DequantizeLinear(q, s, z) y = Conv(x, w) }"
    constants = {"q": np.ones((4, 3, 3, 3), np.int8), "s": np.float32(0.1), "z": np.int8(0)}
    assert not found(parse(text, **constants), "input-not-constant")


def test_a_board_with_int8_may_be_asked_for_it() -> None:
    text = "(float[2] x) => (y) { y = QuantizeLinear(x, s, z) }"
    model = parse(text, s=np.float32(0.1), z=np.int8(0))
    assert not found(model, "no-int8", board(fast_int8=True))
    assert not found(model, "no-int8", board(fast_int8=None))


def asked(text: str, precision: Precision, **facts: object) -> dict[str, str]:
    """The findings about an engine's precision, by rule, with their severity."""
    model = parse(text, s=np.float32(0.1), z=np.int8(0))
    names = ("no-int8", "int8-unknown", "int8-without-ranges", "fp16-no-gain")
    found = lint(model, board(**facts), precision=precision)
    return {finding.rule: finding.severity for finding in found if finding.rule in names}


QUANTIZED = "(float[2] x) => (y) { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"


def test_int8_by_name_is_an_error_where_the_chip_has_none() -> None:
    assert asked(RELU, "int8", fast_int8=False) == {"no-int8": "error"}
    assert asked(QUANTIZED, "int8", fast_int8=False) == {"no-int8": "error"}
    assert asked(RELU, "fp16", fast_int8=False) == asked(RELU, "fp32", fast_int8=False) == {}


def test_int8_by_name_needs_ranges_where_the_chip_has_it() -> None:
    assert asked(RELU, "int8", fast_int8=True) == {"int8-without-ranges": "note"}
    assert asked(QUANTIZED, "int8", fast_int8=True) == {}


def test_a_board_that_nobody_knows_may_have_int8() -> None:
    assert asked(QUANTIZED, "int8", fast_int8=None) == {"int8-unknown": "warning"}


def test_fp16_by_name_gains_nothing_where_the_chip_is_not_faster_in_it() -> None:
    assert asked(RELU, "fp16", fast_fp16=False) == {"fp16-no-gain": "warning"}
    assert asked(RELU, "fp16", fast_fp16=None) == asked(RELU, "fp16", fast_fp16=True) == {}


def test_what_fp16_cannot_hold_matters_where_fp16_is_asked_for_or_to_be_expected() -> None:
    model = parse("(float[2] x) => (y) { y = Add(x, far) }", far=np.array([1e9, 0], np.float32))
    slow = board(fast_fp16=False)
    assert found(model, "fp16-constant")
    assert found(model, "fp16-constant", slow, precision="fp16")
    assert not found(model, "fp16-constant", slow)
    assert not found(model, "fp16-constant", precision="fp32")
    assert not found(model, "fp16-constant", precision="int8")


def test_a_weight_names_the_module_that_reads_it_and_an_input_none() -> None:
    model = parse("(int64[2] x) => (y) { a = Cast<to=1>(x) y = Add(a, far) }", far=np.array([1e9, 0], "f4"))
    model.graph[1].name = "body/0/mask/Add"
    (finding,) = found(model, "fp16-constant")
    assert (finding.node, finding.operator, finding.module) == ("far", "", "body.0.mask")
    (finding,) = found(model, "narrowed-interface")
    assert (finding.node, finding.module) == ("x", "")
    assert "--input x:2:int32" in finding.what_to_do


def test_an_operator_that_export_writes_out_is_told_so() -> None:
    text = "(float[3, 3] x) => (float[3, 3] y) {{ y = {}(x) }}"
    (trilu,) = found(parse(text.format("Trilu"), opset=14), "unsupported-operator")
    (det,) = found(parse(text.format("Det"), opset=14), "unsupported-operator")
    assert "`edgeshrink export`" in trilu.what_to_do
    assert "`edgeshrink export`" not in det.what_to_do


def test_what_export_left_is_not_sent_there_again() -> None:
    text = (
        "(float[2, 3] x, float16[2] h) => (y, z, w) { y = Trilu(x) z = Clip(h, low) w = ReduceMax(x, one) }"
    )
    model = parse(text, opset=18, low=np.float16(0), one=np.array([1]))
    before = [finding for finding in lint(model, NANO) if finding.severity == "error"]
    after = [finding for finding in lint(model, NANO, lowered=True) if finding.severity == "error"]
    assert [finding.why for finding in after] == [finding.why for finding in before]
    assert all("edgeshrink export" in finding.what_to_do for finding in before)
    assert not any("edgeshrink export" in finding.what_to_do for finding in after)


def test_advice_about_transposes_speaks_of_images_where_there_are_some() -> None:
    turn = "a = Transpose(x) b = Transpose(a) c = Transpose(b) d = Transpose(c)"
    (words,) = found(parse(f"(float[3, 2] x) => (y) {{ {turn} y = Relu(d) }}"), "many-transposes")
    image = f"(float[1, 3, 8, 8] x) => (y) {{ {turn} y = Conv(d, w) }}"
    (images,) = found(parse(image, w=np.ones((4, 3, 3, 3), "f4")), "many-transposes")
    assert "(N, C, H, W)" in images.what_to_do
    assert "(N, C, H, W)" not in words.what_to_do


def test_memory_counts_what_lives_at_one_time() -> None:
    text = "(float[10] x) => (float[10] y) { a = Relu(x) b = Relu(a) c = Relu(b) y = Add(c, w) }"
    memory = Subject(parse(text, w=np.ones(10, np.float32)), NANO, None).memory
    assert (memory.weights, memory.activations, memory.unknown) == (40, 80, 0)  # two values at a time


def test_memory_keeps_what_is_read_later() -> None:
    text = "(float[10] x) => (float[10] y) { a = Relu(x) b = Relu(a) y = Add(b, x) }"
    assert Subject(parse(text), NANO, None).memory.activations == 120


def test_memory_keeps_what_a_branch_reads() -> None:
    text = (
        "(bool c, float[10] x) => (float[10] y) { a = Relu(x) b = Relu(a) y = If (c) <"
        "then_branch = one () => (float[10] p) { p = Neg(x) },"
        "else_branch = two () => (float[10] q) { q = Neg(b) } > }"
    )
    assert Subject(parse(text), NANO, None).memory.activations == 1 + 120


def test_memory_counts_what_a_branch_holds_at_its_own_worst() -> None:
    text = (
        "(bool c, float[10] x) => (float[10] y) { y = If (c) <"
        "then_branch = one () => (float[10] p) "
        "{ a = Concat<axis=0>(x, x) b = Neg(a) p = Slice(b, zero, ten) },"
        "else_branch = two () => (float[10] q) { q = Neg(x) } > }"
    )
    memory = Subject(parse(text, zero=np.array([0]), ten=np.array([10])), NANO, None).memory
    assert (memory.activations, memory.unknown) == (1 + 40 + 40 + 80 + 80, 0)  # x, y, and in the branch a, b


def test_memory_counts_open_sizes_at_their_largest() -> None:
    model = parse("(float[n, 10] x) => (float[n, 10] y) { a = Relu(x) y = Neg(a) }")
    assert Subject(model, NANO, None).memory.unknown == 3
    memory = Subject(model, NANO, None, largest={"n": 4}).memory
    assert (memory.activations, memory.unknown) == (2 * 4 * 40, 0)
    small = board(memory_bytes=1000)
    assert found(model, "more-than-memory", small, largest={"n": 40})
    assert not found(model, "more-than-memory", small, largest={"n": 4})


def test_memory_counts_sizes_that_are_computed_from_open_ones() -> None:
    model = parse(
        "(float[n, 10] x) => (float[n, 5, 2] y) "
        "{ s = Shape(x) n = Slice(s, zero, one) to = Concat<axis=0>(n, rest) a = Reshape(x, to) y = Neg(a) }",
        zero=np.array([0]),
        one=np.array([1]),
        rest=np.array([5, 2]),
    )
    memory = Subject(model, NANO, None, largest={"n": 4}).memory
    assert (memory.activations, memory.unknown) == (2 * 4 * 40, 0)


def test_memory_says_what_building_needs_and_how_much_is_unknown() -> None:
    text = "(float[10] x) => (y) { a = NonZero(x) y = Add(x, w) }"
    network = Subject(parse(text, w=np.ones(10, np.float32)), NANO, None, workspace_bytes=1000)
    memory = network.memory
    assert (memory.running, memory.unknown) == (40 + 80, 1)
    assert memory.building == 2 * 40 + 80 + 1000


def test_the_workspace_counts_where_it_is_given() -> None:
    model = parse("(float[10] x) => (y) { y = Relu(x) }")
    small = board(memory_bytes=10_000)
    assert not found(model, "much-of-memory", small)
    assert found(model, "much-of-memory", small, workspace_bytes=20_000)


def feeds(*arrays: list[float]) -> list[dict[str, np.ndarray]]:
    return [{"x": np.array(array, np.float32)} for array in arrays]


SQUARE = "(float[2] x) => (float[2] y) { s = Mul(x, x) y = Sigmoid(s) }"


def test_samples_show_what_fp16_cannot_hold() -> None:
    (finding,) = lint_ranges(parse(SQUARE), feeds([1, 2], [300, 1]))
    assert (finding.rule, finding.severity, finding.operator) == ("fp16-overflow", "warning", "Mul")
    assert "9e+04" in finding.why
    assert "2 samples" in finding.why


def test_samples_show_what_fp16_makes_zero() -> None:
    assert [f.rule for f in lint_ranges(parse(SQUARE), feeds([1e-5, 1e-6]))] == ["fp16-underflow"]


@pytest.mark.parametrize("array", [[1, 200], [0, 0], [1e-5, 1], [np.inf, np.nan]])
def test_samples_within_fp16_are_right(array: list[float]) -> None:
    assert lint_ranges(parse(SQUARE), feeds(array)) == ()


def test_ranges_of_a_file_that_states_no_types_are_those_of_its_floats() -> None:
    text = "(float[2] x) => (float[2] y) { i = Cast<to=6>(x) f = Cast<to=1>(i) s = Mul(f, f) y = Sigmoid(s) }"
    assert [finding.operator for finding in lint_ranges(parse(text), feeds([300, 1]))] == ["Mul"]


def test_ranges_are_looked_at_in_parts_and_integers_left_out() -> None:
    names = ["x", *(f"v{index}" for index in range(130))]
    body = " ".join(f"{b} = Add(x, {a})" for a, b in pairwise(names))
    model = parse(f"(float[2] x) => (int64[1] y) {{ {body} y = Shape(v129) }}")
    assert [finding.node for finding in lint_ranges(model, feeds([500, 600]))]
    assert not lint_ranges(model, feeds([1, 2]))


def test_stored_values_tell_their_own_type_after_lowering() -> None:
    model = parse("(int64[1] x) => (int64[1] y) { y = Add(x, far) }", opset=18, far=np.array([2**40]))
    lower(model, NANO)
    assert found(model, "int64-overflow")


def test_operators_of_old_opsets_are_looked_at_too() -> None:
    old = parse("(float[1, 9] x) => (y, i) { y, i = TopK<k=3>(x) }", opset=7)
    assert not has_errors(lint(old, NANO))


WRONG = [
    "(float[2, 7] x) => (a, b) { a, b = Split<axis=9, num_outputs=2>(x) }",
    "(float[2, 7] x) => (y) { y = Transpose<perm=[5, 5]>(x) }",
    "(float[2, 7] x, int64[1] k) => (y, i) { y, i = TopK<axis=-7>(x, k) }",
    "(float[1, 2] x, int64[0] i) => (y) { y = Gather<axis=7>(x, i) }",
    "(float x) => (y) { y = Conv<group=0>(x, x) }",
    '(float[2] x) => (y) { y = Einsum<equation="->,,">(x) }',
    '(float[2] x) => (y) { y = Resize<mode="linear">(x) }',
    '(float[2] x) => (y, h) { y, h = GRU<direction="bidirectional", activations=["Relu"]>(x, x, x) }',
]


@pytest.mark.parametrize("text", WRONG)
def test_a_network_that_breaks_rules_of_onnx_breaks_no_rule_of_lint(text: str) -> None:
    assert isinstance(lint(parse(text, opset=18), NANO), tuple)
    assert isinstance(lint(parse(text, opset=18), board(tensorrt="10.3")), tuple)


def test_functions_are_plugins_for_an_old_parser_and_looked_into_for_a_new_one() -> None:
    text = (
        '<ir_version: 8, opset_import: ["" : 18, "local" : 1]> main (float[2] x) => (float[2] y) '
        '{ y = local.Twice(x) } <domain: "local", opset_import: ["" : 18]> '
        "Twice (a) => (b) { c = Relu(a) b = Add(c, c) }"
    )
    model = ir.serde.deserialize_model(onnx.parser.parse_model(text))
    assert [finding.operator for finding in found(model, "foreign-operator")] == ["Twice"]
    assert not found(model, "foreign-operator", board(tensorrt="10.3"))
    assert model.functions


CNN = (
    "(float[1, 3, 8, 8] x) => (float[1, 10] y) "
    "{ a = Conv(x, w) b = Relu(a) c = GlobalAveragePool(b) d = Flatten(c) y = Gemm(d, v) }"
)


@pytest.mark.parametrize("on", devices(), ids=lambda on: on.name)
def test_a_plain_network_is_right_on_every_board(on) -> None:
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "v": np.ones((4, 10), np.float32)}
    assert not has_errors(lint(parse(CNN, **weights), on))


def test_weights_of_more_than_a_file_are_told_without_being_read() -> None:
    model = parse("(float[2] x) => (float[2] y) { y = Relu(x) }")
    large = ir.ExternalTensor("w", 0, 2**31, ir.DataType.FLOAT, shape=ir.Shape([2**29]), name="large")
    model.graph.register_initializer(ir.Value(name="large", const_value=large))
    (finding,) = found(model, "external-data")
    assert "2 GB" in finding.why
