"""Classes that look as pybind11's do, in front of implementations that are the same for every version."""

import warnings

from .signatures import bind, parse_overload


class Bound(type):
    """pybind11's metaclass: a subclass that overrides __init__ must call the one above."""

    def __call__(cls, *words, **named):
        made = super().__call__(*words, **named)
        if not hasattr(made, "_impl"):
            raise TypeError(f"{bound_name(cls)}.__init__() must be called when overriding __init__")
        return made


def bound_name(cls):
    return next(base.__name__ for base in cls.__mro__ if "_surface" in vars(base))


def make_class(api, name, members, implementation, base=object):
    """A class with `members` and nothing else, over `implementation` (or None).

    A member the implementation lacks raises NotImplementedError when it is used; one that the class lacks
    raises AttributeError, when it is set, too, as there is no __dict__.
    """
    slots = ("_impl", "__weakref__") if base is object else ()
    namespace = {"__slots__": slots, "_surface": name, "__module__": "tensorrt.tensorrt"}
    for member, kind in members.items():
        if member == "__init__":
            namespace["__init__"] = make_constructor(api, name, kind, implementation)
        elif kind == "property":
            namespace[member] = make_property(api, name, member, implementation)
        elif isinstance(kind, list):
            namespace[member] = make_method(api, name, member, kind, implementation)
    for dunder in ("__len__", "__getitem__", "__eq__", "__hash__", "__str__", "__repr__", "__iter__"):
        if implementation is not None and dunder in vars(implementation):
            namespace[dunder] = forward(dunder)
    return Bound(name, (base,), namespace)


def forward(member):
    def method(self, *words):
        return getattr(self._impl, member)(*words)

    return method


def make_constructor(api, name, kind, implementation):
    if kind == "callable":

        def refuse(self, *words, **named):
            raise TypeError(f"tensorrt.tensorrt.{name}: No constructor defined!")

        return refuse
    overloads = [parse_overload(text) for text in kind]

    def construct(self, *words, **named):
        values = bind(api, overloads, words, named)
        if values is None:
            raise incompatible("__init__", kind, "constructor arguments", name)
        self._impl = (implementation or Nothing)(api, *values)

    return documented(construct, "__init__", kind)


class Nothing:
    """What stands behind a class that is there to be found, or to be derived from."""

    def __init__(self, api, *values):
        pass


def make_method(api, name, member, texts, implementation):
    overloads = [parse_overload(text) for text in texts]
    advice = api.deprecated.get((name, member))

    def method(self, *words, **named):
        values = bind(api, overloads, words, named)
        if values is None:
            raise incompatible(member, texts, "function arguments")
        if advice:
            warnings.warn(f"Use {advice} instead.", DeprecationWarning, stacklevel=2)
        return found(self._impl, name, member)(*values)

    return documented(method, member, texts)


def found(implementation, name, member):
    if not hasattr(type(implementation), member):
        raise NotImplementedError(f"the emulated TensorRT has no {name}.{member}")
    return getattr(implementation, member)


def documented(function, member, texts):
    function.__name__ = member
    function.__doc__ = "\n".join(member + text for text in texts)
    return function


def incompatible(member, texts, what, name=""):
    listed = "".join(f"\n    {i + 1}. {name or member}{text}" for i, text in enumerate(texts))
    return TypeError(f"{member}(): incompatible {what}. The following argument types are supported:{listed}")


def make_property(api, name, member, implementation):
    """A property that the implementation's attribute stands behind: read-only where that is."""
    own = getattr(implementation, member, None)
    settable = not isinstance(own, property) or own.fset is not None
    readable = not isinstance(own, property) or own.fget is not None

    advice = api.deprecated.get((name, member))

    def read(self):
        if not hasattr(self._impl, member):
            raise NotImplementedError(f"the emulated TensorRT has no {name}.{member}")
        if advice:
            warnings.warn(f"Use get_{advice} instead.", DeprecationWarning, stacklevel=2)
        return getattr(self._impl, member)

    def write(self, value):
        if advice:
            warnings.warn(f"Use set_{advice} instead.", DeprecationWarning, stacklevel=2)
        if own is None and not hasattr(self._impl, member):
            raise NotImplementedError(f"the emulated TensorRT has no {name}.{member}")
        setattr(self._impl, member, value)

    return property(read if readable else None, write if settable else None)
