"""Whether a bundle's model is the one its manifest speaks of: whoever puts another there should know."""

import json
import os

from edgeshrink_device.files import sha256

__all__ = ["replaced"]

SIZES = {"model.onnx": "after", "baseline.onnx": "before"}  # where the manifest has their bytes
TOLD = (
    "{} is not the model that the bundle was exported with ({}): what manifest.json says of its sizes and"
    " samples.npz of its outputs need not hold; export the bundle again"
)


def replaced(model):
    """What to tell of a model that is not its manifest's, a sentence; else None.

    By the checksum where the manifest has one ({"sha256": {"model.onnx": hex}}), else by the file's size.

    Args:
        model: Path of the model. Outside of a bundle, and beside a manifest that tells neither, nothing is
            told.
    """
    folder, name = os.path.split(os.path.abspath(model))
    if name not in SIZES:
        return None
    try:
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        wrong = _difference(model, manifest, name)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return TOLD.format(name, wrong) if wrong else None


def _difference(model, manifest, name):
    """How the file differs from what the manifest says of it, or None."""
    digest = manifest.get("sha256", {}).get(name)
    if digest is not None:
        return None if sha256(model) == digest else "its checksum is another"
    size, told = os.path.getsize(model), manifest[SIZES[name]]["bytes"]
    return None if size == told else "{} bytes, the manifest says {}".format(size, told)
