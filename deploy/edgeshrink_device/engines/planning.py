"""Everything that is decided before a build, and by which a kept engine is found: a `Plan`."""

import hashlib
import os
from collections import namedtuple

from edgeshrink_device import boards
from edgeshrink_device.engines import calibration, cudart, precision, trt, trtexec
from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines.key import Key
from edgeshrink_device.engines.onnx_outline import is_quantized, read_outline, sha256_with_data
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.files import sha256
from edgeshrink_device.open_sizes import profile_shapes
from edgeshrink_device.replaced import replaced

__all__ = ["Plan", "make_plan"]

_FIELDS = ["model", "name", "folder", "stem", "key", "decision", "asked", "shapes", "samples", "outline"]
_FIELDS += ["workspace_mib", "trt", "program", "timing_name", "calibration_name", "notes"]

Plan = namedtuple("Plan", _FIELDS)
Plan.__doc__ = """How the engine of a model is built.

model: its path; name: its file's name; folder: where engines are kept; stem: the engine's file name without
its end; key: its `Key`; decision: a `precision.Decision`; asked: the precision asked for; shapes: {input:
{"min", "opt", "max"}}; samples: path of those to calibrate with, or None; outline: the model's `Outline`;
workspace_mib: the limit asked for, or None; trt: TensorRT's module, or None where program, a `Trtexec`,
builds; timing_name, calibration_name: file names of what TensorRT learns; notes: what the user should know.
"""

BESIDE = "samples.npz"
COPY = (
    "Copy the bundle to the board and build it there; or, where this machine has an NVIDIA GPU, install"
    " TensorRT: python3 -m pip install tensorrt."
)


def make_plan(model, asked="auto", folder=None, workspace_mib=None, samples=None):
    """Decide; nothing is written.

    Args:
        model: Path of the .onnx file.
        asked: The precision asked for.
        folder: Where engines are kept; beside the model unless given.
        workspace_mib: The limit asked for, MiB, or None.
        samples: Path of the .npz to calibrate with; beside the model unless given.

    Raises:
        InputError: The model, the precision or the limit is wrong.
        DeviceError: There is neither TensorRT nor trtexec.
    """
    if workspace_mib is not None and not 1 <= workspace_mib < 1 << 20:
        raise InputError(
            "a workspace of {} MiB is not to be had".format(workspace_mib), "Give 1 MiB or more."
        )
    precision.require_known(asked)
    outline = read_outline(model)
    module, program = _find_tensorrt()
    chip_is = cudart.gpu()
    decision = _decide(asked, module, program, chip_is, is_quantized(outline))
    shapes, notes = _shapes(model, outline.inputs)
    samples = _samples(model, samples) if decision.calibrate else None
    key = Key.of(
        model_sha256=sha256_with_data(model, outline),
        tensorrt=module.__version__ if module else program.version,
        gpu=chip_is.key,
        sm=chip_is.sm,
        precision=decision.precision,
        shapes=shapes,
        calibration_sha256=samples and sha256(samples),
        built_with="python" if module else "trtexec",
        emulated=(trt.emulated(module) if module else program.emulated) or chip_is.emulated,
    )
    name = os.path.basename(model)
    return Plan(
        model=model,
        name=name,
        folder=kept.beside(model) if folder is None else folder,
        stem=key.stem(os.path.splitext(name)[0]),
        key=key,
        decision=decision,
        asked=asked,
        shapes=shapes,
        samples=samples,
        outline=outline,
        workspace_mib=workspace_mib,
        trt=module,
        program=program,
        timing_name="timing-{}.cache".format(_digest(key.tensorrt, key.gpu, key.sm, key.built_with)),
        calibration_name="calibration-{}.cache".format(
            _digest(key.model_sha256, key.calibration_sha256, key.tensorrt)
        ),
        notes=[*filter(None, [replaced(model)]), *notes, *filter(None, [decision.note])],
    )


def _find_tensorrt():
    """TensorRT's module and None, or None and trtexec."""
    try:
        return trt.load(), None
    except DeviceError as error:
        program = trtexec.find()
        if program is None and boards.detect() is None:
            raise DeviceError("this machine is no Jetson, and has no TensorRT", COPY) from error
        if program is None:
            raise DeviceError("{}, and there is no trtexec".format(error.message), error.hint) from error
        return None, program


def _decide(asked, module, program, gpu, quantized):
    if module is None:
        chip = precision.chip_of(gpu.sm)
        return precision.decide(asked, chip, "--fp16" in program.options, quantized, can_calibrate=False)
    reduced = trt.features(module).reduced_precision
    builder = trt.make_builder(module) if reduced else None
    return precision.decide(asked, precision.chip_of(gpu.sm, builder), reduced, quantized)


def _shapes(model, inputs):
    """The optimization profile: the manifest's, and 1 for open sizes that it does not speak of."""
    told, shapes, notes = profile_shapes(model), {}, []
    for value in inputs:
        if None not in value.shape:
            continue
        given = told.get(value.name)
        if given is not None and all(_fits(given[moment], value.shape) for moment in ("min", "opt", "max")):
            shapes[value.name] = {moment: given[moment] for moment in ("min", "opt", "max")}
            continue
        only = [size or 1 for size in value.shape]
        shapes[value.name] = {"min": only, "opt": only, "max": only}
        beside = os.path.isfile(os.path.join(os.path.dirname(model), "manifest.json"))
        who = "the manifest does not tell" if beside else "no manifest says"
        notes.append(
            "{} how large the open sizes of input '{}' are: the engine takes {} alone".format(
                who, value.name, "x".join(map(str, only))
            )
        )
    return shapes, notes


def _fits(sizes, shape):
    return len(sizes) == len(shape) and all(own in (None, size) for own, size in zip(shape, sizes))


def _samples(model, samples):
    if samples is None:
        beside = os.path.join(os.path.dirname(model), BESIDE)
        samples = beside if os.path.isfile(beside) else None
    calibration.require_samples(samples)
    return samples


def _digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8")).hexdigest()[:12]
