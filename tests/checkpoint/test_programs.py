"""Programs saved by torch.export bring the network, run nothing of the file, and say what they refuse."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from edgeshrink.checkpoint import load, read, sniff
from edgeshrink.cli import main
from edgeshrink.dendrites import DendriticLayer
from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec
from edgeshrink.trace import trace_module
from tests.checkpoint.hostile import Bomb
from tests.models import plain_cnn

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The tensor attribute:UserWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]


def saved(net: nn.Module, example: tuple[torch.Tensor, ...], path: Path, **options: Any) -> Path:
    torch.export.save(torch.export.export(net.eval(), example, **options), path)
    return path


def repacked(path: Path, change: Callable[[str, bytes], bytes | None], to: Path, **zip_options: Any) -> Path:
    """Write an archive again, entries changed; None leaves an entry out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", **zip_options) as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return to


def with_model(path: Path, change: Callable[[dict[str, Any]], None], to: Path) -> Path:
    """Write an archive again, its program changed."""

    def edit(name: str, data: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return data
        stored = json.loads(data)
        change(stored)
        return json.dumps(stored).encode()

    return repacked(path, edit, to)


def with_first_node(path: Path, to: Path, **changes: Any) -> Path:
    return with_model(path, lambda s: s["graph_module"]["graph"]["nodes"][0].update(changes), to)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path, arch=None)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


class Everything(nn.Module):
    """Nested outputs, a constant, a buffer that is not saved, no_grad inside, sizes that depend on sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 4, batch_first=True)
        self.head = nn.Linear(8, 3)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("scale", torch.tensor([2.0]), persistent=False)

    def forward(self, x: torch.Tensor, *, shift: torch.Tensor) -> dict[str, Any]:
        with torch.no_grad():
            doubled = x * self.scale
        y, _ = self.rnn(doubled + shift * torch.tensor([0.5]))
        flat = y.reshape(x.shape[0] * x.shape[1], -1)
        return {"a": self.head(self.drop(x)), "b": [flat, x.to(torch.float64).mean()]}


class Sizes(nn.Module):
    """Sizes that depend on sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        rows = x.shape[0] * x.shape[1]
        return self.head(x.reshape(rows, 8)) + torch.ones(rows, 1) * y.mean()


def dendritic() -> nn.Module:
    torch.manual_seed(0)
    layer = DendriticLayer(nn.Linear(6, 5), [nn.Linear(6, 5) for _ in range(3)], 5, activation="tanh")
    for weights in (layer.top, *layer.between):
        nn.init.normal_(weights)
    return nn.Sequential(layer, nn.ReLU(), nn.Linear(5, 2))


def test_a_program_loads_without_its_code_and_computes_the_same(tmp_path: Path) -> None:
    net, image = plain_cnn(), torch.randn(2, 1, 28, 28)
    file = saved(net, (image,), tmp_path / "any.name")
    assert sniff(file) == "torch-export"
    loaded = load(file, arch=None)
    assert loaded.contents.inputs == (InputSpec("image", (2, 1, 28, 28)),)
    assert not loaded.contents.warnings
    assert loaded.module(image).equal(net(image))
    assert {layer.name for layer in loaded.contents.layers} == {"conv1", "bn1", "conv2", "bn2", "fc1", "fc2"}


@pytest.mark.parametrize("decomposed", [False, True])
def test_nested_outputs_keywords_and_constants_survive(tmp_path: Path, decomposed: bool) -> None:
    net, x, shift = Everything().eval(), torch.randn(2, 5, 8), torch.randn(8)
    program = torch.export.export(net, (x,), {"shift": shift})
    torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "net.pt2")
    loaded = load(tmp_path / "net.pt2", arch=None)
    ours, theirs = loaded.module(x, shift=shift), net(x, shift=shift)
    assert [spec.name for spec in loaded.contents.inputs] == ["x", "shift"]
    assert list(ours) == ["a", "b"]
    # Decomposed, a GRU is other operators: sums in another order, a few units in the last place.
    tolerance = 1e-6 if decomposed else 0.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("decomposed", [False, True])
def test_a_dendritic_network_comes_out_equal_and_traces(tmp_path: Path, decomposed: bool) -> None:
    net, x = dendritic(), torch.randn(4, 6)
    program = torch.export.export(net.eval(), (x,))
    torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "net.pt2")
    loaded = load(tmp_path / "net.pt2", arch=None)
    assert loaded.module(x).equal(net(x))
    traced = trace_module(loaded.module, loaded.contents.inputs)
    assert traced.exporter == "dynamo"
    assert [value.name for value in traced.model.graph.inputs] == ["input"]


