"""TorchScript archives, mobile ones too: compiled code, refused with the way out."""

from __future__ import annotations

import re
from pathlib import Path

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.containers.zips import entry_names
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.errors import InputError

__all__ = ["TorchArchives"]

_MOBILE = re.compile(r"(.*/)?(bytecode\.pkl|mobile_debug_handles\.pkl)")
_SCRIPT = re.compile(r"(.*/)?(constants\.pkl|code/.*\.py(\.debug_pkl)?)")


@register_container
class TorchArchives:
    """Zip archives that hold code of TorchScript, in whatever folder."""

    name = "torch-program"
    title = "TorchScript archive"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Look for what only program archives hold."""
        return head.startswith(b"PK") and _kind(path) is not None

    def check(self, path: Path) -> None:
        """Refuse, and say what to save instead."""
        raise InputError(
            f"{path} is {_kind(path)}, which edgeshrink does not read",
            "Save torch.save(net.state_dict(), 'weights.pt') where the network was trained and give that "
            "with --arch, or save torch.export.save(torch.export.export(net, example), 'net.pt2').",
        )

    def read(self, path: Path, opening: Opening) -> Stored:
        """Never reached: ``check`` refuses."""
        raise NotImplementedError


def _kind(path: Path) -> str | None:
    names = entry_names(path) or ()
    if any(_MOBILE.fullmatch(name) for name in names):
        return "a TorchScript archive for mobile phones (.ptl)"
    if any(_SCRIPT.fullmatch(name) for name in names):
        return "a TorchScript archive (torch.jit.save)"
    return None
