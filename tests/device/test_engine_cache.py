"""An engine is loaded where all that it depends on is the same and its bytes are; else it says why not."""

import hashlib
import json
import random
from pathlib import Path

import onnx
import onnx.numpy_helper
import pytest
from edgeshrink_device import DeviceError, InputError
from edgeshrink_device.engines import cache, planning
from edgeshrink_device.engines.cache import open_engine
from edgeshrink_device.engines.key import Key, differences

from .emulated_helpers import convolution
from .engine_helpers import files, forget

KEY = {
    "model_sha256": "a",
    "tensorrt": "8.2.1.8",
    "gpu": "NVIDIA Tegra X1",
    "sm": "5.3",
    "precision": "fp16",
    "shapes": {"x": {"min": [1, 3], "opt": [2, 3], "max": [4, 3]}},
    "calibration_sha256": None,
    "built_with": "python",
    "emulated": False,
}


def record_of(opened):
    path = Path(opened.path).with_suffix(".json")
    return path, json.loads(path.read_text())


def test_the_second_time_it_is_there(model):
    first, second = open_engine(model), open_engine(model)
    assert first.built
    assert first.why == "there was none yet"
    assert not second.built
    assert second.why is None
    assert second.data == first.data
    assert second.record == first.record
    assert second.record["engine"]["sha256"] == hashlib.sha256(second.data).hexdigest()
    assert second.record["emulated"] is True


@pytest.mark.parametrize("part", sorted({**KEY, "recipe": 1}))
def test_every_part_of_the_key_makes_another_engine(part):
    other = {
        "shapes": {"x": {"min": [1, 3], "opt": [2, 3], "max": [8, 3]}},
        "emulated": True,
        "recipe": 99,
    }.get(part, "other")
    key = Key.of(**KEY)
    changed = Key.of(**dict(KEY, **{part: other}))
    assert key.stem("model") != changed.stem("model")
    assert differences(key, key.as_json()) == []
    (why,) = differences(key, changed.as_json())
    assert why


def test_a_difference_is_told_in_words():
    key = Key.of(**KEY)
    other = dict(key.as_json(), tensorrt="8.0.1.6", model_sha256="b", shapes={})
    assert differences(key, other) == [
        "the model changed",
        "TensorRT was 8.0.1.6, is 8.2.1.8",
        "the range of shapes changed from none to x 1x3..2x3..4x3",
    ]


def test_a_changed_model_is_built_again(model):
    open_engine(model)
    Path(model).write_bytes(convolution().replace(b"net", b"not"))
    again = open_engine(model)
    assert again.built
    assert again.why == "the model changed"


def test_another_tensorrt_builds_its_own_and_both_stay(model, tmp_path, monkeypatch):
    first = open_engine(model)
    monkeypatch.setenv("EMULATED_TENSORRT", "8.6")
    forget()
    second = open_engine(model)
    assert second.built
    assert second.why == "TensorRT was 8.2.1.8, is 8.6.1"
    monkeypatch.setenv("EMULATED_TENSORRT", "8.2")
    forget()
    assert open_engine(model).data == first.data


def test_another_precision_is_none_yet(model):
    open_engine(model, precision="fp16")
    other = open_engine(model, precision="fp32")
    assert other.built
    assert other.why == "there was none in fp32"
    assert not open_engine(model, precision="auto").built


