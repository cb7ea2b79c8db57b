"""Torch's archives of programs, TorchScript and torch.export's .pt2: refused, with the way out."""

from __future__ import annotations

from pathlib import Path

from edgeshrink.checkpoint.registry import register_container
from edgeshrink.checkpoint.stored import Opening, Stored
from edgeshrink.checkpoint.zips import inner_names
from edgeshrink.errors import InputError

__all__ = ["TorchArchives"]


@register_container
class TorchArchives:
    """Zip archives that hold code or a traced program."""

    name = "torch-program"
    title = "torch program archive"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for what only program archives hold."""
        return head.startswith(b"PK") and _kind(path) is not None

    def check(self, path: Path) -> None:
        """Refuse, and say what to save instead."""
        raise InputError(
            f"{path} is {_kind(path)}, which edgeshrink does not read",
            "Save torch.save(net.state_dict(), 'weights.pt') where the network was trained and give that "
            "with --arch, or export the network to ONNX and give the .onnx file.",
        )

    def read(self, path: Path, opening: Opening) -> Stored:
        """Never reached: ``check`` refuses."""
        raise NotImplementedError


def _kind(path: Path) -> str | None:
    names = inner_names(path)
    if names & {"constants.pkl", "code/__torch__.py"} or any(name.startswith("code/") for name in names):
        return "a TorchScript archive (torch.jit.save)"
    if names & {"archive_format", "serialized_exported_program.json"} or "models/model.json" in names:
        return "a program saved by torch.export (.pt2)"
    return None
