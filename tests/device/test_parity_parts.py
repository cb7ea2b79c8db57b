"""What is small in an output is judged, too, and what cannot be judged is said.

The networks computed in FP16 here are detectors' heads in numpy: every layer rounds its sums to float16. What
they give differs as real engines do, and must pass.
"""

import numpy as np
import pytest
from edgeshrink_device import parity
from edgeshrink_device.cli import main

from .helpers import QUICK_WORDS, write_bundle

HALF = np.float16


def checked(got, want, precision="fp16", name="y"):
    """Parity of samples along the first axis, one a feed."""
    feeds, expected = [each[np.newaxis] for each in got], [[each[np.newaxis]] for each in want]
    return parity.check(lambda feed: [feed], feeds, expected, [name], len(want), precision)


def detections(rng, samples=4, classes=8, boxes=50):
    """Boxes of 0 to 640 pixels and scores of 0 to 1 in one output, channels on axis 1."""
    pixels = rng.uniform(0, 640, (samples, 4, boxes))
    return np.concatenate([pixels, rng.uniform(0, 1, (samples, classes, boxes))], 1).astype(np.float32)


@pytest.mark.parametrize("turned", [False, True], ids=["channels on axis 1", "channels last"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_wrong_scores_beside_boxes_in_pixels_fail(precision, turned):
    want = detections(np.random.RandomState(0))
    got = want.copy()
    got[:, 4:] = 1 - got[:, 4:]
    if turned:
        got, want = np.swapaxes(got, 1, 2), np.swapaxes(want, 1, 2)
    told = checked(got, want, precision)
    assert not told["ok"]
    where = r" at [..., " if turned else r" at [:, "
    assert where in told["reason"] or precision == "fp32"
    assert told["max_abs_error"] == pytest.approx(1, abs=0.02)
    assert checked(want, want, precision)["ok"]


def test_one_wrong_channel_of_many_is_named():
    want = detections(np.random.RandomState(1))
    got = want.copy()
    got[:, 7] = got[:, 7, ::-1]
    assert checked(got, want)["reason"].startswith("output 'y' differs by 0.9")
    assert " at [:, 7], allowed are 0.0999" in checked(got, want)["reason"]


def test_wrong_samples_beside_a_much_larger_one_fail():
    want = np.random.RandomState(2).normal(size=(6, 4)).astype(np.float32)
    want[0] *= 1000
    got = want.copy()
    got[1:] *= -1
    assert " in sample " in checked(got, want)["reason"]
    got[1:] *= -1
    assert checked(got, want)["ok"]


def half(values):
    return values.astype(HALF).astype(np.float32)


def dense(x, weights, bias, halves):
    """One layer; in halves the sum is rounded after each of 8 parts, as chips that sum in float16 do."""
    if not halves:
        return np.tensordot(weights, x, (1, 0)) + bias[:, None]
    total, parts = half(bias)[:, None], np.array_split(np.arange(len(x)), 8)
    for rows in parts:
        total = half(total + half(np.tensordot(half(weights[:, rows]), x[rows], (1, 0))))
    return total


def network(seed, halves, depth=12, width=64, classes=20, places=400):
    """A detector of `depth` layers; most classes are in no picture, their scores 1e-4 to 1e-2."""
    rng, cast = np.random.RandomState(seed), half if halves else np.asarray
    layers = [rng.normal(size=(width, width)) * np.sqrt(2 / width) for _ in range(depth)]
    head, absent = rng.normal(size=(classes, width)) * 0.25, np.linspace(0, -9, classes)
    frame = rng.normal(size=(4, width)) * 0.1
    outputs = []
    for _ in range(3):
        x = rng.normal(size=(width, places)).astype(np.float32)
        x = cast(x)
        for weights in layers:
            x = np.maximum(dense(x, weights, np.zeros(width), halves), 0)
        scores = cast(1 / (1 + np.exp(-dense(x, head, absent, halves))))
        boxes = cast(320 + 100 * np.tanh(dense(x, frame, np.zeros(4), halves)))
        outputs.append((boxes, scores))
    return outputs


@pytest.mark.parametrize("seed", range(5))
def test_detectors_computed_in_half_precision_pass(seed):
    single, halves = network(seed, False), network(seed, True)
    for pick in (lambda boxes, scores: scores, lambda *both: np.concatenate(both)):
        want = np.stack([pick(*each) for each in single]).astype(np.float32)
        got = np.stack([pick(*each) for each in halves]).astype(np.float32)
        told = checked(got, want)
        assert told["ok"], told["reason"]
        assert told["max_abs_error"] > 1e-4  # they do differ
        assert checked(np.swapaxes(got, 1, 2), np.swapaxes(want, 1, 2))["ok"]


def test_values_near_zero_by_chance_may_round():
    """An angle a sample, the sum of larger parts: float16 is off by 2e-3 wherever the angle lies."""
    want = np.array([[0.8], [-0.01], [0.02], [-0.4], [0.0]], dtype=np.float32)
    assert checked(want + np.float32(2e-3), want)["ok"]
    assert not checked(-want, want)["ok"]


def test_a_channel_that_is_nothing_but_rounding_passes():
    want = np.random.RandomState(3).normal(size=(3, 4, 50)).astype(np.float32)
    want[:, 2] = 0
    got = want.copy()
    got[:, 2] = 9e-5
    assert checked(got, want)["ok"]


def test_too_few_values_are_no_channel():
    want = np.array([[[5.0], [1e-3]]], dtype=np.float32)
    assert checked(want + np.float32(0.01), want)["ok"]


def test_outputs_of_another_length_each_time_have_no_channels():
    rng = np.random.RandomState(4)
    want = [rng.normal(size=(1, 3, length)).astype(np.float32) for length in (20, 30)]
    told = parity.check(lambda feed: [feed], want, [[each] for each in want], ["y"], 2, "fp16")
    assert (told["ok"], told["remarks"]) == (True, [])


def test_what_is_smaller_than_the_tolerance_is_said_and_not_passed_in_silence():
    want = detections(np.random.RandomState(5))
    got = want.copy()
    got[:, 4:] = 1 - got[:, 4:]
    told = checked(got, want, "int8")
    assert (told["ok"], told["judged"]) == (True, True)
    assert told["remarks"] == [
        "output 'y' may differ by 64: more than all that is expected in 8 of its 12 channels (axis 1)"
    ]


def test_samples_smaller_than_the_tolerance_are_said():
    want = np.random.RandomState(6).normal(size=(6, 4)).astype(np.float32)
    want[0] *= 1000
    (remark,) = checked(want, want, "int8")["remarks"]
    assert "more than all that is expected in 5 of its 6 samples" in remark


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_scores_that_are_mostly_near_zero_are_judged_by_their_largest(precision):
    """As a softmax over 1000 classes gives them: nothing is odd about them."""
    scores = np.full((4, 1000), 1e-5, dtype=np.float32)
    scores[range(4), range(4)] = 0.9
    told = checked(scores, scores, precision)
    assert (told["ok"], told["remarks"]) == (True, [])


def test_expected_nan_is_said():
    want = np.array([[1.0, np.nan], [2.0, 3.0]], dtype=np.float32)
    assert checked(want, want)["remarks"] == ["output 'y' is expected to be NaN in 1 of its values"]
    assert checked(want, want)["judged"]
    nothing = checked(want * np.float32(np.nan), want * np.float32(np.nan))
    assert (nothing["ok"], nothing["judged"]) == (True, False)
    assert nothing["remarks"] == ["output 'y' is expected to hold no finite number"]


def test_a_difference_is_a_failure_also_where_nothing_large_is_expected(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge")
    x = np.ones((6, 4), dtype=np.float32)
    np.savez(bundle + "/samples.npz", **{"in/x": x, "out/y": x * np.float32(1e-7)})
    assert main(["profile", bundle, "--no-baseline", *QUICK_WORDS]) == 1
    assert "output 'y' differs by 2, allowed are 1e-06" in capsys.readouterr().out


def test_zeros_that_are_zeros_and_whole_numbers_need_no_remark():
    zeros = np.zeros((3, 4), dtype=np.float32)
    assert checked(zeros, zeros)["remarks"] == []
    counts = np.arange(12).reshape(3, 4)
    assert checked(counts, counts)["remarks"] == []


def test_samples_that_say_nothing_are_parity_not_checked(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "b.edge")
    nothing = np.full((6, 4), np.nan, dtype=np.float32)
    np.savez(bundle + "/samples.npz", **{"in/x": nothing, "out/y": nothing})
    assert main(["profile", bundle, "--no-baseline", *QUICK_WORDS]) == 0
    shown = capsys.readouterr().out
    assert "parity not checked: nothing can be compared: output 'y' is expected to hold" in shown
    assert "PASS (measured; parity not checked)" in shown
