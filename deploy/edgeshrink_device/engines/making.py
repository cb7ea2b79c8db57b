"""Make the engine of a plan: locked, measured, checked, and kept."""

import os
import time

import edgeshrink_device
from edgeshrink_device import memory
from edgeshrink_device.engines import cache, native, trtexec
from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines.interruption import Interruption
from edgeshrink_device.engines.lock import FolderLock
from edgeshrink_device.engines.onnx_outline import size_with_data
from edgeshrink_device.engines.refusal import BuildError
from edgeshrink_device.engines.watch import MemoryWatch
from edgeshrink_device.engines.workspace import fit
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.files import sha256

__all__ = ["make"]

MOST_WARNINGS = 20  # of TensorRT's own


class _Quiet:
    """A progress that shows nothing."""

    def begin(self, what):
        """A build begins."""

    def listen(self, severity, text):
        """TensorRT says something."""

    def step(self, phase, done, total):
        """A part of a phase is done."""


def make(plan, why, force=False, progress=None):
    """Build an engine and keep it.

    Args:
        plan: A `planning.Plan`.
        why: Why the kept one does not do.
        force: Whether to build even where another build just left one that fits.
        progress: A `Progress`, or None.

    Returns:
        A `cache.Opened`, read back from the disk.

    Raises:
        InputError: The folder cannot be written to, or the samples for calibration do not fit.
        DeviceError: As `cache.open_engine` says.
    """
    kept.check_writable(plan.folder, [plan.stem + ".engine", plan.stem + ".json"])
    lock = FolderLock(plan.folder, plan.name)
    with lock as cut_short:
        found, _ = (None, None) if force else cache.find(plan)
        if found is not None:
            return found
        progress = progress or _Quiet()
        progress.begin("building {} in {}".format(plan.name, plan.key.precision.upper()))
        with kept.temporary(plan.folder) as path:
            try:
                record = _build(plan, path, progress, lock.leave)
            except BuildError as error:
                error.emulated = plan.key.emulated
                raise
            cache.store(plan, path, record)
        opened, wrong = cache.find(plan)
    if opened is None:
        raise DeviceError("{}: the engine just built cannot be read back: {}".format(plan.model, wrong))
    return opened._replace(built=True, why="; ".join(filter(None, [why, cut_short])))


def _build(plan, path, progress, clean):
    """Build into the file `path`; the engine's record."""
    source = memory.pick()
    source.reset_peak()
    workspace = fit(size_with_data(plan.model, plan.outline), plan.workspace_mib)
    began = time.perf_counter()
    with MemoryWatch(source) as watch:
        if plan.trt is not None:
            with Interruption(clean) as interruption:
                built = native.build(plan, path, workspace, progress, interruption)
        else:
            built = trtexec.build(plan, path, workspace, progress)
    seconds = time.perf_counter() - began
    return {
        "schema_version": cache.SCHEMA_VERSION,
        "edgeshrink_device": edgeshrink_device.__version__,
        "emulated": plan.key.emulated,
        "model": plan.name,
        "key": plan.key.as_json(),
        "precision": plan.decision.precision,
        "precision_asked": plan.asked,
        "engine": {"file": plan.stem + ".engine", "bytes": os.path.getsize(path), "sha256": sha256(path)},
        "layers": built["layers"],
        "layers_reason": built["layers_reason"],
        "context_bytes": built["context_bytes"],
        "context_reason": built["context_reason"],
        "build": _told(plan, workspace, seconds, source, watch),
        "warnings": [*plan.notes, *workspace.warnings, *built["warnings"][:MOST_WARNINGS]],
    }


def _told(plan, workspace, seconds, source, watch):
    here = plan.trt is not None
    added, unknown = watch.added()
    return {
        "seconds": round(seconds, 3),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "workspace_mib": workspace.mib,
        "workspace_asked": workspace.asked,
        "available_bytes": workspace.available_bytes,
        "memory_added_bytes": added,
        "memory_added_reason": unknown,
        "process_peak_bytes": source.process_peak() if here else None,
        "process_peak_reason": None if here else "trtexec is a process of its own",
        "half_precision_layers": plan.decision.half,
        "tf32": plan.decision.tf32,
        "shapes": plan.shapes,
    }
