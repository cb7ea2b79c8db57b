"""What a network is fed: `--input` specifications, sample files, and random inputs of a fixed seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgeshrink.errors import InputError, no_such_file
from edgeshrink.npz import read_npz

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = [
    "Array",
    "InputSpec",
    "Samples",
    "Selector",
    "SizeRange",
    "parse_input",
    "random_inputs",
    "read_samples",
    "shape_at",
    "sizes_at",
    "split_samples",
    "words_for",
]

Array = np.ndarray[Any, np.dtype[Any]]

DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
_SIZE = r"\d+(\.\.\d+){0,2}"
_FORM = (
    "The form is [NAME:]1x3x224x224[:dtype], for example 1x3x224x224 or tokens:1x128:int64; a size may stay "
    "open in a range: 1..8x3x224x224."
)
_SAVE = "Write it with numpy.savez(path, <input name>=array, labels=classes), samples along the first axis."
_MOST_BYTES = 256_000_000  # of samples that pack well: zeros, say, which a zip makes a thousand times smaller
_MOST_TIMES_PACKED = 50
_MOST_ELEMENTS = 2**31  # more than any board holds; catches a digit too many

# Operators that hand their first input's values on unchanged, whatever they do to its shape.
_CARRIERS = {"Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max", "Min"} | {
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}


Selector = Literal["min", "opt", "max"]


@dataclass(frozen=True)
class SizeRange:
    """What a size that stays open may be, as in TensorRT's optimization profiles: 1 <= min <= opt <= max.

    Attributes:
        min: The smallest.
        opt: What the engine is tuned for, and measured at.
        max: The largest.
    """

    min: int
    opt: int
    max: int

    def __str__(self) -> str:
        """As `--input` takes it: 1..8, or 1..4..8 where opt is not max."""
        return f"{self.min}..{self.max}" if self.opt == self.max else f"{self.min}..{self.opt}..{self.max}"


@dataclass(frozen=True)
class InputSpec:
    """One input.

    Attributes:
        name: None for the next argument of forward.
        shape: Its sizes; where one stays open, that at opt.
        dtype: numpy's name of its type.
        ranges: For each axis whose size stays open, what it may be.
    """

    name: str | None
    shape: tuple[int, ...]
    dtype: str = "float32"
    ranges: Mapping[int, SizeRange] = field(default_factory=dict, hash=False)

    def at(self, selector: Selector) -> InputSpec:
        """The same input, fixed at one end of its ranges, or at opt."""
        shape = list(self.shape)
        for axis, size in self.ranges.items():
            shape[axis] = getattr(size, selector)
        return replace(self, shape=tuple(shape), ranges={})


@dataclass(frozen=True)
class Samples:
    """Inputs from a file.

    Attributes:
        arrays: Per input name, the samples along the first axis; every array holds as many.
        labels: One class index a sample, or None.
        name: The file's name.
    """

    arrays: dict[str, Array]
    labels: Array | None
    name: str

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.arrays.values())))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the numbers, a sentence an input."""
        told = []
        for name, array in self.arrays.items():
            odd = ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
            if count := int(odd.reshape(len(array), -1).any(axis=1).sum()):
                told.append(
                    f"{self.name}: {count} of {len(array)} samples of input {name!r} hold NaN or infinity: "
                    "what the network makes of them says little about it."
                )
        return tuple(told)


