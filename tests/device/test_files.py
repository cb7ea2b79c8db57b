import json

import pytest
from edgeshrink_device import DeviceError, InputError
from edgeshrink_device.files import dumps, plan_outputs, write_all
from edgeshrink_device.targets import Target, find_targets

from .helpers import write_bundle, write_double


def target(name="m.onnx", folder=".", output="profile-cpu-m.json"):
    return Target(name, name, None, folder, output)


def test_a_document_has_a_key_a_line_and_reads_back():
    document = {"a": 1, "b": {"c": [1.5, 2], "d": {}}, "e": None, "f": "é\n"}
    text = dumps(document)
    assert json.loads(text) == document
    assert '    "c": [1.5, 2],\n' in text


def test_a_number_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"a": float("nan")})


def test_a_bundles_profiles_go_into_it_and_a_models_beside_the_caller(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bundle(tmp_path / "b.edge")
    write_double(tmp_path / "m.onnx")
    targets = find_targets(["b.edge", "m.onnx"], "cpu")
    assert [t.name for t in targets] == ["b.edge/baseline.onnx", "b.edge/model.onnx", "m.onnx"]
    assert plan_outputs(targets) == [
        "b.edge/profile-cpu-baseline.json",
        "b.edge/profile-cpu-model.json",
        "profile-cpu-m.json",
    ]


def test_a_bundle_is_named_after_its_folder_even_from_inside(tmp_path, monkeypatch):
    write_bundle(tmp_path / "b.edge")
    monkeypatch.chdir(tmp_path / "b.edge")
    assert [t.name for t in find_targets(["."], "cpu", baseline=False)] == ["b.edge/model.onnx"]


def test_the_same_model_twice_gets_two_files():
    assert plan_outputs([target(), target()]) == ["profile-cpu-m.json", "profile-cpu-m-2.json"]


def test_profiles_of_several_bundles_in_one_folder_are_named_after_their_bundles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.edge", "b.edge"):
        write_bundle(tmp_path / name)
    assert plan_outputs(find_targets(["a.edge", "b.edge"], "cpu"), "out") == [
        "out/a-profile-cpu-baseline.json",
        "out/a-profile-cpu-model.json",
        "out/b-profile-cpu-baseline.json",
        "out/b-profile-cpu-model.json",
    ]
    assert plan_outputs(find_targets(["a.edge"], "cpu"), "out") == [
        "out/profile-cpu-baseline.json",
        "out/profile-cpu-model.json",
    ]


def test_one_file_cannot_take_two_profiles(tmp_path):
    with pytest.raises(InputError, match="is one file, but 2 models are measured"):
        plan_outputs([target(), target()], str(tmp_path / "out.json"))


def test_a_file_that_exists_is_kept_unless_forced(tmp_path):
    out = tmp_path / "out.json"
    out.write_text("{}")
    with pytest.raises(InputError, match="exists already"):
        plan_outputs([target()], str(out))
    assert plan_outputs([target()], str(out), force=True) == [str(out)]


def test_a_folder_that_cannot_be_written_to_is_found_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to"):
        plan_outputs([target()], str(tmp_path / "file" / "out.json"))
    with pytest.raises(InputError, match="cannot be written to"):
        plan_outputs([target()], "/proc/nowhere")


def test_all_files_are_written_or_none(tmp_path):
    good, bad = tmp_path / "a.json", tmp_path / "file" / "b.json"
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot be written"):
        write_all([{"a": 1}, {"b": 2}], [str(good), str(bad)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_document_that_cannot_be_told_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_all([{"a": 1}, {"b": float("inf")}], [str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_are_made_when_there_is_something_to_write(tmp_path):
    path = tmp_path / "new" / "deep" / "a.json"
    plan_outputs([target()], str(path))
    assert not (tmp_path / "new").exists()
    write_all([{"a": 1}], [str(path)])
    assert json.loads(path.read_text()) == {"a": 1}
