"""The shapes that a bundle's manifest gives inputs whose sizes are open: min, opt and max."""

import json
import os

from edgeshrink_device.errors import InputError

__all__ = ["at_opt", "profile_shapes"]


def profile_shapes(model):
    """The optimization profile of a bundle's model.

    Args:
        model: Path of the model; its bundle's manifest lies beside it.

    Returns:
        {"min": [...], "opt": [...], "max": [...]} by input name, for inputs with open sizes; empty for a
        model that lies in no bundle.

    Raises:
        InputError: The manifest is broken.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(model)), "manifest.json")
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            inputs = json.load(file).get("inputs", [])
        return {each["name"]: each for each in inputs if {"min", "opt", "max"} <= set(each)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            "{}: cannot be read: {}".format(path, error), "Copy the bundle again, or export it again."
        ) from error


def at_opt(specs, model):
    """The inputs of a model as it is measured: open sizes as the bundle's manifest has them at opt.

    Sizes that no manifest speaks of stay open.
    """
    if not any(None in spec.shape for spec in specs):
        return specs
    shapes = profile_shapes(model)
    return [_fixed(spec, shapes.get(spec.name, {}).get("opt", [])) for spec in specs]


def _fixed(spec, opt):
    fits = len(opt) == len(spec.shape) and all(own in (None, size) for own, size in zip(spec.shape, opt))
    return spec._replace(shape=tuple(opt)) if fits else spec
