"""Files that are named in a model's place: said what they are, not that they are damaged models."""

import json
import os
import zipfile

from edgeshrink_device.errors import InputError

__all__ = ["require_no_other"]

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # as the older torch.save begins
ENGINES = (".engine", ".plan", ".trt")
LARGEST_JSON = 64 << 20
CHECKPOINT = "a checkpoint, no ONNX model"
EXPORT = "Make a bundle of it where edgeshrink is installed (`edgeshrink export {}`), and name that."
PARTS = "Name the bundle: {}"
NO_BUNDLE = "Name a bundle, or a model file (.onnx)."


def require_no_other(path):
    """Let a file pass unless it is known to be something else than a model.

    Raises:
        InputError: It is a checkpoint, samples, an engine, a JSON document of edgeshrink or this very
            program; or it cannot be read.
    """
    try:
        what = _what(path)
    except OSError as error:
        raise InputError("{}: cannot be read: {}".format(path, error.strerror)) from error
    if what == CHECKPOINT:
        raise InputError("{}: {}".format(path, what), EXPORT.format(path))
    if what is not None:
        raise InputError("{}: {}, no ONNX model".format(path, what), _name_instead(path))


def _what(path):
    """What the file is, or None where it may be a model."""
    if path.lower().endswith(ENGINES):
        return "an engine of TensorRT"
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(PICKLES):
        return CHECKPOINT
    if head.startswith(b"\x93NUMPY"):
        return "an array of numpy"
    if head.startswith((b"PK\x03\x04", b"#!")):
        return _archive(path)
    return _document(path) if head.lstrip().startswith(b"{") else None


def _archive(path):
    """torch.save, numpy.savez and zipapp all write zip archives."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        with open(path, "rb") as file:
            return CHECKPOINT if file.read(2) == b"PK" else "a script"
    if "edgeshrink_device/cli.py" in names:
        return "this very program"
    if names and all(name.endswith(".npy") for name in names):
        return "samples"
    return CHECKPOINT


def _document(path):
    if os.path.getsize(path) > LARGEST_JSON:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            keys = set(json.load(file))
    except (ValueError, TypeError):
        return None
    if {"schema_version", "passes", "inputs"} <= keys:
        return "the manifest of a bundle"
    if {"latency_ms", "session"} <= keys:
        return "a profile of edgeshrink"
    if {"key", "engine", "build"} <= keys:
        return "the description of an engine"
    return None


def _name_instead(path):
    """The bundle that the file lies in, as the user would name it; engines lie one folder deeper."""
    folder = os.path.dirname(path)
    for bundle in (folder or os.curdir, os.path.dirname(folder) or os.curdir):
        if os.path.isfile(os.path.join(bundle, "model.onnx")):
            return PARTS.format(bundle)
    return NO_BUNDLE
