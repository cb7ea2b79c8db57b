"""The stand-ins of TensorRT against what NVIDIA's bindings say of themselves."""

import json
from pathlib import Path

import pytest

try:
    import tomllib  # novm - Python 3.6 has the other one, with pytest
except ImportError:
    import tomli as tomllib


from .emulated_helpers import VERSIONS, Quiet, convolution, engine, load

ASSET = Path(__file__).resolve().parents[1] / "assets" / "tensorrt_api.json"
RECORDED = {"8.6": "8.6.1", "10.3": "10.3.0", "10.16": "10.16.1.11", "11.4": "11.4.0.106"}
RECORDS = json.loads(ASSET.read_text())["versions"]
FUNCTIONS = type(lambda: None)

# Names whose coming and going decides which way is taken on a board: "Class.member", and who has it.
DECISIVE = {
    "IBuilderConfig.max_workspace_size": ["8.2", "8.6"],
    "IBuilderConfig.set_memory_pool_limit": ["8.6", "10.3", "10.16", "11.4"],
    "IBuilderConfig.builder_optimization_level": ["8.6", "10.3", "10.16", "11.4"],
    "IBuilderConfig.progress_monitor": ["10.3", "10.16", "11.4"],
    "IBuilderConfig.int8_calibrator": ["8.2", "8.6", "10.3", "10.16"],
    "IBuilderConfig.create_timing_cache": list(VERSIONS),
    "Builder.build_engine": ["8.2", "8.6"],
    "Builder.build_serialized_network": list(VERSIONS),
    "Builder.platform_has_fast_fp16": ["8.2", "8.6", "10.3", "10.16"],
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": ["8.2", "8.6", "10.3", "10.16"],
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": ["10.3", "10.16", "11.4"],
    "BuilderFlag.FP16": ["8.2", "8.6", "10.3", "10.16"],
    "BuilderFlag.INT8": ["8.2", "8.6", "10.3", "10.16"],
    "BuilderFlag.STRICT_TYPES": ["8.2", "8.6"],
    "BuilderFlag.TF32": list(VERSIONS),
    "ICudaEngine.num_bindings": ["8.2", "8.6"],
    "ICudaEngine.get_binding_name": ["8.2", "8.6"],
    "ICudaEngine.num_io_tensors": ["8.6", "10.3", "10.16", "11.4"],
    "ICudaEngine.device_memory_size": ["8.2", "8.6", "10.3", "10.16"],
    "ICudaEngine.device_memory_size_v2": ["10.3", "10.16", "11.4"],
    "ICudaEngine.create_engine_inspector": list(VERSIONS),
    "IExecutionContext.execute_async_v2": ["8.2", "8.6"],
    "IExecutionContext.execute_v2": list(VERSIONS),
    "IExecutionContext.execute_async_v3": ["8.6", "10.3", "10.16", "11.4"],
    "IExecutionContext.infer_shapes": ["8.6", "10.3", "10.16", "11.4"],
    "IExecutionContext.report_to_profiler": list(VERSIONS),
    "OnnxParser.supports_model": ["8.2", "8.6", "10.3", "10.16"],
    "ParserError.node_name": ["10.3", "10.16", "11.4"],
    "ProfilingVerbosity.DETAILED": list(VERSIONS),
    "DataType.INT64": ["10.3", "10.16", "11.4"],
    "TacticSource.CUBLAS": ["8.2", "8.6", "10.3", "10.16"],
}


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("version", RECORDED)
def test_a_stand_in_has_the_classes_and_functions_of_its_version_and_no_others(version):
    trt, record = load(version), RECORDS[RECORDED[version]]
    ours = {name for name in public(trt) if isinstance(getattr(trt, name), type)}
    assert ours == set(record["classes"])
    functions = {name for name in public(trt) if isinstance(getattr(trt, name), FUNCTIONS)}
    assert functions == set(record["functions"])
    values = public(trt) - ours - functions - {"EMULATED"}
    assert all(isinstance(getattr(trt, name), trt.DataType) for name in values)


@pytest.mark.parametrize("version", RECORDED)
def test_every_class_has_the_members_of_its_version_and_no_others(version):
    trt, record = load(version), RECORDS[RECORDED[version]]
    for name, members in record["members"].items():
        expected = {member for member in members if not member.startswith("_")}
        assert public(getattr(trt, name)) == expected, name


