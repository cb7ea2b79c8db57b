"""Whole networks that torch.save pickled come back without running anything of the file."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune

from edgeshrink.checkpoint import load, read
from edgeshrink.errors import InputError
from edgeshrink.inputs import InputSpec
from edgeshrink.inspection import inspect
from edgeshrink.loading import Request
from tests.checkpoint.networks import ConvNet, Mlp, input_for
from tests.checkpoint.perforate import grown

NETWORKS = "tests.checkpoint.networks"

# Another user's file: nested classes, shared layers, settings, functions as attributes.
MINE = """
import dataclasses
import torch
from torch import nn
from torch.nn import Linear

@dataclasses.dataclass
class Settings:
    width: int = 5
    name: str = "mine"

class Block(nn.Module):
    def __init__(self, width, act):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.act = act

    def forward(self, x):
        return x + self.act(self.fc(x))

class Outer(nn.Module):
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.full((6,), 1.5))
            self.register_buffer("shift", torch.arange(6.0))
            self.register_buffer("scratch", torch.ones(3), persistent=False)

        def forward(self, x):
            return x * self.scale + self.shift * self.scratch[0]

    def __init__(self, args=None):
        super().__init__()
        self.args = args
        self.settings = Settings(6)
        self.inner = Outer.Inner()
        self.blocks = nn.ModuleList([Block(6, nn.functional.gelu), Block(6, torch.tanh)])
        self.again = self.blocks[0]
        self.head = nn.Linear(6, 6)
        self.head.weight = self.blocks[1].fc.weight
        self.steps = [1, (2, 3)]
        self.kind = nn.ReLU
        self.dtype = torch.float32
        self.device = torch.device("cpu")

    def forward(self, x):
        x = self.inner(x).to(self.dtype)
        for block in self.blocks:
            x = block(x)
        return self.head(self.again(x)) * self.settings.width + self.steps[1][0]
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "mine_of_the_test.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("mine_of_the_test")
    del sys.modules["mine_of_the_test"]


def first(output: Any) -> Tensor:
    while isinstance(output, tuple):
        output = output[0]
    assert isinstance(output, Tensor)
    return output


def assert_same_outputs(network: nn.Module, loaded: nn.Module, x: Tensor) -> None:
    """Exactly: the same layers of the same torch, on the same weights."""
    with torch.no_grad():
        assert torch.equal(first(network.eval()(x)), first(loaded(x)))


