"""Steps of random networks in which positions attend to each other, with heads that are masked in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.bake.random_graphs import Builder

__all__ = ["ATTENTION"]


def _projection(b: Builder, x: str, positions: int, read: int, heads: int, size: int, dead: list[int]) -> str:
    """Linear, bias, split into heads; the rows of dead heads are zero."""
    weight, bias = b.masked(heads * size, read), b.vector(heads * size)
    for head in dead:
        weight[head * size : (head + 1) * size] = 0
    name = b.inner("MatMul", [x, b.weight(weight.T)], (positions, heads * size))
    name = b.inner("Add", [name, b.weight(bias)], (positions, heads * size))
    shape = b.whole(b.pick(0, -1), positions, heads, size)
    return b.inner("Reshape", [name, shape], (positions, heads, size))


def attention(b: Builder) -> None:
    """Heads attend over the positions of an image; many are masked, in the values or behind them."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    heads, size, n = b.integer(1, 4), b.integer(1, 3), h * w
    x = b.inner("Reshape", [source, b.whole(0, c, n)], (c, n))
    x = b.inner("Transpose", [x], (n, c), perm=[0, 2, 1])
    masked = [head for head in range(heads) if b.chance(40)]
    where = b.pick("values", "behind", "all")
    dead = {"q": [], "k": [], "v": masked if where != "behind" else []}
    if where == "all":
        dead = dict.fromkeys("qkv", masked)
    q, k, v = (_projection(b, x, n, c, heads, size, dead[name]) for name in "qkv")
    q = b.inner("Transpose", [q], (heads, n, size), perm=[0, 2, 1, 3])
    k = b.inner("Transpose", [k], (heads, size, n), perm=[0, 2, 3, 1])
    v = b.inner("Transpose", [v], (heads, n, size), perm=[0, 2, 1, 3])
    scores = b.inner("MatMul", [q, k], (heads, n, n))
    if b.chance(30):
        scores = b.inner("Mul", [scores, b.weight(b.vector(heads).reshape(-1, 1, 1))], (heads, n, n))
    shares = b.inner("Softmax", [scores], (heads, n, n), axis=b.pick(-1, -1, -1, 2, 1))
    seen = b.inner("MatMul", [shares, v], (heads, n, size))
    seen = b.inner("Transpose", [seen], (n, heads, size), perm=[0, 2, 1, 3])
    seen = b.inner("Reshape", [seen, b.whole(0, n, -1)], (n, heads * size))
    out = b.integer(1, 5)
    weight = b.masked(out, heads * size)
    for head in masked if where == "behind" else ():
        weight[:, head * size : (head + 1) * size] = 0
    seen = b.inner("MatMul", [seen, b.weight(weight.T)], (n, out))
    seen = b.inner("Transpose", [seen], (out, n), perm=[0, 2, 1])
    b.add("Reshape", [seen, b.whole(0, out, h, w)], (out, h, w))


def regroup(b: Builder) -> None:
    """Axes merged and split anew, and a channel-wise op in between."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    groups = int(b.pick(*(g for g in range(1, c + 1) if c % g == 0)))
    shape = b.pick((groups, c // groups, h * w), (groups, c // groups * h, w), (c * h, w, 1))
    x = b.inner("Reshape", [source, b.whole(0, *shape)], shape)
    if b.chance(50):
        scale, bias = (b.vector(shape[0]) for _ in range(2))
        weights = [b.weight(scale), b.weight(bias)]
        x = b.inner("InstanceNormalization", [x, *weights], shape, epsilon=0.1)  # see group_norm
    b.add("Reshape", [x, b.whole(0, c, h, w)], (c, h, w))


def mix_positions(b: Builder) -> None:
    """A constant matrix on either side of an image's rows and columns, or the image times itself."""
    source = b.one_of(3)
    if source is None:
        return
    c, h, w = b.shapes[source]
    kind = b.pick("left", "right", "self")
    if kind == "self":
        turned = b.inner("Transpose", [source], (c, w, h), perm=[0, 1, 3, 2])
        b.add("MatMul", [source, turned], (c, h, h))
    elif kind == "left":
        b.add("MatMul", [b.weight(b.masked(h, h)), source], (c, h, w))
    else:
        shape = b.pick((w, w), (c, w, w), (1, w, w))
        array = b.masked(w, w) if len(shape) == 2 else b.masked(*shape[:2], 1) * np.ones(shape[2])
        b.add("MatMul", [source, b.weight(array)], (c, h, w))


ATTENTION = ((attention, 2), (regroup, 2), (mix_positions, 1))
"""Steps and how often they are drawn."""