def test_another_workspace_is_built_again_only_where_one_is_asked_for(model):
    open_engine(model, workspace_mib=64)
    assert not open_engine(model).built
    assert not open_engine(model, workspace_mib=64).built
    assert open_engine(model, workspace_mib=32).why == "its workspace was 64 MiB, 32 MiB are asked for"
    assert open_engine(model).record["build"]["workspace_mib"] == 32


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:-1] + b"?", "its checksum is wrong: the file is damaged"),
        (lambda data: data[: len(data) // 2], "its checksum is wrong: the file is damaged"),
        (lambda data: b"", "its checksum is wrong: the file is damaged"),
    ],
)
def test_a_damaged_engine_is_never_loaded(model, damage, why):
    first = open_engine(model)
    Path(first.path).write_bytes(damage(first.data))
    again = open_engine(model)
    assert again.built
    assert again.why == why
    assert again.data == first.data  # the same runtime builds the same bytes


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"text"', "\0\xff", "[" * 100000, '{"a":' * 100000])
def test_a_damaged_description_is_never_believed(model, text):
    first = open_engine(model)
    record_of(first)[0].write_text(text)
    assert open_engine(model).why == "its description cannot be read: the file is damaged"
    assert not open_engine(model).built


def put(record, where, value):
    """Put a value into a JSON object at "build.seconds" and the like; None removes what is there."""
    *way, last = where.split(".")
    for name in way:
        record = record[name]
    if value is None:
        del record[last]
    else:
        record[last] = value


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *((name, None) for name in ("engine", "key", "build", "warnings", "layers", "description_sha256")),
        ("emulated", False),
        ("key.gpu", "another"),
        ("engine.bytes", 1),
        ("precision", "int8"),
        ("precision", 7),
        ("layers", "many"),
        ("context_bytes", "x"),
        ("build.seconds", "x"),
        ("build.seconds", 0.001),
        ("build.shapes", 5),
        ("build.tf32", "x"),
        ("warnings", ["made up"]),
        ("schema_version", 1),
        ("schema_version", 3),
        ("more", float("inf")),
    ],
)
def test_a_description_that_was_changed_is_never_believed(model, where, value):
    first = open_engine(model)
    path, record = record_of(first)
    put(record, where, value)
    path.write_text(json.dumps(record))
    again = open_engine(model)
    assert "its description is damaged or was changed" in again.why
    assert (again.record["emulated"], again.record["engine"]) == (True, first.record["engine"])


def test_a_description_that_was_laid_out_anew_is_the_same(model):
    path, record = record_of(open_engine(model))
    path.write_text(json.dumps(record, indent=4, sort_keys=True))
    assert not open_engine(model).built


def test_no_damage_to_a_description_loads_an_engine_that_differs_or_fails(model):
    """Random bytes of it are changed, a hundred times."""
    first = open_engine(model)
    path, text = Path(first.path).with_suffix(".json"), Path(first.path).with_suffix(".json").read_bytes()
    rng, plan = random.Random(0), planning.make_plan(model)
    for _ in range(100):
        damaged = bytearray(text)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'"{}[],:0x\xff')
        path.write_bytes(bytes(damaged))
        found, why = cache.find(plan)
        assert (found is None) == bool(why)
        assert found is None or found.data == first.data


def test_an_engine_without_its_description_or_the_other_way_round_is_none(model):
    path = Path(open_engine(model).path)
    path.with_suffix(".json").unlink()
    assert open_engine(model).why == "it has no description: writing it was cut short"
    path.unlink()
    assert "its file cannot be read" in open_engine(model).why


def test_an_emulated_engine_is_no_real_one(model):
    opened = open_engine(model)
    plan = planning.make_plan(model)
    real = plan._replace(key=plan.key._replace(emulated=False))
    real = real._replace(stem=real.key.stem("model"))
    found, why = cache.find(real)
    assert found is None
    assert why == "emulated was True, is False"
    assert opened.record["key"]["emulated"] is True


def test_it_can_be_built_again_on_demand_and_not_be_built_at_all(model):
    with pytest.raises(DeviceError, match="no engine that fits: there was none yet") as caught:
        open_engine(model, build=False)
    assert "edgeshrink_device build" in caught.value.hint
    assert open_engine(model).built
    assert open_engine(model, force=True).why == "it was asked for"
    assert not open_engine(model, build=False).built


def test_engines_go_where_they_are_told(model, tmp_path):
    opened = open_engine(model, folder=str(tmp_path / "elsewhere" / "engines"))
    assert opened.path.startswith(str(tmp_path / "elsewhere" / "engines" / "model-fp16-"))
    assert not (tmp_path / "net.edge" / "engines").exists()


def test_nothing_unfinished_is_left(model, tmp_path):
    open_engine(model)
    assert files(tmp_path / "net.edge" / "engines") == [
        "model-fp16.engine",
        "model-fp16.json",
        "timing.cache",
    ]


def test_files_that_hold_its_weights_count_as_the_model(on_board, tmp_path):
    on_board("8.2")
    model = onnx.load_from_string(convolution())
    weights = model.graph.initializer[0]
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights), weights.name))
    path = str(tmp_path / "m.onnx")
    onnx.save(model, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    assert open_engine(path).built
    first = planning.make_plan(path).key
    data = (tmp_path / "m.bin").read_bytes()
    (tmp_path / "m.bin").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert differences(planning.make_plan(path).key, first.as_json()) == ["the model changed"]
    (tmp_path / "m.bin").write_bytes(data)
    assert planning.make_plan(path).key == first
    (tmp_path / "m.bin").unlink()
    with pytest.raises(InputError, match=r"m\.bin: holds weights"):
        planning.make_plan(path)
