"""Which model was measured: its weights may lie beside it, and it may be replaced meanwhile."""

import os
from collections import namedtuple

from edgeshrink_device import files
from edgeshrink_device.errors import InputError

__all__ = ["ModelFile", "identify", "measured"]

ModelFile = namedtuple("ModelFile", ["sha256", "bytes", "warning"])
ModelFile.__doc__ = """A model: SHA-256 as hex and bytes (None: not known) of its file and of the files that
hold its weights; and what to tell of it, or None."""

REPLACED = (
    "{} was changed or replaced while it was measured: sha256 and the figures are those of the model before"
)


def identify(path):
    """The `ModelFile` at a path, now.

    Raises:
        InputError: It, or a file that holds its weights, cannot be read.
    """
    from edgeshrink_device.engines.onnx_outline import read_outline, sha256_with_data, size_with_data

    try:
        outline = read_outline(path)
    except InputError:  # no ONNX file: the runner knows what it is
        return _single(path)
    try:
        return ModelFile(sha256_with_data(path, outline), size_with_data(path, outline), None)
    except OSError as error:
        raise InputError("{}: cannot be read: {}".format(path, error.strerror)) from error


def measured(path, before, engine):
    """The `ModelFile` that was measured, once that is done.

    Args:
        path: Where it lay.
        before: What `identify` told at the start.
        engine: The record of the engine that ran in its place, or None.
    """
    made_of = before.sha256 if engine is None else engine["key"]["model_sha256"]
    try:
        now = identify(path).sha256
    except InputError:
        now = None
    return ModelFile(
        made_of,
        before.bytes if made_of == before.sha256 else None,
        None if made_of == before.sha256 == now else REPLACED.format(os.path.basename(path)),
    )


def _single(path):
    try:
        return ModelFile(files.sha256(path), os.path.getsize(path), None)
    except OSError as error:
        raise InputError("{}: cannot be read: {}".format(path, error.strerror)) from error
