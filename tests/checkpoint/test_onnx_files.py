"""ONNX files of any opset from 11 up are read; damaged and hostile ones give one error that says where."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from edgeshrink.checkpoint import sniff
from edgeshrink.cli import main
from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.inspection import inspect
from edgeshrink.loading import Request
from edgeshrink.onnx_reader import read_onnx
from edgeshrink.verify import compare_outputs, run_onnx

NEWEST = onnx.defs.onnx_opset_version()


class Operators(nn.Module):
    """The operators whose form changed between opset 11 and 13, and their neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.bn(self.conv(functional.pad(x, (1, 1, 0, 0), mode="reflect"))))
        x = functional.interpolate(functional.max_pool2d(x, 2), scale_factor=2, mode="nearest")
        x = functional.interpolate(x, size=(9, 9), mode="bilinear", align_corners=False)
        first, rest = functional.pad(x.clamp(0.1, 2.0), (1, 2, 1, 2)).split([1, 3], 1)
        x = (rest.sum(dim=1, keepdim=True) + first).squeeze(1).unsqueeze(1) + torch.cat([first, rest], 1)
        y = self.head(self.drop(functional.avg_pool2d(x, 3, ceil_mode=True).mean((2, 3))))
        return functional.log_softmax(self.norm(y), -1) + functional.softmax(y, 1) * y.topk(2)[0].sum()


@functools.cache
def network() -> Operators:
    torch.manual_seed(0)
    return Operators().eval()


