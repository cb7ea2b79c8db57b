"""What runs, but slowly."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import onnx_ir as ir

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import input_of, rank_of, sizes_of

__all__: list[str] = []

MANY_TRANSPOSES = 4
MANY_ELEMENTWISE = 50
TINY = 4096  # elements: a kernel's launch takes longer than computing so few
WIDTH = 8  # channels that half-precision kernels take at once: tensor cores want multiples of it

ELEMENTWISE = ("Add", "Div", "Mul", "Sub", "Pow", "Sqrt", "Relu", "Sigmoid", "Tanh", "Where", "Clip", "Erf")


@rule("many-transposes", "note")
def many_transposes(network: Subject) -> Iterator[Hit]:
    """Transposes that move numbers, for every second layer or more."""
    moving = [node for node in network.of("Transpose") if _moves(node)]
    layers = sum(1 for _ in network.of("Conv", "ConvTranspose", "Gemm", "MatMul"))
    if len(moving) >= MANY_TRANSPOSES and 2 * len(moving) >= layers:
        yield Hit(
            f"{len(moving)} transposes move numbers between {layers} layers; each reads and writes them all.",
            f"Keep one order of dimensions throughout forward{_usual(network)}.",
            moving[0],
        )


def _usual(network: Subject) -> str:
    """What order that is where images are convolved; elsewhere, that some transposes have to be."""
    images = any(rank_of(input_of(node, 0)) == 4 for node in network.of("Conv", "ConvTranspose"))
    return ": channels first (N, C, H, W)" if images else "; attention over several heads needs four a layer"


def _moves(node: ir.Node) -> bool:
    """Whether any two dimensions above 1 change places."""
    sizes, order = sizes_of(input_of(node, 0)), node.attributes.get_ints("perm")
    if sizes is None:
        return True
    axes = list(order or range(len(sizes))[::-1])
    if sorted(axes) != list(range(len(sizes))):
        return True
    kept = [axis for axis in axes if sizes[axis] != 1]
    return kept != sorted(kept)


@rule("grouped-convolution", "note")
def grouped_convolution(network: Subject) -> Iterator[Hit]:
    """Chips before tensor cores gain nothing from FP16 in depthwise and grouped convolutions.

    NVIDIA's own table for a TX2: MobileNet 12.9 ms in both precisions, ResNet-50 15.7 against 27.1.
    """
    if not (network.device.compute_capability or "").startswith(("5.", "6.")):
        return
    grouped = [node for node in network.of("Conv") if node.attributes.get_int("group", 1) != 1]
    if grouped:
        yield Hit(
            f"{len(grouped)} convolutions are grouped or depthwise: FP16 does not make them faster here.",
            "Measure both precisions; expect less than the multiply-accumulates promise.",
            grouped[0],
        )


@rule("odd-depthwise", "note")
def odd_depthwise(network: Subject) -> Iterator[Hit]:
    """Depthwise convolutions of a number of channels that half-precision kernels have to pad."""
    for node in network.of("Conv"):
        group, sizes = node.attributes.get_int("group", 1) or 1, sizes_of(input_of(node, 0))
        if group > 1 and sizes is not None and sizes[1:2] == (group,) and group % WIDTH:
            yield Hit(
                f"It is depthwise over {group} channels, no multiple of {WIDTH}: kernels pad or fall back.",
                f"Nothing needs to be done; {-(-group // WIDTH) * WIDTH} channels may run as fast.",
                node,
            )


@rule("channels-by-index", "note")
def channels_by_index(network: Subject) -> Iterator[Hit]:
    """A Gather over channels of an image copies them one by one."""
    for node in network.of("Gather"):
        sizes = sizes_of(input_of(node, 0))
        if (
            sizes is not None
            and len(sizes) >= 4
            and node.attributes.get_int("axis", 0) in (1, 1 - len(sizes))
        ):
            yield Hit(
                "It picks channels by index, which copies all of them and is fused with nothing.",
                "Order the channels of the layer before it; where baking made it, a shuffle costs that.",
                node,
            )


@rule("many-tiny-nodes", "note")
def many_tiny_nodes(network: Subject) -> Iterator[Hit]:
    """Elementwise nodes of few numbers, as small layers and dendrites have: launches outweigh the work."""
    tiny = [node for node in network.of(*ELEMENTWISE) if 0 < _elements(node) <= TINY]
    if len(tiny) >= MANY_ELEMENTWISE:
        yield Hit(
            f"{len(tiny)} elementwise nodes compute {TINY} numbers or fewer: what is not fused costs a "
            "kernel's launch each.",
            "Capture the run as a CUDA graph; fewer, wider layers help, and fewer dendrites on small ones.",
            tiny[0],
        )


def _elements(node: ir.Node) -> int:
    sizes = sizes_of(node.outputs[0])
    return 0 if sizes is None else prod(sizes)
