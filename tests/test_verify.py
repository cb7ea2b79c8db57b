from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from edgeshrink.errors import EdgeshrinkError, InputError, ParityError
from edgeshrink.verify import FLOOR, TOLERANCE, Parity, compare_outputs, require, run_onnx
from tests.lower.support import parse


def outputs(*values: object, dtype: type = np.float32) -> list[dict[str, np.ndarray]]:
    return [{"y": np.asarray(value, dtype)} for value in values]


def compared(left: object, right: object, dtype: type = np.float32) -> Parity:
    return compare_outputs(outputs(left, dtype=dtype), outputs(right, dtype=dtype))


def test_equal_outputs_are_equal() -> None:
    parity = compare_outputs(outputs([1, 2], [3, 4]), outputs([1, 2], [3, 4]))
    assert (parity.max_abs_error, parity.max_rel_error, parity.samples, parity.ok) == (0, 0, 2, True)


def test_an_element_is_judged_by_the_scale_of_its_output_over_all_samples() -> None:
    expected = outputs([0.001, 1.0], [100.0, 0.0])
    small, large = outputs([0.002, 1.0], [100.0, 0.0]), outputs([0.0035, 1.0], [100.0, 0.0])
    assert compare_outputs(expected, small).ok  # 1e-3 of 100 is 1e-5
    refused = compare_outputs(expected, large)  # 2.5e-3 of 100 is 2.5e-5
    assert not refused.ok
    assert refused.max_abs_error == pytest.approx(2.5e-3, rel=1e-4)  # float32 holds 0.001 to 6e-8
    assert refused.max_rel_error == pytest.approx(2.5e-5, rel=1e-4)
    assert (
        refused.worst == "output 'y', sample 0, element [0]: 0.00100000005 against 0.00350000011 (scale 100)"
    )


def test_outputs_are_judged_each_by_its_own_scale() -> None:
    expected = [{"big": np.float32([1000.0]), "small": np.float32([1.0])}]
    actual = [{"big": np.float32([1000.01]), "small": np.float32([1.001])}]
    parity = compare_outputs(expected, actual)
    assert not parity.ok
    assert parity.worst.startswith("output 'small'")


def test_outputs_that_are_zero_have_a_floor() -> None:
    assert compared([0.0], [0.9 * FLOOR]).ok
    assert not compared([0.0], [2 * FLOOR]).ok


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_same_nan_or_infinity_is_equal_and_any_other_value_is_not(value: float) -> None:
    assert compared([value, 1.0], [value, 1.0]).ok
    for other in {2.0, math.nan, math.inf, -math.inf} - {value}:
        for left, right in ((value, other), (other, value)):
            parity = compared([left, 1.0], [right, 1.0])
            assert parity.max_abs_error == math.inf
            assert not parity.ok


def test_shapes_types_names_and_counts_must_be_the_same() -> None:
    one = outputs([1.0, 2.0])
    for other, said in (
        (outputs([[1.0, 2.0]]), "float32(2,) against float32(1, 2)"),
        (outputs([1.0, 2.0], dtype=np.float64), "float32(2,) against float64(2,)"),
        ([{"z": one[0]["y"]}], "outputs y against z"),
        (one * 2, "1 samples against 2"),
    ):
        parity = compare_outputs(one, other)
        assert not parity.ok
        assert said in parity.worst


def test_nothing_to_compare_is_no_proof() -> None:
    assert not compare_outputs([], []).ok
    assert not compare_outputs([{}], [{}]).ok


def test_empty_outputs_are_equal() -> None:
    assert compared(np.zeros((0, 4)), np.zeros((0, 4))).ok


def test_integers_and_booleans_must_be_equal() -> None:
    assert compared([1, 2], [1, 2], np.int64).ok
    assert not compared([1_000_000, 2], [1_000_000, 3], np.int64).ok
    assert not compared([True], [False], np.bool_).ok
    assert compared([True], [True], np.bool_).ok


@pytest.mark.parametrize(("dtype", "step"), [(np.float16, 2**-10), (ml_dtypes.bfloat16, 2**-7)])
def test_types_of_fewer_bits_get_four_of_their_steps(dtype: type, step: float) -> None:
    assert compared([1.0], [1.0 + 3 * step], dtype).ok
    assert not compared([1.0], [1.0 + 6 * step], dtype).ok


def test_a_tolerance_of_ones_own_is_used_and_told() -> None:
    parity = compare_outputs(outputs([1.0]), outputs([1.01]), tolerance=0.1)
    assert (parity.ok, parity.tolerance) == (True, 0.1)
    assert compared([1.0], [1.0]).tolerance == TOLERANCE


def test_require_names_what_differs_and_where() -> None:
    require(compared([1.0], [1.0]), "equal networks")
    with pytest.raises(
        ParityError, match=r"the baked network: the outputs differ by 1 of .*output 'y'.*1 against 2"
    ):
        require(compared([1.0], [2.0]), "the baked network")


def test_a_model_runs_from_memory_and_from_its_file(tmp_path: Path) -> None:
    model = parse(
        "(float[2] x) => (float[2] y, float[2] z) { y = Add(x, w) z = Neg(x) }", w=np.float32([1, 2])
    )
    ir.save(model, tmp_path / "m.onnx")
    for source in (model, tmp_path / "m.onnx"):
        (got,) = run_onnx(source, [{"x": np.float32([3, 4])}])
        assert {name: array.tolist() for name, array in got.items()} == {"y": [4, 6], "z": [-3, -4]}


def test_inputs_that_do_not_fit_are_an_input_error() -> None:
    model = parse("(float[2] x) => (float[2] y) { y = Neg(x) }")
    for feed in ({"z": np.float32([1, 2])}, {"x": np.float32([1])}, {"x": np.int64([1, 2])}):
        with pytest.raises(InputError, match="does not run on these inputs"):
            run_onnx(model, [feed])


def test_a_model_that_the_runtime_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(EdgeshrinkError, match="ONNX Runtime refuses the network"):
        run_onnx(tmp_path / "m.onnx", [])
