"""Which containers and layouts there are, and which of them a file or a set of names is.

A container is a kind of file: it recognises its bytes and reads them into named tensors, or says why it
cannot be read and what to do. A layout is a way of naming tensors. To add one: write one file in
``containers/`` or ``layouts/``, decorate its class, and name the file in ``_CONTAINERS`` or ``_LAYOUTS``
(order matters: the first that matches wins).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from edgeshrink.checkpoint.containers.stored import Opening, Stored
    from edgeshrink.checkpoint.layouts.arranged import Arranged

__all__ = [
    "Container",
    "Layout",
    "container_of",
    "layout_of",
    "register_container",
    "register_layout",
    "sniff",
]

_CONTAINERS = (
    "safetensors_file",
    "exported_program",
    "torch_archives",
    "torch_zip",
    "onnx_file",
    "torch_legacy",
    "pickle_file",
)
_LAYOUTS = ("perforatedai_inference", "perforatedai_training", "perforatedai_2024", "plain")


class Container(Protocol):
    """A kind of file."""

    name: str  #: what ``sniff`` calls it
    title: str

    def recognises(self, path: Path, head: bytes) -> bool:
        """Tell whether the file is of this kind; ``head`` is its first kilobyte."""

    def check(self, path: Path) -> None:
        """Raise InputError where the file is cut short, damaged, or of a kind that is never read."""

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read the file's tensors, and the network where the file holds it.

        Raises:
            InputError: The content cannot be read, or not without more than ``opening`` allows.
        """


class Layout(Protocol):
    """A way of naming a network's tensors."""

    title: str

    def matches(self, names: Iterable[str]) -> bool:
        """Tell whether these names follow the layout."""

    def arrange(self, tensors: Mapping[str, Tensor]) -> Arranged:
        """Sort masked tensors into the plain network's, the dendrites', and scaffolding."""


_containers: dict[str, Container] = {}
_layouts: dict[str, Layout] = {}
ContainerClass = TypeVar("ContainerClass", bound="type[Container]")
LayoutClass = TypeVar("LayoutClass", bound="type[Layout]")


def register_container(cls: ContainerClass) -> ContainerClass:
    """Make a container known under its file's name."""
    _containers[cls.__module__.rsplit(".", 1)[-1]] = cls()
    return cls


def register_layout(cls: LayoutClass) -> LayoutClass:
    """Make a layout known under its file's name."""
    _layouts[cls.__module__.rsplit(".", 1)[-1]] = cls()
    return cls


def container_of(path: Path) -> Container:
    """Find the container a file is, by its content, and check that it can be read.

    Raises:
        InputError: Missing, a directory, empty, cut short, damaged, of an unknown or a refused kind.
    """
    head = _head(path)
    for file in _CONTAINERS:
        importlib.import_module(f"edgeshrink.checkpoint.containers.{file}")
        container = _containers[file]
        if container.recognises(path, head):
            container.check(path)
            return container
    raise InputError(
        f"{path} is no checkpoint that edgeshrink knows (it begins with bytes {head[:8].hex(' ')})",
        "Give a state_dict saved by torch.save, a safetensors file, a PerforatedAI save, or an ONNX model.",
    )


def layout_of(names: Iterable[str]) -> Layout:
    """Find the layout that tensor names follow; plain is the last resort."""
    names = list(names)
    for file in _LAYOUTS:
        importlib.import_module(f"edgeshrink.checkpoint.layouts.{file}")
        if _layouts[file].matches(names):
            return _layouts[file]
    raise AssertionError("the plain layout matches any names")


def sniff(path: Path | str) -> str:
    """Say what kind of file this is by its content, in its container's name: "safetensors", "torch-zip", ...

    Raises:
        InputError: Nothing that could be read, and why; see ``container_of``.
    """
    return container_of(Path(path)).name


def _head(path: Path) -> bytes:
    if path.is_dir():
        if (path / "manifest.json").is_file():
            hint = f"`edgeshrink inspect {path / 'model.onnx'}` looks at its network."
            raise InputError(f"{path} is a bundle, which export has written", hint)
        raise InputError(f"{path} is a directory", "Give the checkpoint file itself.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file", "Give the checkpoint file itself.")
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist", "Check the path; it is taken relative to the current folder."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", "Check the file's permissions."
        ) from error
    if not head:
        raise InputError(
            f"{path} is empty (0 bytes)", "The save was interrupted, or the disk was full: save it again."
        )
    return head
