"""The same inputs through two networks: how far their outputs lie apart, and a refusal where it is too far.

Why the tolerance is what it is. A rewrite that is exact on paper (a BatchNorm folded, a sum in another order)
still rounds differently in float32; in deep networks that reaches 6e-6 of an output's scale, its largest
magnitude over all samples, and it follows that scale, not the single element's size. So an element is judged
against the scale of its output: 2e-5 of it leaves threefold room for noise, and what a wrong rewrite does (a
lost bias, a wrong axis) lies orders of magnitude above. The floor of 1e-7 is for outputs that are all zero.
Types of fewer bits get four of their own steps; integers and booleans must be equal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import onnxruntime  # type: ignore[import-untyped]

from edgeshrink.errors import EdgeshrinkError, InputError, ParityError
from edgeshrink.inputs import Array
from edgeshrink.machine import usable_cores

if TYPE_CHECKING:
    import torch

__all__ = [
    "FLOOR",
    "TOLERANCE",
    "Feed",
    "Parity",
    "compare_outputs",
    "each_run",
    "require",
    "run_onnx",
    "run_torch",
]

Feed = Mapping[str, Array]

TOLERANCE = 2e-5
FLOOR = 1e-7


@dataclass(frozen=True)
class Parity:
    """How two networks' outputs compare.

    Attributes:
        max_abs_error: Largest difference of any element; NaN or infinite where one side alone is.
        max_rel_error: Largest difference, each relative to its output's scale.
        samples: How many inputs were compared.
        ok: No element differs by more than tolerance x scale + FLOOR, and shapes and dtypes are the same.
        worst: The output and element that differ most, with both values; or what does not fit.
        tolerance: The relative tolerance it was judged by.
    """

    max_abs_error: float
    max_rel_error: float
    samples: int
    ok: bool
    worst: str
    tolerance: float


@dataclass(frozen=True)
class _Difference:
    absolute: float
    relative: float
    excess: float  # largest difference over what is allowed: above 1 is a failure
    where: str


def compare_outputs(expected: Sequence[Feed], actual: Sequence[Feed], tolerance: float = TOLERANCE) -> Parity:
    """Compare outputs sample by sample; see the module's text for the measure.

    Args:
        expected: One dictionary of outputs a sample.
        actual: The same from the other network.
        tolerance: Allowed difference relative to an output's scale, for float32.
    """
    fault = _mismatch(expected, actual)
    if fault:
        return Parity(float("nan"), float("nan"), len(expected), False, fault, tolerance)
    found = [_differences(name, expected, actual, tolerance) for name in expected[0]]
    worst = max(found, key=lambda difference: difference.excess)
    return Parity(
        max(difference.absolute for difference in found),
        max(difference.relative for difference in found),
        len(expected),
        worst.excess <= 1,
        worst.where,
        tolerance,
    )


def _mismatch(expected: Sequence[Feed], actual: Sequence[Feed]) -> str:
    if len(expected) != len(actual) or not expected or not expected[0]:
        return f"{len(expected)} samples against {len(actual)}: nothing to compare"
    for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
        if left.keys() != right.keys():
            return f"outputs {', '.join(left)} against {', '.join(right)}"
        for name in left:
            a, b = left[name], right[name]
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"output {name!r} of sample {index}: {a.dtype}{a.shape} against {b.dtype}{b.shape}"
    return ""


def _differences(
    name: str, expected: Sequence[Feed], actual: Sequence[Feed], tolerance: float
) -> _Difference:
    """The largest difference of one output over all samples."""
    scale = max(_scale(sample[name]) for sample in expected)
    dtype = expected[0][name].dtype
    allowed = FLOOR + scale * max(tolerance, 4 * _step(dtype)) if _is_float(dtype) else 0.5
    worst, at = -1.0, (0, 0)
    for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
        apart = _apart(left[name], right[name])
        if apart.size and (largest := float(apart.max())) > worst:
            worst, at = largest, (index, int(apart.argmax()))
    if worst < 0:
        return _Difference(0.0, 0.0, 0.0, f"output {name!r} is empty")
    a, b = expected[at[0]][name], actual[at[0]][name]
    element = tuple(int(i) for i in np.unravel_index(at[1], a.shape))
    values = f"{a[element]:.9g} against {b[element]:.9g}"
    return _Difference(
        worst,
        worst / max(scale, FLOOR),
        worst / allowed,
        f"output {name!r}, sample {at[0]}, element {list(element)}: {values} (scale {scale:.3g})",
    )


def _apart(left: Array, right: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """|left - right|; 0 where both are the same NaN or infinity, infinite where only one is."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))


def _scale(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)]) if _is_float(array.dtype) else np.abs(array.astype(np.float64))
    return float(finite.max()) if finite.size else 0.0


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def _step(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).eps)  # type: ignore[no-untyped-call]


def run_onnx(model: ir.Model | Path, feeds: Iterable[Feed]) -> list[dict[str, Array]]:
    """The outputs of `model` in ONNX Runtime on the CPU, one dictionary a feed.

    Raises:
        InputError: A feed's names, shapes or dtypes do not fit.
        EdgeshrinkError: ONNX Runtime refuses the network.
    """
    return list(each_run(model, feeds))


def each_run(model: ir.Model | Path, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
    """The same one after the other, for outputs that are too large to keep.

    Raises:
        InputError: A feed's names, shapes or dtypes do not fit.
        EdgeshrinkError: ONNX Runtime refuses the network.
    """
    session = _session(model)
    names = [output.name for output in session.get_outputs()]
    for feed in feeds:
        try:
            outputs = session.run(names, dict(feed))
        except Exception as error:
            raise InputError(
                f"The network does not run on these inputs: {error}.",
                "Give it inputs that it takes: --samples FILE.npz, or --input for their shapes and types.",
            ) from error
        yield dict(zip(names, outputs, strict=True))


def _session(model: ir.Model | Path) -> Any:
    """A session of ONNX Runtime; by way of files, whose weights it maps instead of copying them."""
    if not isinstance(model, Path):
        with tempfile.TemporaryDirectory(prefix="edgeshrink-") as folder:
            ir.save(model, path := Path(folder) / "model.onnx", external_data="weights")
            return _session(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it logs what it raises too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.intra_op_num_threads = max((usable_cores() or 1) - 1, 1)  # torch keeps one busy meanwhile
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public class
        raise EdgeshrinkError(f"ONNX Runtime refuses the network: {error}") from error


def run_torch(
    module: torch.nn.Module, feeds: Iterable[Feed], output_names: Sequence[str]
) -> list[dict[str, Array]]:
    """The outputs of the torch network on the same feeds, under the graph's output names."""
    import torch

    from edgeshrink.signature import flat_outputs, run_module

    results = []
    for feed in feeds:
        arguments = {name: torch.from_numpy(np.array(array)) for name, array in feed.items()}
        values = [value.detach().numpy() for value in flat_outputs(run_module(module, arguments)).values()]
        results.append(dict(zip(output_names, values, strict=True)))
    return results


def require(parity: Parity, what: str, hint: str = "") -> None:
    """Let an equal pair pass.

    Raises:
        ParityError: The outputs differ; the message names `what` differs and the worst element.
    """
    if not parity.ok:
        raise ParityError(
            f"{what}: the outputs differ by {parity.max_rel_error:.3g} of their scale "
            f"(allowed {parity.tolerance:.3g}): {parity.worst}.",
            hint or "A rewrite went wrong: please report it, with the network where you can.",
        )
