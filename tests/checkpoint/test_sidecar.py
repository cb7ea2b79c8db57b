"""Masks in a file of their own: what fits is applied, anything else is told by its entry."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edgeshrink.checkpoint import read
from edgeshrink.errors import InputError
from edgeshrink.inputs import read_samples


def npy(array: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), **options)
    return buffer.getvalue()


def npy_with_header(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def archive(path: Path, *entries: tuple[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A convolution of 4 filters, weight (4, 3, 2, 2)."""
    torch.manual_seed(0)
    torch.save({"conv.weight": torch.randn(4, 3, 2, 2), "conv.bias": torch.randn(4)}, tmp_path / "net.pt")
    return tmp_path / "net.pt"


def masked(net: Path, masks: Path) -> dict[str, list[bool]]:
    """Which filters of each parameter have something left."""
    return {
        name: tensor.flatten(1 if tensor.dim() > 1 else 0).bool().reshape(4, -1).any(1).tolist()
        for name, tensor in read(net, masks=masks).tensors.items()
    }


def refused(net: Path, masks: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(net, masks=masks)
    assert caught.value.hint
    return caught.value


FILTERS = torch.tensor([1, 0, 1, 0])
LEFT = [True, False, True, False]


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("shape", [(4, 1, 1, 1), (4, 3, 1, 1), (4, 3, 2, 2)])
def test_a_mask_has_its_parameters_shape_or_ones(
    net: Path, tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    mask = FILTERS.reshape(4, 1, 1, 1).expand(shape).to(dtype).contiguous()
    torch.save({"conv.weight": mask}, tmp_path / "masks.pt")
    assert masked(net, tmp_path / "masks.pt") == {"conv.weight": LEFT, "conv.bias": [True] * 4}


def test_a_value_a_filter_must_say_that_it_is_one(net: Path, tmp_path: Path) -> None:
    torch.save({"conv.weight": FILTERS}, tmp_path / "masks.pt")
    assert "mask.reshape(-1, 1, 1, 1)" in str(refused(net, tmp_path / "masks.pt").hint)


def test_a_mask_named_after_a_layer_is_told_its_parameters_name(net: Path, tmp_path: Path) -> None:
    torch.save({"conv": torch.ones(4, 3, 2, 2)}, tmp_path / "masks.pt")
    with pytest.raises(InputError, match="no such parameter") as caught:
        read(net, masks=tmp_path / "masks.pt")
    assert caught.value.hint == "Did you mean 'conv.weight'?"


@pytest.mark.parametrize("wrapper", [None, "masks", "state_dict"])
def test_dictionaries_of_dictionaries_are_masks_by_layer(
    net: Path, tmp_path: Path, wrapper: str | None
) -> None:
    masks: dict[str, object] = {
        "conv": {"weight": FILTERS.reshape(4, 1, 1, 1), "bias": FILTERS},
        "fc": {"bias": None},
    }
    torch.save({wrapper: masks} if wrapper else masks, tmp_path / "masks.pt")
    assert masked(net, tmp_path / "masks.pt") == {"conv.weight": LEFT, "conv.bias": LEFT}


@pytest.mark.parametrize("dtype", ["<u2", "<u4", "<u8", ">i4", ">f4", "<f8", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_number_type_and_order_are_masks(
    net: Path, tmp_path: Path, dtype: str, order: str
) -> None:
    mask = np.zeros((4, 3, 2, 2), dtype, order=order)
    mask[[0, 2]] = 1
    np.savez(tmp_path / "masks.npz", **{"conv.weight": mask})
    assert masked(net, tmp_path / "masks.npz")["conv.weight"] == LEFT


@pytest.mark.parametrize("save", ["npz", "pt"])
def test_a_checkpoint_in_place_of_masks_is_told(net: Path, tmp_path: Path, save: str) -> None:
    tensors = torch.load(net)
    if save == "npz":
        np.savez(tmp_path / "masks", **{name: tensor.numpy() for name, tensor in tensors.items()})
    else:
        torch.save(tensors, tmp_path / "masks.pt")
    error = refused(net, tmp_path / f"masks.{save}")
    assert "is a checkpoint, not masks" in error.message
    assert "in place of the checkpoint" in str(error.hint)


def test_a_pruned_checkpoint_in_place_of_masks_is_told(net: Path, tmp_path: Path) -> None:
    tensors = {"conv.weight_orig": torch.randn(4, 3, 2, 2), "conv.weight_mask": torch.ones(4, 3, 2, 2)}
    torch.save(tensors, tmp_path / "masks.pt")
    assert "is a checkpoint, not masks" in refused(net, tmp_path / "masks.pt").message


def test_a_program_in_place_of_masks_is_told(net: Path, tmp_path: Path) -> None:
    program = torch.export.export(nn.Linear(2, 2).eval(), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "masks.pt2")
    assert "is a whole network, not masks" in refused(net, tmp_path / "masks.pt2").message


def test_two_masks_for_a_parameter_are_told(net: Path, tmp_path: Path) -> None:
    torch.save({"conv.bias": torch.ones(4), "conv.bias_mask": torch.zeros(4)}, tmp_path / "masks.pt")
    assert "two masks for 'conv.bias'" in refused(net, tmp_path / "masks.pt").message


def test_a_mask_of_claimed_size_is_refused_before_it_is_looked_at(net: Path, tmp_path: Path) -> None:
    huge = torch.zeros(1).expand(1 << 40)
    torch.save({"conv.bias": {"x": huge}}, tmp_path / "masks.pt")
    refused(net, tmp_path / "masks.pt")
    torch.save({"conv": {"bias": huge}}, tmp_path / "masks.pt")
    refused(net, tmp_path / "masks.pt")


def encrypted(data: bytes) -> bytes:
    """Set the flag of encryption in an archive of one entry."""
    changed = bytearray(data)
    changed[6] |= 1
    changed[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1048576), }"
HOSTILE: dict[str, bytes] = {
    "a header that claims more than there is": npy_with_header(HUGE, bytes(16)),
    "a header that claims less": npy_with_header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", bytes(16)
    ),
    "a negative size": npy_with_header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", bytes(16)
    ),
    "a size that is no number": npy_with_header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': ('4',), }"
    ),
    "no header": npy_with_header("{'descr': '<f4'}"),
    "a header that is code": npy_with_header("__import__('os').system('false')"),
    "a header that no one closes": npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': ((("),
    "a header of Python 2": npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4L"),
    "a nested header": npy_with_header("(" * 5000),
    "objects": npy(np.array([{}, {}], dtype=object), allow_pickle=True),
    "a pickle": b"\x93NUMPY\x01\x00" + pickle.dumps(os.system),
    "records": npy(np.zeros(4, [("a", "<f4"), ("b", "<i4")])),
    "dates": npy(np.zeros(4, "datetime64[s]")),
    "nothing": b"",
    "text": b"these are no arrays",
    "zeros without end": npy(np.zeros(50_000_000, np.uint8)),
    "half an array": npy(np.zeros(100))[:-30],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_entry_that_is_no_mask_is_named(net: Path, tmp_path: Path, kind: str) -> None:
    file = archive(tmp_path / "masks.npz", ("conv.bias.npy", HOSTILE[kind]))
    assert "'conv.bias.npy'" in refused(net, file).message


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "zeros without end"])
def test_an_entry_that_is_no_sample_is_named(tmp_path: Path, kind: str) -> None:
    file = archive(tmp_path / "samples.npz", ("image.npy", HOSTILE[kind]))
    with pytest.raises(InputError, match=r"entry 'image\.npy'"):
        read_samples(file)


