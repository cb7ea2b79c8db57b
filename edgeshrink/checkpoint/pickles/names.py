"""Names that pickles of networks import, and what each may be used for.

Of torch, Python and NumPy only what is listed here may be used, all else is refused. Names of other packages
are taken for the user's: nothing is imported for them here.
"""

from __future__ import annotations

import enum
import sys
from functools import cache

from edgeshrink.checkpoint.pickles.interpreter import Name, Pickle, Record

__all__ = ["Kind", "class_name", "kind_of", "names_refused", "reached_by_getattr"]


class Kind(enum.Enum):
    """What a name stands for, which decides what a pickle may do with it."""

    TENSOR = "makes a tensor"
    DATA = "data: a dictionary, a namespace, a path, a number"
    TYPE = "a dtype, a layout, a storage class: only ever mentioned"
    FUNCTION = "an activation function: only ever mentioned"
    MODULE = "a layer of torch.nn"
    INERT = "a class that goes along with networks, and is never made"
    LIBRARY = "a class of PerforatedAI"
    USER = "a class of the user's, looked up where --arch says"
    GETATTR = "mentions a member of a class"
    REFUSED = "refused"


_TENSOR_MAKERS = frozenset(
    [
        "_rebuild_tensor",
        "_rebuild_tensor_v2",
        "_rebuild_tensor_v3",
        "_rebuild_parameter",
        "_rebuild_parameter_with_state",
        "_rebuild_sparse_tensor",
        "_rebuild_sparse_csr_tensor",
        "_rebuild_qtensor",
        "_rebuild_nested_tensor",
        "_rebuild_meta_tensor_no_storage",
        "_rebuild_wrapper_subclass",
        "_rebuild_device_tensor_from_numpy",
        "_rebuild_device_tensor_from_cpu_tensor",
        "_rebuild_xla_tensor",
    ]
)
_EXACT = {
    Name("torch._tensor", "_rebuild_from_type_v2"): Kind.TENSOR,
    Name("torch.nn.parameter", "Parameter"): Kind.TENSOR,
    Name("torch", "Tensor"): Kind.TYPE,
    Name("torch", "Size"): Kind.DATA,
    Name("torch", "device"): Kind.DATA,
    Name("torch.serialization", "_get_layout"): Kind.DATA,
    Name("torch._C", "_VariableFunctionsClass"): Kind.TYPE,
    Name("torch.nn.parallel.data_parallel", "DataParallel"): Kind.MODULE,
    Name("copyreg", "_reconstructor"): Kind.TYPE,
    Name("copyreg", "__newobj__"): Kind.TYPE,
    Name("builtins", "getattr"): Kind.GETATTR,
    Name("_codecs", "encode"): Kind.DATA,
    Name("numpy", "dtype"): Kind.DATA,
    Name("numpy", "ndarray"): Kind.DATA,
}
_DATA = {
    "builtins": "set frozenset bytearray complex slice range object list dict tuple int float str bool bytes",
    "collections": "OrderedDict defaultdict Counter deque",
    "argparse": "Namespace",
    "types": "SimpleNamespace",
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "uuid": "UUID",
    "typing": "Any Dict List Optional Tuple Union",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "numpy.core.multiarray": "scalar _reconstruct",
    "numpy._core.multiarray": "scalar _reconstruct",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy": "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ str_",
}
_DATA_NAMES = {Name(module, name): Kind.DATA for module, names in _DATA.items() for name in names.split()}
_INERT_MODULES: tuple[str, ...] = ("torch.optim.", "torch.nn.utils.prune", "torch.nn.utils.weight_norm")
_INERT_MODULES += ("torch.nn.utils.spectral_norm", "torch.amp.grad_scaler", "torch.cuda.amp.grad_scaler")
_ACTIVATIONS = frozenset(
    [
        "relu",
        "relu6",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "tanh",
        "elu",
        "selu",
        "celu",
        "leaky_relu",
        "softplus",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "logsigmoid",
        "log_sigmoid",
        "softmax",
        "log_softmax",
        "softmin",
        "softsign",
        "tanhshrink",
        "softshrink",
        "hardshrink",
        "glu",
        "rrelu",
        "prelu",
        "sin",
        "cos",
        "exp",
        "square",
        "identity",
    ]
)
_FUNCTION_MODULES = ("torch", "torch.nn.functional", "torch._C._nn", "torch._C")


