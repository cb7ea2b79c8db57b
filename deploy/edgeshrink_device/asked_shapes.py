"""Sizes that a user wants a model with open sizes measured at, in place of its manifest's opt."""

import os
import re

from edgeshrink_device.errors import InputError
from edgeshrink_device.open_sizes import profile_shapes

__all__ = ["asked_sizes", "at_asked", "parse_shapes", "require_measured_at", "require_within"]

SIZE = re.compile(r"0*[1-9][0-9]{0,17}\Z")


def parse_shapes(words):
    """{input: sizes} of words like "x:1x3x32x32".

    Raises:
        InputError: A word is none of these, or an input is named twice.
    """
    shapes = {}
    for word in words or ():
        name, _, sizes = word.rpartition(":")
        parts = sizes.split("x")
        if not name or not all(SIZE.match(part) for part in parts):
            raise InputError("'{}' gives no sizes".format(word), "Give them as in --shape x:1x3x32x32.")
        if name in shapes:
            raise InputError("--shape names input '{}' twice".format(name))
        shapes[name] = [int(part) for part in parts]
    return shapes


def asked_sizes(model, asked, built=False):
    """What the open inputs of a bundle's model are to be, all of them: sizes that inputs share follow.

    Args:
        model: Path of the model; its bundle's manifest lies beside it.
        asked: {input: sizes}; empty where nothing was asked for.
        built: Whether an engine is built for it, which takes what a manifest names, and nothing else.

    Returns:
        {input: sizes}; what was asked for, unchecked, where no manifest speaks of open sizes.

    Raises:
        InputError: An input is not open, its sizes lie outside its range, or inputs that share a size
            differ in it.
    """
    told = profile_shapes(model) if asked else {}
    if not told:
        if asked and built and os.path.isfile(os.path.join(os.path.dirname(model), "manifest.json")):
            raise InputError(
                "{}: its bundle leaves no size open".format(model),
                "Leave --shape out, or export it anew with --input MIN..MAX where a size is to stay open.",
            )
        if asked and built:
            raise InputError(
                "{}: no manifest says which sizes are open, and an engine takes only those".format(model),
                "Name a bundle, exported with --input MIN..MAX where a size is to stay open.",
            )
        return dict(asked)
    shared = _shared(model, asked, told)
    return {
        name: asked.get(name)
        or [shared.get(axis, size) for axis, size in zip(_axes(told[name]), told[name]["opt"])]
        for name in told
    }


def _shared(model, asked, told):
    """{name of an axis: size} of the inputs that were asked for, each checked against its range."""
    shared = {}
    for name in asked:
        if name not in told:
            hint = "Open are: {}.".format(", ".join("'{}'".format(each) for each in told))
            raise InputError("{}: input '{}' is not open".format(model, name), hint)
        require_within(model, name, asked[name], told[name])
        for axis, size in zip(_axes(told[name]), asked[name]):
            if isinstance(axis, str) and shared.setdefault(axis, size) != size:
                raise InputError(
                    "{}: '{}' is one size, and cannot be both {} and {}".format(
                        model, axis, shared[axis], size
                    ),
                    "Give all inputs that have it the same.",
                )
    return shared


def require_within(model, name, sizes, given):
    """Let sizes pass that lie between min and max.

    Args:
        model: Path of the model, for messages.
        name: The input's.
        sizes: What was asked for.
        given: {"min", "max"}: sizes.

    Raises:
        InputError: They do not.
    """
    least, most = given["min"], given["max"]
    fits = len(sizes) == len(least) and all(
        low <= size <= high for low, size, high in zip(least, sizes, most)
    )
    if not fits:
        raise InputError(
            "{}: input '{}' is {} to {}, and cannot be {}".format(
                model, name, _text(least), _text(most), _text(sizes)
            ),
            "Give sizes within the range, or export it with a wider one.",
        )


def at_asked(specs, asked):
    """Inputs with open sizes as they are asked for; those that do not fit stay as they are."""
    return [_fixed(spec, asked.get(spec.name)) for spec in specs]


def require_measured_at(specs, asked, model):
    """Let a loaded model pass whose inputs are as they were asked for.

    Raises:
        InputError: There is no such input, or its size is fixed.
    """
    there = {spec.name: list(spec.shape) for spec in specs}
    for name in asked:
        if name not in there:
            hint = "It has: {}.".format(", ".join("'{}'".format(each) for each in there))
            raise InputError("{}: there is no input '{}'".format(model, name), hint)
        if there[name] != list(asked[name]):
            raise InputError(
                "{}: input '{}' is {}, and cannot be {}".format(
                    model, name, _text(there[name]), _text(asked[name])
                ),
                "Leave --shape out, or export it with open sizes.",
            )


def _axes(given):
    """The names of open axes where the manifest has them: what bears one name has one size."""
    return given.get("shape", given["opt"])


def _fixed(spec, sizes):
    fits = sizes is not None and len(sizes) == len(spec.shape)
    if fits and all(own in (None, size) for own, size in zip(spec.shape, sizes)):
        return spec._replace(shape=tuple(sizes))
    return spec


def _text(sizes):
    return "x".join("?" if size is None else str(size) for size in sizes)
