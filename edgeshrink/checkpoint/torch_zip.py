"""What torch.save writes since torch 1.6: a zip archive of one pickle, ``data.pkl``, and raw tensor storages.

The pickle is first read as text: names that it would import decide whether it is a state_dict or a whole
object, which is refused. Then torch's own ``weights_only`` reader, which makes nothing but tensors, reads it.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.pickles import names_imported, refusal
from edgeshrink.checkpoint.registry import register_container
from edgeshrink.checkpoint.stored import Opening, Stored
from edgeshrink.checkpoint.zips import entry_names
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TorchZip"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "ema")
_ZIP_MAGIC = b"PK\x03\x04"


@register_container
class TorchZip:
    """A state_dict, bare or wrapped, in torch's zip archive."""

    name = "torch-zip"
    title = "torch zip"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Any zip archive that is of no other kind: what is wrong with it, ``check`` says."""
        return head.startswith(_ZIP_MAGIC)

    def check(self, path: Path) -> None:
        """Refuse what is cut short, not torch's, larger inside than outside, or a whole pickled object."""
        if entry_names(path) is None:
            raise _damaged(path, "its directory, at the end of the file, is missing")
        try:
            with zipfile.ZipFile(path) as archive:
                infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
                if "data.pkl" not in infos:
                    raise _foreign(path)
                _check_sizes(path, archive.infolist())
                names = names_imported(archive.read(infos["data.pkl"]))
        except (OSError, ValueError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile) as error:
            raise _damaged(path, str(error)) from error
        if foreign := [name for name in names if not _makes_tensors(name)]:
            raise refusal(path, foreign)

    def read(self, path: Path, opening: Opening) -> Stored:
        """Read the state_dict, out of whatever dictionary it is wrapped in."""
        import torch

        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # torch's reader raises almost anything on damaged input
            raise _damaged(
                path, str(error).splitlines()[0] if str(error) else type(error).__name__
            ) from error
        tensors = _unwrap(path, content)
        if lying := [name for name, tensor in tensors.items() if _overlaps_itself(tensor)]:
            raise _damaged(path, f"tensor {lying[0]} claims more elements than are stored")
        return Stored(tensors)


def _unwrap(path: Path, content: object) -> dict[str, Tensor]:
    """Find the tensors in what was saved: a state_dict, or a dictionary that holds one."""
    if isinstance(content, Mapping):
        for part in (*(content.get(name) for name in _WRAPPERS), content):
            if tensors := _tensors(part):
                return tensors
        keys = ", ".join(repr(key) for key in list(content)[:8])
        raise InputError(
            f"{path} holds no state_dict: its keys are {keys or 'none'}",
            f"Save torch.save(net.state_dict(), ...), bare or under one of: {', '.join(_WRAPPERS)}.",
        )
    raise InputError(
        f"{path} holds a {type(content).__name__}, not a state_dict",
        "Save torch.save(net.state_dict(), ...) where the network was trained.",
    )


def _tensors(part: object) -> dict[str, Tensor]:
    from torch import Tensor

    if not isinstance(part, Mapping):
        return {}
    return {
        key: value.detach()
        for key, value in part.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def _overlaps_itself(tensor: Tensor) -> bool:
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Torch stores entries uncompressed, so an archive larger inside than outside is not torch's."""
    inside, outside = sum(info.file_size for info in infos), path.stat().st_size
    if inside > outside or any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise InputError(
            f"{path} is a compressed archive ({outside} bytes, {inside} unpacked); torch.save writes none",
            "Give the file that torch.save wrote, not a repacked copy.",
        )


def _makes_tensors(name: str) -> bool:
    """Tell whether a name that a pickle imports belongs to tensors and dictionaries of them."""
    module, _, attribute = name.rpartition(".")
    return (
        name in {"collections.OrderedDict", "torch.Size", "torch.device", "torch.serialization._get_layout"}
        or (module in {"torch._utils", "torch._tensor"} and attribute.startswith("_rebuild_"))
        or (module in {"torch", "torch.storage"} and attribute.endswith("Storage"))
        or (module == "torch" and _is_dtype(attribute))
        or (module == "torch.nn.parameter" and attribute == "Parameter")
    )


def _is_dtype(attribute: str) -> bool:
    import torch

    return isinstance(getattr(torch, attribute, None), torch.dtype)


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path} is a torch archive (zip), but damaged or cut short ({path.stat().st_size} bytes): {problem}",
        "Copy or download it again, or save it again where it was trained.",
    )


def _foreign(path: Path) -> InputError:
    names = ", ".join((entry_names(path) or ())[:3])
    return InputError(
        f"{path} is a zip archive, but no checkpoint of torch (it holds {names or 'nothing'})",
        "Give the file that torch.save wrote; masks go to --masks, samples to --samples.",
    )
