"""Tensors out of torch's files: each is a view of bytes on disk, and must lie within them.

A tensor is stored as a call of one of torch's rebuilding functions on a storage, an offset, sizes and
strides. The functions are not called: what they would make is made here once it is known to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.pickles.interpreter import Name, Persistent, Record
from edgeshrink.checkpoint.pickles.names import Kind, class_name, kind_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["DamagedTensorError", "StoredTensors", "TensorError", "element_type", "is_tensor"]

_MOST_EXPANDED_BYTES = 64_000_000  # of all tensors together that repeat few stored elements
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_UNREADABLE = {
    "_rebuild_sparse_tensor": "is sparse; make it dense first (tensor.to_dense())",
    "_rebuild_sparse_csr_tensor": "is sparse; make it dense first (tensor.to_dense())",
    "_rebuild_qtensor": "is quantized; save the float network, edgeshrink quantizes for the device itself",
    "_rebuild_nested_tensor": "is a nested tensor, which no layer's weights are",
    "_rebuild_meta_tensor_no_storage": "is on the meta device, so the file has no values for it",
    "_rebuild_wrapper_subclass": "is of a tensor subclass; save it as a plain tensor",
    "_rebuild_device_tensor_from_numpy": "was saved from an accelerator; move it to the CPU first",
    "_rebuild_xla_tensor": "was saved from an accelerator; move it to the CPU first",
}


class TensorError(ValueError):
    """A tensor cannot be made; the message continues "tensor NAME ..."."""


class DamagedTensorError(TensorError):
    """A tensor is not as torch would have written it."""


def is_tensor(value: object) -> bool:
    """Tell whether a pickled value is a tensor, whole or not."""
    if not (isinstance(value, Record) and value.called):
        return False
    name = class_name(value)
    return name is not None and kind_of(name) is Kind.TENSOR


def element_type(storage_class: object) -> torch.dtype:
    """The dtype of a storage class.

    Raises:
        TensorError: It is none, or one of quantized numbers.
    """
    import torch

    name = storage_class.name if isinstance(storage_class, Name) else None
    if name not in _STORAGES:
        quantized = isinstance(name, str) and name.startswith(("QInt", "QUInt"))
        raise DamagedTensorError(
            _UNREADABLE["_rebuild_qtensor"] if quantized else f"has elements of an unknown type ({name})"
        )
    dtype = getattr(torch, _STORAGES[name])
    assert isinstance(dtype, torch.dtype)
    return dtype


class StoredTensors:
    """The tensors of one file, made when asked for, each once.

    Args:
        path: The file.
        spans: Storage key -> offset and length in the file, in bytes; they lie within it.
        swapped: Whether the file's byte order is not this machine's.
    """

    def __init__(self, path: Path, spans: Mapping[str, tuple[int, int]], *, swapped: bool = False) -> None:
        self._path, self._spans, self._swapped = path, spans, swapped
        self._whole: Any = None
        self._storages: dict[str, torch.UntypedStorage] = {}
        self._tensors: dict[int, Tensor] = {}
        self._kept: list[Record] = []  # so that no id is used twice
        self._expanded_bytes = 0

    def tensor(self, record: Record, depth: int = 0) -> Tensor:
        """Make the tensor, or parameter, that a record stands for.

        Raises:
            TensorError: It lies outside its storage, has no storage, or is of a kind that no layer has.
        """
        if id(record) not in self._tensors:
            if depth > 8:
                raise DamagedTensorError("is wrapped too often")
            try:
                self._tensors[id(record)] = self._make(record, depth)
            except (TypeError, ValueError, RuntimeError, OverflowError) as error:
                if isinstance(error, TensorError):
                    raise
                problem = str(error).partition("\n")[0] or type(error).__name__
                raise DamagedTensorError(f"is damaged: {problem}") from error
            self._kept.append(record)
        return self._tensors[id(record)]

    def _make(self, record: Record, depth: int) -> Tensor:
        name = class_name(record)
        maker = name.name if name is not None else ""
        args = record.args
        if maker in _UNREADABLE:
            raise TensorError(_UNREADABLE[maker])
        if maker in ("_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter"):
            return self._parameter(args, depth)
        if maker == "_rebuild_device_tensor_from_cpu_tensor" and args and isinstance(args[0], Record):
            return self.tensor(args[0], depth + 1)
        if maker == "_rebuild_from_type_v2" and len(args) >= 3 and isinstance(args[2], tuple):
            if args[1] not in (Name("torch", "Tensor"), Name("torch.nn.parameter", "Parameter")):
                shown = args[1].dotted if isinstance(args[1], Name) else "class"
                raise TensorError(f"is of the tensor subclass {shown}; save it as a plain tensor")
            return self.tensor(self._keep(Record(args[0], args[2])), depth + 1)
        if maker in ("_rebuild_tensor", "_rebuild_tensor_v2") and len(args) >= 4:
            return self._view(args[0], args[1:4], None, args[6] if len(args) > 6 else None)
        if maker == "_rebuild_tensor_v3" and len(args) >= 7:
            return self._view(args[0], args[1:4], args[6], args[7] if len(args) > 7 else None)
        raise DamagedTensorError(f"is made by {maker or 'nothing known'}, in a way that torch does not write")

    def _keep(self, record: Record) -> Record:
        self._kept.append(record)
        return record

    def _parameter(self, args: tuple[object, ...], depth: int) -> Tensor:
        from torch import nn

        if not args or not isinstance(args[0], Record) or not is_tensor(args[0]):
            raise DamagedTensorError("is a parameter around no tensor")
        data = self.tensor(args[0], depth + 1)
        return nn.Parameter(data, requires_grad=data.is_floating_point() and bool(args[1:2] != (False,)))

    def _view(self, storage: object, place: tuple[object, ...], dtype: object, metadata: object) -> Tensor:
        """Make a tensor of a storage, ``place`` its offset, sizes, strides; ``dtype`` None: the storage's."""
        import torch

        if not isinstance(storage, Persistent):
            raise DamagedTensorError("has no storage")
        data, own = self._storage(storage)
        kind = own if dtype is None else vars(torch).get(dtype.name) if isinstance(dtype, Name) else None
        if not isinstance(kind, torch.dtype):
            raise TensorError("has elements of an unknown type")
        if kind.is_complex:
            raise TensorError("holds complex numbers, which no device takes; save real and imaginary parts")
        if isinstance(metadata, dict) and any(metadata.values()):
            raise TensorError("is a negated or conjugated view; save it as a plain tensor (tensor.clone())")
        start, sizes, strides = _integers(place[:1])[0], _integers(place[1]), _integers(place[2])
        if len(sizes) != len(strides):
            raise DamagedTensorError("has sizes and strides of different numbers")
        return self._within(torch.empty(0, dtype=kind), data, start, sizes, strides)

    def _within(
        self, empty: Tensor, data: torch.UntypedStorage, start: int, sizes: list[int], strides: list[int]
    ) -> Tensor:
        """Point an empty tensor at a part of a storage, which must hold all of it."""
        elements = 1
        for size in sizes:
            elements *= size
        stored = data.nbytes() // empty.element_size()
        last = start + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if start > stored or (elements and last >= stored):
            raise DamagedTensorError("claims more elements than are stored")
        if elements > stored:  # repeats its elements, by strides of 0
            self._expanded_bytes += elements * empty.element_size()
            if self._expanded_bytes > _MOST_EXPANDED_BYTES:
                raise DamagedTensorError("claims more elements than are stored")
            return empty.set_(data, start, sizes, strides).contiguous()
        return empty.set_(data, start, sizes, strides)

    def _storage(self, reference: Persistent) -> tuple[torch.UntypedStorage, torch.dtype]:
        """Find a storage by its persistent id: ``("storage", class, key, location, elements[, view])``."""
        parts = reference.id
        if not isinstance(parts, tuple) or len(parts) < 5 or parts[0] != "storage":
            raise DamagedTensorError("has a storage that cannot be told")
        dtype, key = element_type(parts[1]), str(parts[2])
        if key not in self._spans:
            raise DamagedTensorError(f"has its values in storage {key[:40]!r}, which the file lacks")
        data = self._storages.get(key)
        if data is None:
            data = self._storages[key] = self._open(key, dtype)
        view = parts[5] if len(parts) > 5 else None
        if isinstance(view, tuple) and len(view) == 3:  # until torch 0.4, a part of a storage by another key
            begin, count = _integers(view[1:])
            data = data[begin * dtype.itemsize : (begin + count) * dtype.itemsize]
        return data, dtype

    def _open(self, key: str, dtype: torch.dtype) -> torch.UntypedStorage:
        import torch

        if self._whole is None:
            size = self._path.stat().st_size
            self._whole = torch.UntypedStorage.from_file(str(self._path), False, size)
        begin, length = self._spans[key]
        data = self._whole[begin : begin + length]
        if begin % 16 or self._swapped:
            data = data.clone()
        if self._swapped:
            data.byteswap(dtype)
        assert isinstance(data, torch.UntypedStorage)
        return data


def _integers(values: object) -> list[int]:
    """Check sizes, strides, offsets: integers of 0 and up; perhaps as a torch.Size."""
    if isinstance(values, Record) and class_name(values) == Name("torch", "Size") and len(values.args) == 1:
        values = values.args[0]
    if not isinstance(values, tuple | list) or len(values) > 64:
        raise DamagedTensorError("has sizes that are none")
    for value in values:
        if type(value) is not int or not 0 <= value < 1 << 62:
            raise DamagedTensorError("has sizes that are none")
    return list(values)
