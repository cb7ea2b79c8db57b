from __future__ import annotations

import numpy as np
import pytest

from edgeshrink.errors import InputError
from edgeshrink.inputs import SizeRange
from edgeshrink.manifest import Accuracy, Interface
from tests.lower.support import parse


def logits(*classes: int) -> list[dict[str, np.ndarray]]:
    return [{"output": np.eye(3, dtype=np.float32)[[index]]} for index in classes]


def test_accuracy_is_the_share_of_labelled_classes_before_and_after():
    measured = Accuracy.measure(np.array([0, 1, 2, 2]), logits(0, 1, 2, 0), logits(0, 0, 0, 0))
    assert measured == Accuracy(before=0.75, after=0.25, samples=4)


def test_what_fills_up_the_last_batch_does_not_count():
    batch = [{"output": np.eye(3, dtype=np.float32)}, {"output": np.eye(3, dtype=np.float32)}]
    assert Accuracy.measure(np.array([0, 1, 2, 0]), batch, batch) == Accuracy(1.0, 1.0, 4)


def test_without_labels_or_for_anything_but_one_row_of_classes_there_is_no_accuracy():
    assert Accuracy.measure(None, logits(0), logits(0)) is None
    assert Accuracy.measure(np.array([0]), [], []) is None
    two = [{"a": np.zeros((1, 3)), "b": np.zeros((1, 3))}]
    assert Accuracy.measure(np.array([0]), two, two) is None
    image = [{"output": np.zeros((1, 3, 8, 8))}]
    assert Accuracy.measure(np.array([0]), image, image) is None


def test_rows_that_are_no_samples_are_not_counted_as_such():
    steps = [{"output": np.zeros((7, 3))}] * 4
    assert Accuracy.measure(np.array([0, 1, 2, 0]), steps, steps) is None
    one = [{"output": np.zeros((1, 1))}] * 4
    assert Accuracy.measure(np.array([0, 1, 1, 0]), one, one) is None


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="from 0 to 77, the network has 3 classes"):
        Accuracy.measure(np.array([0, 77]), logits(0, 1), logits(0, 1))


def test_an_input_with_open_sizes_has_the_three_shapes_of_an_optimization_profile():
    model = parse("(float[batch, 3, n] x, float[3, 1] w) => (float[batch, 3, n] y) { y = Add(x, w) }")
    ranges = {"batch": SizeRange(1, 4, 8), "n": SizeRange(2, 16, 16)}
    found = Interface.of(model, ranges)
    assert found.inputs == [
        {
            "name": "x",
            "shape": ["batch", 3, "n"],
            "dtype": "float32",
            "min": [1, 3, 2],
            "opt": [4, 3, 16],
            "max": [8, 3, 16],
        },
        {"name": "w", "shape": [3, 1], "dtype": "float32"},
    ]
    assert found.outputs == [{"name": "y", "shape": ["batch", 3, "n"], "dtype": "float32"}]
