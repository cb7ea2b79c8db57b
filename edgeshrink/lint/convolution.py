"""Convolutions and pools beyond what the table can say of one input."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, is_constant, rank_of

__all__: list[str] = []


@rule("convolution-in-1d", "note")
def convolution_in_1d(network: Subject) -> Iterator[Hit]:
    """The importer puts reshapes around it."""
    for node in network.of("Conv", "ConvTranspose"):
        if rank_of(input_of(node, 0)) == 3:
            yield Hit(
                "The parser widens a convolution over one dimension to two, by reshapes around it.",
                "Nothing needs to be done; chains of them run faster as convolutions of 1×k over images.",
                node,
            )


@rule("computed-weights", "warning")
def computed_weights(network: Subject) -> Iterator[Hit]:
    """Where the table has nothing against them, they go another way through the parser, a limited one."""
    table = {} if network.parser is None else network.parser.operators
    for node in network.of("Conv", "ConvTranspose"):
        forbidden = node.op_type in table and 1 in table[node.op_type].constant_inputs
        if not forbidden and not is_constant(input_of(node, 1)):
            yield Hit(
                "Its weights are computed, which the parser takes in a limited way.",
                "Compute them before the export; what depends on no input, `edgeshrink export` folds.",
                node,
            )


@rule("transposed-padding", "error")
def transposed_padding(network: Subject) -> Iterator[Hit]:
    """A transposed convolution over three dimensions must be padded alike on both sides (8.0 to 8.6)."""
    table = {} if network.parser is None else network.parser.operators
    ranks = table["ConvTranspose"].symmetric_pads_ranks if "ConvTranspose" in table else ()
    for node in network.of("ConvTranspose"):
        pads = list(node.attributes.get_ints("pads") or ())
        if rank_of(input_of(node, 0)) in ranks and pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
            yield Hit(
                f"It is padded by {pads} over three dimensions; the parser wants the same before and after.",
                "Pad alike in forward, and slice the rest off after it.",
                node,
            )


@rule("pool-indices", "error")
def pool_indices(network: Subject) -> Iterator[Hit]:
    """MaxPool's second output is unsupported in every version's table (docs/operators.md)."""
    for node in network.of("MaxPool"):
        if len(node.outputs) > 1 and node.outputs[1].name:
            remedy = "Pool with return_indices=False in forward."
            yield Hit("The parser does not make a pool's indices.", remedy, node)


@rule("dropout-in-training", "error")
def dropout_in_training(network: Subject) -> Iterator[Hit]:
    """TensorRT does not drop out."""
    for node in network.of("Dropout"):
        mode = stored_array(input_of(node, 2))
        if mode is not None and mode.any():
            yield Hit("It drops out, as in training.", "Export after model.eval().", node)