NETS = {
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(), nn.Linear(256, 2)
        ),
        (2, 3, 8, 8),
    ),
    "transformer layer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    "transformer layer of a function": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=F.silu),
        (2, 5, 8),
    ),
    "transformer": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"), 2, enable_nested_tensor=False
        ),
        (5, 2, 8),
    ),
    "lstm": (lambda: nn.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3)),
    "gru": (lambda: nn.GRU(3, 4, batch_first=True), (5, 2, 3)),
}


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_networks_of_torchs_layers_need_nothing_else(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    make, shape = NETS[name]
    torch.manual_seed(3)
    network = make().eval()
    for parameter in network.parameters():
        parameter.data.normal_()
    torch.save(network, tmp_path / "net.pt", **options)
    loaded = load(tmp_path / "net.pt", arch=None)
    assert loaded.contents.holds_network
    assert loaded.contents.warnings == ()
    assert list(loaded.contents.tensors) == list(network.state_dict())
    assert_same_outputs(network, loaded.module, torch.randn(shape))


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("arch", ["FILE", "mine_of_the_test", "mine_of_the_test:Outer"])
def test_a_users_classes_come_from_the_module_of_arch(
    tmp_path: Path, mine: ModuleType, arch: str, options: dict[str, Any]
) -> None:
    network = mine.Outer(argparse.Namespace(lr=0.1, out=Path("runs")) if ":" not in arch else None)
    torch.save({"epoch": 3, "model": network}, tmp_path / "net.pt", **options)
    arch = str(tmp_path / "mine_of_the_test.py") if arch == "FILE" else arch
    loaded = load(tmp_path / "net.pt", arch=arch)
    assert_same_outputs(network, loaded.module, torch.randn(4, 6))
    module: Any = loaded.module
    assert module.head.weight is module.blocks[1].fc.weight
    assert module.again is module.blocks[0]
    assert "inner.scratch" not in loaded.contents.tensors


def test_the_attributes_of_a_network_come_back(tmp_path: Path, mine: ModuleType) -> None:
    torch.save(mine.Outer(argparse.Namespace(lr=0.1)), tmp_path / "net.pt")
    module: Any = load(tmp_path / "net.pt", arch="mine_of_the_test").module
    assert module.args == argparse.Namespace(lr=0.1)
    assert dataclasses.asdict(module.settings) == {"width": 6, "name": "mine"}
    assert (module.steps, module.kind, module.dtype) == ([1, (2, 3)], nn.ReLU, torch.float32)
    assert module.blocks[0].act is F.gelu
    assert module.blocks[1].act is torch.tanh


def test_without_arch_the_tensors_are_told_and_the_classes_asked_for(tmp_path: Path) -> None:
    torch.save(ConvNet(), tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt")
    assert not contents.holds_network
    assert list(contents.tensors) == list(ConvNet().state_dict())
    assert "its classes have to come from --arch: tests.checkpoint.networks.ConvNet" in contents.warnings[0]
    with pytest.raises(InputError, match=r"have to come from --arch: tests\.checkpoint\.networks\.ConvNet"):
        load(tmp_path / "net.pt", arch=None)


def test_a_module_without_the_class_says_which_is_missing(tmp_path: Path, mine: ModuleType) -> None:
    torch.save(Mlp(), tmp_path / "net.pt")
    with pytest.raises(
        InputError, match=r"has no class Mlp \(in the file: tests\.checkpoint\.networks\.Mlp\)"
    ):
        load(tmp_path / "net.pt", arch="mine_of_the_test")


def renamed(file: Path, before: str, after: str) -> Path:
    """The same file with another class in its pickle."""
    target = file.with_name("renamed.pt")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("data.pkl"):
                names = [f"c{name}\n".encode() for name in (before, after)]
                assert names[0] in content
                content = content.replace(*names)
            new.writestr(info.filename, content)
    return target


@pytest.mark.parametrize("name", ["Linear", "nn", "dataclasses", "torch", "__builtins__", "Settings", "eval"])
def test_names_in_the_users_module_that_are_no_networks_of_the_users_are_not_taken(
    tmp_path: Path, mine: ModuleType, name: str
) -> None:
    torch.save(Mlp(), tmp_path / "net.pt")
    file = renamed(tmp_path / "net.pt", "tests.checkpoint.networks\nMlp", f"elsewhere\n{name}")
    with pytest.raises(InputError, match=r"cannot be built .*(has no class|is no torch.nn.Module)"):
        load(file, arch="mine_of_the_test")


def test_two_classes_of_one_name_are_not_confused(tmp_path: Path, mine: ModuleType) -> None:
    torch.save(nn.Sequential(mine.Block(6, F.relu), Mlp()), tmp_path / "net.pt")
    file = renamed(tmp_path / "net.pt", "tests.checkpoint.networks\nMlp", "elsewhere\nBlock")
    with pytest.raises(InputError, match="several classes called Block"):
        load(file, arch=str(tmp_path / "mine_of_the_test.py"))


class Hooked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.fc.register_forward_pre_hook(_hook)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)  # type: ignore[no-any-return]


class Bound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.run = self.fast

    def fast(self, x: Tensor) -> Tensor:
        return self.fc(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class Replaced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.__dict__["forward"] = F.relu


def _hook(module: nn.Module, inputs: object) -> None:
    module.called = True


@pytest.mark.parametrize(
    ("network", "told"),
    [(Hooked, "has hooks"), (Bound, "is a builtins.getattr"), (Replaced, "forward in place of its method")],
)
def test_code_in_a_networks_attributes_is_told_and_the_tensors_are_read(
    tmp_path: Path, network: type[nn.Module], told: str
) -> None:
    torch.save(network(), tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt", arch=__name__)
    assert set(contents.tensors) == {"fc.weight", "fc.bias"}
    assert told in contents.warnings[0]
    with pytest.raises(InputError, match=told):
        load(tmp_path / "net.pt", arch=__name__)
    factory = load(tmp_path / "net.pt", arch=f"{__name__}:{network.__name__}")
    assert not factory.contents.warnings


def test_pruned_layers_are_taken_with_their_masks(tmp_path: Path) -> None:
    network = Mlp()
    prune.l1_unstructured(network.fc1, "weight", 0.5)
    prune.ln_structured(network.fc2, "weight", 0.5, n=2, dim=0)
    torch.save(network, tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=NETWORKS)
    assert_same_outputs(network, loaded.module, input_for(network))
    assert not any(name.endswith("_mask") for name in loaded.module.state_dict())


def test_networks_run_in_parallel_lose_their_wrapper(tmp_path: Path) -> None:
    network = Mlp()
    torch.save(nn.DataParallel(network), tmp_path / "net.pt")
    loaded = load(tmp_path / "net.pt", arch=NETWORKS)
    assert isinstance(loaded.module, Mlp)
    assert_same_outputs(network, loaded.module, input_for(network))


@pytest.fixture(scope="module", params=[Mlp, ConvNet])
def perforated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    from perforatedai import globals_perforatedai as library

    folder = tmp_path_factory.mktemp("grown")
    plain = ConvNet(block=library.PAISequential) if request.param is ConvNet else Mlp()
    return grown(plain, input_for(plain), dendrites=2, activation=torch.tanh, folder=folder)


def input_of(network: nn.Module) -> Tensor:
    return torch.randn(4, 1, 8, 8) if type(network) is ConvNet else torch.randn(4, 6)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")  # what torch says while it saves
@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("factory", [False, True])
def test_networks_that_perforatedai_grew_come_back_with_their_dendrites(
    tmp_path: Path, perforated: nn.Module, options: dict[str, Any], factory: bool, trust: bool
) -> None:
    torch.save(perforated, tmp_path / "net.pt", **options)
    x = input_of(perforated)
    arch = f"{NETWORKS}:{type(perforated).__name__}" if factory else NETWORKS
    loaded = load(tmp_path / "net.pt", arch=arch, dendrite_activation="tanh", trust_pickle=trust)
    assert {layer.dendrites for layer in loaded.contents.layers if layer.dendrites} == {2}
    # another order of sums than the library's may differ in the last bits
    torch.testing.assert_close(loaded.module(x), perforated(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("factory", [False, True])
def test_networks_that_perforatedai_cleaned_come_back_with_their_dendrites(
    tmp_path: Path, perforated: nn.Module, factory: bool, trust: bool
) -> None:
    import copy

    from perforatedai import blockwise_perforatedai, clean_perforatedai

    from edgeshrink.zoo import perforated as zoo

    with zoo.session(tmp_path):
        cleaned = blockwise_perforatedai.blockwise_network(copy.deepcopy(perforated))
        cleaned = clean_perforatedai.refresh_net(cleaned)
    torch.save(cleaned, tmp_path / "net.pt")
    x = input_of(perforated)
    arch = f"{NETWORKS}:{type(perforated).__name__}" if factory else NETWORKS
    loaded = load(tmp_path / "net.pt", arch=arch, dendrite_activation="tanh", trust_pickle=trust)
    torch.testing.assert_close(loaded.module(x), perforated(x), atol=1e-6, rtol=0)


class Marks:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_a_trusted_pickle_runs_and_says_first_what_it_imports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = Mlp().state_dict()
    torch.save({"model": state, "x": Marks(tmp_path / "ran")}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"pathlib\.Path\.touch"):
        read(tmp_path / "net.pt")
    assert not (tmp_path / "ran").exists()
    contents = read(tmp_path / "net.pt", trust_pickle=True)
    assert (tmp_path / "ran").exists()
    assert "running the pickle" in (told := capsys.readouterr().err)
    assert "\n  torch.FloatStorage\n" in told
    assert all(torch.equal(contents.tensors[name], tensor) for name, tensor in state.items())


def test_inspect_runs_a_trusted_pickle_once(tmp_path: Path) -> None:
    torch.save({"model": Mlp().state_dict(), "x": MakesFolder(tmp_path / "ran")}, tmp_path / "net.pt")
    inputs = (InputSpec(None, (1, 6)),)
    found = inspect(Request(tmp_path / "net.pt", arch=f"{NETWORKS}:Mlp", trust_pickle=True, inputs=inputs))
    assert (tmp_path / "ran").exists()
    assert found.forecast is not None


class MakesFolder:
    """Makes a folder when it is unpickled, which fails the second time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.folder,)


def test_what_a_trusted_pickle_raises_is_one_error(tmp_path: Path) -> None:
    torch.save({"model": Mlp().state_dict(), "x": Raises()}, tmp_path / "net.pt")
    with pytest.raises(InputError, match="as --trust-pickle allows, raised ZeroDivisionError: int"):
        read(tmp_path / "net.pt", trust_pickle=True)


class Raises:
    def __reduce__(self) -> tuple[object, ...]:
        return divmod, (1, 0)


@pytest.mark.parametrize("arch", ["FILE", "mine_of_the_test"])
@pytest.mark.parametrize("trust", [False, True])
def test_the_classes_of_a_script_come_from_arch(
    tmp_path: Path, mine: ModuleType, arch: str, trust: bool
) -> None:
    network = mine.Block(6, F.hardswish)
    torch.save(network, tmp_path / "net.pt")
    file = renamed(tmp_path / "net.pt", "mine_of_the_test\nBlock", "__main__\nBlock")
    arch = str(tmp_path / "mine_of_the_test.py") if arch == "FILE" else arch
    loaded = load(file, arch=arch, trust_pickle=trust)
    assert_same_outputs(network, loaded.module, torch.randn(2, 6))


@pytest.mark.parametrize("share", [True, False])
def test_layers_reached_exponentially_often_and_loops_are_refused(tmp_path: Path, share: bool) -> None:
    inner: nn.Module = nn.Identity()
    if share:
        for _ in range(40):
            inner = nn.Sequential(inner, inner)
    else:
        inner = nn.Sequential(inner)
        inner._modules["0"] = inner
    torch.save(inner, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"more than 100,000 layers|inside themselves"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("part", "name", "value", "told"),
    [
        ("_parameters", "a.b", nn.Parameter(torch.ones(2)), "no possible name"),
        ("_parameters", "weight", 3, "and no tensor"),
        ("_modules", "0", torch.ones(2), "which is none"),
        ("_modules", "", nn.ReLU(), "no possible name"),
    ],
)
def test_modules_that_are_none_are_refused(
    tmp_path: Path, part: str, name: str, value: object, told: str
) -> None:
    network = nn.Linear(2, 2)
    getattr(network, part)[name] = value
    torch.save(network, tmp_path / "net.pt")
    with pytest.raises(InputError, match=told):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["__class__", "not an identifier", "forward", "state_dict", ""])
def test_attributes_of_no_possible_name_are_refused(tmp_path: Path, name: str) -> None:
    network = Saved(2, 2)
    network.__dict__["extra"] = {name: 3}
    torch.save(network, tmp_path / "net.pt")
    file = renamed(tmp_path / "net.pt", f"{__name__}\nSaved", "torch.nn.modules.linear\nLinear")
    with pytest.raises(InputError, match="has an attribute"):
        load(file, arch=None)


class Saved(nn.Linear):
    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        return {**state, **state.pop("extra")}
