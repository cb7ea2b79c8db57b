"""Which classes, members and arguments a version of TensorRT has."""

import json
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASSET = HERE.parents[2] / "assets" / "tensorrt_api.json"

# What stands for a version: the recorded surface, __version__, and what a serialized engine says of itself.
VERSIONS = {
    "8.2": ("8.6.1", "8.2.1.8"),
    "8.6": ("8.6.1", "8.6.1"),
    "10.3": ("10.3.0", "10.3.0"),
    "10.16": ("10.16.1.11", "10.16.1.11"),
    "11.4": ("11.4.0.106", "11.4.0.106"),
}

# What 8.6 has and 8.2 has not: the tensor API came with 8.5, memory pools with 8.4.
CLASSES_AFTER_8_2 = [
    "FallbackString",
    "HardwareCompatibilityLevel",
    "ICastLayer",
    "IGridSampleLayer",
    "INMSLayer",
    "INonZeroLayer",
    "INormalizationLayer",
    "IOneHotLayer",
    "IOutputAllocator",
    "IReverseSequenceLayer",
    "MemoryPoolType",
    "OnnxParserFlag",
    "PreviewFeature",
    "TempfileControlFlag",
    "TensorIOMode",
]
MEMBERS_AFTER_8_2 = {
    "Builder": "get_plugin_registry logger max_threads",
    "BuilderFlag": "ENABLE_TACTIC_HEURISTIC EXCLUDE_LEAN_RUNTIME FP8 VERSION_COMPATIBLE",
    "DataType": "FP8 UINT8",
    "IBuilderConfig": "builder_optimization_level get_memory_pool_limit get_preview_feature"
    " hardware_compatibility_level max_aux_streams plugins_to_serialize set_memory_pool_limit"
    " set_preview_feature",
    "ICudaEngine": "get_tensor_bytes_per_component get_tensor_components_per_element get_tensor_dtype"
    " get_tensor_format get_tensor_format_desc get_tensor_location get_tensor_mode get_tensor_name"
    " get_tensor_profile_shape get_tensor_shape get_tensor_vectorized_dim hardware_compatibility_level"
    " is_shape_inference_io num_aux_streams num_io_tensors",
    "IExecutionContext": "execute_async_v3 get_input_consumed_event get_max_output_size get_output_allocator"
    " get_tensor_address get_tensor_shape get_tensor_strides infer_shapes nvtx_verbosity"
    " persistent_cache_limit set_aux_streams set_input_consumed_event set_input_shape set_output_allocator"
    " set_tensor_address temporary_allocator",
    "INetworkDefinition": "add_cast add_grid_sample add_nms add_non_zero add_normalization add_one_hot"
    " add_reverse_sequence builder",
    "IPluginRegistry": "deregister_library load_library",
    "ITensor": "get_dimension_name set_dimension_name",
    "OnnxParser": "clear_flag flags get_flag get_used_vc_plugin_libraries set_flag",
    "Refitter": "logger max_threads",
    "Runtime": "engine_host_code_allowed get_plugin_registry load_runtime logger max_threads"
    " tempfile_control_flags temporary_directory",
    "TacticSource": "EDGE_MASK_CONVOLUTIONS JIT_CONVOLUTIONS",
}

# Members of classes that the record names without opening them.
CALIBRATOR = {
    "__init__": ["()"],
    "get_algorithm": ["()"],
    "get_batch": ["(names: List[str])"],
    "get_batch_size": ["()"],
    "read_calibration_cache": ["()"],
    "write_calibration_cache": ["(cache: buffer)"],
}
ENUMERATION = {"__init__": ["(value: int)"], "name": "property", "value": "property"}
UNOPENED = {
    "EngineInspector": {
        "__init__": "callable",
        "error_recorder": "property",
        "execution_context": "property",
        "get_engine_information": ["(format: LayerInformationFormat)"],
        "get_layer_information": ["(layer_index: int, format: LayerInformationFormat)"],
    },
    "IInt8EntropyCalibrator": CALIBRATOR,
    "IInt8LegacyCalibrator": CALIBRATOR,
    "IGpuAllocator": {"__init__": ["()"]},
    "IErrorRecorder": {"__init__": ["()"]},
    "IOutputAllocator": {"__init__": ["()"]},
    "IStreamReader": {"__init__": ["()"]},
    "TensorLocation": dict(ENUMERATION, DEVICE="value", HOST="value"),
    "TensorFormat": dict(ENUMERATION, LINEAR="value", CHW2="value", HWC8="value"),
    "ExecutionContextAllocationStrategy": dict(
        ENUMERATION, STATIC="value", ON_PROFILE_CHANGE="value", USER_MANAGED="value"
    ),
    "CalibrationAlgoType": dict(
        ENUMERATION,
        LEGACY_CALIBRATION="value",
        ENTROPY_CALIBRATION="value",
        ENTROPY_CALIBRATION_2="value",
        MINMAX_CALIBRATION="value",
    ),
}


def read_surface(version):
    """What `version` ("8.2", "8.6", "10.3", "10.16", "11.4") has: {"classes", "functions", "members"}.

    `members` is {class: {member: "property", "value", "callable" or a list of overloads "(a: int = 0)"}}.
    """
    recorded, _ = VERSIONS[version]
    path = os.environ.get("EMULATED_TENSORRT_API") or str(ASSET)
    surface = json.loads(Path(path).read_text(encoding="utf-8"))["versions"][recorded]
    if version == "8.2":
        surface = without_what_came_later(surface)
    members = dict(
        {name: UNOPENED[name] for name in UNOPENED if name in surface["classes"]}, **surface["members"]
    )
    return {"classes": surface["classes"], "functions": surface["functions"], "members": members}


def without_what_came_later(surface):
    """The surface of 8.6 less what came after 8.2."""
    classes = [name for name in surface["classes"] if name not in CLASSES_AFTER_8_2]
    members = {}
    for name in surface["members"]:
        later = MEMBERS_AFTER_8_2.get(name, "").split()
        if name in classes:
            own = surface["members"][name]
            members[name] = {member: own[member] for member in own if member not in later}
    return {"classes": classes, "functions": surface["functions"], "members": members}
