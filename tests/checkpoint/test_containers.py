"""What kind of file is this? The content decides, and what cannot be read says what, where and what to do."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import pickle
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from torch import nn

from edgeshrink.checkpoint import load, read, sniff
from edgeshrink.errors import InputError
from tests.checkpoint.hostile import Bomb
from tests.checkpoint.networks import Mlp

MLP = "tests.checkpoint.networks:Mlp"


def onnx_bytes() -> bytes:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors", "net.onnx", "net", "net.bin"])
def test_the_content_decides_not_the_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    torch.save(Mlp().state_dict(), file)
    assert sniff(file) == "torch-zip"
    safetensors.torch.save_file(Mlp().state_dict(), file)
    assert sniff(file) == "safetensors"
    file.write_bytes(onnx_bytes())
    assert sniff(file) == "onnx"


def refused(path: Path, *, at_sight: bool = True) -> str:
    """Tell how a file is refused, the same way by all entrances; ``sniff`` does not see all."""
    told = set()
    for entrance in (*([sniff] if at_sight else []), read, lambda path: load(path, arch=MLP)):
        with pytest.raises(InputError) as caught:
            entrance(path)
        assert str(path) in caught.value.message
        assert caught.value.hint.endswith(".")
        assert caught.value.exit_status == 2
        told.add(str(caught.value))
    assert len(told) == 1
    return told.pop()


def test_a_missing_file_a_directory_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    os.mkfifo(tmp_path / "pipe")
    assert "does not exist" in refused(tmp_path / "missing.pt")
    assert "is a directory" in refused(tmp_path)
    assert "is empty (0 bytes)" in refused(tmp_path / "empty.pt")
    assert "is no regular file" in refused(tmp_path / "pipe")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_says_so(tmp_path: Path, share: float) -> None:
    saves = {
        "safetensors": lambda path: safetensors.torch.save_file(nn.Linear(40, 40).state_dict(), path),
        "torch archive": lambda path: torch.save(nn.Linear(40, 40).state_dict(), path),
    }
    for kind, save in saves.items():
        file = tmp_path / "net.pt"
        save(file)
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        told = refused(file)
        assert kind in told
        assert "cut short" in told


def test_an_onnx_file_cut_short_says_how_much_is_missing(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_bytes()[:-10])
    assert "cut short" in refused(tmp_path / "net.onnx")


def test_an_onnx_file_is_no_state_dict(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_bytes())
    with pytest.raises(InputError, match="is an ONNX model, which holds a graph"):
        load(tmp_path / "net.onnx", arch=MLP)


def test_random_bytes_are_no_checkpoint(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    for seed in range(50):
        file = tmp_path / f"random{seed}.pt"
        file.write_bytes(b"\x01" + generator.bytes(3000))
        assert "is no checkpoint that edgeshrink knows (it begins with bytes 01" in refused(file)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_run_and_names_what_it_would_import(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"w": Bomb(tmp_path / "ran")}, protocol))
    assert "posix.system" in refused(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_inside_a_torch_archive_is_never_run_either(tmp_path: Path) -> None:
    torch.save({"state_dict": Mlp().state_dict(), "extra": Bomb(tmp_path / "ran")}, tmp_path / "evil.pt")
    told = refused(tmp_path / "evil.pt", at_sight=False)
    assert "It imports posix.system.\n" in told
    assert "torch.save(net.state_dict(), 'weights.pt')" in told
    assert not (tmp_path / "ran").exists()


def test_names_built_on_the_pickles_stack_are_found(tmp_path: Path) -> None:
    # protocol 4: the strings come back from the memo, in front of STACK_GLOBAL
    evil = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R."
    (tmp_path / "evil.pt").write_bytes(evil)
    assert "posix.system" in refused(tmp_path / "evil.pt")


def test_torchs_format_from_before_1_6_is_read(tmp_path: Path) -> None:
    state = Mlp().state_dict()
    for protocol in (2, 3, 4, 5):
        torch.save(
            {"state_dict": state},
            tmp_path / "net.pt",
            _use_new_zipfile_serialization=False,
            pickle_protocol=protocol,
        )
        assert sniff(tmp_path / "net.pt") == "torch-legacy"
        assert_same(read(tmp_path / "net.pt").tensors, state)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.999])
def test_torchs_format_from_before_1_6_cut_short_says_so(tmp_path: Path, share: float) -> None:
    torch.save(nn.Linear(40, 40).state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "net.pt").write_bytes(whole[: int(len(whole) * share)])
    assert "cut short" in refused(tmp_path / "net.pt", at_sight=False)


def assert_same(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    assert list(tensors) == list(expected)
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.bool],
)
def test_tensors_of_every_kind_are_what_torch_reads(tmp_path: Path, dtype: torch.dtype, old: bool) -> None:
    whole = (torch.arange(120).reshape(2, 3, 4, 5) % 7).to(dtype)
    state = {
        "whole": whole,
        "part": whole[1, :, 1:3],
        "turned": whole.permute(3, 1, 0, 2),
        "scalar": whole[1, 1, 1, 1],
        "none": whole[:0],
        "repeated": whole[:1].expand(4, 3, 4, 5),
        "parameter": nn.Parameter(whole, requires_grad=dtype.is_floating_point),
    }
    torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=not old)
    assert_same(read(tmp_path / "net.pt").tensors, {name: tensor.detach() for name, tensor in state.items()})


@pytest.mark.filterwarnings("ignore:.*(Sparse|nested|quantize|storage|TypedStorage).*")
@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (lambda: torch.eye(3).to_sparse(), "is sparse"),
        (lambda: torch.empty(3, device="meta"), "is on the meta device"),
        (lambda: torch.ones(3, dtype=torch.complex64), "holds complex numbers"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "is quantized"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "is a nested tensor"),
    ],
)
def test_a_tensor_that_no_layer_takes_is_named(
    tmp_path: Path, tensor: Callable[[], torch.Tensor], told: str
) -> None:
    torch.save({"fine": torch.ones(2), "odd.weight": tensor()}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=f"tensor odd.weight {told}"):
        read(tmp_path / "net.pt")


def test_numbers_of_another_byte_order_are_turned_around(tmp_path: Path) -> None:
    state = {
        "w": torch.arange(5, dtype=torch.float32),
        "i": torch.arange(4),
        "b": torch.ones(3, dtype=torch.bool),
    }
    torch.save(state, tmp_path / "net.pt")
    with zipfile.ZipFile(tmp_path / "net.pt") as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("byteorder"):
                data = b"big"
            size = {"0": 4, "1": 8}.get(info.filename.rpartition("/data/")[2], 1)
            if "/data/" in info.filename:
                data = b"".join(data[at : at + size][::-1] for at in range(0, len(data), size))
            new.writestr(info.filename, data)
    assert_same(read(tmp_path / "big.pt").tensors, state)


def test_what_lies_beside_a_state_dict_stops_nothing(tmp_path: Path) -> None:
    state = Mlp().state_dict()
    optimizer = torch.optim.SGD(Mlp().parameters(), lr=np.float64(0.1))
    beside = {
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "optimizer": optimizer.state_dict(),
        "whole optimizer": optimizer,
        "when": datetime.datetime(2025, 1, 2, 3, 4),
        "best": np.float32(0.9),
        "random": (np.arange(4), torch.get_rng_state()),
        "seen": {1, 2},
        "count": collections.Counter("aab"),
        "by class": collections.defaultdict(list, {"a": [1]}),
        "settings": types.SimpleNamespace(width=3),
    }
    for protocol in (2, 4):
        for old in (False, True):
            torch.save(
                {"model": state, **beside},
                tmp_path / "net.pt",
                pickle_protocol=protocol,
                _use_new_zipfile_serialization=not old,
            )
            assert_same(read(tmp_path / "net.pt").tensors, state)


def test_wrappers_inside_wrappers_are_opened(tmp_path: Path) -> None:
    state = Mlp().state_dict()
    for wrapped in ({"model": {"state_dict": state}}, {"ema": {"module": state}, "epoch": 3}):
        torch.save(wrapped, tmp_path / "net.pt")
        assert_same(read(tmp_path / "net.pt").tensors, state)


def test_of_several_networks_the_first_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    state, other = Mlp().state_dict(), Mlp().state_dict()
    torch.save({"ema": other, "model": state}, tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    assert_same(contents.tensors, state)
    assert contents.warnings == ("net.pt holds more than one network: 'model' was read, 'ema' not.",)


def test_an_optimizers_file_is_told(tmp_path: Path) -> None:
    torch.save(torch.optim.Adam(Mlp().parameters()).state_dict(), tmp_path / "net.pt")
    assert "holds an optimizer's state, and no network's weights" in refused(
        tmp_path / "net.pt", at_sight=False
    )


def test_a_file_of_masks_alone_is_warned_of(tmp_path: Path) -> None:
    torch.save({"fc1.weight_mask": torch.ones(7, 6)}, tmp_path / "masks.pt")
    torch.save({"model": Mlp().state_dict()}, tmp_path / "net.pt")
    from edgeshrink.checkpoint.containers.stored import Opening
    from edgeshrink.checkpoint.registry import container_of

    stored = container_of(tmp_path / "masks.pt").read(tmp_path / "masks.pt", Opening())
    assert "--masks" in stored.warnings[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_archives_are_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), str(tmp_path / "script.pt"))
    assert "is a TorchScript archive" in refused(tmp_path / "script.pt")


def test_other_zip_archives_are_no_checkpoints(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones(3))
    told = refused(tmp_path / "data.npz")
    assert "no checkpoint of torch (it holds x.npy)" in told
    assert "--masks" in told


def repack(source: Path, target: Path, compression: int, change: dict[bytes, bytes]) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for info in old.infolist():
            data = old.read(info)
            for before, after in change.items() if info.filename.endswith("data.pkl") else ():
                data = data.replace(before, after, 1)
            new.writestr(info.filename, data)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1_000_000)}, tmp_path / "net.pt")
    repack(tmp_path / "net.pt", tmp_path / "bomb.pt", zipfile.ZIP_DEFLATED, {})
    assert "is a compressed archive" in refused(tmp_path / "bomb.pt")


@pytest.mark.parametrize("strides", [b"K\x04K\x01", b"K\x00K\x00"])
def test_shapes_beyond_what_is_stored_are_refused(tmp_path: Path, strides: bytes) -> None:
    torch.save({"w": torch.zeros(3, 4)}, tmp_path / "net.pt")
    huge = b"J" + (30_000).to_bytes(4, "little") + b"J" + (40_000).to_bytes(4, "little")
    change = {b"K\x03K\x04": huge, b"K\x04K\x01": strides}
    repack(tmp_path / "net.pt", tmp_path / "lying.pt", zipfile.ZIP_STORED, change)
    with pytest.raises(InputError, match="damaged or cut short"):
        read(tmp_path / "lying.pt")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.ones(3), {"model": {"lr": 0.1}}])
def test_an_archive_without_a_state_dict_says_what_it_holds(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(
        InputError, match=r"holds (no state_dict: its keys are|a (list|Tensor), not a state_dict)"
    ):
        read(tmp_path / "net.pt")


def test_telling_what_a_file_is_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_bytes())
    code = "import sys, edgeshrink.checkpoint as c; c.sniff(sys.argv[1]); sys.exit('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "net.onnx"], check=False)
    assert run.returncode == 0
