"""LSTMs with dendrites: what runs between layer and dendrites, PerforatedAI's processor, is in no file.

``MultiOutputProcessor`` and ``LSTMProcessor`` add the dendrites to the output sequence, as ``DendriticLayer``
does. ``LSTMProcessorLastHidden`` adds them to the last hidden state, and leaves the same names and shapes.
``LSTMCellProcessor`` keeps a hidden state for every dendrite from one call to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgeshrink.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["recurrent_warning"]

_GATES = 4


def recurrent_warning(path: str, branch: Mapping[str, Tensor]) -> str | None:
    """Say what is assumed of the dendrites of layer ``path`` where that is an LSTM; ``branch`` is the first.

    Raises:
        InputError: The layer is an LSTM cell.
    """
    if _is_lstm(branch.get("weight_hh")):
        raise InputError(
            f"layer {path} is an LSTM cell with dendrites, whose states PerforatedAI keeps from one call to "
            "the next: a graph that is run from its inputs alone does not hold them",
            "Train with torch.nn.LSTM in its place, which runs the whole sequence in one call.",
        )
    if _is_lstm(branch.get("weight_hh_l0")) or "weight_hr_l0" in branch:
        return (
            f"the dendrites of LSTM {path} are taken to act on its output sequence; if they were trained with"
            " LSTMProcessorLastHidden, which leaves no trace in a file, the outputs are wrong"
        )
    return None


def _is_lstm(weight: Tensor | None) -> bool:
    """Tell an LSTM's weight of the hidden state, (4 H, H), from that of a GRU or a plain recurrent layer."""
    return weight is not None and weight.dim() == 2 and len(weight) == _GATES * weight.shape[1]
