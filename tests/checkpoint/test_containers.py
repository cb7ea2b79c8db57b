"""What kind of file is this? The content decides, and what cannot be read says what, where and what to do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from torch import nn

from edgeshrink.checkpoint import load, read, sniff
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp

MLP = "tests.checkpoint.networks:Mlp"


class Bomb:
    """Would leave a file behind if it were ever unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.marker}",)


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


def refused(path: Path) -> str:
    """Tell how a file is refused, the same way by all three entrances."""
    told = set()
    for entrance in (sniff, read, lambda path: load(path, arch=MLP)):
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
    told = refused(tmp_path / "evil.pt")
    assert "It imports posix.system\n" in told
    assert "torch.save(net.state_dict(), 'weights.pt')" in told
    assert not (tmp_path / "ran").exists()


def test_names_built_on_the_pickles_stack_are_found(tmp_path: Path) -> None:
    # protocol 4: the strings come back from the memo, in front of STACK_GLOBAL
    evil = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R."
    (tmp_path / "evil.pt").write_bytes(evil)
    assert "posix.system" in refused(tmp_path / "evil.pt")


def test_a_whole_network_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(Mlp(), tmp_path / "net.pt")
    told = refused(tmp_path / "net.pt")
    assert "tests.checkpoint.networks.Mlp" in told
    assert "torch.nn.modules.linear.Linear" in told
    assert "state_dict" in told


def test_torchs_format_from_before_1_6_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(Mlp().state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=False)
    assert "from before 1.6" in refused(tmp_path / "net.pt")


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
