"""A file that suits the device stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import pytest

from edgeshrink.devices import device
from edgeshrink.lint import lint
from edgeshrink.lower import lower
from edgeshrink.onnx_reader import read_onnx
from edgeshrink.verify import compare_outputs, run_onnx
from tests.lower.zoo.catalogue import MODELS
from tests.lower.zoo.support import as_expected, fitting, made, outputs, written

NANO = device("jetson-nano")

QUICK = [name for name, model in MODELS.items() if not model.slow]
PLAIN = ("waveform", "keyword_spotter", "unet_three_ways_up", "convnext", "swin", "ssd", "mobilenet")
"""Networks that opset 13 has words for, and TensorRT 8.2, too."""

TRAPPED = ("point_cloud", "pose", "peaks", "style", "gated_audio")
"""Networks whose files at opset 13 hold what TensorRT 8.2 refuses, misreads or may not take."""


@pytest.mark.parametrize("name", QUICK)
def test_lowering_twice_changes_nothing_the_second_time(name: str) -> None:
    model = made(name, "jetson-nano").baked.model.clone()
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    report = lower(model, NANO)
    assert not report.changed
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_of_opset_13_keeps_every_node_and_number(name: str) -> None:
    model = read(written(name, 13), name)
    before = list(what_is_computed(model.graph))
    report = lower(model, NANO)
    assert not report.rules
    assert report.opset == (13, 13)
    assert list(what_is_computed(model.graph)) == before


@pytest.mark.parametrize("name", TRAPPED)
def test_a_file_of_opset_13_changes_where_lint_asks(name: str) -> None:
    model = read(written(name, 13), name)
    asked = {finding.operator for finding in lint(model, NANO) if finding.severity != "note"}
    before = list(what_is_computed(model.graph))
    assert lower(model, NANO).rules
    left = {op_type for op_type, *_ in what_is_computed(model.graph)}
    assert {op_type for op_type, *_ in before} - left <= asked
    assert not [finding for finding in lint(model, NANO) if finding.severity == "error"]
    feeds, expected = outputs(name)
    names = dict(zip(expected[0], [value.name for value in model.graph.outputs], strict=True))
    found = run_onnx(model, fitting(feeds, model))
    wanted = [{names[key] or "": array for key, array in sample.items()} for sample in expected]
    parity = compare_outputs(wanted, as_expected(found, wanted))
    assert parity.ok, parity.worst


def what_is_computed(graph: ir.Graph) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every node in order: its operator, its attributes and the constants it reads."""
    for node in graph:
        attributes = [
            f"{key}={_plain(attribute.value)}" for key, attribute in sorted(node.attributes.items())
        ]
        constants = [value.const_value for value in node.inputs if value is not None and value.const_value]
        yield node.op_type, attributes, [_plain(tensor) for tensor in constants]


def _plain(value: object) -> str:
    """A tensor as its type and numbers, its name left out."""
    return f"{value.dtype} {value.numpy().tolist()}" if isinstance(value, ir.TensorProtocol) else str(value)


def read(file: bytes, name: str) -> ir.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(file)
        return read_onnx(path, MODELS[name].inputs).model
