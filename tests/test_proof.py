from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.errors import InputError, ParityError
from edgeshrink.proof import Inputs, prove, run_given, running
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
