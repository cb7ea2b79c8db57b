import numpy as np
import pytest
from edgeshrink_device import parity

WANT = np.array([[100.0, -3.0]], dtype=np.float32)


def checked(got, want=WANT):
    return parity.check(lambda feed: [feed], [got], [[want]], ["y"], 1)


def test_equal_outputs_pass_with_no_error():
    result = checked(WANT)
    assert result["ok"]
    assert result["max_abs_error"] == 0
    assert result["reason"] is None


def test_the_tolerance_grows_with_the_outputs_scale():
    near = WANT + np.float32(1e-3)
    assert checked(near)["ok"]
    assert not checked(near - WANT, np.zeros_like(WANT))["ok"]


def test_a_difference_is_told_with_its_output():
    result = checked(WANT + 1)
    assert not result["ok"]
    assert result["max_abs_error"] == 1
    assert result["max_rel_error"] == 0.01
    assert result["max_abs_allowed"] == pytest.approx(2e-5 * 100 + 1e-6)  # a sum of two floats
    assert result["reason"].startswith("output 'y' differs by 1, allowed are 0.002")


def test_nan_where_a_number_is_expected_fails_without_a_figure():
    result = checked(np.full_like(WANT, np.nan))
    assert not result["ok"]
    assert result["max_abs_error"] is None


def test_nan_and_infinity_where_they_are_expected_pass():
    odd = np.array([[np.nan, np.inf, 1.0]], dtype=np.float32)
    assert checked(odd, odd)["ok"]


def test_another_shape_fails():
    assert "has shape [1, 1], expected [1, 2]" in checked(WANT[:, :1])["reason"]


def test_integers_must_be_equal():
    want = np.array([1000000, 2], dtype=np.int64)
    assert checked(want, want)["ok"]
    assert not checked(want + np.array([1, 0]), want)["ok"]


def test_integers_that_float64_takes_for_one_are_told_apart():
    want = np.array([[2**61, 5]])
    result = checked(want + np.array([[1, 0]]), want)
    assert (result["ok"], result["max_abs_error"]) == (False, 1)
    assert not checked(np.array(2**61 + 1), np.array(2**61))["ok"]


def test_a_difference_beyond_all_numbers_fails_without_a_figure():
    most = np.array([np.finfo(np.float64).max])
    result = checked(most, -most)
    assert not result["ok"]
    assert result["max_abs_error"] is None
    assert "more than a number can say" in result["reason"]


def test_an_expected_leading_axis_of_one_may_be_missing():
    assert checked(WANT[0], WANT)["ok"]


@pytest.mark.parametrize(
    ("precision", "part"), [("fp32", 2e-4), ("fp16", 2e-2), ("int8", 1e-1), (None, 2e-5)]
)
def test_the_tolerance_is_that_of_the_precision(precision, part):
    near, far = (WANT + np.float32(100 * part * factor) for factor in (0.9, 1.1))
    for got, ok in ((near, True), (far, False)):
        result = parity.check(lambda feed: [feed], [got], [[WANT]], ["y"], 1, precision)
        assert result["ok"] is ok
        assert result["tolerance"]["relative_to_scale"] == part


def test_whole_numbers_must_be_equal_in_every_precision():
    want = np.array([7, 8], dtype=np.int32)
    assert not parity.check(lambda feed: [feed], [want + 1], [[want]], ["y"], 1, "int8")["ok"]


def test_outputs_that_are_no_numbers_are_named():
    assert parity.not_finite([WANT, WANT * np.float32(np.inf)], ["a", "b"]) == ["b"]