def test_samples_that_unpack_to_far_more_than_the_file_are_refused(tmp_path: Path) -> None:
    header = npy_with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (300000000,), }")
    with (
        zipfile.ZipFile(tmp_path / "s.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x.npy", "w") as entry,
    ):
        entry.write(header)
        for _ in range(300):
            entry.write(bytes(1_000_000))
    with pytest.raises(InputError, match="are the most that it may take"):
        read_samples(tmp_path / "s.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([("conv.bias.npy", npy(np.ones(4)))] * 2, "twice"),
        ([("../conv.bias.npy", npy(np.ones(4)))], "leaves the archive's folder"),
        ([("/conv.bias.npy", npy(np.ones(4)))], "leaves the archive's folder"),
        ([("conv.bias.npy", npy(np.ones(4))), ("readme.txt", b"hello")], "'readme.txt'"),
    ],
)
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_that_numpy_never_writes_are_refused(
    net: Path, tmp_path: Path, entries: list[tuple[str, bytes]], says: str, packing: int
) -> None:
    file = archive(tmp_path / "masks.npz", *entries, packing=packing)
    assert says in refused(net, file).message
    with pytest.raises(InputError, match=says):
        read_samples(file)


def test_encrypted_entries_are_refused(net: Path, tmp_path: Path) -> None:
    file = archive(tmp_path / "masks.npz", ("conv.bias.npy", npy(np.ones(4))))
    file.write_bytes(encrypted(file.read_bytes()))
    assert "is encrypted" in refused(net, file).message


def test_entries_packed_otherwise_are_refused(net: Path, tmp_path: Path) -> None:
    entry = ("conv.bias.npy", npy(np.ones(4)))
    file = archive(tmp_path / "masks.npz", entry, packing=zipfile.ZIP_LZMA)
    assert "numpy never does" in refused(net, file).message


def small_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{"conv.bias": np.ones(4), "conv.weight": np.ones((4, 3, 2, 2))})
    return buffer.getvalue()


def reads_or_is_refused(data: bytes) -> None:
    parameters: dict[str, Tensor] = {"conv.weight": torch.ones(4, 3, 2, 2), "conv.bias": torch.ones(4)}
    with tempfile.TemporaryDirectory() as folder:
        torch.save(parameters, Path(folder) / "net.pt")
        file = Path(folder) / "masks.npz"
        file.write_bytes(data)
        attempts: list[Callable[[], object]] = [
            lambda: read(Path(folder) / "net.pt", masks=file),
            lambda: read_samples(file),
        ]
        for attempt in attempts:
            with contextlib.suppress(InputError):
                attempt()


def test_an_array_that_python_2_wrote_is_read_without_a_word(net: Path, tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4L,), }"
    archive(tmp_path / "masks.npz", ("conv.bias.npy", npy_with_header(header, np.ones(4, "f4").tobytes())))
    assert masked(net, tmp_path / "masks.npz")["conv.weight"] == [True] * 4


@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_archives_with_bytes_changed_are_read_or_refused(flips: list[tuple[float, int]]) -> None:
    data = bytearray(small_npz())
    for share, value in flips:
        data[int(share * (len(data) - 1))] = value
    reads_or_is_refused(bytes(data))


@settings(max_examples=100)
@given(header=st.text("{}()[],:'\"\\ L<f4descrshapfont_O1234567890-TrueFalse#\n", max_size=100))
def test_any_header_is_read_or_refused(header: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("conv.bias.npy", npy_with_header(header, bytes(16)))
    reads_or_is_refused(buffer.getvalue())
