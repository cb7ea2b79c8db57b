"""How many parts a layer's zeros divide it into, each with inputs and outputs of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["count_groups"]


def count_groups(linked: NDArray[np.bool_]) -> int:
    """Count the connected components between outputs and inputs that have at least one link.

    From some output to the inputs it reads, to all outputs that read those, and so on: every row and every
    column is looked at once.

    Args:
        linked: (outputs, inputs), bool: whether an output reads an input.

    Returns:
        At least 1, also where nothing is linked.
    """
    if linked.all(1).any():
        return 1  # some output reads every input
    open_rows: NDArray[np.bool_] = np.asarray(linked.any(1))
    open_columns = np.ones(linked.shape[1], dtype=bool)
    count = 0
    for start in np.flatnonzero(open_rows):
        rows = np.array([start]) if open_rows[start] else np.array([], dtype=int)
        count += len(rows)
        while len(rows):
            open_rows[rows] = False
            columns = np.flatnonzero(linked[rows].any(0) & open_columns)
            open_columns[columns] = False
            rows = np.flatnonzero(linked[:, columns].any(1) & open_rows)
    return max(count, 1)
