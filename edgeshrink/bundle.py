"""The folder a device receives: written under another name beside its place, and renamed when it is whole."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeshrink.digest import sha256_of
from edgeshrink.errors import EdgeshrinkError, InputError
from edgeshrink.inputs import Array
from edgeshrink.manifest import SCHEMA_VERSION

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Bundle", "Draft", "check_target", "new_bundle", "read_bundle", "write_device_package"]

MANIFEST, MODEL, BASELINE = "manifest.json", "model.onnx", "baseline.onnx"
SAMPLES, DEVICE_PACKAGE = "samples.npz", "edgeshrink-device.pyz"
ENGINES = "engines"

_OF_ENGINES = {".engine", ".json", ".cache", ".lock"}

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can hold: the same package gives the same bytes
_MAIN = 'import runpy\n\nrunpy.run_module("edgeshrink_device", run_name="__main__", alter_sys=True)\n'


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk: its folder, its manifest as parsed, and where its parts lie."""

    path: Path
    manifest: dict[str, Any]
    model_path: Path
    baseline_path: Path
    samples_path: Path


def check_target(path: Path, *, force: bool = False) -> None:
    """Say before the work whether a bundle can be written at `path`.

    Raises:
        InputError: Something stands there (and force is not given, or it is no bundle), or its parent folder
            is missing or not writable.
    """
    parent = path.absolute().parent
    if not parent.is_dir():
        raise InputError(f"There is no folder {parent}.", "Create it, or give another -o.")
    if path.is_symlink() or path.exists():
        if not force:
            raise InputError(f"{path} exists.", "Give another -o, or --force to replace it.")
        _require_own(path)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"The folder {parent} is not writable.", "Give another place with -o.")


