from __future__ import annotations

import pytest

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.report.compare import ratio_with_interval
from edgeshrink.report.text import count_text, counted, kernel_text, ratio_text, share_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (571_000, "571 kB"),
        (4_160_000_000, "4.16 GB"),
        (999_600, "1 MB"),
    ],
)
def test_bytes_have_three_digits_and_a_decimal_unit(number, text):
    assert bytes_text(number) == text


def test_counts_are_grouped_and_named_in_number():
    assert count_text(41076) == "41,076"
    assert counted(1, "batch_norms") == "1 batch norm"
    assert counted(2, "batch_norms") == "2 batch norms"


def test_a_ratio_of_nothing_is_a_dash():
    assert ratio_text(10, 4) == "2.50×"
    assert ratio_text(10, 0) == "–"
    assert share_text(1, 0) == "–"


def test_kernels_read_as_products():
    assert kernel_text((5, 3)) == "5×3"
    assert kernel_text(()) == ""


def test_a_ratio_shows_its_interval_where_one_is_known():
    assert ratio_with_interval({"ratio": 1.5, "ci95": [1.4, 1.6]}) == "1.50× [1.40, 1.60]"
    assert ratio_with_interval({"ratio": 1.5, "ci95": None}) == "1.50×"
    assert ratio_with_interval({"ratio": None, "ci95": None}) == "–"