def test_an_open_batch_is_one_and_other_open_sizes_are_the_examples(tmp_path: Path) -> None:
    net, free = Sizes(), torch.export.Dim.DYNAMIC
    sizes = {"x": {0: free, 1: free}, "y": {0: free}}
    example = (torch.randn(3, 5, 8), torch.randn(4, 2))
    loaded = load(saved(net, example, tmp_path / "net.pt2", dynamic_shapes=sizes), arch=None)
    assert loaded.contents.inputs == (InputSpec("x", (1, 5, 8)), InputSpec("y", (1, 2)))
    assert "x was taken as 1x5x8" in loaded.contents.warnings[0]
    x, y = torch.randn(2, 7, 8), torch.randn(6, 2)
    assert loaded.module(x, y).equal(net(x, y))


def test_a_batch_that_must_be_larger_is_the_examples(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=4, max=64)
    file = saved(nn.Linear(3, 2), (torch.randn(8, 3),), tmp_path / "net.pt2", dynamic_shapes=({0: batch},))
    assert load(file, arch=None).contents.inputs == (InputSpec("input", (8, 3)),)


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    module = load(saved(net, (torch.randn(1, 4),), tmp_path / "net.pt2"), arch=None).module
    assert module.get_parameter("0.weight") is module.get_parameter("1.weight")


def test_names_that_look_like_another_layout_are_the_programs_own(tmp_path: Path) -> None:
    net = nn.Sequential()
    net.add_module("module", nn.Sequential(prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5)))
    x = torch.randn(1, 4)
    expected = net(x)
    loaded = load(saved(net, (x,), tmp_path / "net.pt2"), arch=None)
    assert loaded.module(x).equal(expected)


def test_masks_apply_to_a_programs_weights(tmp_path: Path) -> None:
    file = saved(nn.Linear(3, 2), (torch.randn(1, 3),), tmp_path / "net.pt2")
    np.savez(tmp_path / "masks.npz", weight=np.array([[1, 1, 1], [0, 0, 0]]))
    weight = load(file, arch=None, masks=tmp_path / "masks.npz").module.get_parameter("weight")
    assert not weight[1].any()
    assert weight[0].all()


def test_inspect_and_export_need_neither_arch_nor_input(tmp_path: Path) -> None:
    file = saved(dendritic(), (torch.randn(1, 6),), tmp_path / "net.pt2")
    assert main(["inspect", str(file)]) == 0
    assert main(["export", str(file), "-o", str(tmp_path / "net.edge")]) == 0
    assert (tmp_path / "net.edge" / "model.onnx").is_file()


def test_the_layout_up_to_torch_2_7_is_read_too(tmp_path: Path) -> None:
    from torch._export.serde.serialize import serialize

    net, x = plain_cnn(), torch.randn(1, 1, 28, 28)
    artifact = serialize(torch.export.export(net, (x,)))
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", artifact.exported_program)
        archive.writestr("serialized_state_dict.pt", artifact.state_dict)
        archive.writestr("serialized_constants.pt", artifact.constants)
        archive.writestr("serialized_example_inputs.pt", artifact.example_inputs)
        archive.writestr("version", "8.8")
    assert load(tmp_path / "net.pt2", arch=None).module(x).equal(net(x))


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.3), nn.BatchNorm1d(3), nn.LSTM(3, 3, num_layers=2, dropout=0.3)]
)
def test_a_program_in_training_mode_is_refused_by_its_operator(tmp_path: Path, layer: nn.Module) -> None:
    torch.export.save(torch.export.export(layer.train(), (torch.randn(4, 3),)), tmp_path / "net.pt2")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "net.pt2", arch=None)
    assert "torch.ops.aten." in caught.value.message
    assert "net.eval()" in str(caught.value.hint)


