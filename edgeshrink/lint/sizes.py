"""Large constants and files: data outside the file, and numbers stored many times over."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeshrink.byte_sizes import bytes_text
from edgeshrink.graph.stored import stored_array
from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject
from edgeshrink.lint.values import bytes_of

__all__: list[str] = []

MOST_IN_ONE_FILE = 2**31 - 1  # protobuf's limit for one message
LARGE = 2**20


@rule("external-data", "warning", any_runtime=True)
def external_data(network: Subject) -> Iterator[Hit]:
    """Weights lie outside the file, or will have to."""
    stored = list(network.graph.initializers.values())
    outside = [value for value in stored if isinstance(value.const_value, ir.ExternalTensor)]
    total = sum(bytes_of(value) or 0 for value in stored)
    if total > MOST_IN_ONE_FILE:
        yield Hit(
            f"Its weights take {bytes_text(total)}, more than one ONNX file can hold (2 GB).",
            "Prune more of it, or keep the data beside the file and parse by path.",
        )
    elif outside:
        yield Hit(
            f"{len(outside)} tensors lie in other files; a parser that is given this file's bytes alone "
            "looks for them in the current folder.",
            "`edgeshrink export` puts them into the file; else copy them along and parse by path.",
        )


@rule("one-number-many-times", "note", any_runtime=True)
def one_number_many_times(network: Subject) -> Iterator[Hit]:
    """A large constant holds one number alone, which an operator would broadcast."""
    for value in network.constants:
        array = stored_array(value) if (bytes_of(value) or 0) >= LARGE else None
        if array is not None and (array == array.reshape(-1)[0]).all():
            yield Hit(
                f"It stores one number in {bytes_text(array.nbytes)}.",
                "Use a scalar in forward: operators broadcast it.",
                value,
            )
