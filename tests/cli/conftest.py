"""A small pruned checkpoint on disk, as a user has it, and the command line called in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshrink.cli import main
from tests.models import plain_cnn

ARCH = "tests.models:plain_cnn"


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call the command line; both streams are caught at the descriptors, worker processes included."""

    def call(*args: object) -> Result:
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.pt with dead filters, samples.npz with labels, and a bundle made of them."""
    folder = tmp_path_factory.mktemp("prepared")
    network = plain_cnn()
    with torch.no_grad():
        network.conv1.weight[:3] = 0
        network.conv2.weight[::2] = 0
        network.fc1.weight[:9] = 0
    torch.save(network.state_dict(), folder / "model.pt")
    images = np.random.default_rng(0).normal(size=(40, 1, 28, 28)).astype(np.float32)
    with torch.no_grad():
        labels = network(torch.from_numpy(images)).argmax(1).numpy()
    labels[:10] = (labels[:10] + 1) % 10
    np.savez(folder / "samples.npz", image=images, labels=labels)
    model, samples, bundle = (str(folder / name) for name in ("model.pt", "samples.npz", "model.edge"))
    assert main(["export", model, "--arch", ARCH, "--samples", samples, "-o", bundle]) == 0
    return folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the checkpoint and its samples, no bundle."""
    for name in ("model.pt", "samples.npz"):
        shutil.copy(prepared / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bundle(prepared: Path, tmp_path: Path) -> Path:
    """A copy of a good bundle."""
    return Path(shutil.copytree(prepared / "model.edge", tmp_path / "model.edge"))
