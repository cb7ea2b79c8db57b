"""Reading a 500 MB checkpoint, beside the libraries that edgeshrink reads it with.

Every figure comes from a process of its own; the file is in the page cache. "Open" ends when every tensor is
at hand by name, behind a memory map for both sides. "Load" ends with the weights in the network that the
factory built, and "inspect" has looked at every element and hashed the file. Peak memory is the resident peak
beyond what the process had with torch and the code imported, memory-mapped pages included.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIME_LIMIT = 1.5
"""Times the library's own time."""

MEMORY_LIMIT = 1.3
"""Times the file's size."""

ROUNDS = 5
WIDTH, DEPTH = 2048, 30
FILES = ("torch.pt", "plain.safetensors", "perforatedai.safetensors")
STEPS = ("open, library", "open", "load, library", "load", "inspect")


def network() -> Any:
    """30 linear layers, 126 million parameters, 503 MB."""
    from torch import nn

    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)))


def dendritic() -> Any:
    """10 linear layers, which the checkpoint gives two dendrites each: as many parameters."""
    from torch import nn

    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH // 3)))


def grown() -> Any:
    """The same with its dendrites, built by hand."""
    from torch import nn

    from edgeshrink.dendrites import DendriticLayer

    def linear() -> nn.Module:
        return nn.Linear(WIDTH, WIDTH)

    layers = (DendriticLayer(linear(), [linear(), linear()], WIDTH) for _ in range(DEPTH // 3))
    return nn.Sequential(*layers)


def run() -> list[dict[str, Any]]:
    """One row a file: its size in MB, and per step the median time in s and the highest peak in MB."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", __spec__.name, "save", folder], check=True)
        for name in FILES:
            path = Path(folder) / name
            rounds = [[_in_own_process(step, path) for step in STEPS] for _ in range(ROUNDS)]
            steps = {
                step: {
                    "s": statistics.median(each[index]["s"] for each in rounds),
                    "peak_mb": max(each[index]["peak_mb"] for each in rounds),
                }
                for index, step in enumerate(STEPS)
            }
            rows.append({"file": name, "mb": path.stat().st_size / 1e6, "steps": steps})
    return rows


def main() -> None:
    """Print the figures, and whether they are within what edgeshrink promises."""
    for row in run():
        print(f"{row['file']}, {row['mb']:.0f} MB")
        for step, figures in row["steps"].items():
            print(f"  {step:<15} {figures['s']:7.3f} s, {figures['peak_mb'] / row['mb']:5.2f}x the file")
        for step in ("open", "load"):
            ratio = row["steps"][step]["s"] / row["steps"][f"{step}, library"]["s"]
            verdict = "within" if ratio <= TIME_LIMIT else "ABOVE"
            print(f"  {step}: {ratio:.2f}x the library's time, {verdict} the {TIME_LIMIT}x it may take")
        peak = max(row["steps"][step]["peak_mb"] for step in ("open", "load", "inspect")) / row["mb"]
        verdict = "within" if peak <= MEMORY_LIMIT else "ABOVE"
        print(f"  peak memory: {peak:.2f}x the file, {verdict} the {MEMORY_LIMIT}x it may take")


def _in_own_process(step: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", __spec__.name, step, str(path)]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def _save(folder: Path) -> None:
    import safetensors.torch
    import torch

    state = network().state_dict()
    torch.save(state, folder / FILES[0])
    safetensors.torch.save_file(state, folder / FILES[1])
    del state
    safetensors.torch.save_file(_perforated(dendritic().state_dict()), folder / FILES[2])
    (folder / "PAI_config.json").write_text('{"pai_forward_function": "torch.tanh"}')


def _perforated(plain: dict[str, Any]) -> dict[str, Any]:
    """The training form with two dendrites a layer."""
    import torch

    state = {}
    for name, tensor in plain.items():
        layer, _, parameter = name.rpartition(".")
        state[f"{layer}.main_module.{parameter}"] = tensor
        for index in range(2):
            state[f"{layer}.dendrite_module.layers.{index}.{parameter}"] = tensor.clone()
        state[f"{layer}.dendrites_to_top.1"] = torch.ones(2, WIDTH)
        state[f"{layer}.dendrite_module.dendrites_to_dendrites.1"] = torch.ones(1, WIDTH)
        state[f"{layer}.dendrite_module.num_cycles"] = torch.ones(1)
        state[f"{layer}.this_node_index"] = torch.tensor(1)
    return state


def _by_hand(name: str) -> str:
    """What ``grown`` calls a tensor of the training form."""
    renamed = (
        ("main_module", "soma"),
        ("dendrite_module.layers", "dendrites"),
        ("dendrites_to_top.1", "top"),
        ("dendrite_module.dendrites_to_dendrites.1", "between.0"),
    )
    for theirs, ours in renamed:
        name = name.replace(theirs, ours)
    return name


def _work(step: str, path: Path) -> dict[str, float]:
    """One process's time and peak; both sides have imported what they need before."""
    import safetensors.torch
    import torch

    from edgeshrink import checkpoint, dendrites  # noqa: F401  # imported before the clock starts

    factory = "dendritic" if path.name == FILES[2] else "network"
    arch = f"tests.benchmarks.loading:{factory}"

    def library() -> Any:
        if path.suffix == ".pt":
            return torch.load(path, mmap=True, weights_only=True)
        return safetensors.torch.load_file(path)

    def load_by_library() -> Any:
        net = network() if factory == "network" else grown()
        net.load_state_dict({_by_hand(name): tensor for name, tensor in library().items()}, strict=False)
        return net

    def inspect() -> Any:
        contents = checkpoint.read(path)
        return contents.layers, contents.sha256

    actions: dict[str, Callable[[], Any]] = {
        "open, library": library,
        "open": lambda: checkpoint.read(path),
        "load, library": load_by_library,
        "load": lambda: checkpoint.load(path, arch=arch),
        "inspect": inspect,
    }
    warm = path.parent / f"warm{path.suffix}"
    torch.save({"x.weight": torch.ones(1, 1)}, warm) if path.suffix == ".pt" else None
    if path.suffix != ".pt":
        safetensors.torch.save_file({"x.weight": torch.ones(1, 1)}, warm)
    checkpoint.read(warm).layers  # noqa: B018  # imports what reading needs
    before = _peak_mb()
    start = time.perf_counter()
    kept = actions[step]()
    taken = time.perf_counter() - start
    del kept
    return {"s": taken, "peak_mb": _peak_mb() - before}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    if sys.argv[1] == "save":
        _save(Path(sys.argv[2]))
    else:
        print(json.dumps(_work(sys.argv[1], Path(sys.argv[2]))))
