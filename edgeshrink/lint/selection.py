"""TopK and NonMaxSuppression."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, rank_of

__all__: list[str] = []

MOST = 3840  # docs.nvidia.com, TensorRT operators, TopK: k <= 3840


@rule("topk-too-large", "error")
def topk_too_large(network: Subject) -> Iterator[Hit]:
    """TensorRT's TopK returns 3840 elements at most."""
    for node in network.of("TopK"):
        count = stored_array(input_of(node, 1))
        if count is not None and count.size and int(count.reshape(-1)[0]) > MOST:
            yield Hit(
                f"It takes the {int(count.reshape(-1)[0])} largest, and TensorRT {MOST} at most.",
                "Take fewer, or choose by a threshold before it.",
                node,
            )


@rule("topk-axis", "error")
def topk_axis(network: Subject) -> Iterator[Hit]:
    """The axis must be one of the last four dimensions."""
    for node in network.of("TopK"):
        rank, axis = rank_of(input_of(node, 0)), node.attributes.get_int("axis", -1)
        if rank is None or axis is None:
            continue
        if (axis + rank if axis < 0 else axis) < rank - 4:
            yield Hit(
                f"It looks along dimension {axis} of {rank}, and TensorRT along one of the last four.",
                "Transpose that dimension to the end before it.",
                node,
            )


@rule("nms-in-the-network", "note")
def nms_in_the_network(network: Subject) -> Iterator[Hit]:
    """The number of boxes is not known before the run."""
    for node in network.of("NonMaxSuppression"):
        yield Hit(
            "How many boxes it keeps differs from run to run, and nothing after it is of a fixed size.",
            "End the network at boxes and scores, and suppress on the host.",
            node,
        )