@pytest.mark.parametrize("p", ["rand", "buffer"])
def test_chance_and_memory_of_earlier_runs_are_refused(tmp_path: Path, p: str) -> None:
    class Restless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("runs", torch.zeros(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if p == "rand":
                return x + torch.rand(3)
            self.runs.add_(1)
            return x + self.runs

    told = refused(saved(Restless(), (torch.randn(2, 3),), tmp_path / "net.pt2"))
    assert "torch.ops.aten." in told


class Counts(nn.Module):
    """Adds to a part of what it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls[0].add_(1.0)
        return x + self.calls[0]


def test_state_that_changes_through_a_view_is_refused(tmp_path: Path) -> None:
    said = refused(saved(Counts(), (torch.randn(1, 3),), tmp_path / "counts.pt2"))
    assert "calls changes from one call to the next" in said


def test_instance_and_batch_statistics_that_evaluation_uses_are_read(tmp_path: Path) -> None:
    net = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.InstanceNorm1d(3)).eval()
    x = torch.randn(4, 3, 5)
    assert load(saved(net, (x,), tmp_path / "net.pt2"), arch=None).module(x).equal(net(x))


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    batch = torch.export.Dim("batch")
    net = nn.Linear(3, 2)
    return saved(net, (torch.randn(2, 3),), tmp_path / "good.pt2", dynamic_shapes=({0: batch},))


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.mine.op.default",
        "torch.ops.aten.linear.__class__",
        "torch.ops.higher_order.cond",
        "torch.load",
        "torch.serialization.os.system",
        "_operator.methodcaller",
        "_operator.pow",
        "math.factorial",
        "#ext:op",
        "os.system",
        "",
        17,
    ],
)
def test_only_atens_operators_are_called(tmp_path: Path, linear: Path, target: str) -> None:
    refused(with_first_node(linear, tmp_path / "net.pt2", target=target))


def test_no_operator_is_given_a_files_name(tmp_path: Path, linear: Path) -> None:
    inputs = [{"name": "filename", "arg": {"as_string": str(tmp_path / "made")}, "kind": 1}]
    target = "torch.ops.aten.from_file.default"
    told = refused(with_first_node(linear, tmp_path / "net.pt2", target=target, inputs=inputs))
    assert "is given the text" in told
    assert not (tmp_path / "made").exists()


EVIL = "__import__('os').system('touch {}')"


@pytest.mark.parametrize(
    "text",
    [EVIL, "().__class__.__base__", "Symbol('s', positive=" + EVIL + ")", "lambda: 0", "s[0]", "(" * 500, 5],
)
def test_a_size_that_is_no_arithmetic_is_refused_and_never_run(
    tmp_path: Path, linear: Path, text: Any
) -> None:
    marker = tmp_path / "ran"
    text = text.format(marker) if isinstance(text, str) else text

    def change(stored: dict[str, Any]) -> None:
        stored["graph_module"]["graph"]["sym_int_values"]["n"] = {"as_expr": {"expr_str": text, "hint": None}}

    assert "is no arithmetic" in refused(with_model(linear, change, tmp_path / "net.pt2"))
    assert not marker.exists()


def test_names_and_guards_never_become_code(tmp_path: Path, linear: Path) -> None:
    marker = tmp_path / "ran"
    evil = f"x):\n    {EVIL.format(marker)}\n    return (0"

    def change(stored: dict[str, Any]) -> None:
        stored["guards_code"] = [EVIL.format(marker)]
        stored["graph_module"]["module_call_graph"][0]["signature"]["forward_arg_names"] = [evil]

    loaded = load(with_model(linear, change, tmp_path / "net.pt2"), arch=None)
    assert [spec.name for spec in loaded.contents.inputs] == ["input_0"]
    trace_module(loaded.module, loaded.contents.inputs)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["", "a..b", "training", "forward.weight", "_program.x", "a." * 3000])
def test_a_tensor_named_as_no_network_can_is_refused(tmp_path: Path, linear: Path, name: str) -> None:
    def change(stored: dict[str, Any]) -> None:
        stored["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = name

    refused(with_model(linear, change, tmp_path / "net.pt2"))


@pytest.mark.parametrize("where", ["data/weights/model.pt", "data/constants/model.pt", "custom", "sample"])
def test_a_pickle_in_the_archive_is_never_run(tmp_path: Path, linear: Path, where: str) -> None:
    marker = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save({"weight": Bomb(marker)}, buffer)

    def change(name: str, data: bytes) -> bytes:
        if where == "sample" and "sample_inputs" in name:
            return buffer.getvalue()
        if where == "custom" and name.endswith("weights/weight_0"):
            return buffer.getvalue()
        if where == "custom" and name.endswith("model_weights_config.json"):
            return data.replace(b'"use_pickle": false', b'"use_pickle": true')
        return data

    file = repacked(linear, change, tmp_path / "net.pt2")
    if where.startswith("data"):
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(f"good/{where}", buffer.getvalue())
    if where == "sample":  # example inputs are not needed, and not looked at
        assert load(file, arch=None).contents.inputs
    else:
        assert "pickled object" in refused(file)
    assert not marker.exists()


def test_compiled_code_is_refused(tmp_path: Path, linear: Path) -> None:
    with zipfile.ZipFile(linear, "a") as archive:
        archive.writestr("good/data/aotinductor/model/model.so", b"\x7fELF")
    assert "AOTInductor" in refused(linear)


def test_two_programs_in_a_file_are_refused(tmp_path: Path, linear: Path) -> None:
    with zipfile.ZipFile(linear, "a") as archive:
        archive.writestr("good/models/other.json", b"{}")
    assert "holds 2 programs" in refused(linear)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path, linear: Path) -> None:
    with zipfile.ZipFile(linear, "a") as archive:
        archive.writestr("good/models/model.json", b"{}")
    assert "twice" in refused(linear)


def test_compressed_entries_are_refused(tmp_path: Path, linear: Path) -> None:
    file = repacked(linear, lambda _, data: data, tmp_path / "net.pt2", compression=zipfile.ZIP_DEFLATED)
    assert "is compressed" in refused(file)


def test_json_nested_without_end_is_refused(tmp_path: Path, linear: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return b'{"a":' + b"[" * 1_000_000 if name.endswith("models/model.json") else data

    assert "damaged" in refused(repacked(linear, change, tmp_path / "net.pt2"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"as_int": 3}', b'"as_int": 3000000000}'),
        (b'"as_int": 3}', b'"as_int": -3}'),
        (b'"storage_offset": {"as_int": 0}', b'"storage_offset": {"as_int": 9}'),
        (b'"dtype": 7', b'"dtype": 99'),
        (b'"weight_0"', b'"../../../../etc/passwd"'),
    ],
)
def test_tensors_that_claim_more_than_is_stored_are_refused(
    tmp_path: Path, linear: Path, old: bytes, new: bytes
) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.replace(old, new) if name.endswith("weights_config.json") else data

    refused(repacked(linear, change, tmp_path / "net.pt2"))


def test_a_program_that_would_take_all_memory_is_refused_before_it_runs(tmp_path: Path, linear: Path) -> None:
    inputs = [
        {"name": "size", "arg": {"as_ints": [100_000, 100_000]}, "kind": 1},
        {"name": "dtype", "arg": {"as_scalar_type": 7}, "kind": 2},
    ]
    change = {"target": "torch.ops.aten.ones.default", "inputs": inputs}
    told = refused(with_first_node(linear, tmp_path / "net.pt2", **change))
    assert "takes 40.0 GB" in told


def test_trust_pickle_hands_the_file_to_torch_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Branch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    file = saved(nn.Sequential(nn.Linear(3, 3), Branch()), (torch.randn(2, 3),), tmp_path / "net.pt2")
    assert "torch.ops.higher_order.cond" in refused(file)
    loaded = load(file, arch=None, trust_pickle=True)
    assert "torch.ops.higher_order.cond" in capsys.readouterr().err
    assert loaded.module.eval()(torch.ones(2, 3)).shape == (2, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused_in_every_folder_and_form(tmp_path: Path) -> None:
    scripted = torch.jit.script(nn.Linear(2, 2))
    scripted.save(str(tmp_path / "script.pt"))
    scripted._save_for_lite_interpreter(str(tmp_path / "mobile.ptl"))
    with zipfile.ZipFile(tmp_path / "script.pt") as old, zipfile.ZipFile(tmp_path / "deep.pt", "w") as new:
        for name in old.namelist():
            new.writestr(f"a/b/{name}", old.read(name))
    for name in ("script.pt", "mobile.ptl", "deep.pt"):
        with pytest.raises(InputError, match="TorchScript archive") as caught:
            read(tmp_path / name)
        assert "state_dict" in str(caught.value.hint)


@functools.cache
def small_program() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return saved(nn.Linear(3, 2), (torch.randn(1, 3),), Path(folder) / "net.pt2").read_bytes()


def loads_or_is_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.pt2"
        file.write_bytes(data)
        with contextlib.suppress(InputError):
            load(file, arch=None)


@settings(max_examples=60)
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_programs_with_bytes_changed_load_or_are_refused(flips: list[tuple[float, int]]) -> None:
    data = bytearray(small_program())
    for share, value in flips:
        data[int(share * (len(data) - 1))] = value
    loads_or_is_refused(bytes(data))


JUNK = st.sampled_from([None, -1, 0, 2**70, "", "x", "Symbol('s')", [], {}, [[]], 1.5, True, {"as_int": 1}])


@settings(max_examples=120)
@given(at=st.integers(0, 10_000), junk=JUNK)
def test_programs_with_a_part_replaced_load_or_are_refused(at: int, junk: Any) -> None:
    """Every place of the JSON in turn, as far as chance goes."""
    with zipfile.ZipFile(io.BytesIO(small_program())) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    name = [name for name in entries if name.endswith(".json")][at % 3]
    stored = json.loads(entries[name])
    places: list[tuple[Any, Any]] = []
    waiting = [stored]
    while waiting:
        part = waiting.pop()
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        places += [(part, key) for key in keys]
        waiting += [part[key] for key in keys if isinstance(part[key], (dict, list))]
    if not places:
        return
    owner, key = places[at % len(places)]
    owner[key] = junk
    entries[name] = json.dumps(stored).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for entry, data in entries.items():
            new.writestr(entry, data)
    loads_or_is_refused(buffer.getvalue())
