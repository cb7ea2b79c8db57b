"""Known facts of each parser version, each with the page of onnx/onnx-tensorrt it was looked up on."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from edgeshrink import parsers as module
from edgeshrink.devices import device, devices
from edgeshrink.parsers import Parser, parser_for, parser_of_version, parsers

REPOSITORY = "https://github.com/onnx/onnx-tensorrt/blob"
CHANGES = f"{REPOSITORY}/main/docs/Changelog.md"
IMPORTERS_8_4 = f"{REPOSITORY}/009d6541b4ee1fa3f3150cd7cbabe7e56aa54840/builtin_op_importers.cpp"
HELPERS_8_4 = f"{REPOSITORY}/009d6541b4ee1fa3f3150cd7cbabe7e56aa54840/onnx2trt_utils.cpp"


def operators(branch: str) -> str:
    """The table of a branch."""
    return f"{REPOSITORY}/{branch}/docs/operators.md"


# The first version that takes an operator, and where that stands; those before it in VERSIONS do not.
FIRST = [
    (
        "8.0",
        "Celu CumSum EyeLike GatherElements GreaterOrEqual LpNormalization LpPool ReverseSequence",
        CHANGES,
    ),
    ("8.2", "Einsum GatherND IsNaN Round Scatter ScatterElements ScatterND Sign", CHANGES),
    ("8.2", "If", operators("8.2-GA")),  # 8.0 says no
    (
        "8.2",
        "Reciprocal",
        f"{REPOSITORY}/8.2-GA/builtin_op_importers.cpp",
    ),  # against its own docs/operators.md
    ("8.4", "Shrink Xor", CHANGES),
    ("8.4", "HardSwish", IMPORTERS_8_4),
    ("8.5", "GridSample MeanVarianceNormalization Mod NonZero RandomNormal RoiAlign Trilu", CHANGES),
    ("8.5", "OneHot", operators("8.5-GA")),  # 8.4 says no
    ("8.6", "GroupNormalization IsInf LayerNormalization", CHANGES),
    ("10.0", "Hardmax", CHANGES),  # with 9.2
    ("10.1", "DeformConv", CHANGES),
    ("10.1", "Gelu Mish", f"{REPOSITORY}/10.1-GA/builtin_op_importers.cpp"),
    ("10.4", "BlackmanWindow HammingWindow HannWindow", CHANGES),
    ("10.5", "STFT", CHANGES),
    ("10.14", "Attention", CHANGES),
    ("10.15", "RMSNormalization RotaryEmbedding TensorScatter", CHANGES),
]
NEVER = "AffineGrid Bernoulli BitShift Col2Im Compress ConvInteger DFT Det QLinearConv SequenceAt Unique"
NEVER_SAID_BY = operators("main")  # of 10.15, and every table before it that names them
VERSIONS = [
    "8.0",
    "8.2",
    "8.4",
    "8.5",
    "8.6",
    "10.0",
    "10.1",
    "10.3",
    "10.4",
    "10.5",
    "10.13.3",
    "10.14",
    "10.15",
]

# Element types: the version, the operator, the type, whether it is taken, and where that stands.
TYPES = [
    ("8.2", "Conv", "INT8", True, operators("8.2-GA")),
    ("8.2", "MatMul", "INT32", False, IMPORTERS_8_4),
    ("8.2", "ArgMax", "INT32", False, HELPERS_8_4),
    ("8.5", "ArgMax", "INT32", False, CHANGES),
    ("8.6", "TopK", "INT32", True, CHANGES),
    ("10.0", "ArgMax", "INT64", True, CHANGES),  # with 9.3
    ("8.4", "Relu", "INT32", False, HELPERS_8_4),
    ("10.15", "Relu", "INT64", True, operators("main")),
    ("8.4", "Where", "BOOL", False, IMPORTERS_8_4),
    ("8.5", "Where", "BOOL", True, operators("8.5-GA")),
    ("8.2", "Gather", "BOOL", False, operators("8.2-GA")),
    ("8.5", "Gather", "BOOL", True, operators("8.5-GA")),
    ("8.4", "LpPool", "INT8", False, IMPORTERS_8_4),
    ("8.5", "Mod", "INT32", True, operators("8.5-GA")),
    ("10.3", "Gather", "INT64", True, operators("main")),
    ("10.3", "NonZero", "INT32", False, operators("main")),
]
REFUSED = [
    ("8.2", "MatMul", "INT32"),
    ("8.4", "Where", "BOOL"),
    ("8.4", "Sigmoid", "BOOL"),
    ("8.4", "LpPool", "INT8"),
    ("8.5", "TopK", "INT32"),
]
# builtin_op_importers.cpp, branch 8.2-GA (reduce, Clip, Reshape, Split); the same file of the 8.4, 8.5 and
# 9.2 lines and onnxOpImporters.cpp of 10.6 and 10.15 for the rest.
TRAPPED = {
    "8.2": {
        "reduce-axes-as-input": ("ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"),
        "reduce-noop-ignored": ("ReduceSum", "ReduceMean"),
        "clip-bound-read-as-float32": ("Clip",),
        "reshape-allowzero-required": ("Reshape",),
        "split-uneven": ("Split",),
        "topk-largest-ignored": ("TopK",),
        "shape-start-end-ignored": ("Shape",),
        "scatter-reduction-ignored": ("ScatterElements", "ScatterND"),
        "recurrent-layout-ignored": ("GRU", "LSTM", "RNN"),
        "resize-opset-18-attributes-ignored": ("Resize",),
        "pad-axes-ignored": ("Pad",),
        "nms-padded-output": ("NonMaxSuppression",),
        "constant-int-attribute-garbled": ("Constant",),
        "batch-normalization-training-mode-ignored": ("BatchNormalization",),
    },
    "8.4": {
        "topk-largest-ignored": ("TopK",),
        "clip-bound-read-as-float32": ("Clip",),
        "pad-value-read-as-float32": ("Pad",),
    },
    "8.4.1": {"reshape-allowzero-required": ("Reshape",)},
    "8.5": {"reduce-axes-as-input": ("ReduceMean",), "split-uneven": ("Split",)},
    "8.6": {"reduce-axes-as-input": ("ReduceMean",), "shape-start-end-ignored": ("Shape",)},
    "10.0": {"reduce-axes-as-input": ("ReduceMean", "ReduceLogSumExp")},
    "10.3": {"reduce-axes-as-input": ("ReduceLogSumExp",), "split-uneven": ("Split",)},
}
FREE = {
    "8.2": {"reduce-axes-as-input": ("ReduceSum", "ReduceLogSum")},
    "8.4.2": {"reshape-allowzero-required": ("Reshape",)},  # docs/Changelog.md, 22.08
    "8.5": {
        "topk-largest-ignored": ("TopK",),
        "clip-bound-read-as-float32": ("Clip",),
        "pad-value-read-as-float32": ("Pad",),
        "pad-axes-ignored": ("Pad",),
    },
    "10.0": {"scatter-reduction-ignored": ("ScatterElements",)},  # docs/Changelog.md, 10.0 EA
    "10.1": {"reduce-axes-as-input": ("ReduceMean", "ReduceMax")},
    "10.6": {"split-uneven": ("Split",), "shape-start-end-ignored": ("Shape",)},
    "10.15": {"reduce-axes-as-input": ("ReduceLogSumExp",)},
}
OPSETS = {
    "8.0.1": 13,
    "8.2.1": 13,
    "8.4.1": 13,
    "8.4.2": 17,
    "8.5.2": 17,
    "8.6.2": 17,
    "10.3.0": 20,
    "10.15": 24,
}


def parser(version: str) -> Parser:
    found = parser_of_version(version)
    assert found is not None
    return found


def firsts() -> list[tuple[str, str]]:
    return [(version, op_type) for version, op_types, _ in FIRST for op_type in op_types.split()]


def triples(facts: dict[str, dict[str, tuple[str, ...]]]) -> list[tuple[str, str, str]]:
    return [(version, trap, op) for version, traps in facts.items() for trap in traps for op in traps[trap]]


@pytest.mark.parametrize(("version", "op_type"), firsts())
def test_the_parser_has_an_importer_from_this_version_on(version: str, op_type: str) -> None:
    at = VERSIONS.index(version)
    assert [known for known in VERSIONS if parser(known).supports(op_type)] == VERSIONS[at:]


@pytest.mark.parametrize("op_type", NEVER.split())
def test_no_parser_has_an_importer_for(op_type: str) -> None:
    assert not [version for version in VERSIONS if parser(version).supports(op_type)]
    assert parser("8.2").types(op_type) == parser("8.2").restrictions(op_type) == ()


def test_every_fact_names_its_page() -> None:
    sources = [source for *_, source in (*FIRST, *TYPES)] + [NEVER_SAID_BY]
    assert all(source.startswith(f"{REPOSITORY}/") for source in sources)


@pytest.mark.parametrize(("version", "op_type", "kind", "taken", "source"), TYPES)
def test_the_parser_takes_a_type(version: str, op_type: str, kind: str, taken: bool, source: str) -> None:
    assert (kind in parser(version).types(op_type)) is taken, source


@pytest.mark.parametrize(("version", "op_type", "kind"), REFUSED)
def test_an_importer_refuses_a_type(version: str, op_type: str, kind: str) -> None:
    assert kind in parser(version).operators[op_type].refused


def test_what_is_refused_is_not_listed() -> None:
    for table in parsers():
        for operator in table.operators.values():
            assert not {*operator.refused} & {*operator.types}, (table.name, operator.op_type)


@pytest.mark.parametrize(("version", "trap", "op_type"), triples(TRAPPED))
def test_the_parser_misreads(version: str, trap: str, op_type: str) -> None:
    assert trap in {found.id for found in parser(version).traps(op_type)}


@pytest.mark.parametrize(("version", "trap", "op_type"), triples(FREE))
def test_the_parser_does_not_misread(version: str, trap: str, op_type: str) -> None:
    assert trap not in {found.id for found in parser(version).traps(op_type)}


@pytest.mark.parametrize(("version", "opset"), OPSETS.items())
def test_the_parser_is_documented_for_an_opset(version: str, opset: int) -> None:
    assert parser(version).opset == opset


def test_types_are_as_documented() -> None:
    # docs/operators.md of 8.2, 8.5 and 10.15
    assert parser("8.2.1").types("Conv") == ("FLOAT", "FLOAT16", "INT8")
    assert parser("8.2.1").types("MatMul") == ("FLOAT", "FLOAT16")
    assert "BOOL" not in parser("8.2.1").types("Gather")
    assert "BOOL" in parser("8.5.2").types("Gather")
    assert parser("10.3").types("Gather") == ("FLOAT", "FLOAT16", "BFLOAT16", "INT32", "INT64", "BOOL")


def test_where_no_types_are_documented_those_of_a_network_hold() -> None:
    assert parser("8.0").types("Conv") == ("FLOAT", "FLOAT16", "INT32", "INT8", "BOOL")


def test_int64_is_narrowed_below_version_9() -> None:
    # docs/Changelog.md, 9.0 EA
    assert all(
        parser(version).narrowed["INT64"] == "INT32" for version in ("8.0", "8.2", "8.4", "8.5", "8.6")
    )
    assert dict(parser("10.3").narrowed) == {"DOUBLE": "FLOAT"}


def test_a_pad_may_not_crop() -> None:
    # convertOnnxPadding: onnx2trt_utils.cpp of the 8.4 and 9 lines, importerUtils.cpp of 10
    assert all(parser(version).operators["Pad"].nonnegative == (1,) for version in VERSIONS[1:])


def test_a_range_of_floats_is_constant_before_8_4() -> None:
    # docs/operators.md of 8.0; docs/Changelog.md, 8.4 GA
    assert parser("8.2").operators["Range"].constant_of_type == {"FLOAT": (0, 1, 2)}
    assert parser("8.4").operators["Range"].constant_of_type == {}


def test_uint8_is_a_type_of_the_interface_from_8_5_on() -> None:
    # docs/Changelog.md, 8.5 GA
    assert [v for v in VERSIONS if "UINT8" in parser(v).network_types] == VERSIONS[VERSIONS.index("8.5") :]


def test_a_convolutions_weights_may_be_computed_from_8_5_on() -> None:
    # docs/operators.md of 8.4 and 8.5
    assert parser("8.4").operators["Conv"].constant_inputs == (1, 2)
    assert parser("8.5").operators["Conv"].constant_inputs == ()


def test_a_pad_may_wrap_from_10_on() -> None:
    # docs/Changelog.md, 10.0 EA
    assert "wrap" in parser("10.0").operators["Pad"].values["mode"]
    assert "wrap" not in parser("8.6").operators["Pad"].values["mode"]


def test_restrictions_can_be_looked_up_and_checked() -> None:
    # builtin_op_importers.cpp, branch 8.2-GA; of the 8.5 line for cubic
    resize = parser("8.2.1").operators["Resize"]
    assert resize.values["mode"] == ("nearest", "linear")
    assert "cubic" in parser("8.5.2").operators["Resize"].values["mode"]
    assert parser("8.2.1").operators["TopK"].constant_inputs == (1,)
    assert parser("8.6.2").operators["TopK"].constant_inputs == ()  # docs/Changelog.md, 8.6 EA
    assert parser("8.2.1").operators["InstanceNormalization"].ranks == (3, 4, 5)
    assert "`axes` must be constant." in parser("10.2").restrictions("Slice")
    assert "`axes` must be constant." not in parser("10.3").restrictions("Slice")  # docs/Changelog.md, 10.3


@pytest.mark.parametrize("version", ["7.1.3", "9.2", "11.0", "8.3"])
def test_a_version_that_no_table_is_about_has_no_parser(version: str) -> None:
    assert parser_of_version(version) is None


def test_every_line_has_its_parser_oldest_first() -> None:
    assert [found.version for found in parsers()] == ["8.0", "8.2", "8.4", "8.5", "8.6", "10"]


def test_the_nanos_parser_is_8_2_and_the_cpu_has_none() -> None:
    nano = parser_for(device("jetson-nano"))
    assert nano is not None
    assert (nano.name, nano.version) == ("tensorrt-8.2", "8.2.1")
    assert parser_for(device("cpu")) is None


def test_a_board_of_the_users_own_has_the_parser_of_its_tensorrt(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'name = "mine"\ndescription = "x"\n[facts]\nruntime = "tensorrt"\nopset = 17\nir_version = 8\n'
    path.write_text(text, encoding="utf-8")
    assert parser_for(device(str(path))) is None
    path.write_text(text + 'tensorrt = "8.6.2"\n', encoding="utf-8")
    mine = parser_for(device(str(path)))
    assert mine is not None
    assert mine.supports("LayerNormalization")


def test_every_tensorrt_device_has_a_parser_and_its_opset() -> None:
    for found in devices():
        if found.runtime == "tensorrt":
            its = parser_for(found)
            assert its is not None
            assert its.opset == found.opset, found.name


@pytest.mark.parametrize("version", [*(found.version for found in parsers()), "10.3.0", "10.15"])
def test_tables_speak_of_what_onnx_has(version: str) -> None:
    schemas: dict[str, list[onnx.defs.OpSchema]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            schemas.setdefault(schema.name, []).append(schema)
    table = parser(version)
    types = {kind.name for kind in ir.DataType}
    assert {*table.network_types, *table.narrowed, *table.narrowed.values()} <= types
    for op_type, operator in table.operators.items():
        assert op_type in schemas
        assert {*operator.types, *operator.refused, *operator.constant_of_type} <= types
        attributes = {name for schema in schemas[op_type] for name in schema.attributes}
        assert set(operator.values) <= attributes, op_type
        inputs = max(schema.max_input for schema in schemas[op_type])
        assert all(index < inputs for index in operator.constant_inputs), op_type


def test_tables_have_no_key_that_is_not_read() -> None:
    entry = {
        "types",
        "refused",
        "restrictions",
        "constant_inputs",
        "constant_of_type",
        "nonnegative",
        "required_inputs",
        "values",
        "ranks",
        "symmetric_pads_ranks",
        "traps",
        "source",
        "since",
        "before",
    }
    head = {"name", "lines", "opset", "types", "narrowed", "operators", "source"}
    for document in module._tables():
        assert set(document) == head
        for operator in document["operators"].values():
            assert set(operator) <= entry
            for trap in operator.get("traps", ()):
                assert set(trap) - {"since", "before"} == {"id", "text", "source"}


def test_every_trap_states_its_source_and_its_id_always_means_the_same() -> None:
    texts: dict[str, str] = {}
    for table in parsers():
        for operator in table.operators.values():
            for trap in operator.traps:
                assert trap.source.startswith("https://")
                assert texts.setdefault(trap.id, trap.text) == trap.text
