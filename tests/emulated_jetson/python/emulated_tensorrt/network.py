"""INetworkDefinition, ITensor and OnnxParser: the ONNX file is kept; the network counts what is in it."""

from pathlib import Path

from . import onnx_file, operators
from .logger import tell

NO_BATCH = (
    'Assertion failed: !_importer_ctx.network()->hasImplicitBatchDimension() && "This version of the ONNX'
    " parser only supports TensorRT INetworkDefinitions with an explicit batch dimension. Please ensure the"
    ' network was created using the EXPLICIT_BATCH NetworkDefinitionCreationFlag."'
)
NO_PLUGIN = (
    'Assertion failed: creator && "Plugin not found, are the plugin name, version, and namespace correct?"'
)
WIDE = (
    "onnx2trt_utils.cpp:366: Your ONNX model has been generated with INT64 weights, while TensorRT does not"
    " natively support INT64. Attempting to cast down to INT32."
)
ACTIVATIONS = ("Relu", "Clip", "Sigmoid", "LeakyRelu")
FUSING = ("Conv", "ConvTranspose", "Gemm", "BatchNormalization", "Add")


class Network:
    """What create_network gives; `model` is what was parsed into it."""

    def __init__(self, api, logger, flags, builder):
        self._api, self._logger = api, logger
        self.builder = builder
        self.name, self.error_recorder = "Unnamed Network 0", None
        explicit = api.major >= 10 or flags & 1
        self.has_implicit_batch_dimension = not explicit
        self.has_explicit_precision = False
        self.strongly_typed = api.major >= 11 or (api.major == 10 and bool(flags & 2))
        self.data, self.model, self._inputs, self._outputs = b"", None, [], []

    def take(self, data, model):
        self.data, self.model = data, model
        self._inputs = [self._api.new("ITensor", Tensor(self._api, value, True)) for value in model.inputs]
        self._outputs = [self._api.new("ITensor", Tensor(self._api, value, False)) for value in model.outputs]

    @property
    def num_inputs(self):
        return len(self._inputs)

    @property
    def num_outputs(self):
        return len(self._outputs)

    @property
    def num_layers(self):
        return len(self.model.nodes) if self.model else 0

    def get_input(self, index):
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index):
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def mark_output(self, tensor):
        """Outputs are those of the ONNX file."""

    def unmark_output(self, tensor):
        self._outputs = [each for each in self._outputs if each is not tensor]


class Tensor:
    """A tensor of the network; a dimension that is not fixed is -1."""

    def __init__(self, api, value, is_input):
        self._api = api
        self.name = value.name
        self.dtype = getattr(api.DataType, binding_type(api, value.type))
        self.is_network_input, self.is_network_output = is_input, not is_input
        self.is_shape_tensor, self.is_execution_tensor = False, True
        self.location = api.TensorLocation.DEVICE
        self.allowed_formats, self.broadcast_across_batch, self.dynamic_range = 1, False, None
        self._names = [each if isinstance(each, str) else "" for each in value.shape]
        self._shape = [each if isinstance(each, int) else -1 for each in value.shape]

    @property
    def shape(self):
        return self._api.Dims(self._shape)

    @shape.setter
    def shape(self, value):
        self._shape = list(value)

    def get_dimension_name(self, index):
        return self._names[index]

    def set_dimension_name(self, index, name):
        self._names[index] = name

    def set_dynamic_range(self, min, max):  # noqa: A002 - the argument's name in TensorRT
        self.dynamic_range = (min, max)
        return True

    def reset_dynamic_range(self):
        self.dynamic_range = None


def binding_type(api, kind):
    """The DataType a value of an ONNX file gets: before TensorRT 10 there is no INT64, and never a DOUBLE."""
    if kind == "DOUBLE":
        return "FLOAT"
    if kind == "INT64" and api.major < 10:
        return "INT32"
    if kind == "UINT8" and not hasattr(api.DataType, "UINT8"):
        return "INT32"
    return kind


def engine_layers(model):
    """[names of the nodes] a layer of the engine: an activation goes into what stands before it."""
    layers, users = [], {}
    for node in model.nodes:
        for name in node.inputs:
            users[name] = users.get(name, 0) + 1
    by_output = {}
    for index, node in enumerate(model.nodes):
        if node.operator == "Constant":
            continue
        name = node.name or f"(Unnamed Layer* {index}) [{node.operator}]"
        before = by_output.get(node.inputs[0]) if node.inputs else None
        alone = before is not None and users.get(node.inputs[0]) == 1
        if alone and node.operator in ACTIVATIONS and before[1] in FUSING:
            before[0].append(name)
            entry = (before[0], node.operator)
        else:
            entry = ([name], node.operator)
            layers.append(entry[0])
        for output in node.outputs:
            by_output[output] = entry
    return [" + ".join(names) for names in layers]


