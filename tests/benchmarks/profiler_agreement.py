"""Whether the profiler's median is that of a bare ONNX Runtime loop, on the same model, in one run.

Profiler and bare loop take turns, each time in a fresh process, since two processes of one model differ by
a few percent whoever measures. The ratio is that of the medians over all turns; the fastest turn of each is
the figure least touched by other work on the machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TURNS = 16
SECONDS = 0.5  # of timed work a turn
WITHIN = 0.02
SIZES = ((16, 28, 4), (32, 28, 8), (64, 28, 14))  # channels, side, depth: about 0.1, 0.8 and 5 ms

BARE_LOOP = """
import json, sys, time
import numpy, onnxruntime
path, seconds = sys.argv[1], float(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
shape = session.get_inputs()[0].shape
feed = {"x": numpy.random.RandomState(0).standard_normal(shape).astype("float32")}

def loop(seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return times

loop(0.3)
print(json.dumps(float(numpy.median(loop(seconds))) * 1000))
"""


def run(turns: int = TURNS) -> list[dict[str, Any]]:
    """Measure every size.

    Returns:
        For each model its name, `profiler_ms` and `bare_ms` (medians over the turns), their `ratio`, the
        `fastest_ratio` of the fastest turns, `ci95` of the ratio, and whether it is `within` 2%.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [_row(_write_chain(Path(folder), *size), turns) for size in SIZES]


def main() -> None:
    """Print the table."""
    for row in run():
        low, high = row["ci95"]
        print(
            f"{row['model']}: profiler {row['profiler_ms']:.4f} ms, bare loop {row['bare_ms']:.4f} ms, "
            f"ratio {row['ratio']:.4f} (95%: {low:.4f} to {high:.4f}), of the fastest turns "
            f"{row['fastest_ratio']:.4f}; {'within' if row['within'] else 'NOT within'} {WITHIN:.0%}"
        )


def _row(model: Path, turns: int) -> dict[str, Any]:
    ours: list[float] = []
    bare: list[float] = []
    for turn in range(turns):
        pair = [(ours, _profiler), (bare, _bare_loop)]
        for kept, measure in pair if turn % 2 else reversed(pair):
            kept.append(measure(model))
    ratio = statistics.median(ours) / statistics.median(bare)
    return {
        "model": model.stem,
        "profiler_ms": statistics.median(ours),
        "bare_ms": statistics.median(bare),
        "ratio": ratio,
        "ci95": _ratio_interval(ours, bare),
        "fastest_ratio": min(ours) / min(bare),
        "within": abs(ratio - 1) <= WITHIN,
    }


def _profiler(model: Path) -> float:
    from edgeshrink_device import profile_models

    profile = profile_models([str(model)], seconds=SECONDS, launches=1, power_source="none")[0]
    return float(profile["latency_ms"]["end_to_end"]["median"])


def _bare_loop(model: Path) -> float:
    words = [sys.executable, "-c", BARE_LOOP, str(model), str(SECONDS)]
    return float(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))


def _ratio_interval(ours: list[float], bare: list[float]) -> list[float]:
    from edgeshrink_device.stats import ratio_interval

    profiles = [
        {
            "session": {"id": "agreement"},
            "latency_ms": {"end_to_end": {"times_ms": times}},
            "blocks": [{"launch": turn, "runs": 1} for turn in range(len(times))],
        }
        for times in (ours, bare)
    ]
    return list(ratio_interval(*profiles)["ci95"])


def _write_chain(folder: Path, channels: int, side: int, depth: int) -> Path:
    """A chain of 3x3 convolutions and ReLUs over one square image."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, names = [], [], ["x", *(f"h{i}" for i in range(1, depth)), "y"]
    for i in range(depth):
        weight = (rng.standard_normal((channels, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes.append(helper.make_node("Conv", [names[i], f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [names[i + 1]]))
    shape = [1, channels, side, side]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    path = folder / f"chain-{depth}x{channels}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    return path


if __name__ == "__main__":
    main()
