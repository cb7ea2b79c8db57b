"""Kinds of layers, told from names and shapes alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from edgeshrink.checkpoint import read


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Linear(3, 4), "linear"),
        (nn.Conv1d(3, 4, 5), "conv1d"),
        (nn.Conv2d(3, 4, 5), "conv2d"),
        (nn.Conv3d(3, 4, 5), "conv3d"),
        (nn.BatchNorm2d(4), "batch norm"),
        (nn.LayerNorm(4), "norm"),
        (nn.GRU(3, 4), "gru"),
        (nn.LSTM(3, 4), "lstm"),
        (nn.RNN(3, 4), "rnn"),
        (nn.MultiheadAttention(4, 2), "attention + linear"),
    ],
)
def test_a_layers_kind_shows_in_its_tensors(tmp_path: Path, layer: nn.Module, kind: str) -> None:
    torch.save(nn.ModuleDict({"layer": layer}).state_dict(), tmp_path / "net.pt")
    layers = read(tmp_path / "net.pt").layers
    assert " + ".join(found.kind for found in layers) == kind
    assert sum(found.parameters for found in layers) == sum(p.numel() for p in layer.parameters())


def test_name_digest_and_format_are_told(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    safetensors.torch.save_file(nn.Linear(2, 2).state_dict(), file)
    contents = read(file)
    assert contents.name == "net.pt"
    assert contents.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert contents.format == "state_dict (safetensors)"
    assert (contents.activation, contents.activation_source) == (None, "no dendrites")
    assert contents.warnings == ()


def test_layer_ten_comes_after_layer_nine(tmp_path: Path) -> None:
    state = nn.Sequential(*(nn.Linear(1, 1) for _ in range(12))).state_dict()
    safetensors.torch.save_file(state, tmp_path / "net.pt")
    assert [layer.name for layer in read(tmp_path / "net.pt").layers] == [str(i) for i in range(12)]


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.uint16, torch.uint32]
)
def test_rare_types_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    safetensors.torch.save_file({"layer.weight": torch.eye(3).to(dtype)}, tmp_path / "net.pt")
    [layer] = read(tmp_path / "net.pt").layers
    assert layer.zeros == 6
