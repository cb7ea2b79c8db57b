"""RNN, GRU and LSTM: the forms that their importers refuse, and what the rest costs."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of

__all__: list[str] = []

LAYERS = ("GRU", "LSTM", "RNN")


@rule("directions-differ", "error")
def directions_differ(network: Subject) -> Iterator[Hit]:
    """Both directions must have the same activations, with the same alphas and betas."""
    for node in network.of(*LAYERS):
        if node.attributes.get_string("direction", "forward") == "bidirectional" and _differ(node):
            yield Hit(
                "Its two directions have different activations.",
                "Write it as two layers, one a direction.",
                node,
            )


def _differ(node: ir.Node) -> bool:
    found = (node.attributes[name].value for name in _ACTIVATIONS if name in node.attributes)
    return any(list(values[: len(values) // 2]) != list(values[len(values) // 2 :]) for values in found)


_ACTIVATIONS = ("activations", "activation_alpha", "activation_beta")


@rule("recurrent-loop", "note")
def recurrent_loop(network: Subject) -> Iterator[Hit]:
    """The importers write the layer as a loop over the steps."""
    for node in network.of(*LAYERS):
        lengths = input_of(node, 4) is not None
        yield Hit(
            f"The parser writes {node.op_type} as a loop of small products, a step at a time"
            f"{', masked by sequence lengths at each' if lengths else ''}.",
            "Expect latency to follow the number of steps, whatever the layer's width"
            f"{'; feed sequences of one length and leave the lengths out' if lengths else ''}.",
            node,
        )
