from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.errors import InputError, ParityError
from edgeshrink.inputs import Samples, SizeRange
from edgeshrink.proof import Inputs, inputs_for, picking_operators, prove, run_given, running
from tests.lower.support import parse


def written(path: Path, offset: float) -> Path:
    ir.save(parse("(float[1] x) => (float[1] y) { y = Add(x, w) }", w=np.float32([offset])), path)
    return path


def proof_of(folder: Path, feeds: list[float], given: int):
    right, wrong = written(folder / "right.onnx", 0.0), written(folder / "wrong.onnx", 1e-3)
    inputs = Inputs([{"x": np.float32([x])} for x in feeds], given, None, "test")
    with running(partial(run_given, right), inputs.feeds) as as_given:
        return prove(as_given, right, wrong, inputs)


def test_random_inputs_of_another_scale_do_not_excuse_a_difference_on_the_samples(tmp_path):
    # 1e-3 is far below 2e-5 of the random inputs' 1e6, and far above it on the samples' own scale of 1.
    with pytest.raises(ParityError, match="the network before baking"):
        proof_of(tmp_path, [1.0, -1.0, 1e6], given=2)
    assert proof_of(tmp_path, [1e6, 2e6, 1e6], given=2).parities["baseline"].ok


def test_random_inputs_that_say_nothing_do_not_count_beside_samples(tmp_path):
    found = proof_of(tmp_path, [1e6, 2e6, float("nan")], given=2)
    assert found.parities["baseline"].samples == 2


def test_outputs_that_are_never_finite_prove_nothing(tmp_path):
    with pytest.raises(InputError, match="nothing can be proven"):
        proof_of(tmp_path, [float("nan"), float("inf")], given=0)
    with pytest.raises(InputError, match="nothing can be proven"):
        proof_of(tmp_path, [float("nan"), 1.0], given=1)


OPEN = "(float[batch, 2] x) => (float[batch, 2] y) { y = Neg(x) }"
RANGES = {"batch": SizeRange(1, 4, 8)}


def test_random_inputs_are_shared_out_among_opt_min_max_and_sizes_between():
    inputs = inputs_for(parse(OPEN), None, 0, RANGES)
    sizes = [len(feed["x"]) for feed in inputs.feeds]
    assert (sizes[:8], sizes[8:16], sizes[16:24]) == ([4] * 8, [1] * 8, [8] * 8)
    assert len(sizes) == 32
    assert set(sizes[24:]) - {1, 4, 8}


def test_what_travels_in_the_bundle_is_at_opt(tmp_path):
    path = tmp_path / "m.onnx"
    ir.save(parse(OPEN), path)
    for samples, runs in ((None, 8), (Samples({"x": np.ones((9, 2), np.float32)}, None, "s.npz"), 3)):
        inputs = inputs_for(parse(OPEN), samples, 0, RANGES)
        with running(partial(run_given, path), inputs.feeds) as as_given:
            found = prove(as_given, path, path, inputs)
        assert [feed["x"].shape for feed in found.feeds] == [(4, 2)] * runs
        assert [outputs["y"].shape for outputs in found.expected] == [(4, 2)] * runs


WIDE = "(int64[1, 2] i, double[1, 2] d) => (int64[1, 2] a, double[1, 2] b) { a = Mul(i, k) b = Mul(d, d) }"
NARROW = """(int32[1, 2] i, float[1, 2] d) => (int32[1, 2] a, float[1, 2] b) {
    j = Cast<to=7>(i) p = Mul(j, k) a = Cast<to=6>(p)
    e = Cast<to=11>(d) q = Mul(e, e) b = Cast<to=1>(q) }"""
TYPES = {name: np.dtype(kind) for name, kind in zip("iadb", ("i4", "i4", "f4", "f4"), strict=True)}


def narrowed_proof(folder: Path, factor: int, **sample: np.ndarray):
    """The proof of a network that the device takes and gives in narrower types, on one sample or on none."""
    given, device = folder / "given.onnx", folder / "device.onnx"
    ir.save(wide := parse(WIDE, k=np.array([factor])), given)
    ir.save(parse(NARROW, k=np.array([factor])), device)
    samples = Samples({name: array[None] for name, array in sample.items()}, None, "s.npz")
    inputs = inputs_for(wide, samples if sample else None, 0, None, TYPES)
    with running(partial(run_given, given), inputs.feeds) as as_given:
        return prove(as_given, device, device, inputs)


def test_the_network_as_given_keeps_its_types_and_the_bundle_has_the_devices(tmp_path):
    found = narrowed_proof(tmp_path, 3)
    assert found.parities["file"].ok
    assert {name: array.dtype for name, array in found.feeds[0].items()} == {"i": np.int32, "d": np.float32}
    assert {name: a.dtype for name, a in found.expected[0].items()} == {"a": np.int32, "b": np.float32}


def test_an_integer_that_the_narrow_output_cannot_hold_is_a_difference(tmp_path):
    fits = {"i": np.array([2**20, 1]), "d": np.ones(2)}
    assert narrowed_proof(tmp_path, 2**10, **fits).parities["file"].ok
    with pytest.raises(ParityError, match="output 'a'"):
        narrowed_proof(tmp_path, 2**11, **fits)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"i": np.array([0, 2**31]), "d": np.ones(2)}, "input 'i' holds 2147483648"),
        ({"i": np.array([0, 1]), "d": np.array([1e300, 1])}, r"input 'd' holds 1e\+300"),
    ],
)
def test_samples_beyond_what_the_device_takes_are_refused(tmp_path, arrays, said):
    with pytest.raises(InputError, match=said):
        narrowed_proof(tmp_path, 1, **arrays)


def test_doubles_are_proven_on_what_the_device_can_be_given(tmp_path):
    found = narrowed_proof(tmp_path, 1, i=np.array([0, 1]), d=np.array([1 / 3, 0.1]))
    assert found.feeds[0]["d"].tolist() == [[np.float32(1 / 3), np.float32(0.1)]]
    assert found.parities["file"].max_rel_error < 6e-8  # one rounding to float32, that of the output


def test_a_network_that_picks_by_order_is_told_why_it_may_differ(tmp_path):
    picking = parse("(float[1,4] x) => (float[1,2] y, int64[1,2] i) { y, i = TopK (x, k) }", k=np.array([2]))
    assert (picking_operators(picking), picking_operators(parse(OPEN))) == (["TopK"], [])
    right, wrong = written(tmp_path / "right.onnx", 0.0), written(tmp_path / "wrong.onnx", 1.0)
    inputs = Inputs([{"x": np.float32([1])}], 1, None, "test")
    for picks, hint in ((["TopK"], "The network picks by order (TopK)"), ([], "A rewrite went wrong")):
        with (
            running(partial(run_given, right), inputs.feeds) as as_given,
            pytest.raises(ParityError) as caught,
        ):
            prove(as_given, right, wrong, inputs, picks)
        assert caught.value.hint.startswith(hint)