def parse_input(text: str) -> InputSpec:
    """Read `[NAME:]1x3x224x224[:dtype]`; a size is a number, or a range MIN..MAX or MIN..OPT..MAX.

    Where OPT is not said it is MAX, as trtexec has it where it is given no --optShapes.

    Raises:
        InputError: Anything else; the message shows the right form.
    """
    parts = text.strip().split(":")
    is_shape = [bool(re.fullmatch(rf"{_SIZE}(x{_SIZE})*", part)) for part in parts]
    if not 1 <= len(parts) <= 3 or True not in is_shape[:2]:
        raise InputError(f"The input {text!r} holds no shape.", _FORM)
    at = is_shape.index(True)
    name, dtype = (parts[0] if at else None), parts[at + 1 :]
    if len(dtype) > 1 or name == "":
        raise InputError(f"The input {text!r} is not understood.", _FORM)
    if dtype and dtype[0] not in DTYPES:
        raise InputError(f"The input {text!r} names no known dtype.", f"Known: {', '.join(DTYPES)}. {_FORM}")
    sizes = [_range(size, text) for size in parts[at].split("x")]
    if any(size.min < 1 for size in sizes) or prod(size.max for size in sizes) > _MOST_ELEMENTS:
        raise InputError(f"The shape in {text!r} must have sizes above 0 and at most 2^31 elements.", _FORM)
    ranges = {axis: size for axis, size in enumerate(sizes) if size.min < size.max}
    return InputSpec(name, tuple(size.opt for size in sizes), (dtype or ["float32"])[0], ranges)


