"""Known facts of each parser version. Their sources: onnx/onnx-tensorrt, as each list says."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from edgeshrink import parsers as module
from edgeshrink.devices import device, devices
from edgeshrink.parsers import Parser, parser_for, parser_of_version, parsers

# docs/operators.md of each line, and docs/Changelog.md, unless a comment names another source.
HAS = {
    "8.0": "Celu CumSum EyeLike GatherElements GreaterOrEqual LpPool ReverseSequence",
    # Reciprocal: builtin_op_importers.cpp, branch 8.2-GA
    "8.2": "Einsum Erf GatherND HardSigmoid IsNaN NonMaxSuppression Reciprocal Round ScatterND Sign Softplus",
    "8.4": "HardSwish Shrink Xor Reciprocal",  # builtin_op_importers.cpp of the 8.4 line
    "8.5": "GridSample MeanVarianceNormalization Mod NonZero OneHot RandomNormal RoiAlign Trilu",
    "8.6": "GroupNormalization IsInf LayerNormalization Trilu",
    "10.0": "CastLike Hardmax",
    "10.1": "DeformConv Gelu Mish",  # Gelu, Mish: builtin_op_importers.cpp, branch 10.1-GA
    "10.3": "DeformConv Gelu GroupNormalization",
    "10.5": "BlackmanWindow HammingWindow HannWindow STFT",
    "10.14": "Attention",
    "10.15": "RMSNormalization RotaryEmbedding TensorScatter",
}
LACKS = {
    "8.0": "Einsum GatherND If IsNaN Round ScatterElements Sign Xor",
    "8.2": "Gelu GridSample GroupNormalization HardSwish IsInf LayerNormalization Mish Mod NonZero OneHot"
    " Shrink Trilu Xor",
    "8.4": "GridSample LayerNormalization Mod Trilu",
    "8.5": "Gelu Hardmax IsInf LayerNormalization STFT",
    "8.6": "Gelu Mish RMSNormalization",
    "10.0": "Attention BlackmanWindow DeformConv STFT",
    "10.3": "HannWindow RMSNormalization BitShift Compress DFT Unique",
    "10.13.3": "Attention",
    "10.14": "RMSNormalization",
    "10.15": "AffineGrid Bernoulli Col2Im QLinearConv SequenceAt",
}
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
    "8.4": {"topk-largest-ignored": ("TopK",), "clip-bound-read-as-float32": ("Clip",)},
    "8.5": {"reduce-axes-as-input": ("ReduceMean",), "split-uneven": ("Split",)},
    "8.6": {"reduce-axes-as-input": ("ReduceMean",), "shape-start-end-ignored": ("Shape",)},
    "10.0": {"reduce-axes-as-input": ("ReduceMean", "ReduceLogSumExp")},
    "10.3": {"reduce-axes-as-input": ("ReduceLogSumExp",), "split-uneven": ("Split",)},
}
FREE = {
    "8.2": {"reduce-axes-as-input": ("ReduceSum", "ReduceLogSum")},
    "8.4": {"reshape-allowzero-required": ("Reshape",)},
    "8.5": {"topk-largest-ignored": ("TopK",), "clip-bound-read-as-float32": ("Clip",)},
    "10.1": {"reduce-axes-as-input": ("ReduceMean", "ReduceMax")},
    "10.6": {"split-uneven": ("Split",), "shape-start-end-ignored": ("Shape",)},
    "10.15": {"reduce-axes-as-input": ("ReduceLogSumExp",)},
}
OPSETS = {"8.0.1": 13, "8.2.1": 13, "8.4.1": 17, "8.5.2": 17, "8.6.2": 17, "10.3.0": 20, "10.15": 24}


def parser(version: str) -> Parser:
    found = parser_of_version(version)
    assert found is not None
    return found


def pairs(facts: dict[str, str]) -> list[tuple[str, str]]:
    return [(version, op_type) for version, op_types in facts.items() for op_type in op_types.split()]


def triples(facts: dict[str, dict[str, tuple[str, ...]]]) -> list[tuple[str, str, str]]:
    return [(version, trap, op) for version, traps in facts.items() for trap in traps for op in traps[trap]]


@pytest.mark.parametrize(("version", "op_type"), pairs(HAS))
def test_the_parser_has_an_importer_for(version: str, op_type: str) -> None:
    assert parser(version).supports(op_type)


@pytest.mark.parametrize(("version", "op_type"), pairs(LACKS))
def test_the_parser_has_none_for(version: str, op_type: str) -> None:
    assert not parser(version).supports(op_type)
    assert parser(version).types(op_type) == parser(version).restrictions(op_type) == ()


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
        assert set(operator.types) <= types
        attributes = {name for schema in schemas[op_type] for name in schema.attributes}
        assert set(operator.values) <= attributes, op_type
        inputs = max(schema.max_input for schema in schemas[op_type])
        assert all(index < inputs for index in operator.constant_inputs), op_type


def test_tables_have_no_key_that_is_not_read() -> None:
    entry = {
        "types",
        "restrictions",
        "constant_inputs",
        "values",
        "ranks",
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
