"""Lowering: the same network in an opset that the device's parser is tested with. One rule a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir
import onnx_ir.passes.common as passes

from edgeshrink.devices import Device
from edgeshrink.errors import EdgeshrinkError, UnsupportedError
from edgeshrink.graph.shapes import infer_shapes
from edgeshrink.logs import unspoken
from edgeshrink.lower.affine_grid import LowerAffineGrid
from edgeshrink.lower.attention import LowerAttention
from edgeshrink.lower.bits import LowerBitwise, LowerBitwiseNot
from edgeshrink.lower.booleans import LowerBooleans
from edgeshrink.lower.cast_like import LowerCastLike
from edgeshrink.lower.celu import LowerCelu
from edgeshrink.lower.center_crop_pad import LowerCenterCropPad
from edgeshrink.lower.clip_bounds import LowerClipBounds
from edgeshrink.lower.col2im import LowerCol2Im
from edgeshrink.lower.constant_attributes import LowerConstantAttributes
from edgeshrink.lower.counts import LowerCounts
from edgeshrink.lower.einsum_ellipsis import LowerEinsumEllipsis
from edgeshrink.lower.filled import LowerFilled
from edgeshrink.lower.fold_sizes import fold_sizes
from edgeshrink.lower.fourier import LowerDFT, LowerSTFT
from edgeshrink.lower.gelu import LowerGelu
from edgeshrink.lower.grid_sample import LowerGridSample
from edgeshrink.lower.grid_sample_modes import LowerGridSampleModes
from edgeshrink.lower.group_normalization import LowerGroupNormalization
from edgeshrink.lower.hard_swish import LowerHardSwish
from edgeshrink.lower.is_inf import LowerIsInf
from edgeshrink.lower.layer_normalization import LowerLayerNormalization
from edgeshrink.lower.mean_variance_normalization import LowerMeanVarianceNormalization
from edgeshrink.lower.mish import LowerMish
from edgeshrink.lower.mod import LowerMod
from edgeshrink.lower.names import NameNodesAfterModules, module_path
from edgeshrink.lower.narrow_interface import NarrowInterface
from edgeshrink.lower.one_hot import LowerHardmax, LowerOneHot
from edgeshrink.lower.opsets import drop_what_says_nothing, faults_at
from edgeshrink.lower.pad_axes import LowerPadAxes
from edgeshrink.lower.pad_wrap import LowerPadWrap
from edgeshrink.lower.pool_ceil_mode import LowerPoolCeilMode
from edgeshrink.lower.pool_dilations import LowerAveragePoolDilations, LowerMaxPoolDilations
from edgeshrink.lower.quantize_output_type import LowerQuantizeOutputType
from edgeshrink.lower.recurrent_layout import LowerRecurrentLayout
from edgeshrink.lower.reduce_axes import LowerReduceAxes
from edgeshrink.lower.reduce_booleans import LowerReduceBooleans
from edgeshrink.lower.reduce_over_nothing import LowerReduceOverNothing
from edgeshrink.lower.relu_of_integers import LowerReluOfIntegers
from edgeshrink.lower.reshape_zeros import LowerReshapeZeros
from edgeshrink.lower.resize_matrices import LowerResizeMatrices
from edgeshrink.lower.resize_sizes import LowerResizeSizes
from edgeshrink.lower.rms_normalization import LowerRMSNormalization
from edgeshrink.lower.rotary_embedding import LowerRotaryEmbedding
from edgeshrink.lower.rule import NodeRule
from edgeshrink.lower.scatter_reduction import LowerScatterElementsReduction, LowerScatterNDReduction
from edgeshrink.lower.shape_range import LowerShapeRange
from edgeshrink.lower.shrink import LowerShrink
from edgeshrink.lower.split_num_outputs import LowerSplitNumOutputs
from edgeshrink.lower.swish import LowerSwish
from edgeshrink.lower.target import Target
from edgeshrink.lower.tidy import StripNotes
from edgeshrink.lower.top_k_smallest import LowerTopKSmallest
from edgeshrink.lower.trilu import LowerTrilu
from edgeshrink.lower.windows import LowerWindow
from edgeshrink.lower.xor import LowerXor

__all__ = ["RULES", "LowerReport", "NarrowInterface", "Target", "lower"]

# By name: each writes for the target's opset itself, and knows what another may do to the same node first.
RULES: tuple[type[NodeRule], ...] = (
    LowerAffineGrid,
    LowerAttention,
    LowerAveragePoolDilations,
    LowerBitwise,
    LowerBitwiseNot,
    LowerBooleans,
    LowerCastLike,
    LowerCelu,
    LowerCenterCropPad,
    LowerClipBounds,
    LowerCol2Im,
    LowerConstantAttributes,
    LowerCounts,
    LowerDFT,
    LowerEinsumEllipsis,
    LowerFilled,
    LowerGelu,
    LowerGridSample,
    LowerGridSampleModes,
    LowerGroupNormalization,
    LowerHardSwish,
    LowerHardmax,
    LowerIsInf,
    LowerLayerNormalization,
    LowerMaxPoolDilations,
    LowerMeanVarianceNormalization,
    LowerMish,
    LowerMod,
    LowerOneHot,
    LowerPadAxes,
    LowerPadWrap,
    LowerPoolCeilMode,
    LowerQuantizeOutputType,
    LowerRMSNormalization,
    LowerRecurrentLayout,
    LowerReduceAxes,
    LowerReduceBooleans,
    LowerReduceOverNothing,
    LowerReluOfIntegers,
    LowerReshapeZeros,
    LowerResizeMatrices,
    LowerResizeSizes,
    LowerRotaryEmbedding,
    LowerSTFT,
    LowerScatterElementsReduction,
    LowerScatterNDReduction,
    LowerShapeRange,
    LowerShrink,
    LowerSplitNumOutputs,
    LowerSwish,
    LowerTopKSmallest,
    LowerTrilu,
    LowerWindow,
    LowerXor,
)


@dataclass(frozen=True)
class LowerReport:
    """What lowering did.

    Attributes:
        rules: How many nodes each rule rewrote, by the rule's name; only those that fired.
        opset: The opset before and after.
        ir_version: The IR version before and after.
    """

    rules: Mapping[str, int]
    opset: tuple[int, int]
    ir_version: tuple[int, int]

    @property
    def changed(self) -> bool:
        """Whether a node was rewritten or a version went down."""
        return bool(self.rules) or self.opset[0] != self.opset[1] or self.ir_version[0] != self.ir_version[1]


def lower(model: ir.Model, device: Device) -> LowerReport:
    """Bring `model`, in place, to the opset and IR version of `device`; where it is below them it stays so.

    Functions are inlined, unused constants, opsets and notes are dropped, nodes are sorted and named after
    their torch modules, and the result is checked against ONNX's rules.

    Raises:
        UnsupportedError: Nodes that have no older form; the message lists every one.
        EdgeshrinkError: The result breaks ONNX's rules.
    """
    versions = model.graph.opset_imports
    before = versions.get("", 1), model.ir_version
    passes.InlinePass()(model)
    passes.TopologicalSortPass()(model)
    target = Target.of(device, before[0])
    rules = [rule(target) for rule in RULES]
    declared = [output.shape for output in model.graph.outputs]
    _know_types(model)
    if target.opset < before[0] and fold_sizes(model):
        _know_types(model)
    for rule in rules:
        rule(model)
    for output, shape in zip(model.graph.outputs, declared, strict=True):
        output.shape = shape  # the old opset's inference is not always right; the new one's follows
    passes.RemoveUnusedNodesPass()(model)
    _require_all_lowered(model, device, target)
    for node in model.graph.all_nodes():
        if node.domain == "":
            drop_what_says_nothing(node, target.opset)
    versions[""] = target.opset
    model.ir_version = min(before[1], device.ir_version)
    _tidy(model)
    if any(output.shape is None for output in model.graph.outputs):
        _know_types(model)
        StripNotes()(model)
    check(model)
    StripNotes()(model)  # again: checking gives every stored tensor a shape to be written twice
    fired = {type(rule).__name__: rule.fired for rule in rules if rule.fired}
    return LowerReport(fired, (before[0], target.opset), (before[1], model.ir_version))


def _know_types(model: ir.Model) -> None:
    """Infer types and shapes where any is missing: some rules need them."""
    made = [value for node in model.graph.all_nodes() for value in node.outputs]
    if any(value.type is None or value.shape is None for value in made):
        infer_shapes(model)


def _require_all_lowered(model: ir.Model, device: Device, target: Target) -> None:
    lines = []
    for node in model.graph.all_nodes():
        if node.domain != "":
            foreign = device.runtime != "onnxruntime"  # which has operators of its own
            faults = [f"its domain {node.domain!r} is not ONNX's"] if foreign else []
        else:
            faults = faults_at(node, target.source, target.opset)
        if faults:
            where = module_path(node) or node.name or f"the graph, output {node.outputs[0].name}"
            lines.append(f"- {node.op_type} in {where}: {'; '.join(faults)}")
    if lines:
        raise UnsupportedError(
            f"{device.name} takes opset {target.opset}, and these nodes cannot be written in it:\n"
            + "\n".join(lines),
            _way_out(model),
        )


def _way_out(model: ir.Model) -> str:
    """What to do; some rules write constants for sizes, and so need them fixed."""
    way = "eplace the operation in forward, or choose another device: `edgeshrink devices` lists them."
    if any(value.shape is not None and not value.shape.is_static() for value in model.graph.inputs):
        return f"Fix the open sizes (--input without a range), which some rules need; r{way}"
    return f"R{way}"


def _tidy(model: ir.Model) -> None:
    for step in (
        passes.DeduplicateInitializersPass(size_limit=1),  # the constants of rules; weights stay apart
        NameNodesAfterModules(),
        passes.NameFixPass(),
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedOpsetsPass(),
        StripNotes(),
    ):
        with unspoken("onnx_ir"):  # of each initializer that it leaves as it is
            step(model)


def check(model: ir.Model) -> None:
    """Let a valid model pass: onnx.checker in full, which infers types and shapes and lets no node fail.

    Raises:
        EdgeshrinkError: It breaks a rule of ONNX.
    """
    try:
        passes.CheckerPass(full_check=True)(model)
    except Exception as error:  # the checker, inference and protobuf raise classes of their own
        raise EdgeshrinkError(f"The lowered network is not valid ONNX: {error}") from error
