"""Open sizes and too many dimensions."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, sizes_of

__all__: list[str] = []

MOST_DIMENSIONS = 8  # Dims::MAX_DIMS in NvInferRuntimeCommon.h of TensorRT 8, NvInferRuntimeBase.h of 10


@rule("open-size", "error")
def open_size(network: Subject) -> Iterator[Hit]:
    """An engine is only built for open sizes that an optimization profile bounds."""
    for value in network.graph.inputs:
        if value.name in network.profiled or not value.uses():
            continue
        if value.shape is None:
            yield Hit("The input states no shape.", "Export the network with one.", value)
        elif opened := [str(size) for size in value.shape if not isinstance(size, int)]:
            sizes = "x".join(str(size) if isinstance(size, int) else "1" for size in value.shape)
            ranged = "x".join(str(size) if isinstance(size, int) else "1..8" for size in value.shape)
            yield Hit(
                f"The size {', '.join(opened)} is open without a known range: the engine cannot be built.",
                f"Fix it: `edgeshrink export` with --input {value.name}:{sizes}; or give it a range there, "
                f"{value.name}:{ranged}.",
                value,
            )


@rule("squeeze-of-open-sizes", "error")
def squeeze_of_open_sizes(network: Subject) -> Iterator[Hit]:
    """Without axes, the importer has to know which sizes are 1."""
    for node in network.of("Squeeze"):
        axes = "axes" in node.attributes or input_of(node, 1) is not None
        if not axes and sizes_of(input_of(node, 0)) is None:
            yield Hit(
                "It names no axes, and its input's sizes are not all known when the engine is built.",
                "Name the dimension: x.squeeze(1) in forward, not x.squeeze().",
                node,
            )


@rule("too-many-dimensions", "error")
def too_many_dimensions(network: Subject) -> Iterator[Hit]:
    """TensorRT's tensors have eight dimensions at most."""
    for node in network.nodes:
        for value in node.outputs:
            if value.shape is not None and value.shape.rank() > MOST_DIMENSIONS:
                yield Hit(
                    f"It makes {value.shape.rank()} dimensions, and TensorRT has {MOST_DIMENSIONS} at most.",
                    "Reshape it into fewer dimensions in forward.",
                    node,
                )