@pytest.mark.parametrize("opset", [11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
def test_every_opset_that_torch_writes_is_read_and_computes_the_same(tmp_path: Path, opset: int) -> None:
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network(), (x,), str(tmp_path / "net.onnx"), opset_version=opset, dynamo=False)
    traced = read_onnx(tmp_path / "net.onnx")
    assert bool(traced.warnings) == (opset < 13)
    name = traced.model.graph.inputs[0].name
    expected = {str(traced.model.graph.outputs[0].name): network()(x).detach().numpy()}
    got = run_onnx(traced.model, [{name: x.numpy()}])
    assert compare_outputs([expected], got).ok  # two runtimes: the usual tolerance


def model(
    nodes: list[onnx.NodeProto] | None = None,
    initializers: list[onnx.TensorProto] | None = None,
    opset: int = 17,
    functions: list[onnx.FunctionProto] | None = None,
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """x (1, 4) times w (4, 4) is y, if nothing else is said."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    nodes = nodes or [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    initializers = [weight()] if initializers is None else initializers
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=functions or [], ir_version=8)


def weight(name: str = "w") -> onnx.TensorProto:
    return numpy_helper.from_array(np.eye(4, dtype=np.float32), name)


def external(**told: object) -> onnx.TensorProto:
    """A weight whose data is in another file."""
    tensor = weight()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize("opset", [*range(13, NEWEST + 1)])
def test_every_opset_of_onnx_is_read(tmp_path: Path, opset: int) -> None:
    onnx.save(model(opset=opset), tmp_path / "net.onnx")
    assert read_onnx(tmp_path / "net.onnx").model.opset_imports[""] == opset


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("told", [{}, {"offset": 64, "length": 64}, {"length": 64}])
def test_external_data_is_read(tmp_path: Path, opset: int, told: dict[str, int]) -> None:
    (tmp_path / "net.data").write_bytes(bytes(told.get("offset", 0)) + np.eye(4, dtype=np.float32).tobytes())
    file = tmp_path / "net.onnx"
    file.write_bytes(
        model(initializers=[external(location="net.data", **told)], opset=opset).SerializeToString()
    )
    weights = read_onnx(file).model.graph.initializers["w"]
    assert np.array_equal(weights.const_value.numpy(), np.eye(4))


def refused(file: Path) -> str:
    """Tell how a file is refused by whoever bakes it."""
    with pytest.raises(EdgeshrinkError) as caught:
        inspect(Request(file))
    assert str(file) in caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 2000
    return caught.value.message


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"location": "short.data"}, "claims 64 bytes of data at 0 of 'short.data', which has 60"),
        ({"location": "whole.data", "offset": 4096}, "at 4,096"),
        ({"location": "whole.data", "offset": 2**63}, "claims 64 bytes"),
        ({"location": "whole.data", "offset": -8}, "offset is '-8', no number"),
        ({"location": "whole.data", "length": 10**10}, "says its length is 10,000,000,000"),
        ({"location": "whole.data", "length": 8}, "says its length is 8"),
        ({"location": "whole.data", "length": "many"}, "no number"),
        ({"location": "missing.data"}, "there is no such file"),
        ({"location": "."}, "there is no such file"),
        ({}, "not in the model's own folder"),
        ({"location": "/etc/passwd"}, "not in the model's own folder"),
        ({"location": "../outside.data"}, "not in the model's own folder"),
        ({"location": "a/../../outside.data"}, "not in the model's own folder"),
        ({"location": "link.data"}, "not in the model's own folder"),
        ({"location": "nul\0.data"}, "not in the model's own folder"),
    ],
)
def test_external_data_that_is_not_there_is_told(tmp_path: Path, told: dict[str, object], says: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.data").write_bytes(bytes(64))
    (folder / "short.data").write_bytes(bytes(60))
    (folder / "whole.data").write_bytes(bytes(64))
    (folder / "link.data").symlink_to(tmp_path / "outside.data")
    (folder / "net.onnx").write_bytes(model(initializers=[external(**told)]).SerializeToString())
    assert says in refused(folder / "net.onnx")


def claims_ten_gigabytes() -> onnx.ModelProto:
    tensor = weight()
    tensor.dims[:] = [50_000, 50_000]
    return model(initializers=[tensor])


def claims_and_has_nothing() -> onnx.ModelProto:
    tensor = weight()
    tensor.ClearField("raw_data")
    tensor.dims[:] = [1 << 40, 1 << 40]
    return model(initializers=[tensor])


def negative_size() -> onnx.ModelProto:
    tensor = weight()
    tensor.dims[:] = [-4, -4]
    return model(initializers=[tensor])


def other_type_than_data() -> onnx.ModelProto:
    tensor = weight()
    tensor.data_type = TensorProto.DOUBLE
    return model(initializers=[tensor])


def unknown_type() -> onnx.ModelProto:
    tensor = weight()
    tensor.data_type = 999
    return model(initializers=[tensor])


def few_typed_elements() -> onnx.ModelProto:
    return model(initializers=[TensorProto(name="w", data_type=1, dims=[4, 4], float_data=[1.0])])


def two_of_a_name() -> onnx.ModelProto:
    return model(initializers=[weight(), weight()])


def cycle() -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["x", "a"], ["b"])]
    return model([*nodes, helper.make_node("Add", ["a", "b"], ["y"])])


def two_values_of_a_name() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])])


def unknown_operator() -> onnx.ModelProto:
    return model([helper.make_node("Frobnicate", ["x"], ["y"])])


def unknown_domain() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["x"], ["y"], domain="com.nobody")])


def opset_from_the_future() -> onnx.ModelProto:
    return model(opset=10_000)


def opset_of_nothing() -> onnx.ModelProto:
    return model(opset=-5)


def function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["x"], ["y"], nodes, imports)


def function_that_calls_itself() -> onnx.ModelProto:
    call = helper.make_node("again", ["x"], ["y"], domain="local")
    return model([call], functions=[function("again", [call])], domains=("local",))


def functions_that_double() -> onnx.ModelProto:
    """Thirty functions, each calling the one before twice: a thousand million nodes."""
    functions = [function("f0", [helper.make_node("Relu", ["x"], ["y"])])]
    for index in range(1, 31):
        inner = f"f{index - 1}"
        nodes = [
            helper.make_node(inner, ["x"], ["m"], domain="local"),
            helper.make_node(inner, ["m"], ["y"], domain="local"),
        ]
        functions.append(function(f"f{index}", nodes))
    call = helper.make_node("f30", ["x"], ["y"], domain="local")
    return model([call], functions=functions, domains=("local",))


def no_nodes() -> onnx.ModelProto:
    made = model()
    del made.graph.node[:]
    return made


MODELS: list[Callable[[], onnx.ModelProto]] = [
    claims_ten_gigabytes,
    claims_and_has_nothing,
    negative_size,
    other_type_than_data,
    unknown_type,
    few_typed_elements,
    two_of_a_name,
    cycle,
    two_values_of_a_name,
    unknown_operator,
    unknown_domain,
    opset_from_the_future,
    opset_of_nothing,
    function_that_calls_itself,
    functions_that_double,
    no_nodes,
]


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_a_hostile_model_is_refused_in_one_error(
    tmp_path: Path, build: Callable[[], onnx.ModelProto]
) -> None:
    (tmp_path / "net.onnx").write_bytes(build().SerializeToString())
    told = refused(tmp_path / "net.onnx")
    if build is unknown_operator:
        assert "Frobnicate" in told
    if build is unknown_domain:
        assert "com.nobody" in told
    if build is two_of_a_name:
        assert "'w'" in told
    assert main(["inspect", str(tmp_path / "net.onnx")]) == 2


IR_VERSION = b"\x08\x08"


def nested(tag: int, inner: bytes) -> bytes:
    length, size = len(inner), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([tag]) + size + bytes([length]) + inner


def branches(depth: int) -> bytes:
    """A graph of a branch, of a branch, of a branch: GraphProto.node.attribute.g."""
    graph = nested(0x0A, b"\x22\x04Relu")
    for _ in range(depth):
        graph = nested(0x0A, nested(0x2A, nested(0x32, graph)))
    return graph


@pytest.mark.parametrize(
    "data",
    [
        IR_VERSION + nested(0x3A, branches(60)),
        IR_VERSION + nested(0x3A, branches(30_000)),
        IR_VERSION + nested(0x3A, b"\x0a\x00" * 5_000_000),  # nodes of nothing
        IR_VERSION + nested(0x3A, nested(0x0A, b"\x2a\x00" * 5_000_000)),  # attributes of nothing
        IR_VERSION + nested(0x3A, b"") + b"\x72\x00" * 5_000_000,  # metadata of nothing
        IR_VERSION * 5_000_000 + nested(0x3A, b""),
    ],
    ids=["branches", "more branches", "nodes", "attributes", "metadata", "versions"],
)
def test_millions_of_parts_that_are_nothing_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(data)
    refused(tmp_path / "net.onnx")


def test_a_model_as_masks_is_refused_with_a_hint(tmp_path: Path) -> None:
    from edgeshrink.checkpoint import read

    onnx.save(model(), tmp_path / "net.onnx")
    torch.save({"w": torch.ones(2)}, tmp_path / "net.pt")
    with pytest.raises(InputError, match="is an ONNX model, not masks"):
        read(tmp_path / "net.pt", masks=tmp_path / "net.onnx")


@functools.cache
def small() -> bytes:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    return model(nodes, opset=12).SerializeToString()


def reads_or_is_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        file.write_bytes(data)
        with contextlib.suppress(EdgeshrinkError):
            sniff(file)
            read_onnx(file)


@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_models_with_bytes_changed_are_read_or_refused(flips: list[tuple[float, int]]) -> None:
    data = bytearray(small())
    for share, value in flips:
        data[int(share * (len(data) - 1))] = value
    reads_or_is_refused(bytes(data))


@settings(max_examples=40)
@given(share=st.floats(0, 1))
def test_models_cut_anywhere_are_read_or_refused(share: float) -> None:
    reads_or_is_refused(small()[: int(share * len(small()))])


def test_a_folder_that_is_a_link_itself_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "net.data").write_bytes(np.eye(4, dtype=np.float32).tobytes())
    data = model(initializers=[external(location="net.data")]).SerializeToString()
    (tmp_path / "real" / "net.onnx").write_bytes(data)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_onnx(tmp_path / "link" / "net.onnx").model.graph.initializers["w"] is not None
