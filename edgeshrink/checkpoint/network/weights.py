"""Tensors into a network without a second copy of them in memory."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.multiprocessing.reductions import StorageWeakRef

__all__ = ["put_weights", "tied_parameters"]


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Make ``tensors``, whose shapes fit, the network's parameters and buffers.

    They are taken as they are, perhaps still on disk behind a memory map, so that the ones the network was
    built with can go; only another dtype than the network's makes a copy. Parameters that the network ties
    stay tied. A tensor that something else in the network reads too (a view of it, a list that it is in, an
    argument of functools.partial) stays where it is and gets the values.

    Raises:
        InputError: The network's own load_state_dict does not take them.
    """
    import torch

    own = network.state_dict()
    fitting = {name: t.to(own[name].dtype) if name in own else t for name, t in tensors.items()}
    tied = tied_parameters(network)
    before = [
        (module, name, _weak(tensor), _place(tensor))
        for module, name, tensor in _tensors(network)
        if not tensor.is_meta and tensor.layout == torch.strided
    ]
    del own
    _load(network, fitting)
    for names in tied:
        given = next((name for name in names if name in tensors), None)
        if given is not None:
            _tie(network, given, names)
    taken = {tensor.untyped_storage().data_ptr() for tensor in fitting.values()}
    for module, name, storage, place in before:
        if not storage.expired():  # type: ignore[no-untyped-call]
            _move_back(getattr(module, name), storage, place, taken)


def tied_parameters(network: nn.Module) -> list[list[str]]:
    """The names of each parameter or buffer that has several."""
    names: dict[int, list[str]] = {}
    for name, tensor in (
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    ):
        names.setdefault(id(tensor), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def _load(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Call load_state_dict, which a network may have of its own, and perhaps from before torch 2.1."""
    takes = inspect.signature(network.load_state_dict).parameters
    any_word = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    options = {"strict": False, "assign": True}
    if "assign" not in takes and not any_word:
        _give_memory(network)
    try:
        network.load_state_dict(tensors, **{k: v for k, v in options.items() if any_word or k in takes})
    except Exception as error:  # the user's code may raise anything
        problem = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"the network's load_state_dict raised {type(error).__name__}: {problem}",
            "Let it take what torch's own does: load_state_dict(state_dict, strict=True, assign=False).",
        ) from error


def _give_memory(network: nn.Module) -> None:
    """Give dendrites' tensors memory of their own, for code that copies values into them."""
    import torch

    for module, name, tensor in list(_tensors(network)):
        if tensor.is_meta:
            empty = torch.empty_like(tensor, device="cpu")
            trained = isinstance(tensor, torch.nn.Parameter)
            setattr(module, name, torch.nn.Parameter(empty, tensor.requires_grad) if trained else empty)


def _tensors(network: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Every parameter and buffer, with the module that holds it and its name there."""
    for module in network.modules():
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                yield module, name, tensor


def _weak(tensor: Tensor) -> StorageWeakRef:
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _place(tensor: Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Where in its storage a tensor lies."""
    return int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()


def _move_back(
    tensor: Tensor,
    storage: StorageWeakRef,
    place: tuple[int, tuple[int, ...], tuple[int, ...]],
    taken: set[int],
) -> None:
    """Let a tensor live where the one before it did, as something else still looks there."""
    import torch

    memory = torch.UntypedStorage._new_with_weak_ptr(storage.cdata)
    if (
        memory is None
        or memory.data_ptr() in taken
        or memory.data_ptr() == tensor.untyped_storage().data_ptr()
    ):
        return
    with torch.no_grad():
        old = torch.empty(0, dtype=tensor.dtype).set_(memory, *place)
        tensor.data = old.copy_(tensor)


def _tie(network: nn.Module, first: str, names: list[str]) -> None:
    """Let every name mean what ``first`` means."""
    owner, _, name = first.rpartition(".")
    tensor = getattr(network.get_submodule(owner), name)
    for other in names:
        owner, _, name = other.rpartition(".")
        setattr(network.get_submodule(owner), name, tensor)
