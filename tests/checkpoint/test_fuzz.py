"""Damaged files give an InputError, or load: nothing else."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeshrink.checkpoint import load, read
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp, input_for
from tests.checkpoint.perforate import grown, save


@functools.cache
def whole(kind: str) -> bytes:
    """Return a small good file: PerforatedAI's own, or torch's zip of the same tensors with prune masks."""
    with tempfile.TemporaryDirectory() as folder:
        net = grown(Mlp(), input_for(Mlp()), dendrites=2, activation=torch.tanh, folder=Path(folder))
        if kind == "safetensors":
            return save(net, Path(folder)).read_bytes()
        state = net.state_dict()
        state["fc1.main_module.weight_orig"] = state.pop("fc1.main_module.weight")
        state["fc1.main_module.weight_mask"] = torch.ones(7, 6)
        torch.save(state, Path(folder) / "net.pt")
        return (Path(folder) / "net.pt").read_bytes()


def loads_or_is_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.pt"
        file.write_bytes(data)
        with contextlib.suppress(InputError):
            load(file, arch="tests.checkpoint.networks:Mlp", dendrite_activation="tanh")


@pytest.mark.parametrize("kind", ["safetensors", "zip"])
@settings(max_examples=60)
@given(share=st.floats(0, 1))
def test_a_file_cut_anywhere_loads_or_is_refused(kind: str, share: float) -> None:
    data = whole(kind)
    loads_or_is_refused(data[: int(share * len(data))])


@pytest.mark.parametrize("kind", ["safetensors", "zip"])
@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_file_with_bytes_changed_loads_or_is_refused(kind: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(whole(kind))
    for share, value in flips:
        data[int(share * (len(data) - 1))] = value
    loads_or_is_refused(bytes(data))


@pytest.mark.parametrize("kind", ["safetensors", "zip"])
@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_header_with_bytes_changed_loads_or_is_refused(kind: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(whole(kind))
    for at, value in flips:
        data[at if kind == "safetensors" else -1 - at] = value
    loads_or_is_refused(bytes(data))


@settings(max_examples=200)
@given(data=st.binary(min_size=1, max_size=300))
def test_arbitrary_bytes_load_or_are_refused(data: bytes) -> None:
    for magic in (b"", b"\x80\x02", b"PK\x03\x04", b"\x08\x07\x3a", (20).to_bytes(8, "little") + b"{"):
        loads_or_is_refused(magic + data)


def test_the_files_are_good_to_begin_with(tmp_path: Path) -> None:
    for kind in ("safetensors", "zip"):
        (tmp_path / "net.pt").write_bytes(whole(kind))
        assert {layer.dendrites for layer in read(tmp_path / "net.pt").layers} == {2}


def test_tensor_names_of_all_kinds_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file(
        {"": torch.ones(2), ".": torch.ones(2), "a..b": torch.ones(2)}, tmp_path / "net.pt"
    )
    assert len(read(tmp_path / "net.pt").tensors) == 3
