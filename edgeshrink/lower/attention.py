"""Attention(q, k, v) -> Softmax(scale * q k^T + mask) v below opset 23, as the ONNX standard defines it.

A query that may look at nothing gives zeros: its row of scores is all minus infinity, of which Softmax makes
NaN, so such rows are set to zero unless the mask is known to have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import onnx_ir as ir

from edgeshrink.graph.stored import stored_array
from edgeshrink.lower.rule import NodeRule, Recorder

__all__ = ["LowerAttention"]

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
OF_LATER = ("left_window_size", "right_window_size")  # opset 25


@dataclass
class _Heads:
    """Query, key and value as (batch, heads, positions, features), whose sizes but the batch are known."""

    query: ir.Value
    key: ir.Value
    value: ir.Value
    queries: int  # heads of the query
    keys: int  # heads of key and value
    features: int  # of a head of query and key
    width: int  # of a head of value


class LowerAttention(NodeRule):
    """Fires where head counts and sizes are known; not on padded caches, windows, or scores as an output."""

    op_types = frozenset({"Attention"})
    native_from = 23

    def rewrite(self, node: ir.Node, op: Recorder) -> Sequence[ir.Value] | None:
        """Where key and value have a past, what the node gives on of them is both together."""
        inputs = [*node.inputs, *[None] * (7 - len(node.inputs))]
        mask, past_key, past_value = inputs[3:6]
        if inputs[6] is not None or not _is_plain(node) or (past_key is None) != (past_value is None):
            return None
        heads = _split(node, op)
        if heads is None:
            return None
        if past_key is not None and past_value is not None:
            heads.key = op("Concat", past_key, heads.key, axis=2)
            heads.value = op("Concat", past_value, heads.value, axis=2)
        shown = _causal(node, past_key) if node.attributes.get_int("is_causal", 0) else None
        if node.attributes.get_int("is_causal", 0) and shown is None:
            return None
        scores = _scores(node, heads, op)
        weights = self._weights(node, scores, mask, shown, op)
        y = op("MatMul", weights, _repeated(heads.value, heads.width, heads, op))
        if _rank(node.inputs[0]) == 3:
            y = op(
                "Reshape",
                op("Transpose", y, perm=[0, 2, 1, 3]),
                op.constant([0, 0, heads.queries * heads.width]),
            )
        return [y, heads.key, heads.value][: len(node.outputs)]

    def _weights(
        self,
        node: ir.Node,
        scores: ir.Value,
        mask: ir.Value | None,
        shown: np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None,
        op: Recorder,
    ) -> ir.Value:
        """Softmax over the scores of what each query may look at."""
        dtype = node.inputs[0].dtype if node.inputs[0] is not None else None
        assert dtype is not None
        far = op.constant(-inf, dtype)
        may_be_blind = False
        if mask is not None and mask.dtype == ir.DataType.BOOL:
            scores = op("Where", mask, scores, far)
        elif mask is not None:
            scores = op("Add", scores, mask)
        if mask is not None:
            known = stored_array(mask)
            seen = None if known is None else known if known.dtype == np.bool_ else known > -inf
            if seen is not None and shown is not None:
                seen = seen & shown
            may_be_blind = seen is None or not bool(seen.any(axis=-1).all())
        if shown is not None:
            scores = op("Where", op.constant(shown, np.bool_), scores, far)
        precision = ir.DataType(node.attributes.get_int("softmax_precision", int(dtype)))
        wide = scores if precision == dtype else op("Cast", scores, to=precision)
        weights = op("Softmax", wide, axis=-1)
        weights = weights if precision == dtype else op("Cast", weights, to=dtype)
        if may_be_blind:
            blind = op("Equal", op.reduce("ReduceMax", scores, [-1], self.opset), far)
            weights = op("Where", blind, op.constant(0, dtype), weights)
        return weights


def _is_plain(node: ir.Node) -> bool:
    """Whether the node asks for nothing that is not written out here."""
    given = node.attributes
    if len(node.outputs) > 3 or any(given.get_int(name, -1) != -1 for name in OF_LATER):
        return False
    if given.get_float("softcap", 0.0) and len(node.inputs) > 3 and node.inputs[3] is not None:
        return False  # opsets 23 and 24 differ in which of them comes first
    return node.inputs[0] is not None and node.inputs[0].dtype in FLOATS


def _rank(value: ir.Value | None) -> int:
    return 0 if value is None or value.shape is None else value.shape.rank()


def _split(node: ir.Node, op: Recorder) -> _Heads | None:
    """Query, key and value by heads; None where a size is not known."""
    query, key, value = node.inputs[:3]
    if query is None or key is None or value is None:
        return None
    if query.shape is None or key.shape is None or value.shape is None:
        return None
    ranks = {query.shape.rank(), key.shape.rank(), value.shape.rank()}
    if ranks == {4}:
        sizes = query.shape[1], key.shape[1], query.shape[3], value.shape[3]
    elif ranks == {3}:
        queries, keys = node.attributes.get_int("q_num_heads", 0), node.attributes.get_int("kv_num_heads", 0)
        widths = query.shape[2], value.shape[2]
        if not queries or not keys or not all(isinstance(width, int) for width in widths):
            return None
        sizes = queries, keys, int(widths[0]) // queries, int(widths[1]) // keys  # type: ignore[arg-type]
        query = _by_heads(query, queries, sizes[2], op)
        key, value = (_by_heads(each, keys, size, op) for each, size in ((key, sizes[2]), (value, sizes[3])))
    else:
        return None
    if not all(isinstance(size, int) for size in sizes):
        return None
    return _Heads(query, key, value, *(int(size) for size in sizes))  # type: ignore[arg-type]


def _by_heads(value: ir.Value, heads: int, size: int, op: Recorder) -> ir.Value:
    """(batch, positions, heads * size) -> (batch, heads, positions, size)."""
    return op("Transpose", op("Reshape", value, op.constant([0, 0, heads, size])), perm=[0, 2, 1, 3])


def _repeated(value: ir.Value, size: int, heads: _Heads, op: Recorder) -> ir.Value:
    """Each head of key or value, of `size` features, as often as queries share it."""
    times = heads.queries // heads.keys
    if times == 1:
        return value
    apart = op("Expand", op("Unsqueeze", value, op.constant([2])), op.constant([1, 1, times, 1, 1]))
    return op("Reshape", apart, op.constant([0, heads.queries, -1, size]))


def _scores(node: ir.Node, heads: _Heads, op: Recorder) -> ir.Value:
    dtype = node.inputs[0].dtype if node.inputs[0] is not None else None
    assert dtype is not None
    scale = node.attributes.get_float("scale", 0.0) or 1 / sqrt(heads.features)
    query = op("Mul", heads.query, op.constant(scale, dtype))
    key = _repeated(heads.key, heads.features, heads, op)
    scores = op("MatMul", query, op("Transpose", key, perm=[0, 1, 3, 2]))
    cap = node.attributes.get_float("softcap", 0.0)
    if cap:
        factor = op.constant(cap, dtype)
        scores = op("Mul", factor, op("Tanh", op("Div", scores, factor)))
    return scores


def _causal(node: ir.Node, past: ir.Value | None) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None:
    """Which keys each query may look at, the past and up to its own; None where sizes are not known."""
    query, key = node.inputs[:2]
    sizes = [None if v is None or v.shape is None else v.shape[-2] for v in (query, key)]
    before = 0 if past is None else None if past.shape is None else past.shape[2]
    queries, keys = sizes
    if not isinstance(queries, int) or not isinstance(keys, int) or not isinstance(before, int):
        return None
    return np.tri(queries, before + keys, before, dtype=np.bool_)
