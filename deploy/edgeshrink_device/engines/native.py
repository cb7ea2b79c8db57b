"""Building through TensorRT's Python module: parse, configure, build, and look at what came out."""

import contextlib
import os

from edgeshrink_device.engines import calibration, refusal
from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines.trt import context_bytes, features, logger, make_builder
from edgeshrink_device.errors import DeviceError

__all__ = ["build"]


def build(plan, target, workspace, progress, interruption):
    """Build the engine of a plan into the file `target`.

    Returns:
        {"layers", "layers_reason", "context_bytes", "context_reason", "warnings"}.

    Raises:
        BuildError: The parser or the builder refuses the model; with all errors.
        InputError: The samples for calibration do not fit.
        DeviceError: TensorRT does not load what it built.
    """
    trt, log = plan.trt, logger(plan.trt)
    log.take()
    log.listen = progress.listen
    try:
        serialized = _serialized(plan, log, workspace, progress, interruption)
        kept.fill(target, memoryview(serialized))
        return _look(trt, log, serialized, plan)
    finally:
        log.listen = None


def _serialized(plan, log, workspace, progress, interruption):
    trt, has = plan.trt, features(plan.trt)
    trt.init_libnvinfer_plugins(log, "")  # the parser makes plugins of some operators
    builder = make_builder(trt)
    config = builder.create_builder_config()
    cache = _use_timing_cache(config, plan)
    log.take()  # that a timing cache does not fit is no fault of the model
    network = builder.create_network(_network_flags(trt, has))
    parser = trt.OnnxParser(network, log)
    _parse(plan, parser, log)
    _limit(trt, config, has, workspace)
    _set_flags(trt, config, has, plan.decision)
    profile = _add_profile(builder, config, plan.shapes)
    monitor = _make_monitor(trt, progress, interruption) if has.progress_monitor else None
    if monitor is not None:
        config.progress_monitor = monitor  # which does not keep it alive
    with contextlib.ExitStack() as stack:
        calibrated = None
        if plan.decision.calibrate:
            words = (trt, network, plan.shapes, plan.samples, plan.folder, plan.calibration_name)
            calibrated = stack.enter_context(calibration.Calibration(*words))
            config.int8_calibrator = calibrated.calibrator
            if profile is not None:
                config.set_calibration_profile(profile)
        serialized = builder.build_serialized_network(network, config)
        if interruption.asked.is_set():
            raise KeyboardInterrupt
        if calibrated is not None:
            calibrated.check()
    if serialized is None:
        raise refusal.refused_by_builder(plan.model, log.take()[0])
    _keep_timing_cache(config, plan, cache)
    return serialized


def _network_flags(trt, has):
    """Networks from ONNX files have an explicit batch; where there is no flag for it, they all have."""
    return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if has.explicit_batch else 0


def _parse(plan, parser, log):
    """Parse from the file, so that weights in files beside it are found."""
    try:
        parsed = parser.parse_from_file(plan.model)
    except (RuntimeError, ValueError, LookupError) as error:  # what the importer of a node throws
        raise refusal.refused_by_builder(plan.model, [*log.take()[0], str(error)]) from error
    if not parsed:
        raise refusal.of_parser(plan.model, parser, plan.outline, _imported(plan.trt, parser))


def _imported(trt, parser):
    """Whether an operator is imported, for parsers that stop at the first error (to 8); None for others."""
    if hasattr(trt.ParserError, "node_name"):
        return None
    plugins = {creator.name for creator in trt.get_plugin_registry().plugin_creator_list}
    return lambda operator: operator in plugins or parser.supports_operator(operator)


def _limit(trt, config, has, workspace):
    if has.pool_limits:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace.mib << 20)
    else:
        config.max_workspace_size = workspace.mib << 20


def _set_flags(trt, config, has, decision):
    if not decision.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if has.reduced_precision and decision.half:
        config.set_flag(trt.BuilderFlag.FP16)
    if has.reduced_precision and decision.precision == "int8":
        config.set_flag(trt.BuilderFlag.INT8)


def _add_profile(builder, config, shapes):
    """The optimization profile of inputs with open sizes; None where there are none."""
    if not shapes:
        return None
    profile = builder.create_optimization_profile()
    for name in sorted(shapes):
        profile.set_shape(name, *(tuple(shapes[name][moment]) for moment in ("min", "opt", "max")))
    config.add_optimization_profile(profile)
    return profile


def _use_timing_cache(config, plan):
    """Times of tactics from earlier builds; those of another TensorRT or GPU do not fit and are left."""
    data = b""
    with contextlib.suppress(OSError), open(os.path.join(plan.folder, plan.timing_name), "rb") as file:
        data = file.read()
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _keep_timing_cache(config, plan, cache):
    """Losing it costs time alone: the next build then takes as long as this one."""
    cache = config.get_timing_cache() or cache
    with contextlib.suppress(DeviceError):
        kept.write(plan.folder, plan.timing_name, bytes(memoryview(cache.serialize())))


def _look(trt, log, serialized, plan):
    """Load it once: an engine that does not load is none; and what it says of itself."""
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(serialized)
    errors, warnings = log.take()
    if engine is None:
        raise DeviceError(
            "{}: TensorRT does not load the engine it built: {}".format(plan.model, "; ".join(errors))
        )
    return {
        "layers": engine.num_layers,
        "layers_reason": None,
        "context_bytes": context_bytes(engine),
        "context_reason": None,
        "warnings": warnings,
    }


def _make_monitor(trt, progress, interruption):
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self._steps = {}

        def phase_start(self, phase_name, parent_phase, num_steps):
            self._steps[phase_name] = num_steps
            progress.step(phase_name, 0, num_steps)

        def phase_finish(self, phase_name):
            self._steps.pop(phase_name, None)

        def step_complete(self, phase_name, step):
            progress.step(phase_name, step + 1, self._steps.get(phase_name))
            return not interruption.asked.is_set()

    return Monitor()
