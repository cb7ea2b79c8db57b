"""Builder, IBuilderConfig, optimization profiles and the timing cache."""

import hashlib
import json
import time

from . import faults, serialized
from .calibration import calibrate
from .engine import Engine
from .logger import tell
from .network import Network, engine_layers

NO_PROFILE = (
    "4: [network.cpp::validate::2891] Error Code 4: Internal Error (Network has dynamic or shape inputs,"
    " but no optimization profile has been defined.)"
)
LITTLE_WORKSPACE = (
    "Some tactics do not have sufficient workspace memory to run. Increasing workspace size will enable more"
    " tactics, please check verbose output."
)
ENOUGH = 32 << 20  # bytes of workspace below which tactics are skipped, here
NO_OUTPUT = (
    "4: [network.cpp::validate::2633] Error Code 4: Internal Error (Network must have at least one output)"
)
NOT_IN_PROFILE = (
    "4: [network.cpp::validate::2984] Error Code 4: Internal Error ({}: optimization profile is missing"
    " values for minimum dimensions)"
)
FOREIGN_CACHE = (
    "1: [timingCache.cpp] Error Code 1: Serialization (the timing cache is of another version or device)"
)
NO_IMPLEMENTATION = (
    "10: [optimizer.cpp::computeCosts::2011] Error Code 10: Internal Error (Could not find any"
    " implementation for node {}.)"
)
CACHE_MAGIC = b"EMULATED TIMING CACHE "
STEPS = 4


class Builder:
    """Builder: its network is an ONNX file, its engine that file with what was configured."""

    max_batch_size, max_DLA_batch_size, num_DLA_cores, max_threads = 1, 1, 0, 1
    error_recorder, gpu_allocator = None, None

    def __init__(self, api, logger):
        if logger is None:
            raise TypeError("a Builder needs a logger")
        self._api, self._logger = api, logger

    @property
    def logger(self):
        return self._logger

    @property
    def platform_has_fast_fp16(self):
        return faults.has_fast_fp16()

    @property
    def platform_has_fast_int8(self):
        return faults.has_fast_int8()

    @property
    def platform_has_tf32(self):
        return float(faults.compute_capability()) >= 8

    def create_network(self, flags):
        return self._api.new("INetworkDefinition", Network(self._api, self._logger, int(flags), None))

    def create_builder_config(self):
        return self._api.new("IBuilderConfig", BuilderConfig(self._api, self._logger))

    def create_optimization_profile(self):
        return self._api.new("IOptimizationProfile", Profile(self._api))

    def is_network_supported(self, network, config):
        return True

    def reset(self):
        """There is no state to forget."""

    def get_plugin_registry(self):
        return self._api.new("IPluginRegistry", PluginRegistry())

    def build_engine(self, network, config):
        data = self._build(network._impl, config._impl)
        return data and self._api.new("ICudaEngine", Engine(self._api, self._logger, data))

    build_engine_with_config = build_engine

    def build_serialized_network(self, network, config, kernel_text=None):
        data = self._build(network._impl, config._impl)
        return data and self._api.host_memory(data)

    def _build(self, network, config):
        if network.model is None:
            tell(self._api, self._logger, "ERROR", NO_OUTPUT)
            return None
        if not self._report_progress(config, network):
            return None
        if not self._is_valid(network, config):
            return None
        precision = self._precision(network, config)
        calibration = calibrate(self._api, self._logger, network, config) if precision == "int8" else {}
        config.note_timing(network)
        described = {
            "precision": precision,
            "ranges": calibration,
            "layers": engine_layers(network.model),
            "profiles": [profile._impl.shapes for profile in config.profiles],
            "name": network.name,
            "verbosity": config.profiling_verbosity.name,
        }
        if config.workspace() < ENOUGH:
            tell(self._api, self._logger, "INFO", LITTLE_WORKSPACE)
        return serialized.pack(self._api, described, network.data)

    def _precision(self, network, config):
        if network.strongly_typed:
            return "typed"
        flags = self._api.BuilderFlag
        for name in ("INT8", "FP16"):
            if hasattr(flags, name) and config.get_flag(getattr(flags, name)):
                return name.lower()
        return "fp32"

    def _is_valid(self, network, config):
        dynamic = [
            value.name
            for value in network.model.inputs
            if any(not isinstance(each, int) for each in value.shape)
        ]
        if dynamic and not config.profiles:
            tell(self._api, self._logger, "ERROR", NO_PROFILE)
            return False
        for profile in config.profiles:
            for name in dynamic:
                if name not in profile._impl.shapes:
                    tell(self._api, self._logger, "ERROR", NOT_IN_PROFILE.format(name))
                    return False
        if faults.asked("BUILD_FAILS"):
            tell(self._api, self._logger, "ERROR", NO_IMPLEMENTATION.format(engine_layers(network.model)[0]))
            return False
        return True

    def _report_progress(self, config, network):
        """Take the time that is asked for, in steps; False when the progress monitor wants to stop."""
        monitor = getattr(config, "progress_monitor", None)
        if monitor:
            monitor.phase_start("Building engine from network", None, STEPS)
        good = True
        for step in range(STEPS):
            time.sleep(faults.number("BUILD_SECONDS") / STEPS)
            if monitor and not monitor.step_complete("Building engine from network", step):
                good = False
                break
        if monitor:
            monitor.phase_finish("Building engine from network")
        return good


