"""The network as rules look at it: nodes, constants and sizes, beside the device and its parser's table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from edgeshrink.bake.at_sizes import at_sizes
from edgeshrink.devices import Device, Precision
from edgeshrink.graph.module_paths import traced_path
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.graph.stored import stored_tensor
from edgeshrink.lint.footprint import Memory, memory_of
from edgeshrink.parsers import Parser

__all__ = ["Subject", "halves", "module_of", "module_of_value"]


class Subject:
    """A network on its way to a device. Nothing here changes the model that was given.

    Attributes:
        graph: A copy of the network with every shape that inference finds; it shares the weights.
        device: Where it is to run.
        parser: What the device's parser takes; None where that is not known.
        profiled: Names of the inputs whose open sizes have a range the engine is built for.
        workspace_bytes: What the builder may take beside the network; 0 where that is not known.
        precision: What the engine is asked to compute in; None where nobody said.
        largest: The most that open sizes are built for, by name, as far as that is known.
        lowered: Whether export has been at it: then what is left, it could not mend.
    """

    def __init__(
        self,
        model: ir.Model,
        device: Device,
        parser: Parser | None,
        profiled: Collection[str] = (),
        workspace_bytes: int = 0,
        precision: Precision | None = None,
        largest: Mapping[str, int] | None = None,
        lowered: bool = False,
    ) -> None:
        """Look at `model`, of which a copy is taken where a shape is missing."""
        self.workspace_bytes = workspace_bytes
        self.precision = precision
        self.largest = largest or {}
        self.lowered = lowered
        self.model = _with_shapes(_inlined(model) if _reads_functions(parser) else model)
        self.graph = self.model.graph
        self.device = device
        self.parser = parser
        self.profiled = frozenset(profiled)

    @cached_property
    def nodes(self) -> tuple[ir.Node, ...]:
        """Every node, those of subgraphs included, in the graph's order."""
        return tuple(self.graph.all_nodes())

    @cached_property
    def memory(self) -> Memory:
        """What running and building it takes at least, with open sizes at their largest."""
        graph = at_sizes(self.model, self.largest).graph
        return memory_of(graph, self.constants, self.workspace_bytes)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators that the network is written in."""
        versions = self.graph.opset_imports
        return versions.get("", versions.get("ai.onnx", 1))

    @property
    def computes_in_fp16(self) -> bool:
        """Whether FP16 is asked for or, where nobody said, is what the board gains from."""
        return halves(self.device, self.precision)

    def of(self, *op_types: str) -> Iterator[ir.Node]:
        """The nodes of these operators of ONNX's own domain."""
        return (node for node in self.nodes if node.op_type in op_types and node.domain in ("", "ai.onnx"))

    @cached_property
    def constants(self) -> tuple[ir.Value, ...]:
        """Every value with a tensor behind it that a node reads, once."""
        found = {
            value: None for node in self.nodes for value in node.inputs if stored_tensor(value) is not None
        }
        return tuple(value for value in found if value is not None)

    def attribute(self, node: ir.Node, name: str) -> Any:
        """An attribute's value, the default of the network's opset where the node does not say, or None."""
        if name in node.attributes:
            return node.attributes[name].value
        try:
            default = onnx.defs.get_schema(node.op_type, self.opset, "").attributes[name].default_value
        except (onnx.defs.SchemaError, KeyError):
            return None
        value = onnx.helper.get_attribute_value(default) if default.type else None
        return value.decode() if isinstance(value, bytes) else value


def halves(device: Device, precision: Precision | None) -> bool:
    """Whether an engine for `device` will hold values in FP16, as far as that is said or to be expected."""
    return precision == "fp16" or (precision is None and device.fast_fp16 is True)


def _reads_functions(parser: Parser | None) -> bool:
    """Functions came with the parser of 10; an older one takes their calls for plugins."""
    return parser is None or int(parser.version.split(".")[0]) >= 10


def _inlined(model: ir.Model) -> ir.Model:
    if not model.functions:
        return model
    copy = model.clone()
    InlinePass()(copy)
    return copy


def _with_shapes(model: ir.Model) -> ir.Model:
    made = (value for node in model.graph.all_nodes() for value in node.outputs)
    if all(value.shape is not None and value.type is not None for value in made):
        return model
    copy = model.clone()
    infer_shapes(copy)
    return copy


def module_of(node: ir.Node) -> str:
    """The torch module a node came from, `layer1.0.conv1`, by its weight, its notes or its name."""
    if path := traced_path(node):
        return path
    return ".".join((node.name or "").split("/")[:-1])  # the names that lowering gives: layer1/0/conv1/Conv


def module_of_value(value: ir.Value) -> str:
    """The torch module of the node that makes a value, or first reads a stored one; empty for inputs."""
    if value.is_graph_input():
        return ""
    node = (
        value.producer() if stored_tensor(value) is None else next((use.node for use in value.uses()), None)
    )
    return module_of(node) if node else ""
