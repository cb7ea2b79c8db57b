"""pybind11's enumerations."""

# The numbers that NVIDIA's headers give; what is not listed is numbered after them, by name.
KNOWN = {
    "BuilderFlag": "FP16 INT8 DEBUG GPU_FALLBACK STRICT_TYPES REFIT DISABLE_TIMING_CACHE TF32 SPARSE_WEIGHTS"
    " SAFETY_SCOPE".split(),
    "DataType": "FLOAT HALF INT8 INT32 BOOL UINT8 FP8 BF16 INT64 INT4 FP4 E8M0".split(),
    "ErrorCode": "SUCCESS INTERNAL_ERROR MEM_ALLOC_FAILED MODEL_DESERIALIZE_FAILED INVALID_VALUE"
    " INVALID_GRAPH INVALID_NODE UNSUPPORTED_GRAPH UNSUPPORTED_NODE".split(),
    "ExecutionContextAllocationStrategy": "STATIC ON_PROFILE_CHANGE USER_MANAGED".split(),
    "LayerInformationFormat": "ONELINE JSON".split(),
    "MemoryPoolType": "WORKSPACE DLA_MANAGED_SRAM DLA_LOCAL_DRAM DLA_GLOBAL_DRAM TACTIC_DRAM".split(),
    "NetworkDefinitionCreationFlag": "EXPLICIT_BATCH EXPLICIT_PRECISION".split(),
    "ProfilingVerbosity": "LAYER_NAMES_ONLY NONE DETAILED".split(),
    "Severity": "INTERNAL_ERROR ERROR WARNING INFO VERBOSE".split(),
    "TacticSource": "CUBLAS CUBLAS_LT CUDNN EDGE_MASK_CONVOLUTIONS JIT_CONVOLUTIONS".split(),
    "TensorIOMode": "NONE INPUT OUTPUT".split(),
    "TensorLocation": "DEVICE HOST".split(),
}
FIXED = {"STRONGLY_TYPED": 1}


class Enumeration:
    """One value of an enumeration; it equals the number it stands for, and `int` gives that."""

    __slots__ = ("_name", "_value")

    def __init__(self, value):
        found = [each for each in type(self).__members__.values() if each._value == value]
        self._name = found[0]._name if found else "???"
        self._value = value

    @property
    def name(self):
        return self._name

    @property
    def value(self):
        return self._value

    def __int__(self):
        return self._value

    __index__ = __int__

    def __eq__(self, other):
        if isinstance(other, Enumeration):
            return type(self) is type(other) and self._value == other._value
        return isinstance(other, int) and self._value == other

    def __hash__(self):
        return hash(self._value)

    def __lt__(self, other):
        return self._value < int(other)

    def __le__(self, other):
        return self._value <= int(other)

    def __gt__(self, other):
        return self._value > int(other)

    def __ge__(self, other):
        return self._value >= int(other)

    def __str__(self):
        return f"{type(self).__name__}.{self._name}"

    def __repr__(self):
        return f"<{self}: {self._value}>"


def make_enumeration(name, members):
    """The enumeration `name` with the members whose kind is "value"; "property" members are kept if known."""
    values = [member for member, kind in members.items() if kind == "value"]
    known = KNOWN.get(name, [])
    if name == "BuilderFlag":  # 10 took STRICT_TYPES out and counted anew
        known = [value for value in known if value in values]
    order = known + sorted(value for value in values if value not in known)
    made = type(name, (Enumeration,), {"__slots__": (), "__members__": {}, "__module__": "tensorrt.tensorrt"})
    for value in values:
        each = object.__new__(made)
        each._name, each._value = value, FIXED.get(value, order.index(value))
        made.__members__[value] = each
        setattr(made, value, each)
    return made


ITEM_SIZES = {"FLOAT": 4, "HALF": 2, "INT8": 1, "INT32": 4, "BOOL": 1, "UINT8": 1, "FP8": 1, "BF16": 2}
ITEM_SIZES.update(INT64=8, INT4=1, FP4=1, E8M0=1)
SHORT_NAMES = {"float32": "FLOAT", "float16": "HALF", "int8": "INT8", "int32": "INT32", "bool": "BOOL"}
SHORT_NAMES.update(
    uint8="UINT8", fp8="FP8", bfloat16="BF16", int64="INT64", int4="INT4", fp4="FP4", e8m0="E8M0"
)


def item_size(self):
    return ITEM_SIZES[self.name]