class BuilderConfig:
    """IBuilderConfig: what is set is kept and given back."""

    def __init__(self, api, logger):
        self._api, self._logger = api, logger
        self.reset()

    def reset(self):
        api = self._api
        self.flags = 1 << int(api.BuilderFlag.TF32)
        self.max_workspace_size = 16 << 20
        self.min_timing_iterations, self.avg_timing_iterations = 1, 1
        self.builder_optimization_level, self.max_aux_streams = 3, 0
        self.quantization_flags, self.int8_calibrator, self.progress_monitor = 0, None, None
        self.algorithm_selector, self.profile_stream, self.DLA_core = None, 0, -1
        self.default_device_type = api.DeviceType.GPU
        self.engine_capability = api.EngineCapability.STANDARD
        self._verbosity = api.ProfilingVerbosity.LAYER_NAMES_ONLY
        if hasattr(api, "HardwareCompatibilityLevel"):
            self.hardware_compatibility_level = api.HardwareCompatibilityLevel.NONE
        self._pools, self.profiles, self._cache, self._sources = {}, [], None, 7

    @property
    def profiling_verbosity(self):
        return self._verbosity

    @profiling_verbosity.setter
    def profiling_verbosity(self, value):
        if not isinstance(value, self._api.ProfilingVerbosity):
            raise TypeError("incompatible function arguments: ProfilingVerbosity")
        self._verbosity = value

    @property
    def num_optimization_profiles(self):
        return len(self.profiles)

    def set_flag(self, flag):
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag):
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag):
        return bool(self.flags >> int(flag) & 1)

    def set_quantization_flag(self, flag):
        self.quantization_flags |= 1 << int(flag)

    def set_memory_pool_limit(self, pool, pool_size):
        self._pools[pool.name] = pool_size

    def get_memory_pool_limit(self, pool):
        return self._pools.get(pool.name, 4 << 30 if pool.name == "WORKSPACE" else 0)

    def workspace(self):
        """Bytes that kernels may use: what was set last, in either way."""
        return self._pools.get(
            "WORKSPACE", self.max_workspace_size if self._api.version == "8.2" else 4 << 30
        )

    def add_optimization_profile(self, profile):
        if not profile._impl.shapes:
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def set_calibration_profile(self, profile):
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self):
        return getattr(self, "_calibration_profile", None)

    def set_tactic_sources(self, tactic_sources):
        self._sources = tactic_sources
        return True

    def get_tactic_sources(self):
        return self._sources

    def create_timing_cache(self, serialized_timing_cache):
        data = bytes(memoryview(serialized_timing_cache))
        if data and not data.startswith(cache_head(self._api)):
            tell(self._api, self._logger, "ERROR", FOREIGN_CACHE)
            return None
        return self._api.new("ITimingCache", TimingCache(self._api, data))

    def set_timing_cache(self, cache, ignore_mismatch):
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache

    def note_timing(self, network):
        if self._cache is None:
            self._cache = self._api.new("ITimingCache", TimingCache(self._api, b""))
        self._cache._impl.entries.add(hashlib.sha256(network.data).hexdigest())


def cache_head(api):
    return CACHE_MAGIC + f"{api.full_version} {faults.compute_capability()}\n".encode()


class TimingCache:
    """ITimingCache: the models that were built with it."""

    def __init__(self, api, data):
        self._api = api
        self.entries = set(json.loads(data[len(cache_head(api)) :].decode()) if data else [])

    def serialize(self):
        return self._api.host_memory(cache_head(self._api) + json.dumps(sorted(self.entries)).encode())

    def combine(self, input_cache, ignore_mismatch):
        self.entries |= input_cache._impl.entries
        return True

    def reset(self):
        self.entries = set()
        return True


class Profile:
    """IOptimizationProfile: {input: [minimum, optimum, maximum]}."""

    extra_memory_target = 1.0

    def __init__(self, api):
        self._api, self.shapes, self._values = api, {}, {}

    def set_shape(self, input, min, opt, max):  # noqa: A002 - the arguments' names in TensorRT
        shapes = [list(min), list(opt), list(max)]
        if any(not a <= b <= c for a, b, c in zip(*shapes)) or len({len(each) for each in shapes}) > 1:
            raise ValueError(f"Shape provided for {input} is inconsistent with other shapes.")
        self.shapes[input] = shapes

    def get_shape(self, input):  # noqa: A002 - the argument's name in TensorRT
        if input not in self.shapes:
            return []
        return [self._api.Dims(shape) for shape in self.shapes[input]]

    def set_shape_input(self, input, min, opt, max):  # noqa: A002 - the arguments' names in TensorRT
        self._values[input] = [list(min), list(opt), list(max)]

    def get_shape_input(self, input):  # noqa: A002 - the argument's name in TensorRT
        return self._values.get(input, [])


class PluginRegistry:
    """IPluginRegistry: there are no plugins."""

    error_recorder, parent_search_enabled = None, True

    @property
    def plugin_creator_list(self):
        return []

    def get_plugin_creator(self, type, version, plugin_namespace):  # noqa: A002 - names in TensorRT
        return None
