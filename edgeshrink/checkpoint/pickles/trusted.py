"""A pickle that the user trusts, run: the only place where one is. What it imports is printed first."""

from __future__ import annotations

import pickle as python_pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from edgeshrink.checkpoint.containers.stored import Opening, Stored
from edgeshrink.checkpoint.network.factory import arch_module, importing_from
from edgeshrink.checkpoint.pickles.choosing import choose
from edgeshrink.checkpoint.pickles.interpreter import Pickle
from edgeshrink.checkpoint.pickles.modules import TRAINING_HISTORY
from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["run_trusted"]

_WRAPPED = {"PAINeuronModule": "main_module", "TrackedNeuronModule": "main_module", "PAISequential": "model"}


def run_trusted(path: Path, pickle: Pickle, opening: Opening) -> Stored:
    """Say what a pickle imports, run it with torch, and take the network or its tensors.

    Raises:
        InputError: Running it raised, or it holds no network.
    """
    import torch

    names = "\n".join(f"  {name.dotted}" for name in pickle.whole().names)
    print(
        f"--trust-pickle: running the pickle in {path}, which imports:\n{names}", file=sys.stderr, flush=True
    )
    try:
        with importing_from(Path.cwd()):
            reader = _reader(arch_module(opening.arch))
            content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        problem = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: running its pickle, as --trust-pickle allows, raised {type(error).__name__}: {problem}",
            "Give the classes' file with --arch FILE.py, run edgeshrink in the environment that the network "
            "was trained in, or save torch.save(net.state_dict(), 'weights.pt') there.",
        ) from error
    chosen, warnings = choose(path, content, _Live())
    if isinstance(chosen, torch.nn.Module):
        tensors = {name: tensor.detach() for name, tensor in chosen.state_dict().items()}
        network = _unwrap(chosen).eval()
        return Stored(tensors, network, warnings=tuple(warnings))
    assert isinstance(chosen, Mapping), "what choose returns"
    return Stored(
        {k: v.detach() for k, v in chosen.items() if isinstance(k, str) and isinstance(v, torch.Tensor)},
        warnings=tuple(warnings),
    )


def _reader(module: ModuleType | None) -> Any:
    """Python's pickle module, but classes of a script (``__main__``) come from the module of --arch."""

    class Unpickler(python_pickle.Unpickler):
        def find_class(self, where: str, name: str) -> Any:
            if module is not None and where == "__main__" and hasattr(module, name.partition(".")[0]):
                return super().find_class(module.__name__, name)
            return super().find_class(where, name)

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return SimpleNamespace(Unpickler=Unpickler, load=load, __name__="pickle")


class _Live:
    """A view of live objects."""

    def mapping(self, value: object) -> Mapping[object, object] | None:
        return value if isinstance(value, Mapping) else None

    def is_tensor(self, value: object) -> bool:
        from torch import Tensor

        return isinstance(value, Tensor)

    def is_module(self, value: object) -> bool:
        from torch import nn

        return isinstance(value, nn.Module)

    def kind(self, value: object) -> str:
        return type(value).__name__


def _unwrap(network: nn.Module) -> nn.Module:
    """Put the layer that each module of PerforatedAI wraps into its place."""
    from torch import nn

    if isinstance(network, nn.DataParallel):
        network = network.module
    network = _layer(network)
    for module in list(network.modules()):
        module._buffers.pop(TRAINING_HISTORY, None)
        for name, child in list(module.named_children()):
            if (layer := _layer(child)) is not child:
                setattr(module, name, layer)
    for module in list(network.modules()):  # one within another
        if _layer(module) is not module:
            return _unwrap(network)
    return network


def _layer(module: nn.Module) -> nn.Module:
    while type(module).__module__.partition(".")[0] == "perforatedai":
        name = type(module).__name__
        inner: Any = getattr(module, _WRAPPED.get(name, "layer_array"), None)
        if inner is None:
            return module
        module = inner if name in _WRAPPED else inner[-1]
    return module