@pytest.mark.parametrize("version", RECORDED)
def test_every_function_has_the_arguments_of_its_version(version):
    trt, record = load(version), RECORDS[RECORDED[version]]
    held = 0
    for name, members in record["members"].items():
        for member, overloads in members.items():
            if not isinstance(overloads, list) or (member == "__init__" and name == "Dims"):
                continue
            cls = getattr(trt, name)
            if "value" in members.values() and member == "__init__" and "name" in members:
                continue  # an enumeration's
            expected = "\n".join(member + overload for overload in overloads)
            assert getattr(cls, member).__doc__ == expected, (name, member)
            with pytest.raises(TypeError, match="incompatible") as caught:
                getattr(cls, member)(object.__new__(cls), no_such_argument=1)
            assert str(caught.value).count("\n") == len(overloads)
            held += 1
    assert held > 200


def test_what_8_2_has_8_6_has_with_the_same_arguments():
    old, new = load("8.2"), load("8.6")
    classes = {name for name in public(old) if isinstance(getattr(old, name), type)}
    assert classes < public(new)
    for name in classes:
        ours, theirs = getattr(old, name), getattr(new, name)
        assert public(ours) <= public(theirs), name
        for member in public(ours):
            assert getattr(ours, member).__doc__ == getattr(theirs, member).__doc__


@pytest.mark.parametrize("name", DECISIVE)
def test_a_decisive_name_is_there_in_these_versions_alone(name):
    found = []
    for version in VERSIONS:
        holder, member = name.split(".")
        if hasattr(getattr(load(version), holder, None), member):
            found.append(version)
    assert found == DECISIVE[name]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_stand_in_says_that_it_is_one(version):
    assert load(version).EMULATED is True
    assert load(version).__version__.startswith(version)


def test_setting_what_a_version_lacks_is_an_attribute_error():
    trt = load("10.3")
    config = trt.Builder(Quiet(trt)).create_builder_config()
    with pytest.raises(AttributeError):
        config.max_workspace_size = 1 << 20
    trt = load("8.2")
    config = trt.Builder(Quiet(trt)).create_builder_config()
    config.max_workspace_size = 1 << 20
    assert config.max_workspace_size == 1 << 20
    with pytest.raises(AttributeError):
        config.builder_optimization_level = 5


def test_arguments_of_another_type_are_refused_as_pybind_does():
    trt = load("8.6")
    config = trt.Builder(Quiet(trt)).create_builder_config()
    with pytest.raises(TypeError, match="incompatible function arguments"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1.5)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        config.set_flag("FP16")
    config.set_memory_pool_limit(pool=trt.MemoryPoolType.WORKSPACE, pool_size=1 << 28)
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 28


def test_what_nobody_can_make_has_no_constructor():
    trt = load("8.2")
    with pytest.raises(TypeError, match="No constructor defined"):
        trt.ICudaEngine()


def test_a_logger_that_forgets_its_base_is_refused():
    trt = load("10.3")

    class Forgetful(trt.ILogger):
        def __init__(self):
            pass

    with pytest.raises(TypeError, match="must be called when overriding __init__"):
        Forgetful()


def test_a_binding_call_is_deprecated_in_8_6_and_not_in_8_2():
    old = load("8.2")
    assert engine(old, convolution()).get_binding_name(0) == "x"
    new = load("8.6")
    made = engine(new, convolution())
    with pytest.warns(DeprecationWarning, match="get_tensor_name"):
        assert made.get_binding_name(0) == "x"


@pytest.mark.parametrize(("version", "profile"), [("8.2", "8.2"), ("8.6", "8.6"), ("10.3", "10")])
def test_the_parser_knows_the_operators_that_the_product_says_it_knows(version, profile):
    path = Path(__file__).resolve().parents[2] / "profiles" / "parsers" / f"tensorrt-{profile}.toml"
    known = set(tomllib.loads(path.read_text())["operators"])
    trt = load(version)
    parser = trt.OnnxParser(trt.Builder(Quiet(trt)).create_network(1), Quiet(trt))
    assert [name for name in sorted(known) if not parser.supports_operator(name)] == []
    assert not parser.supports_operator("NoSuchOperator")
