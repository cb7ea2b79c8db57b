from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeshrink import bundle
from edgeshrink.bundle import check_target, new_bundle, read_bundle, write_device_package
from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.verify import run_onnx
from tests.lower.support import parse

FEEDS = [{"x": np.float32([[i, i + 1]])} for i in range(3)]
PARTS = {"model.onnx", "baseline.onnx", "samples.npz", "manifest.json", "edgeshrink-device.pyz"}


def write(path: Path, *, note: str = "", force: bool = False) -> Path:
    model = parse("(float[1, 2] x) => (float[1, 2] y) { y = Neg(x) }")
    with new_bundle(path, force=force) as draft:
        draft.write_models(model, model)
        draft.finish(
            FEEDS,
            run_onnx(draft.model_path, FEEDS),
            {"schema_version": 1, "edgeshrink_version": "0", "note": note},
        )
    return path


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_bundle_holds_its_five_parts_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "net.edge")
    assert {part.name for part in path.iterdir()} == PARTS
    assert only(tmp_path) == ["net.edge"]


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_bundle(write(tmp_path / "net.edge", note="µ"))
    assert found.manifest["note"] == "µ"
    with np.load(found.samples_path) as samples:
        assert samples["in/x"].tolist() == [[0, 1], [1, 2], [2, 3]]
        assert samples["out/y"].tolist() == [[0, -1], [-1, -2], [-2, -3]]
    assert run_onnx(found.model_path, FEEDS)[1]["y"].tolist() == [[-1, -2]]


def test_a_manifest_holds_the_checksums_of_what_lies_beside_it(tmp_path: Path) -> None:
    found = read_bundle(write(tmp_path / "net.edge"))
    stated = found.manifest["sha256"]
    assert stated.keys() == {"model.onnx", "baseline.onnx", "samples.npz"}
    assert stated == {name: hashlib.sha256((found.path / name).read_bytes()).hexdigest() for name in stated}


def test_a_bundle_has_the_permissions_of_any_new_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert write(tmp_path / "net.edge").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_relative_path_is_written_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("net.edge"))
    assert only(tmp_path) == ["net.edge"]


def test_a_taken_place_needs_force(tmp_path: Path) -> None:
    path = write(tmp_path / "net.edge", note="old")
    with pytest.raises(InputError, match=r"net\.edge exists") as caught:
        write(path, note="new")
    assert "--force" in caught.value.hint
    assert read_bundle(path).manifest["note"] == "old"
    write(path, note="new", force=True)
    assert read_bundle(path).manifest["note"] == "new"
    assert only(tmp_path) == ["net.edge"]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_force_replaces_bundles_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
        (path / "thesis.txt").write_text("mine")
    else:
        path.symlink_to(write(tmp_path / "net.edge"))
    before = only(tmp_path)
    with pytest.raises(InputError, match="is no bundle, so --force does not replace it"):
        write(path, force=True)
    assert only(tmp_path) == before


def test_a_missing_parent_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        check_target(tmp_path / "nowhere" / "net.edge")


def test_a_parent_that_is_not_writable_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bundle.os, "access", lambda *_: False
    )  # permissions do not bind root, who may run this
    with pytest.raises(InputError, match="is not writable"):
        write(tmp_path / "net.edge")
    assert only(tmp_path) == []


def test_a_parent_that_takes_no_new_folder_is_an_input_error() -> None:
    with pytest.raises(InputError, match="not writable"):
        write(Path("/proc/net.edge"))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("no"), OSError(28, "No space left on device")]
)
@pytest.mark.parametrize("old", [True, False])
def test_whatever_goes_wrong_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, old: bool
) -> None:
    path = tmp_path / "net.edge"
    if old:
        write(path, note="old")

    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr(bundle, "write_device_package", fail)
    with pytest.raises(EdgeshrinkError if isinstance(error, OSError) else type(error)):
        write(path, note="new", force=True)
    assert only(tmp_path) == (["net.edge"] if old else [])
    assert not old or read_bundle(path).manifest["note"] == "old"


