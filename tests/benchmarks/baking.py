"""What baking costs: its time and memory by the size of the network, each in a process of its own.

ResNet-50 with half its filters masked, chains of convolutions, and transformer encoders with the values of
half their heads masked. Time is that of `bake` alone, from a traced graph on; memory is the resident peak
while it runs beyond what was in use before, in times the size of the weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESNET_LIMIT_S = 2.0
MEMORY_LIMIT = 2.0
"""Times the weights' size."""

LINEAR_LIMIT = 1.5
"""Time a layer (or a parameter) in the largest network of a family, times that in its smallest."""

FAMILIES = {
    "ResNet-50": ("resnet", (50,)),
    "chain of convolutions": ("chain", (250, 1000, 2000)),
    "encoder": ("encoder", (4, 8, 16)),
}


def run() -> list[dict[str, Any]]:
    """One row a network: family, layers, parameters before and after, s, peak memory as times the weights."""
    rows = []
    for family, (builder, depths) in FAMILIES.items():
        for depth in depths:
            command = [sys.executable, "-m", __spec__.name, builder, str(depth)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append({"family": family, **json.loads(done.stdout.splitlines()[-1])})
    return rows


def main() -> None:
    """Print the figures, and whether they are within what edgeshrink promises."""
    rows = run()
    for row in rows:
        print(
            f"  {row['family']:<22} {row['layers']:>5} layers, {row['parameters'] / 1e6:6.1f} M parameters "
            f"-> {row['after'] / 1e6:6.1f} M: {row['s']:6.2f} s, peak {row['peak_ratio']:.2f}x the weights"
        )
    print(f"ResNet-50: {rows[0]['s']:.2f} s, {_verdict(rows[0]['s'], RESNET_LIMIT_S, ' s')}")
    memory = max(row["peak_ratio"] for row in rows if row["parameters"] > 1e6)
    print(f"memory: {memory:.2f}x, {_verdict(memory, MEMORY_LIMIT, 'x')}")
    for family, per in (("chain of convolutions", "layers"), ("encoder", "parameters")):
        sizes = [row for row in rows if row["family"] == family]
        first, last = (row["s"] / row[per] for row in (sizes[0], sizes[-1]))
        print(
            f"{family}: time by {per} grows {last / first:.2f}x from {sizes[0][per]} to {sizes[-1][per]}, "
            f"{_verdict(last / first, LINEAR_LIMIT, 'x')}"
        )


def _verdict(value: float, limit: float, unit: str) -> str:
    return f"{'within' if value <= limit else 'ABOVE'} the {limit:g}{unit} it may take"


def _resnet(_: int) -> Any:
    import torch
    from torch import nn

    from tests.models import resnet50

    network = resnet50()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight[::2] = 0
    return network, (1, 3, 224, 224)


def _chain(depth: int) -> Any:
    import torch
    from torch import nn

    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1)]
    for _ in range(depth - 1):
        layers += [nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)]
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                layer.weight[::2] = 0
    return network, (1, 3, 8, 8)


def _encoder(depth: int) -> Any:
    """Width 1024, 16 heads: 12.6 million parameters a layer."""
    import torch
    from torch import nn

    one = nn.TransformerEncoderLayer(1024, 16, 4096, batch_first=True, norm_first=True)
    network = nn.TransformerEncoder(one, depth, enable_nested_tensor=False)
    with torch.no_grad():
        for layer in network.layers:
            attention = layer.self_attn
            attention.in_proj_weight[2048:2560] = 0
            attention.in_proj_bias[2048:2560] = 0
            layer.linear1.weight[::2] = 0
    return network, (1, 16, 1024)


def _work(builder: str, depth: int) -> dict[str, Any]:
    import gc

    from edgeshrink.cost import cost
    from edgeshrink.inputs import InputSpec
    from edgeshrink.pipeline import bake
    from edgeshrink.trace import trace_module

    builders: dict[str, Callable[[int], Any]] = {"resnet": _resnet, "chain": _chain, "encoder": _encoder}
    network, shape = builders[builder](depth)
    model = trace_module(network.eval(), [InputSpec(None, shape, "float32")]).model
    parameters = cost(model).parameters
    del network
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status_bytes("VmRSS")
    start = time.perf_counter()
    bake(model)
    taken = time.perf_counter() - start
    return {
        "layers": depth,
        "parameters": parameters,
        "after": cost(model).parameters,
        "s": taken,
        "peak_ratio": (_status_bytes("VmHWM") - before) / (4 * parameters),
    }


def _status_bytes(field: str) -> int:
    """A size of this process as Linux gives it in /proc/self/status: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    print(json.dumps(_work(sys.argv[1], int(sys.argv[2]))))