@cache
def kind_of(name: Name) -> Kind:
    """Tell what a name stands for. Nothing is imported but torch itself."""
    if known := _EXACT.get(name) or _DATA_NAMES.get(name):
        return known
    package = name.module.partition(".")[0]
    if package == "torch":
        return _kind_in_torch(name)
    if package in sys.stdlib_module_names or package in ("numpy", "__builtin__", ""):
        return Kind.REFUSED
    return Kind.LIBRARY if package == "perforatedai" else Kind.USER


def _kind_in_torch(name: Name) -> Kind:
    import torch

    if name.module == "torch._utils" and name.name in _TENSOR_MAKERS:
        return Kind.TENSOR
    if name.module in ("torch", "torch.storage") and name.name.endswith("Storage"):
        return Kind.TYPE
    if name.module == "torch" and isinstance(
        vars(torch).get(name.name), torch.dtype | torch.layout | torch.memory_format | torch.qscheme
    ):
        return Kind.TYPE
    function = name.name.removeprefix("_VariableFunctionsClass.")
    if name.module in _FUNCTION_MODULES and function in _ACTIVATIONS:
        return Kind.FUNCTION
    if name.module.startswith(_INERT_MODULES) and name.name.isidentifier():
        return Kind.INERT
    return Kind.MODULE if torch_module_class(name) is not None else Kind.REFUSED


def torch_module_class(name: Name) -> type | None:
    """Look up a layer of torch.nn: a class, under its own name, in a module that torch has imported."""
    from torch import nn

    own = name.module.startswith("torch.nn.modules.") or name.module == "torch.nn.parallel.data_parallel"
    if not own or name.module not in sys.modules:
        return None
    found = vars(sys.modules[name.module]).get(name.name)
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        return None
    return found if (found.__module__, found.__qualname__) == (name.module, name.name) else None


def reached_by_getattr(value: object) -> Name | None:
    """Resolve ``getattr(Name, "member")``, as protocol 2 writes nested classes, to the name it mentions."""
    members: list[str] = []
    while isinstance(value, Record) and value.called and value.callee == Name("builtins", "getattr"):
        if len(value.args) != 2 or not isinstance(value.args[1], str) or len(members) > 8:
            return None
        members.append(value.args[1])
        value = value.args[0]
    if not isinstance(value, Name):
        return None
    return Name(value.module, ".".join([value.name, *reversed(members)]))


def class_name(record: Record) -> Name | None:
    """The class that a record instantiates, or the function that it calls, where that is a name."""
    return reached_by_getattr(record.callee)


def names_refused(pickle: Pickle) -> list[str]:
    """List what a pickle imports, calls or instantiates beyond what a network and its training need."""
    refused = {name.dotted: None for name in pickle.names if kind_of(name) is Kind.REFUSED}
    for record in pickle.records:
        if (problem := _problem(record)) is not None:
            refused[problem] = None
    return list(refused)


def _problem(record: Record) -> str | None:
    """Name what a record makes, if that is not allowed."""
    name = class_name(record)
    if name is None:
        return "a function that a call returned"
    kind = kind_of(name)
    if kind is Kind.GETATTR:
        return _member_problem(record)
    if record.called:
        allowed = kind in (Kind.TENSOR, Kind.DATA)
    else:
        allowed = kind in (Kind.DATA, Kind.MODULE, Kind.INERT, Kind.LIBRARY, Kind.USER) and (
            kind is Kind.DATA or not record.args
        )
    return None if allowed else name.dotted


def _member_problem(record: Record) -> str | None:
    """Members may be mentioned of users' classes and torch's functions, and methods of made objects."""
    owner = record.args[0] if record.args else None
    if isinstance(owner, Record) and not owner.called and len(record.args) == 2:
        return None if isinstance(record.args[1], str) and record.args[1].isidentifier() else "getattr"
    name = reached_by_getattr(record)
    if name is None or "__" in name.name or not all(part.isidentifier() for part in name.name.split(".")):
        return name.dotted if name else "builtins.getattr"
    return None if kind_of(name) in (Kind.FUNCTION, Kind.USER, Kind.LIBRARY) else name.dotted
