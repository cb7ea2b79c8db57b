"""Messages read as sentences, wherever they come from."""

from __future__ import annotations

import pytest

from edgeshrink.errors import InputError


@pytest.mark.parametrize("message", ["net.pt is empty", "net.pt is empty."])
def test_a_message_ends_with_one_full_stop(message):
    error = InputError(message, "Save it again.")
    assert error.message == "net.pt is empty."
    assert str(error) == "net.pt is empty.\nSave it again."