def _require_own(path: Path) -> None:
    """Let pass what export, build and profile wrote alone: --force takes no file of the user's."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        ours = not path.is_symlink() and isinstance(manifest, dict) and "edgeshrink_version" in manifest
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise InputError(f"{path} is no bundle, so --force does not replace it.", "Remove it yourself.")
    parts = {MANIFEST, MODEL, BASELINE, SAMPLES, DEVICE_PACKAGE}
    added = [entry.name for entry in path.iterdir() if entry.name not in parts and not _is_made_here(entry)]
    if added:
        raise InputError(
            f"{path} holds files that are not the bundle's: {', '.join(sorted(added)[:5])}.",
            "Move them elsewhere, or give another -o.",
        )


def _is_made_here(entry: Path) -> bool:
    """Whether it is a profile, or a folder with engines and what their building leaves, and nothing else."""
    if entry.name == ENGINES and entry.is_dir() and not entry.is_symlink():
        return all(part.suffix in _OF_ENGINES for part in entry.iterdir())
    return entry.name.startswith("profile-") and entry.suffix == ".json"


@dataclass(frozen=True)
class Draft:
    """A bundle in the making: its models are written first, so that the proof is of the files that ship."""

    folder: Path

    @property
    def model_path(self) -> Path:
        """Where the baked model lies."""
        return self.folder / MODEL

    @property
    def baseline_path(self) -> Path:
        """Where the same network before baking lies."""
        return self.folder / BASELINE

    def write_models(self, model: ir.Model, baseline: ir.Model) -> None:
        """Write what the device builds from, and the same network before baking.

        Raises:
            EdgeshrinkError: One is larger than one file can be.
        """
        from edgeshrink.onnx_bytes import write_model  # here, as it imports onnx

        write_model(model, self.model_path)
        write_model(baseline, self.baseline_path)

    def finish(
        self,
        samples_in: Sequence[Mapping[str, Array]],
        expected_out: Sequence[Mapping[str, Array]],
        manifest: Mapping[str, Any],
    ) -> None:
        """Write the rest.

        Args:
            samples_in: Feeds of the parity check, a dictionary a run.
            expected_out: The baseline's outputs for them.
            manifest: The document of manifest.json; `sha256`, the checksums of what lies beside it, is added.
        """
        _write_samples(samples_in, expected_out, self.folder / SAMPLES)
        write_device_package(self.folder / DEVICE_PACKAGE)
        parts = (MODEL, BASELINE, SAMPLES)
        manifest = {**manifest, "sha256": {name: sha256_of(self.folder / name) for name in parts}}
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (self.folder / MANIFEST).write_text(text, encoding="utf-8")


@contextmanager
def new_bundle(path: Path, *, force: bool = False) -> Iterator[Draft]:
    """A draft that becomes the bundle `path` at the end of the block.

    Whatever goes wrong in the block, an interruption too, leaves what was there before and nothing else.

    Args:
        path: The bundle's folder.
        force: Replace a bundle that stands there.

    Raises:
        InputError: The place is taken or cannot be written to.
        EdgeshrinkError: Writing failed, for example on a full disk.
    """
    check_target(path, force=force)
    with _new_folder(path, force) as folder:
        yield Draft(folder)


@contextmanager
def _new_folder(path: Path, force: bool) -> Iterator[Path]:
    """A folder that becomes `path` at the end, or nothing at all."""
    parent = path.absolute().parent
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
    except OSError as error:
        raise InputError(
            f"The folder {parent} is not writable: {error.strerror}.", "Give another -o."
        ) from error
    folder, old = work / "new", work / "old"
    try:
        folder.mkdir()  # with the user's own permissions, which mkdtemp does not give
        yield folder
        check_target(path, force=force)  # again: somebody may have put something there meanwhile
        if path.exists():
            path.rename(old)
        folder.rename(path)
    except OSError as error:
        raise EdgeshrinkError(f"Writing {path} failed: {error.strerror or error}.") from error
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(work, ignore_errors=True)


def _write_samples(
    samples_in: Sequence[Mapping[str, Array]], expected_out: Sequence[Mapping[str, Array]], path: Path
) -> None:
    """`in/<name>` and `out/<name>`, runs one after the other along the first axis."""
    arrays = {}
    for folder, runs in (("in", samples_in), ("out", expected_out)):
        for name in runs[0] if runs else ():
            arrays[f"{folder}/{name}"] = np.concatenate([np.atleast_1d(run[name]) for run in runs])
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def write_device_package(path: Path) -> None:
    """Pack edgeshrink_device as one file for any Python from 3.6 on; the same package gives the same bytes.

    Raises:
        EdgeshrinkError: The package is not installed.
    """
    spec = importlib.util.find_spec("edgeshrink_device")
    if spec is None or not spec.submodule_search_locations:
        raise EdgeshrinkError("The package edgeshrink_device is missing.", "Install edgeshrink again.")
    package = Path(next(iter(spec.submodule_search_locations)))
    files = sorted(file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    with path.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry("__main__.py"), _MAIN)
            for file in files:
                name = f"edgeshrink_device/{file.relative_to(package).as_posix()}"
                archive.writestr(_entry(name), file.read_bytes())
    path.chmod(path.stat().st_mode | 0o111)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's manifest and check that its parts are there.

    Raises:
        InputError: It is no folder, no bundle, broken, or made by a newer edgeshrink.
    """
    if not path.is_dir():
        raise InputError(f"{path} is no folder." if path.exists() else f"There is no folder {path}.", _HINT)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is no bundle: it has no {MANIFEST}.", _HINT) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / MANIFEST} is broken: {error}.", _HINT) from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path / MANIFEST} is broken: it states no schema_version.", _HINT)
    if version > SCHEMA_VERSION:
        raise InputError(f"{path} was made by a newer edgeshrink (schema {version}).", "Update edgeshrink.")
    for name in (MODEL, BASELINE, SAMPLES):
        if not (path / name).is_file():
            raise InputError(f"{path} is incomplete: it has no {name}.", _HINT)
    return Bundle(path, manifest, path / MODEL, path / BASELINE, path / SAMPLES)


_HINT = "`edgeshrink export` writes bundles."