def _range(size: str, text: str) -> SizeRange:
    """8, 1..8 or 1..4..8 as a range; a plain number is one of a single size."""
    numbers = [int(number) for number in size.split("..")]
    if numbers != sorted(numbers):
        raise InputError(
            f"The range {size} in {text!r} does not go up.", "Write MIN..MAX or MIN..OPT..MAX, say 1..4..8."
        )
    return SizeRange(numbers[0], numbers[len(numbers) // 2], numbers[-1])


def sizes_at(selector: Selector, ranges: Mapping[str, SizeRange]) -> dict[str, int]:
    """Every open size, by its name in the graph, at one end of its range or at opt."""
    return {name: getattr(size, selector) for name, size in ranges.items()}


def shape_at(value: ir.Value, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a graph's input with each open size as in `sizes`, and 1 where that does not say.

    Raises:
        InputError: The input states no shape.
    """
    if value.shape is None:
        raise InputError(f"The network's input {value.name!r} states no shape.", "Export it with one.")
    return tuple(size if isinstance(size, int) else sizes.get(str(size), 1) for size in value.shape)


def words_for(name: str | None, shape: Iterable[object], dtype: str) -> str:
    """What --input takes for an input: tokens:1..8x128:int64."""
    words = [name, "x".join(map(str, shape)), *([dtype] if dtype != "float32" else [])]
    return ":".join(filter(None, words))


def read_samples(path: str | Path) -> Samples:
    """Read an .npz of one array an input name, samples along the first axis, and optionally `labels`.

    Pickled objects are refused, never loaded.

    Raises:
        InputError: The file is missing, broken or no .npz, holds objects, or its arrays differ in length.
    """
    path = Path(path)
    try:
        arrays = read_npz(path, _SAVE, most_in_all=_MOST_BYTES + _MOST_TIMES_PACKED * path.stat().st_size)
    except FileNotFoundError as error:
        raise no_such_file(path) from error
    labels = arrays.pop("labels", None)
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if labels is not None:
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise InputError(
                f"{path}: labels are {labels.dtype} of shape {labels.shape}, not one class index a sample.",
                "Save them as labels.astype(numpy.int64), or one-hot ones as labels.argmax(axis=1).",
            )
        counts["labels"] = len(labels) if labels.ndim else 0
    if not arrays or not all(counts.values()):
        raise InputError(f"{path} holds no samples: {_listed(counts)}.", _SAVE)
    if len(set(counts.values())) > 1:
        raise InputError(f"The arrays of {path} differ in their number of samples: {_listed(counts)}.", _SAVE)
    return Samples(arrays, labels, path.name)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "it is empty"


def split_samples(
    samples: Samples, model: ir.Model, sizes: Mapping[str, int] | None = None
) -> list[dict[str, Array]]:
    """The samples as feeds of `model`: batches of its own size, the last one filled up with its last sample.

    Args:
        samples: The user's inputs.
        model: What takes them.
        sizes: What its open sizes are to be, by name; 1 where that does not say.

    Raises:
        InputError: Names, shapes or dtypes do not fit; the message names the input.
    """
    wanted = {value.name or "": value for value in model.graph.inputs}
    if wanted.keys() != samples.arrays.keys():
        raise InputError(
            f"{samples.name} holds {_quoted(samples.arrays)}, the network takes {_quoted(wanted)}.", _SAVE
        )
    batch = 1
    for name, value in wanted.items():
        array, shape, dtype = samples.arrays[name], shape_at(value, sizes or {}), _dtype(value)
        if array.shape[1:] != shape[1:] or not shape:
            raise InputError(
                f"{samples.name}: input {name!r} has samples of shape {array.shape[1:]}, "
                f"the network takes {shape[1:]}.",
                _SAVE,
            )
        if array.dtype != dtype:
            hint = f"Save it as {name}.astype(numpy.{dtype})."
            raise InputError(
                f"{samples.name}: input {name!r} is {array.dtype}, the network takes {dtype}.", hint
            )
        batch = shape[0]
    return [
        {name: _filled(array[start : start + batch], batch) for name, array in samples.arrays.items()}
        for start in range(0, samples.count, batch)
    ]


def _filled(part: Array, batch: int) -> Array:
    missing = batch - len(part)
    return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part


def random_inputs(
    model: ir.Model, count: int, seed: int = 0, sizes: Sequence[Mapping[str, int]] = ()
) -> list[dict[str, Array]]:
    """`count` feeds of `model`, the same for the same seed.

    Each has the open sizes that `sizes` has in its place, by name; 1 where that does not say.

    Floats are standard normal. 8-bit integers span their type. Wider integers are indices below the smallest
    table they reach, or 0 and 1 (a mask's values) where they reach none.
    """
    limits = {value.name or "": _limit(value) for value in model.graph.inputs}
    feeds = []
    for index in range(count):
        draw = np.random.default_rng([seed, index])
        own = sizes[index] if sizes else {}
        feeds.append(
            {
                value.name or "": _draw(draw, shape_at(value, own), _dtype(value), limits[value.name or ""])
                for value in model.graph.inputs
            }
        )
    return feeds


def _draw(
    draw: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], limit: int | None
) -> Array:
    if dtype == np.bool_:
        return draw.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind not in "iu":
        return draw.standard_normal(shape, dtype=np.float32).astype(dtype)
    if limit is None and dtype.itemsize == 1:
        bounds = np.iinfo(dtype)
        return draw.integers(bounds.min, bounds.max, shape, dtype=dtype, endpoint=True)
    return draw.integers(0, min(limit or 2, np.iinfo(dtype).max), shape).astype(dtype)


def _limit(value: ir.Value) -> int | None:
    """Rows of the smallest table that `value` indexes, directly or through operators that carry values on."""
    rows = list(_tables(value, set()))
    return min(rows) if rows else None


def _tables(value: ir.Value, seen: set[ir.Value]) -> Iterator[int]:
    if value in seen:
        return
    seen.add(value)
    for node, index in value.uses():
        if node.op_type in ("Gather", "GatherElements") and index == 1:
            table, axis = node.inputs[0], node.attributes.get_int("axis", 0)
            rows = None if table is None or table.shape is None else table.shape[axis]
            if isinstance(rows, int):
                yield rows
        elif node.op_type == "OneHot" and index == 0 and node.inputs[1] is not None:
            if node.inputs[1].const_value is not None:
                yield int(node.inputs[1].const_value.numpy().reshape(-1)[0])
        elif node.op_type in _CARRIERS:
            for output in node.outputs:
                yield from _tables(output, seen)


def _dtype(value: ir.Value) -> np.dtype[Any]:
    if value.dtype is None:
        raise InputError(f"The network's input {value.name!r} states no element type.", "Export it with one.")
    return value.dtype.numpy()


def _quoted(names: dict[str, Any]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
