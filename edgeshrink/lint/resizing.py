"""Resize beyond its modes, which the parser's table lists."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, is_constant, sizes_of

__all__: list[str] = []


MOST = {"linear": 3, "cubic": 2}
"""Dimensions, the last ones, that a mode interpolates over (docs/operators.md and canUseLinearResize)."""


@rule("resize-axes", "error")
def resize_axes(network: Subject) -> Iterator[Hit]:
    """Interpolation works over the last dimensions alone."""
    for node in network.of("Resize"):
        before, after = sizes_of(input_of(node, 0)), sizes_of(node.outputs[0])
        most = MOST.get(network.attribute(node, "mode"))
        if most is None or before is None or after is None or len(before) != len(after):
            continue
        resized = [axis for axis, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        if resized and resized[0] < len(before) - most:
            yield Hit(
                f"It works on dimension {resized[0]} of {len(before)}; TensorRT over the last {most}.",
                "Transpose these dimensions to the end before it.",
                node,
            )


@rule("resize-rounding", "error")
def resize_rounding(network: Subject) -> Iterator[Hit]:
    """TensorFlow's half pixels go with one way of rounding alone, in every version's importer."""
    for node in network.of("Resize"):
        half = network.attribute(node, "coordinate_transformation_mode") == "tf_half_pixel_for_nn"
        rounding = network.attribute(node, "nearest_mode")
        if half and rounding != "round_prefer_floor":
            yield Hit(
                f"tf_half_pixel_for_nn with nearest_mode={rounding}; the parser takes it with "
                "round_prefer_floor alone.",
                "Resize with another coordinate_transformation_mode.",
                node,
            )


@rule("resize-by-computed-size", "warning")
def resize_by_computed_size(network: Subject) -> Iterator[Hit]:
    """Scales must be an initializer; sizes may be computed from shapes alone."""
    for node in network.of("Resize"):
        for value in node.inputs[2:]:
            if value is not None and not is_constant(value):
                yield Hit(
                    f"Its size is computed ({value.name}): the parser takes scales as an initializer, and "
                    "sizes that follow from shapes.",
                    "Give interpolate a fixed size= in forward, and the network inputs of fixed size.",
                    node,
                )
