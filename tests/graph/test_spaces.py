"""Spaces: ties join units into classes, however long the chain."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.graph.spaces import Spaces


def test_classes_of_a_long_chain_in_any_order():
    spaces = Spaces()
    parts = [spaces.fresh(3) for _ in range(500)]
    for i in np.random.default_rng(0).permutation(499):
        spaces.tie(parts[i + 1], parts[i])
    labels = spaces.solve().labels
    assert all(labels[part].tolist() == [0, 1, 2] for part in parts)


def test_a_tie_of_units_within_one_axis():
    spaces = Spaces()
    units = spaces.fresh(4)
    spaces.tie(units[:2], units[2:])
    assert spaces.solve().labels.tolist() == [0, 1, 0, 1]


def test_a_pin_holds_for_everything_tied_and_the_first_reason_is_told():
    spaces = Spaces()
    a, b = spaces.fresh(2), spaces.fresh(2)
    spaces.tie(a, b)
    spaces.pin(b[:1], "first")
    spaces.pin(a, "second")
    assert spaces.solve().reasons == {0: "first", 1: "second"}


def test_an_axis_pinned_before_it_is_tracked():
    spaces = Spaces()
    value = ir.Value(name="v", shape=ir.Shape([2, 3]))
    spaces.pin_value(value, "early")
    spaces.put(value, 1, spaces.fresh(3))
    assert set(spaces.solve().reasons.values()) == {"early"}


def test_units_of_different_number_cannot_be_tied():
    spaces = Spaces()
    with pytest.raises(ValueError, match="cannot tie 2 units to 3"):
        spaces.tie(spaces.fresh(2), spaces.fresh(3))


def test_no_ties_and_no_units():
    assert Spaces().solve().labels.size == 0
