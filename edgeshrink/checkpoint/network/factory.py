"""``FILE.py:FACTORY`` or ``pkg.mod:FACTORY`` -> the plain network. Only the user's own code runs."""

from __future__ import annotations

import copy
import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CLASSES", "FORM", "arch_module", "build_network", "importing_from"]

FORM = "Give --arch FILE.py:FACTORY or --arch pkg.mod:FACTORY, a callable that returns the plain network."
CLASSES = (
    "Give --arch FILE.py (or --arch pkg.mod) where the network's classes are, or --arch FILE.py:FACTORY, a "
    "callable that returns the plain network."
)


def build_network(arch: str, arguments: dict[str, Any] | None = None) -> nn.Module:
    """Import the module that ``arch`` names and call its factory with ``arguments`` as keywords.

    Raises:
        InputError: No such file, module or attribute; importing or calling raised; no plain network came.
    """
    from torch import nn

    where, separator, name = arch.rpartition(":")
    if not separator or not where or not name:
        raise InputError(f"--arch {arch} is not of the form MODULE:FACTORY", FORM)
    factory = _attribute(_import(where), name, arch)
    network = (
        copy.deepcopy(factory) if isinstance(factory, nn.Module) else _call(factory, arguments or {}, arch)
    )
    if not isinstance(network, nn.Module):
        raise InputError(f"--arch {arch} returned a {type(network).__name__}, not a torch.nn.Module", FORM)
    grown = [
        n for n, m in network.named_modules() if type(m).__name__ in ("PAINeuronModule", "PAIModulePyThread")
    ]
    if grown:
        raise InputError(
            f"--arch {arch} returned a network whose layer {grown[0]} already has PerforatedAI's dendrites",
            "Return the network as before perforate_model; the checkpoint says which layers have dendrites.",
        )
    return network


def arch_module(arch: str | None) -> ModuleType | None:
    """Import the module that ``arch`` names, with or without a factory in it; None for None.

    Raises:
        InputError: No such file or module; importing it raised.
    """
    return None if arch is None else _import(arch.rpartition(":")[0] or arch)


def _call(factory: Any, arguments: dict[str, Any], arch: str) -> Any:
    if not callable(factory):
        raise InputError(f"--arch {arch} names a {type(factory).__name__}, which cannot be called", FORM)
    try:
        return factory(**arguments)
    except (Exception, SystemExit) as error:
        hint = (
            "Pass its arguments with --arch-args JSON."
            if isinstance(error, TypeError)
            else "Fix the factory."
        )
        raise InputError(f"--arch {arch} raised {_summary(error)}", hint) from error


def _import(where: str) -> ModuleType:
    is_file = where.endswith(".py")
    if is_file and not Path(where).is_file():
        raise InputError(f"--arch: there is no file {where}", FORM)
    try:
        with importing_from(Path(where).resolve().parent if is_file else Path.cwd()):
            return _import_file(Path(where)) if is_file else importlib.import_module(where)
    except ModuleNotFoundError as error:
        if not is_file and error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise InputError(f"--arch: there is no module {error.name}", FORM) from error
        raise InputError(
            f"--arch: importing {where} raised {_summary(error)}",
            f"Install {error.name}, or run edgeshrink in the environment the network was trained in.",
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(f"--arch: importing {where} raised {_summary(error)}", "Fix the module.") from error


def _import_file(path: Path) -> ModuleType:
    """Import a file under a name of its own, so that it hides no other module."""
    name = f"edgeshrink_arch_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Let imports find the modules in ``folder``, as they do for a script that lies there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _attribute(module: ModuleType, name: str, arch: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [known for known in dir(found) if not known.startswith("_")]
            close = difflib.get_close_matches(part, public, n=1)
            suggestion = (
                f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(public[:10]) or 'nothing'}."
            )
            raise InputError(f"--arch {arch}: there is no {part!r} in {arch.rpartition(':')[0]}", suggestion)
        found = getattr(found, part)
    return found


def _summary(error: BaseException) -> str:
    """Say what was raised, and where in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"
