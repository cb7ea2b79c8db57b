"""What is read of an ONNX file: each file that holds weights counts, wherever in the model they stand."""

import numpy as np
import onnx
import onnx.external_data_helper
import onnx.helper
import onnx.numpy_helper
import pytest
from edgeshrink_device import InputError
from edgeshrink_device.engines.onnx_outline import read_outline, sha256_with_data, size_with_data

DEPTH = 3000  # deeper than Python's own stack

node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
FLOAT = onnx.TensorProto.FLOAT


def stored(name, location):
    """A weight of four numbers that lies in a file beside the model."""
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), name)
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    return tensor


def graph(nodes, name="net", inputs=(), weights=()):
    return onnx.helper.make_graph(nodes, name, list(inputs), [value("y", FLOAT, [4])], list(weights))


def in_a_branch():
    then = graph([node("Add", ["x", "w"], ["y"])], "then", weights=[stored("w", "w.bin")])
    other = graph([node("Identity", ["x"], ["y"])], "other")
    return graph([node("If", ["c"], ["y"], then_branch=then, else_branch=other)])


def in_a_loop_in_a_branch():
    body = graph([node("Add", ["x", "w"], ["y"])], "body", weights=[stored("w", "w.bin")])
    then = graph([node("Loop", ["n", "c", "x"], ["y"], body=body)], "then")
    return graph([node("If", ["c"], ["y"], then_branch=then, else_branch=then)])


def in_a_constant():
    return graph([node("Constant", [], ["w"], value=stored("", "w.bin")), node("Add", ["x", "w"], ["y"])])


def in_the_graph():
    return graph([node("Add", ["x", "w"], ["y"])], weights=[stored("w", "w.bin")])


@pytest.mark.parametrize("make", [in_the_graph, in_a_branch, in_a_loop_in_a_branch, in_a_constant])
def test_a_changed_file_of_weights_changes_the_model_wherever_they_stand(tmp_path, make):
    path, weights = tmp_path / "m.onnx", tmp_path / "w.bin"
    path.write_bytes(onnx.helper.make_model(make()).SerializeToString())
    weights.write_bytes(b"\0" * 16)
    outline = read_outline(str(path))
    assert outline.external == ["w.bin"]
    assert size_with_data(str(path), outline) == path.stat().st_size + 16
    before = sha256_with_data(str(path), outline)
    weights.write_bytes(b"\1" * 16)
    assert sha256_with_data(str(path), outline) != before


def test_weights_of_a_function_count_too(tmp_path):
    constant = node("Constant", [], ["w"], value=stored("", "w.bin"))
    model = onnx.helper.make_model(graph([node("F", ["x"], ["y"], domain="own")]))
    model.functions.add(name="F", domain="own", node=[constant])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert read_outline(str(tmp_path / "m.onnx")).external == ["w.bin"]


def length(size):
    """A size as protobuf writes it: seven bits a byte, the lowest first."""
    text = bytearray()
    while size > 127:
        text.append(size & 127 | 128)
        size >>= 7
    return bytes(text + bytes([size]))


def part(number, data):
    return length(number << 3 | 2) + length(len(data)) + data


def test_however_deep_branches_lie_in_branches_the_file_is_read(tmp_path):
    inner = b""
    for _ in range(DEPTH):
        inner = part(1, part(5, part(6, inner)))  # a graph's node, its attribute, the graph in that
    (tmp_path / "m.onnx").write_bytes(part(7, inner))
    assert read_outline(str(tmp_path / "m.onnx")).external == []


@pytest.mark.parametrize("branch", [b"\x28\x05", b"\x2a\x05"])
def test_a_damaged_branch_is_no_model(tmp_path, branch):
    """A number where a tensor should be, and a tensor that goes beyond the end."""
    (tmp_path / "m.onnx").write_bytes(part(7, part(1, part(5, branch))))
    with pytest.raises(InputError, match="is no ONNX model"):
        read_outline(str(tmp_path / "m.onnx"))
