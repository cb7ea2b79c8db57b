"""What the words on the command line mean: which models, which samples, and where their profiles go."""

import difflib
import os
from collections import namedtuple

from edgeshrink_device.errors import InputError
from edgeshrink_device.other_files import require_no_other

__all__ = ["Target", "find_targets"]

Target = namedtuple("Target", ["path", "name", "samples", "folder", "output"])
Target.__doc__ = """One model to measure.

path: its file; name: what it is called in tables ("digits.edge/model.onnx"); samples: path of its samples, or
None; folder and output: where its profile goes unless -o says otherwise.
"""


def find_targets(paths, device, samples=None, baseline=True):
    """The models behind bundle folders and model files, in order; a bundle's baseline before its model.

    Args:
        paths: Bundle folders and model files.
        device: Device name, part of the profiles' names.
        samples: Path of an .npz to use for all of them in place of the bundles' own.
        baseline: Whether a bundle's baseline.onnx is measured too.

    Raises:
        InputError: A path is missing, empty, a file of another kind, or a folder that is no bundle.
    """
    if samples is not None and not os.path.isfile(samples):
        raise _missing(samples)
    targets = []
    for path in paths:
        found = _in_bundle(path, device, baseline) if os.path.isdir(path) else [_file(path, device)]
        targets += [target._replace(samples=samples or target.samples) for target in found]
    if not targets:
        raise InputError("no model to measure")
    return targets


def _file(path, device):
    if not os.path.exists(path):
        raise _missing(path)
    if os.path.getsize(path) == 0:
        raise InputError("{}: the file is empty".format(path))
    require_no_other(path)
    file = os.path.basename(path)
    stem = os.path.splitext(file)[0]
    return Target(path, file, None, ".", "profile-{}-{}.json".format(device, stem))


def _in_bundle(bundle, device, baseline):
    model = os.path.join(bundle, "model.onnx")
    if not os.path.isfile(model):
        raise InputError(
            "{}: a folder, but no bundle: it holds no model.onnx".format(bundle),
            "Make one where edgeshrink is installed (`edgeshrink export CHECKPOINT`), or name a model file.",
        )
    before = os.path.join(bundle, "baseline.onnx")
    models = [before, model] if baseline and os.path.isfile(before) else [model]
    samples = os.path.join(bundle, "samples.npz")
    return [_bundled(path, bundle, device, samples if os.path.isfile(samples) else None) for path in models]


def _bundled(path, bundle, device, samples):
    file = _file(path, device)
    name = "{}/{}".format(os.path.basename(os.path.abspath(bundle)), file.name)
    return Target(path, name, samples, bundle, file.output)


def _missing(path):
    folder, name = os.path.split(path)
    try:
        near = difflib.get_close_matches(name, os.listdir(folder or "."), n=1)
    except OSError:
        near = []
    hint = "Did you mean '{}'?".format(os.path.join(folder, near[0])) if near else ""
    return InputError("{}: no such file or folder".format(path), hint)