class Parser:
    """OnnxParser: says what TensorRT's own parser of that version would refuse.

    8.x stops at the first node, 10.x on lists them all. Of a Reshape without `allowzero` it is known that 8.2
    throws; the wording is not.
    """

    def __init__(self, api, network, logger):
        self._api, self._logger, self._network = api, logger, network._impl
        self._errors, self.flags = [], 0

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index] if 0 <= index < len(self._errors) else None

    def clear_errors(self):
        self._errors = []

    def parse(self, model, path):
        return self._parse(bytes(memoryview(model)), path)

    def parse_with_weight_descriptors(self, model):
        return self._parse(bytes(memoryview(model)))

    def parse_from_file(self, model):
        try:
            data = Path(model).read_bytes()
        except OSError:
            tell(self._api, self._logger, "ERROR", f"Could not open file {model}")
            return self._refuse("MODEL_DESERIALIZE_FAILED", "Failed to parse ONNX model from file: " + model)
        return self._parse(data, model)

    def supports_operator(self, op_name):
        return op_name in operators.imported(self._api.version)

    def supports_model_v2(self, model, path):
        return self._parse(bytes(memoryview(model)), keep=False)

    def supports_model(self, model, path):
        good = self._parse(bytes(memoryview(model)), keep=False)
        return good, [(list(range(self._nodes)), good)]

    def set_flag(self, flag):
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag):
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag):
        return bool(self.flags >> int(flag) & 1)

    def _parse(self, data, path=None, keep=True):
        self._nodes = 0
        try:
            model = onnx_file.read_model(data)
            data = onnx_file.with_weights_inside(data, Path(path or "model").parent)
        except OSError as error:
            return self._refuse("MODEL_DESERIALIZE_FAILED", f"Failed to open file: {error}")
        except (ValueError, UnicodeDecodeError):
            tell(
                self._api,
                self._logger,
                "ERROR",
                "ModelImporter.cpp:735: Failed to parse ONNX model from buffer",
            )
            return self._refuse("MODEL_DESERIALIZE_FAILED", "Failed to parse the ONNX model.")
        self._nodes = len(model.nodes)
        if self._network.has_implicit_batch_dimension:
            return self._refuse("INVALID_VALUE", NO_BATCH, func="importModel", file="ModelImporter.cpp")
        before = len(self._errors)
        for index, node in enumerate(model.nodes):
            self._check(index, node, model)
            if len(self._errors) > before and self._api.major < 10:
                break
        if len(self._errors) > before:
            return False
        if model.wide and self._api.major < 10:
            tell(self._api, self._logger, "WARNING", WIDE)
        if keep:
            self._network.take(data, model)
        return True

    def _check(self, index, node, model):
        known = operators.imported(self._api.version)
        if node.domain not in ("", "ai.onnx") or node.operator not in known:
            message = f"No importer registered for op: {node.operator}. Attempting to import as plugin."
            tell(self._api, self._logger, "INFO", "ModelImporter.cpp:151: " + message)
            searching = f"Searching for plugin: {node.operator}, plugin_version: 1, plugin_namespace: "
            tell(self._api, self._logger, "INFO", "builtin_op_importers.cpp:4643: " + searching)
            self._refuse("UNSUPPORTED_NODE", NO_PLUGIN, index, node, "importFallbackPluginImporter")
        elif self._needs_allowzero(node, model):
            self._refuse("INTERNAL_ERROR", "Attribute not found: allowzero", index, node, "parseGraph")

    def _needs_allowzero(self, node, model):
        old = self._api.version == "8.2" and model.opset >= 14
        return old and node.operator == "Reshape" and "allowzero" not in node.attributes

    def _refuse(self, code, desc, node=-1, of=None, func="parse", file="builtin_op_importers.cpp"):
        error = ParserError(self._api, code, desc, node, of, func, file)
        self._errors.append(self._api.new("ParserError", error))
        where = f"In node {node} ({func}): {code}: {desc}"
        tell(self._api, self._logger, "ERROR", "ModelImporter.cpp:773: ERROR: " + where)
        return False


class ParserError:
    """One error of the parser; all but `node_*` are there in every version."""

    def __init__(self, api, code, desc, node, of, func, file):
        self._code, self._desc, self._node, self._of = getattr(api.ErrorCode, code), desc, node, of
        self._func, self._file = func, file

    def code(self):
        return self._code

    def desc(self):
        return self._desc

    def file(self):
        return self._file

    def func(self):
        return self._func

    def line(self):
        return 4643

    def node(self):
        return self._node

    def node_name(self):
        return self._of.name if self._of else ""

    def node_operator(self):
        return self._of.operator if self._of else ""

    def local_function_stack(self):
        return []

    def local_function_stack_size(self):
        return 0

    def __str__(self):
        where = f"In node {self._node} with name: {self.node_name()} and operator: {self.node_operator()}"
        return f"{where} ({self._func}): {self._code.name}: {self._desc}"
