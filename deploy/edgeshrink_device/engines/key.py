"""What an engine depends on: if any of it differs, the engine is another one and is never loaded."""

import hashlib
import json
import re
from collections import namedtuple

__all__ = ["Key", "differences"]

LONGEST = 100  # bytes of a model's name in that of its engine; file systems take 255, eCryptfs 143
RECIPE = 1  # counts up when engines are built in another way, so that old ones are built again

WORDS = (
    ("model_sha256", "the model"),
    ("tensorrt", "TensorRT"),
    ("gpu", "the GPU"),
    ("sm", "the GPU's compute capability"),
    ("precision", "the precision"),
    ("shapes", "the range of shapes"),
    ("calibration_sha256", "the samples for calibration"),
    ("built_with", "the program that builds"),
    ("emulated", "emulated"),
    ("recipe", "the way of building"),
)


class Key(namedtuple("Key", [part for part, _ in WORDS])):
    """What an engine depends on.

    model_sha256: of the ONNX file and the external data it names; tensorrt: full version; gpu: a Jetson's
    chip and module, of another machine the card's name; sm: compute capability as text ("5.3"), None where
    not known; precision: "fp32", "fp16", "int8" or "typed" (as in the file); shapes: {input: {"min", "opt",
    "max"}}, empty where no size is open; calibration_sha256: of the samples INT8 was calibrated with, or
    None; built_with: "python" or "trtexec"; emulated: whether a stand-in of TensorRT builds; recipe: number
    of the way of building.
    """

    __slots__ = ()

    @classmethod
    def of(cls, recipe=RECIPE, **parts):
        """The key of these parts; its shapes are plain lists."""
        shapes = {
            name: {moment: [int(size) for size in sizes[moment]] for moment in ("min", "opt", "max")}
            for name, sizes in parts.pop("shapes").items()
        }
        return cls(recipe=recipe, shapes=shapes, **parts)

    def as_json(self):
        """As a JSON object."""
        return dict(self._asdict())

    def stem(self, model):
        """The engine's file name without its end: "model-fp16-0123456789ab"."""
        text = json.dumps(self.as_json(), sort_keys=True)
        name = re.sub(r"[^\w.-]", "_", model).encode("utf-8")[:LONGEST].decode("utf-8", "ignore")
        return "{}-{}-{}".format(name, self.precision, hashlib.sha256(text.encode()).hexdigest()[:12])


def differences(key, other):
    """Why an engine of another key does not do, in words.

    Args:
        key: The `Key` wanted.
        other: The JSON object of an engine's key.

    Returns:
        One clause a part that differs ("TensorRT was 8.0.1, is 8.2.1.8"); none where nothing does.
    """
    wanted, told = key.as_json(), []
    for part, words in WORDS:
        if wanted[part] != other.get(part):
            told.append(_difference(part, words, other.get(part), wanted[part]))
    return told


def _difference(part, words, was, wanted):
    if part.endswith("sha256"):
        return "{} changed".format(words)
    if part == "shapes":
        return "{} changed from {} to {}".format(words, _shapes(was), _shapes(wanted))
    return "{} was {}, is {}".format(words, _said(was), _said(wanted))


def _said(value):
    return "not known" if value is None else str(value)


def _shapes(shapes):
    if not shapes:
        return "none"
    return ", ".join(
        "{} {}".format(name, "..".join(_by(shapes[name].get(moment)) for moment in ("min", "opt", "max")))
        for name in sorted(shapes)
    )


def _by(sizes):
    return "x".join(map(str, sizes or ["?"]))
