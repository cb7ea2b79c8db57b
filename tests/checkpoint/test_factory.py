"""--arch names the user's own factory; what is wrong with it, or with its fit, is one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from edgeshrink.checkpoint import load
from edgeshrink.errors import InputError
from tests.checkpoint.networks import ConvNet, Mlp, input_for

NETWORKS = "tests.checkpoint.networks"


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    torch.save(Mlp().state_dict(), tmp_path / "mlp.pt")
    return tmp_path / "mlp.pt"


@pytest.mark.parametrize(
    ("arch", "arguments"),
    [(f"{NETWORKS}:Mlp", None), (f"{NETWORKS}:needs_width", {"width": 7}), (f"{NETWORKS}:network", None)],
)
def test_a_class_a_function_and_a_network_are_factories(
    mlp: Path, arch: str, arguments: dict[str, Any]
) -> None:
    loaded = load(mlp, arch=arch, arch_args=arguments)
    expected = torch.load(mlp)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.module.state_dict().items())
    assert not loaded.module.training


def test_a_file_finds_its_neighbours(mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("WIDTH = 7\n")
    (tmp_path / "mine.py").write_text(
        "from neighbour_of_mine import WIDTH\nfrom tests.checkpoint.networks import Mlp\n"
        "def build(): return Mlp(WIDTH)\n"
    )
    assert isinstance(load(mlp, arch=f"{tmp_path / 'mine.py'}:build").module, Mlp)
    monkeypatch.chdir(tmp_path)
    assert isinstance(load(mlp, arch="mine.py:build").module, Mlp)
    assert isinstance(load(mlp, arch="mine:build").module, Mlp)


def refused(path: Path, arch: str | None, arguments: dict[str, Any] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(path, arch=arch, arch_args=arguments)
    assert caught.value.hint
    return str(caught.value)


def test_without_arch_the_flag_to_add_is_shown(mlp: Path) -> None:
    assert "Add --arch FILE.py:FACTORY" in refused(mlp, None)


@pytest.mark.parametrize(
    ("arch", "told"),
    [
        ("net.py", "is not of the form MODULE:FACTORY"),
        (":Mlp", "is not of the form MODULE:FACTORY"),
        ("no_such_file.py:Net", "there is no file no_such_file.py"),
        ("no_such_module.inside:Net", "there is no module no_such_module"),
        (f"{NETWORKS}:Mpl", "Did you mean 'Mlp'?"),
        (f"{NETWORKS}:not_callable", "names a int, which cannot be called"),
        (f"{NETWORKS}:raises", "raised RuntimeError: no such luck (networks.py, line"),
        (f"{NETWORKS}:returns_a_string", "returned a str, not a torch.nn.Module"),
        (f"{NETWORKS}:needs_width", "--arch-args"),
    ],
)
def test_a_factory_that_cannot_be_used_is_told(mlp: Path, arch: str, told: str) -> None:
    assert told in refused(mlp, arch)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def net(:", "raised SyntaxError"),
        ("import no_such_package", "Install no_such_package"),
        ("raise SystemExit(3)", "raised SystemExit: 3 (mine.py, line 1)"),
        ("1 / 0", "raised ZeroDivisionError: division by zero (mine.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(mlp: Path, tmp_path: Path, code: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    assert told in refused(mlp, f"{tmp_path / 'mine.py'}:net")


def test_a_network_that_has_its_dendrites_already_is_told(mlp: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nclass PAINeuronModule(nn.Module): pass\n"
        "def net(): return nn.Sequential(PAINeuronModule())\n"
    )
    assert "already has PerforatedAI's dendrites" in refused(mlp, f"{tmp_path / 'mine.py'}:net")


def test_files_without_batch_counters_load(tmp_path: Path) -> None:
    net = ConvNet().eval()
    state = {n: t for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "net.pt")
    x = input_for(net)
    assert torch.equal(load(tmp_path / "net.pt", arch=f"{NETWORKS}:ConvNet").module(x), net(x))
