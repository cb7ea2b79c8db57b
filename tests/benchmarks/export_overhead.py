"""What edgeshrink adds to `torch.onnx.export`, in time and in memory: ResNet-50, half its filters masked.

Each figure comes from a process of its own. "Added" is everything from a loaded network to the finished
bundle but for the call of torch.onnx.export, which is timed in the same process: bake, lower, verify, write.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIME_LIMIT = 1.0
"""Times torch.onnx.export's own time."""

MEMORY_LIMIT = 3.0
"""Times the network's size, on top of what torch.onnx.export alone needs."""

SHAPE = (1, 3, 224, 224)
STAGES = ("loaded", "traced", "exported")


def run() -> list[dict[str, Any]]:
    """One row a stage: what the process did, its peak memory in MB, and its times in s, by step too."""
    with tempfile.TemporaryDirectory() as folder:
        _save_checkpoint(Path(folder) / "resnet50.pt")
        return [_in_own_process(stage, folder) for stage in STAGES]


def main() -> None:
    """Print the figures, and whether they are within what edgeshrink promises."""
    rows = {row["stage"]: row for row in run()}
    loaded, traced, exported = (rows[stage] for stage in STAGES)
    for step, seconds in exported["steps_s"].items():
        print(f"  {step:<40} {seconds:7.2f} s, peak memory {exported['steps_mb'][step]:5.0f} MB")
    ratio = exported["added_s"] / exported["torch_s"]
    print(
        f"time: torch.onnx.export {exported['torch_s']:.2f} s, edgeshrink adds {exported['added_s']:.2f} s: "
        f"{ratio:.2f}x, {_verdict(ratio, TIME_LIMIT)}"
    )
    size = exported["model_mb"]
    extra = (exported["peak_mb"] - traced["peak_mb"]) / size
    print(
        f"peak memory: {loaded['peak_mb']:.0f} MB with torch and the network loaded, "
        f"{traced['peak_mb']:.0f} MB after torch.onnx.export alone, "
        f"{exported['peak_mb']:.0f} MB for the whole export: {extra:.2f}x the network's {size:.0f} MB "
        f"on top of torch.onnx.export, {_verdict(extra, MEMORY_LIMIT)} "
        f"({(exported['peak_mb'] - loaded['peak_mb']) / size:.2f}x on top of the loaded network)"
    )


def _verdict(value: float, limit: float) -> str:
    return f"within the {limit:g}x it may take" if value <= limit else f"ABOVE the {limit:g}x it may take"


def _save_checkpoint(path: Path) -> None:
    """A state_dict of ResNet-50, every second filter of each convolution zero; what BatchNorm adds stays."""
    import torch

    from tests.models import resnet50

    network = resnet50()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight[::2] = 0
    torch.save(network.state_dict(), path)


def _in_own_process(stage: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.export_overhead", stage, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _work(stage: str, folder: Path) -> dict[str, Any]:
    """What one process does; prints nothing itself."""
    import torch

    from edgeshrink.pipeline import export
    from edgeshrink.trace import trace_module
    from tests.models import resnet50

    row: dict[str, Any] = {"stage": stage}
    watch = _Stopwatch()
    torch.onnx.export = watch.around(torch.onnx.export)
    request = _request(folder)
    if stage == "exported":
        start = time.perf_counter()
        export(request, target="jetson-nano", output=folder / "bundle", progress=watch.lap)
        watch.lap("")
        reading = sum(taken for step, taken in watch.laps.items() if step.startswith("reading"))
        row["added_s"] = time.perf_counter() - start - reading - watch.torch_s
    else:
        network = resnet50()
        network.load_state_dict(torch.load(request.path, weights_only=True))
        if stage == "traced":
            trace_module(network.eval(), request.inputs)
    return {
        **row,
        "torch_s": watch.torch_s,
        "steps_s": watch.laps,
        "steps_mb": watch.peaks,
        "model_mb": request.path.stat().st_size / 1e6,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _request(folder: Path) -> Any:
    from edgeshrink.inputs import InputSpec
    from edgeshrink.loading import Request

    spec = InputSpec(None, SHAPE, "float32")
    return Request(folder / "resnet50.pt", arch="tests.models:resnet50", inputs=(spec,))


class _Stopwatch:
    """Time and peak memory between messages of progress, and the time inside torch.onnx.export."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self.torch_s = 0.0
        self._step, self._since = "", time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        if self._step:
            self.laps[self._step] = self.laps.get(self._step, 0.0) + now - self._since
            self.peaks[self._step] = _peak_mb()
        self._step, self._since = step, now

    def around(self, function: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.torch_s += time.perf_counter() - start

        return timed


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_work(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
