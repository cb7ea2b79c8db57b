"""The engine of a model: the one kept beside it where it fits in every respect, else a new one.

An engine is two files, `NAME.engine` and `NAME.json`; NAME holds a digest of the `Key`. The JSON file is
written last and holds the engine's checksum and its own, so that whatever a loss of power leaves behind is no
engine, and nothing is said of one that was not found out when it was built.
"""

import hashlib
import json
import os
from collections import namedtuple

from edgeshrink_device import program
from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines.key import differences
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.files import dumps

__all__ = ["SCHEMA_VERSION", "Opened", "find", "open_engine", "store"]

SCHEMA_VERSION = 2
NONE_YET = "there was none yet"
NOT_BELIEVED = "its description is damaged or was changed, or is of another version of edgeshrink"
OWN_SUM = "description_sha256"

Opened = namedtuple("Opened", ["path", "data", "record", "built", "why"])
Opened.__doc__ = """An engine that may be loaded.

path: its file; data: its bytes, checked against the checksum; record: its JSON object (`emulated`, `key`,
`engine`, `precision`, `layers`, `context_bytes`, `build`, `warnings`, ...); built: whether it was built just
now; why: for a built one, why none that was there would do; else None.
"""


def open_engine(
    model,
    precision="auto",
    folder=None,
    workspace_mib=None,
    samples=None,
    force=False,
    build=True,
    progress=None,
):
    """The engine of a model for this machine, built where none fits.

    Args:
        model: Path of the .onnx file; the manifest beside it gives the range of open sizes.
        precision: "auto", "fp32", "fp16" or "int8"; "auto" is fp16 where the chip is fast at it.
        folder: Where engines are kept; `engines` beside the model unless given.
        workspace_mib: Limit of the builder's scratch memory; fitted to the free memory unless given. An
            engine that was built within another limit does not do then.
        samples: Path of the .npz that INT8 is calibrated with; `samples.npz` beside the model unless given.
        force: Whether to build even where a fitting engine is there.
        build: Whether a missing engine may be built; this takes minutes on a board.
        progress: An `engines.progress.Progress`; nothing is shown unless given.

    Returns:
        An `Opened`.

    Raises:
        InputError: The model, the precision or the folder is wrong.
        DeviceError: There is no TensorRT, the parser or builder refuses (`BuildError` holds all errors),
        another build is running, the disk is full; or `build` is False and no engine fits.
    """
    from edgeshrink_device.engines import making, planning

    plan = planning.make_plan(model, precision, folder, workspace_mib, samples)
    found, why = (None, "it was asked for") if force else find(plan)
    if found is not None:
        return found
    if not build:
        raise DeviceError(
            "{}: no engine that fits: {}".format(model, why),
            "Build one: {}".format(program.command("build", model)),
        )
    return making.make(plan, why, force, progress)


def find(plan):
    """The kept engine that a plan asks for.

    Args:
        plan: A `planning.Plan`.

    Returns:
        An `Opened` and None; or None and why there is none that fits.
    """
    stem = os.path.join(plan.folder, plan.stem)
    read = kept.read_record(stem + ".json")
    if read is None:
        return None, _why_missing(plan, stem)
    record = _believed(read)
    if record is None:
        return None, NOT_BELIEVED
    wrong = differences(plan.key, record["key"])
    if wrong:
        return None, "; ".join(wrong)
    limit = record["build"]["workspace_mib"]
    if plan.workspace_mib is not None and limit != plan.workspace_mib:
        return None, "its workspace was {} MiB, {} MiB are asked for".format(limit, plan.workspace_mib)
    try:
        with open(stem + ".engine", "rb") as file:
            data = file.read()
    except OSError as error:
        return None, "its file cannot be read: {}".format(error.strerror)
    if hashlib.sha256(data).hexdigest() != record["engine"].get("sha256"):
        return None, "its checksum is wrong: the file is damaged"
    return Opened(stem + ".engine", data, record, False, None), None


def _believed(read):
    """A description as it was stored, without its checksum; None where this version did not write it so."""
    record = {name: read[name] for name in read if name != OWN_SUM}
    own = record.get("schema_version") == SCHEMA_VERSION and read.get(OWN_SUM) == _sum(record)
    return record if own else None


def _sum(record):
    """SHA-256 as hex of a JSON object, however its text was laid out."""
    try:
        text = json.dumps(record, sort_keys=True)
    except RecursionError:  # as deep as nothing is that was written here
        return None
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def store(plan, path, record):
    """Keep a finished engine; both files are whole on the disk before either has its name.

    Args:
        plan: The `planning.Plan` it was built by.
        path: A finished file in the plan's folder, which is renamed.
        record: Its JSON object.

    Raises:
        DeviceError: The disk is full, or the folder cannot be written to.
    """
    with kept.temporary(plan.folder) as described:
        whole = dict(record, **{OWN_SUM: _sum(record)})
        kept.fill(described, (dumps(whole) + "\n").encode("utf-8"))
        kept.put(path, plan.folder, plan.stem + ".engine")
        kept.put(described, plan.folder, plan.stem + ".json")


def _why_missing(plan, stem):
    if os.path.exists(stem + ".json"):
        return "its description cannot be read: the file is damaged"
    if os.path.exists(stem + ".engine"):
        return "it has no description: writing it was cut short"
    others = [_believed(kept.read_record(path) or {}) for path in _descriptions(plan.folder)]
    others = [each["key"] for each in others if each and each["model"] == plan.name]
    same = [other for other in others if other.get("precision") == plan.key.precision]
    told = [differences(plan.key, other) for other in same]
    none = "there was none in {}".format(plan.key.precision) if others else NONE_YET
    return "; ".join(min(told, key=len)) if told else none


def _descriptions(folder):
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(".json")]
