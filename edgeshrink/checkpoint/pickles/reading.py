"""A torch pickle, interpreted -> named tensors, and the network where the pickle holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.listing import first_of
from edgeshrink.checkpoint.network.factory import arch_module
from edgeshrink.checkpoint.pickles.choosing import Records, choose
from edgeshrink.checkpoint.pickles.data import UnbuildableError
from edgeshrink.checkpoint.pickles.interpreter import BadPickleError, Name, Pickle, Record
from edgeshrink.checkpoint.pickles.modules import persistent_tensors
from edgeshrink.checkpoint.pickles.names import Kind, class_name, kind_of, names_refused
from edgeshrink.checkpoint.pickles.network import build
from edgeshrink.checkpoint.pickles.records import is_module, mapping_of
from edgeshrink.checkpoint.pickles.refusal import refusal
from edgeshrink.checkpoint.pickles.tensors import DamagedTensorError, StoredTensors, TensorError, is_tensor
from edgeshrink.checkpoint.pickles.user_classes import UserClasses
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["read_pickled"]

_SHOWN = 6


def read_pickled(path: Path, pickle: Pickle, tensors: StoredTensors, opening: Opening) -> Stored:
    """Find the network in a pickle, and take its tensors.

    Raises:
        BadPickleError: The pickle is cut short or damaged.
        InputError: It wants to import more than a network needs; holds no network; a tensor cannot be made.
    """
    if refused := names_refused(pickle):
        raise refusal(path, refused)
    chosen, warnings = choose(path, pickle.whole().root, Records())
    if not is_module(chosen):
        found = {
            name: part
            for name, part in (mapping_of(chosen) or {}).items()
            if isinstance(name, str) and isinstance(part, Record) and is_tensor(part)
        }
        return Stored(_make(path, found, tensors), warnings=(*warnings, *_if_masks(path, list(found))))
    assert isinstance(chosen, Record), "what is_module approves of"
    made = _make(path, persistent_tensors(chosen), tensors)
    if opening.arch is not None and ":" in opening.arch:
        return Stored(made, warnings=tuple(warnings))  # the factory's network is used
    network, problem = _network(chosen, pickle, tensors, opening.arch)
    if problem is not None:
        warnings.append(f"{path.name} holds a network, but {problem}; the tensors alone are told of.")
    return Stored(made, network, warnings=tuple(warnings), network_problem=problem)


def _make(path: Path, records: dict[str, Record], tensors: StoredTensors) -> dict[str, Tensor]:
    made = {}
    for name, record in records.items():
        try:
            made[name] = tensors.tensor(record).detach()
        except DamagedTensorError as error:
            raise BadPickleError(f"tensor {name} {error}") from error
        except TensorError as error:
            raise InputError(
                f"{path}: tensor {name} {error}",
                "Save the network's weights again, as plain dense tensors on the CPU: "
                "torch.save(net.state_dict(), 'weights.pt').",
            ) from error
    return made


def _network(
    record: Record, pickle: Pickle, tensors: StoredTensors, arch: str | None
) -> tuple[nn.Module | None, str | None]:
    """Make the network; where that cannot be, say why and what to do."""
    users = list(dict.fromkeys(name for name in map(class_name, pickle.records) if name and _is_user(name)))
    try:
        network = build(record, tensors, UserClasses(arch_module(arch), users))
        _require_whole(network)
        return network.eval(), None
    except RecursionError:
        problem = "its parts lie inside each other too deep"
    except (UnbuildableError, TensorError) as error:
        problem = str(error)
    if users and arch is None:
        names = first_of((name.dotted for name in users), _SHOWN)
        return None, f"its classes have to come from --arch: {names}"
    return None, f"it cannot be built from the file: {problem}"


def _require_whole(network: nn.Module) -> None:
    """Check that layers have what their own code looks for, by saving them and loading nothing."""
    try:
        network.state_dict()
        network.load_state_dict({}, strict=False)
    except Exception as error:  # whatever the layers' code raises
        problem = str(error).partition("\n")[0]
        raise UnbuildableError(f"its layers are not whole: {type(error).__name__}: {problem}") from error


def _is_user(name: Name) -> bool:
    return kind_of(name) is Kind.USER


def _if_masks(path: Path, names: list[str]) -> list[str]:
    if names and all(name.endswith("_mask") for name in names):
        return [f"{path.name} seems to hold masks alone: give the weights' file, and this one to --masks."]
    return []