def test_an_interruption_while_folders_change_places_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "net.edge", note="old")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, note="new", force=True)
    assert only(tmp_path) == ["net.edge"]
    assert read_bundle(path).manifest["note"] == "old"


def damaged(folder: Path, kind: str) -> Path:
    path = folder / "net.edge"
    if kind == "file":
        path.write_text("x")
    elif kind == "empty":
        path.mkdir()
    elif kind != "missing":
        write(path)
    manifest: Any = {
        "broken": b"{",
        "binary": b"\xff\xfe",
        "list": b"[]",
        "no version": b"{}",
        "newer": json.dumps({"schema_version": 99}).encode(),
    }.get(kind)
    if manifest is not None:
        (path / "manifest.json").write_bytes(manifest)
    if kind in PARTS:
        (path / kind).unlink()
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "There is no folder"),
        ("file", "is no folder"),
        ("empty", "is no bundle: it has no manifest.json"),
        ("broken", "manifest.json is broken"),
        ("binary", "manifest.json is broken"),
        ("list", "states no schema_version"),
        ("no version", "states no schema_version"),
        ("newer", "was made by a newer edgeshrink"),
        ("model.onnx", "is incomplete: it has no model.onnx"),
        ("baseline.onnx", "is incomplete: it has no baseline.onnx"),
        ("samples.npz", "is incomplete: it has no samples.npz"),
    ],
)
def test_a_folder_that_is_no_whole_bundle_is_an_input_error(tmp_path: Path, kind: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_bundle(damaged(tmp_path, kind))
    assert said in caught.value.message


def test_the_device_package_runs_as_one_file(tmp_path: Path) -> None:
    write_device_package(tmp_path / "device.pyz")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "device.pyz"), "--help"], capture_output=True, text=True
    )
    assert (done.returncode, "profile" in done.stdout) == (0, True)
    wrong = subprocess.run(
        [sys.executable, str(tmp_path / "device.pyz"), "fly"], capture_output=True, text=True
    )
    assert wrong.returncode == 2


def test_the_same_device_package_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_device_package(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert not [name for name in archive.namelist() if "__pycache__" in name]


def test_a_missing_device_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EdgeshrinkError, match="edgeshrink_device is missing"):
        write(tmp_path / "net.edge")
    assert only(tmp_path) == []


def test_what_appears_in_the_place_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "net.edge"

    def interrupted_by_a_neighbour() -> None:
        with new_bundle(path):
            path.mkdir()
            (path / "thesis.txt").write_text("mine")

    with pytest.raises(InputError, match="exists"):
        interrupted_by_a_neighbour()
    assert (path / "thesis.txt").read_text() == "mine"
    assert only(tmp_path) == ["net.edge"]


def test_force_does_not_take_the_users_own_files_along(tmp_path: Path) -> None:
    path = write(tmp_path / "net.edge")
    (path / "profile-cpu-model.json").write_text("{}")
    write(path, force=True)
    (path / "my-notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"my-notes\.md"):
        write(path, force=True)


def test_force_replaces_a_bundle_with_the_engines_built_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "net.edge")
    (path / "engines").mkdir()
    for name in ("model-fp16-0123456789ab.engine", "model-fp16-0123456789ab.json", "timing-0123.cache"):
        (path / "engines" / name).touch()
    write(path, force=True)
    assert not (path / "engines").exists()
    (path / "engines").mkdir()
    (path / "engines" / "my-notes.md").write_text("mine")
    with pytest.raises(InputError, match="engines"):
        write(path, force=True)


def test_another_programs_manifest_makes_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / "manifest.json").write_text('{"manifest_version": 3}')
    with pytest.raises(InputError, match="is no bundle"):
        write(tmp_path / "extension", force=True)
