"""What a model is fed: a bundle's samples, cut to the model's batch, or random numbers from a seed.

samples.npz holds `in/<name>` and `out/<name>`, samples along the first axis. A model whose batch is fixed at
4 takes them four at a time; one whose input has an axis less than the array takes them one by one.
"""

import zipfile

import numpy as np

from edgeshrink_device.bootstrap import generator
from edgeshrink_device.errors import InputError

__all__ = ["cut", "random_feeds", "read_samples"]

RANDOM_FEEDS = 4
HOW = "Samples are made by numpy.savez: arrays of plain numbers, named in/<input> and out/<output>."


def read_samples(path):
    """The arrays of an .npz, as (inputs by name, outputs by name).

    A key without a folder is an input, except `labels`.

    Raises:
        InputError: The file is not there, is no .npz, or holds Python objects (never unpickled).
    """
    try:
        arrays = _arrays(path)
    except OSError as error:
        raise InputError("{}: cannot be read as samples: {}".format(path, error.strerror or error)) from error
    except Exception as error:  # zipfile, zlib, ValueError: np.load lets all of them through
        told = "it holds Python objects, which are never loaded" if "pickle" in str(error) else error
        raise InputError("{}: cannot be read as samples: {}".format(path, told), HOW) from error
    inputs = {key[3:]: array for key, array in arrays.items() if key.startswith("in/")}
    outputs = {key[4:]: array for key, array in arrays.items() if key.startswith("out/")}
    inputs.update((key, array) for key, array in arrays.items() if "/" not in key and key != "labels")
    return inputs, outputs


def _arrays(path):
    """{key: array}; what is no archive is not given to numpy, which advises to load it unsafely."""
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no .npz archive")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    for key in arrays:
        if not isinstance(arrays[key], np.ndarray):
            raise ValueError("'{}' in it is no array".format(key))
    return arrays


def cut(inputs, outputs, input_specs, output_specs):
    """Samples as what one run takes and what it should give.

    Args:
        inputs: Arrays by input name, samples along the first axis.
        outputs: Arrays by output name; empty when nothing is known of them.
        input_specs: The model's inputs.
        output_specs: The model's outputs.

    Returns:
        `feeds`, a list of dicts of arrays by input name; `expected`, for each feed a list of arrays in the
        model's order, or None without outputs; and how many samples one feed holds.

    Raises:
        InputError: An array is missing or does not fit the model.
    """
    steps = [_step(spec, _named(inputs, spec, "in")) for spec in input_specs]
    totals = {len(inputs[spec.name]) // step for spec, step in zip(input_specs, steps)}
    if len(totals) != 1 or 0 in totals:
        raise _uneven(inputs, input_specs, steps)
    count = totals.pop()
    columns = [
        _pieces(inputs[spec.name], count, step, len(spec.shape), spec.dtype)
        for spec, step in zip(input_specs, steps)
    ]
    names = [spec.name for spec in input_specs]
    feeds = [dict(zip(names, row)) for row in zip(*columns)]
    if not outputs:
        return feeds, None, steps[0]
    held = len(inputs[names[0]])
    wanted = [
        _pieces(array, count, _output_step(spec, array, held, steps[0]), array.ndim, None)
        for spec, array in ((spec, _named(outputs, spec, "out")) for spec in output_specs)
    ]
    return feeds, [list(row) for row in zip(*wanted)], steps[0]


def _uneven(inputs, specs, steps):
    """Why not one feed can be cut: too few of an input, or not equally many of each."""
    for spec, step in zip(specs, steps):
        held = len(inputs[spec.name])
        if held < step:
            return InputError(
                "the samples hold {} of input '{}', which is measured {} at a time".format(
                    held or "none", spec.name, step
                ),
                "Give {} or more.".format(step),
            )
    held = ", ".join(
        "{} of '{}' ({} at a time)".format(len(inputs[spec.name]), spec.name, step)
        for spec, step in zip(specs, steps)
    )
    return InputError("the samples do not hold equally many of each input: {}".format(held))


def random_feeds(specs, seed):
    """A few random feeds: floats from the normal distribution, integers 0 or 1, every open size 1.

    Args:
        specs: The model's inputs.
        seed: Seed of the random numbers.
    """
    rng = generator(seed)
    return [{spec.name: _random(spec, rng) for spec in specs} for _ in range(RANDOM_FEEDS)]


def _random(spec, rng):
    if np.dtype(spec.dtype).kind == "f":
        return np.asarray(rng.standard_normal(spec.sizes()), dtype=spec.dtype)
    return np.asarray(rng.randint(0, 2, size=spec.sizes()), dtype=spec.dtype)


def _named(arrays, spec, folder):
    if spec.name not in arrays:
        role = {"in": "input", "out": "output"}[folder]
        there = ", ".join("'{}'".format(name) for name in sorted(arrays)) or "none"
        raise InputError(
            "the samples have no {} '{}'; {}s they have: {}".format(role, spec.name, role, there),
            "Name its array '{}/{}' in the .npz.".format(folder, spec.name),
        )
    return arrays[spec.name]


def _step(spec, array):
    """Samples along the first axis that one run takes."""
    stacked = array.ndim == len(spec.shape) + 1
    fixed = spec.shape if stacked else spec.shape[1:]
    fits = stacked or (array.ndim == len(spec.shape) and array.ndim > 0)
    if not fits or any(size not in (None, held) for size, held in zip(fixed, array.shape[1:])):
        raise InputError(
            "samples of input '{}' are {}, the model takes {}".format(
                spec.name, list(array.shape), ["?" if size is None else size for size in spec.shape]
            )
        )
    if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
        raise InputError(
            "samples of input '{}' are {}, the model takes {}".format(spec.name, array.dtype, spec.dtype)
        )
    _check_range(spec, array)
    return 1 if stacked else (spec.shape[0] or 1)


def _check_range(spec, array):
    """Whole numbers that the model's narrower type does not hold would come in as others."""
    kinds = (array.dtype.kind, np.dtype(spec.dtype).kind)
    if set(kinds) <= set("iu") and array.size and not np.can_cast(array.dtype, spec.dtype):
        limits = np.iinfo(spec.dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise InputError(
                "samples of input '{}' reach from {} to {}, it is computed as {}".format(
                    spec.name, array.min(), array.max(), spec.dtype
                ),
                "Give samples whose whole numbers fit.",
            )


def _output_step(spec, array, held, step):
    rows = len(array) if array.ndim else 0
    if rows == 0 or rows * step % held:
        raise InputError(
            "samples of output '{}' are {}, which does not divide among {} samples".format(
                spec.name, list(array.shape), held
            )
        )
    return rows * step // held


def _pieces(array, count, step, rank, dtype):
    array = np.ascontiguousarray(array if dtype is None else array.astype(dtype, copy=False))
    if array.ndim == rank + 1:
        return [array[i] for i in range(count)]
    return [array[i * step : (i + 1) * step] for i in range(count)]
