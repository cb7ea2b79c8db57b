"""The shapes that a bundle's manifest gives inputs whose sizes are open: min, opt and max."""

import json
import os

from edgeshrink_device.errors import InputError

__all__ = ["at_opt", "profile_shapes"]

MOMENTS = ("min", "opt", "max")


def profile_shapes(model):
    """The optimization profile of a bundle's model.

    Args:
        model: Path of the model; its bundle's manifest lies beside it.

    Returns:
        {"min": [...], "opt": [...], "max": [...]} by input name, for inputs with open sizes; empty for a
        model that lies in no bundle.

    Raises:
        InputError: The manifest is broken, or its sizes are none: they are whole numbers from 1 on, and no
        min is above its opt, no opt above its max.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(model)), "manifest.json")
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            inputs = json.load(file).get("inputs", [])
        found = {each["name"]: each for each in inputs if set(MOMENTS) <= set(each)}
        for name in found:
            _check(name, *(found[name][moment] for moment in MOMENTS))
        return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            "{}: cannot be read: {}".format(path, error), "Copy the bundle again, or export it again."
        ) from error


def _check(name, low, best, high):
    """Raise ValueError where an optimization profile is none."""
    wrong = None
    if not all(isinstance(sizes, list) and all(map(_is_size, sizes)) for sizes in (low, best, high)):
        wrong = "are no lists of whole numbers from 1 on"
    elif not len(low) == len(best) == len(high):
        wrong = "are not equally many"
    elif not all(a <= b <= c for a, b, c in zip(low, best, high)):
        wrong = "do not rise from min to max"
    if wrong:
        told = ", ".join("{} {}".format(*each) for each in zip(MOMENTS, (low, best, high)))
        raise ValueError("the sizes of input '{}' {}: {}".format(name, wrong, told))


def _is_size(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


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
