"""Pickles are interpreted, never run: whatever one asks for beyond a network is refused by name."""

from __future__ import annotations

import contextlib
import functools
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgeshrink.checkpoint import load, read
from edgeshrink.checkpoint.pickles.interpreter import Name, Record, interpret
from edgeshrink.errors import InputError
from tests.checkpoint.networks import Mlp

MARKER = "ran"
LINEAR = b"ctorch.nn.modules.linear\nLinear\n"


def text(value: str) -> bytes:
    """Push a string."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def archive(folder: Path, data: bytes) -> Path:
    """Torch's archive around a pickle, with one storage of 64 zeros."""
    with zipfile.ZipFile(folder / "net.pt", "w") as file:
        file.writestr("net/data.pkl", data)
        file.writestr("net/data/0", bytes(64))
        file.writestr("net/version", b"3\n")
    return folder / "net.pt"


def system(folder: Path) -> str:
    return f"touch {folder / MARKER}"


Evil = Callable[[Path], bytes]
EVIL: dict[str, tuple[Evil, str]] = {
    "GLOBAL": (lambda folder: b"\x80\x02cos\nsystem\n.", "os.system"),
    "REDUCE": (lambda folder: b"\x80\x02cos\nsystem\n" + text(system(folder)) + b"\x85R.", "os.system"),
    "INST": (lambda folder: b"(S'" + system(folder).encode() + b"'\nios\nsystem\n.", "os.system"),
    "OBJ": (lambda folder: b"(cos\nsystem\n" + text(system(folder)) + b"o.", "os.system"),
    "STACK_GLOBAL": (
        lambda folder: (
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93" + text(system(folder)) + b"\x85R."
        ),
        "os.system",
    ),
    "STACK_GLOBAL of strings put together elsewhere": (
        # the last two strings read are "torch" and "Size": only the stack tells what is imported
        lambda folder: (
            b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x05torch\x8c\x04Size00\x93"
            + text(system(folder))
            + b"\x85R."
        ),
        "os.system",
    ),
    "a memo filled twice": (
        lambda folder: (
            b"\x80\x04\x8c\x05torchq\x00\x8c\x02osq\x000\x8c\x06systemq\x01h\x00h\x01\x93"
            + text(system(folder))
            + b"\x85R."
        ),
        "os.system",
    ),
    "NEWOBJ": (
        lambda folder: b"\x80\x02csubprocess\nPopen\n" + text(system(folder)) + b"\x85\x81.",
        "subprocess.Popen",
    ),
    "NEWOBJ_EX": (
        lambda folder: b"\x80\x04csubprocess\nPopen\n)}" + text("args") + text(system(folder)) + b"s\x92.",
        "subprocess.Popen",
    ),
    "EXT": (lambda folder: b"\x80\x02\x82\x01.", "copyreg.extension 1"),
    "BUILD with a function as a state": (
        lambda folder: b"\x80\x02" + LINEAR + b")\x81}" + text("forward") + b"cos\nsystem\nsb.",
        "os.system",
    ),
    "BUILD on a class": (
        lambda folder: b"\x80\x02" + LINEAR + b"}" + text("forward") + b"cos\nsystem\nsb.",
        "os.system",
    ),
    "a hook": (
        lambda folder: (
            b"\x80\x02" + LINEAR + b")\x81}" + text("_forward_pre_hooks") + b"}K\x00cos\nsystem\nssb."
        ),
        "os.system",
    ),
    "getattr on a module": (
        lambda folder: b"\x80\x02cbuiltins\ngetattr\nctorch\nhub\n" + text("load") + b"\x86R.",
        "torch.hub",
    ),
    "getattr on a class": (
        lambda folder: b"\x80\x02cbuiltins\ngetattr\n" + LINEAR + text("__init__") + b"\x86R.",
        "torch.nn.modules.linear.Linear.__init__",
    ),
    "a chain of getattr": (
        lambda folder: (
            b"\x80\x02cbuiltins\ngetattr\ncbuiltins\ngetattr\n"
            + LINEAR
            + text("forward")
            + b"\x86R"
            + text("__globals__")
            + b"\x86R."
        ),
        "torch.nn.modules.linear.Linear.forward.__globals__",
    ),
    "a layer that is called": (
        lambda folder: b"\x80\x02" + LINEAR + b"J\xff\xff\xff\x7fK\x01\x86R.",
        "torch.nn.modules.linear.Linear",
    ),
    "what a call returned": (
        lambda folder: b"\x80\x02cbuiltins\nset\n)R)R.",
        "a function that a call returned",
    ),
    "a user's function that is called": (lambda folder: b"\x80\x02cmine\ntrain\n)R.", "mine.train"),
    "eval by the name of a class": (
        lambda folder: b"\x80\x02cbuiltins\neval\n" + text("1") + b"\x85R.",
        "builtins.eval",
    ),
    "a Python 2 name": (
        lambda folder: b"\x80\x02c__builtin__\neval\n" + text("1") + b"\x85R.",
        "builtins.eval",
    ),
}
for mentioned in (
    "torch.hub load",
    "torch.jit load",
    "torch.jit._script RecursiveScriptModule",
    "torch load",
    "torch.nn.modules.module Module.apply",
    "torch.nn.modules.utils _pair",
    "torch.nn.modules.linear F",
    "torch.nn.modules.linear Module",
    "torch.nn.modules.linear init",
    "torch.utils.data.dataloader DataLoader",
    "functools partial",
    "types CodeType",
    "types FunctionType",
    "builtins exec",
    "builtins __import__",
    "operator attrgetter",
    "importlib import_module",
    "numpy load",
    "numpy.f2py compile",
    "posix system",
):
    module, _, name = mentioned.partition(" ")
    EVIL[f"mention of {mentioned}"] = (
        lambda folder, module=module, name=name: f"c{module}\n{name}\n.".encode(),  # type: ignore[misc]
        f"{module}.{name}",
    )


@pytest.mark.parametrize("what", EVIL)
def test_what_goes_beyond_a_network_is_refused_by_name(tmp_path: Path, what: str) -> None:
    make, name = EVIL[what]
    data = make(tmp_path)
    beside = b"\x80\x02}(" + text("x") + data.removesuffix(b".")[2 if data[:1] == b"\x80" else 0 :] + b"u."
    for file in (archive(tmp_path, data), archive(tmp_path, beside)):
        for entrance in (read, lambda path: load(path, arch="tests.checkpoint.networks")):
            with pytest.raises(InputError) as caught:
                entrance(file)
            assert name in caught.value.message.partition("It imports ")[2].rstrip(".").split(", ")
            assert "Nothing of it was run" in caught.value.hint
            assert "--trust-pickle" in caught.value.hint
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("what", ["REDUCE", "INST", "OBJ", "STACK_GLOBAL", "a memo filled twice"])
def test_the_files_would_do_harm_if_they_were_run(tmp_path: Path, what: str) -> None:
    pickle.loads(EVIL[what][0](tmp_path))
    assert (tmp_path / MARKER).exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02r\xff\xff\xff\xff.",  # a memo entry, of nothing
        b"\x80\x02}r\xff\xff\xff\xff0.",
        b"\x80\x02" + b"]0" * 2_000_000 + b"}.",  # 4 million steps
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x02)" + b"\x85" * 300_000 + b"}\x86.",  # tuples, 300,000 deep
        b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",  # as a key
        b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"Ns.",  # a key of 2^60 parts
        b"\x80\x02}]Ns.",
        b"\x80\x02}b.",
        b"\x80\x02Na.",
        b"\x80\x02t.",
        b"\x80\x020.",
        b"\x80\x02h\x05.",
        b"\x80\x02",
        b"",
        b"\x80\x05\x97.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"I" + b"9" * 5000 + b"\n.",
        b"\x80\x02N)R.",
        b"\x80\x02cm\nC\nNR.",
        b"\x80\x02X\x01\x00\x00\x00aQ.",
    ],
)
def test_pickles_that_nobody_wrote_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError):
        read(archive(tmp_path, data))


def test_a_pickle_becomes_records_of_what_it_wants() -> None:
    made = interpret(pickle.dumps({"a": Path("x"), "b": [Name("m", "n")]}, 4))
    assert made.error is None
    assert isinstance(made.root, dict)
    path = made.root["a"]
    assert isinstance(path, Record)
    assert path.callee == Name("pathlib", "PosixPath")
    assert path.args == ("x",)
    assert path.called
    assert not made.root["b"][0].called


def test_tensors_that_are_made_in_odd_ways_are_refused(tmp_path: Path) -> None:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x10tQ"
    good = storage + b"K\x00K\x04\x85K\x01\x85\x89N"

    def told(made: bytes) -> str:
        with pytest.raises(InputError) as caught:
            read(archive(tmp_path, b"\x80\x02}" + text("w") + made + b"s."))
        return str(caught.value)

    make = b"ctorch._utils\n_rebuild_tensor_v2\n("
    read(archive(tmp_path, b"\x80\x02}" + text("w") + make + good + b"tRs."))
    assert "claims more elements" in told(make + good.replace(b"K\x04\x85", b"K\x20\x85") + b"tR")
    assert "claims more elements" in told(make + good.replace(b"K\x01\x85", b"K\x20\x85") + b"tR")
    assert "claims more elements" in told(make + good.replace(b"K\x00", b"K\x20") + b"tR")
    assert "sizes that are none" in told(make + good.replace(b"K\x04\x85", b"J\xff\xff\xff\xff\x85") + b"tR")
    assert "sizes that are none" in told(make + good.replace(b"K\x04\x85", b"N\x85") + b"tR")
    assert "different numbers" in told(make + good.replace(b"K\x01\x85", b")") + b"tR")
    assert "which the file lacks" in told(make + good.replace(text("0"), text("7")) + b"tR")
    assert "elements of an unknown type" in told(make + good.replace(b"Float", b"Odder") + b"tR")
    assert "in a way that torch does not write" in told(make + b"tR")
    assert "no storage" in told(make + b"NK\x00))\x89NtR")
    assert "around no tensor" in told(b"ctorch._utils\n_rebuild_parameter\nN\x85R")
    assert "quantized" in told(make + good.replace(b"Float", b"QInt8") + b"tR")


@pytest.mark.parametrize(
    "names",
    [
        ("net/data.pkl", "net/data.pkl"),
        ("net/data.pkl", "net/DATA.PKL"),
        ("net/data.pkl", "other/data.pkl"),
        ("net/data.pkl", "data.pkl"),
        ("../data.pkl", "../data/0"),
        ("net/data.pkl", "net/data/../../x"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_names_that_mean_two_things_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as file:
        for name in names:
            file.writestr(name, pickle.dumps({}, 2))
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path / "net.pt")


def test_an_entry_elsewhere_than_the_directory_says_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(4)}, tmp_path / "net.pt")
    data = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "net.pt").write_bytes(data.replace(b"net/data/0", b"net/data/1", 1))
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path / "net.pt")


@functools.cache
def whole(kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), Mlp())
        file = Path(folder) / "net.pt"
        torch.save(net, file, _use_new_zipfile_serialization=kind == "zip")
        if kind == "zip":
            with zipfile.ZipFile(file) as archive:
                return archive.read("net/data.pkl")
        return file.read_bytes()


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@settings(max_examples=200)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_pickled_network_with_bytes_changed_loads_or_is_refused(
    kind: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(whole(kind))
    for share, value in changes:
        data[int(share * (len(data) - 1))] = value
    loads_or_is_refused(kind, bytes(data))


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@settings(max_examples=100)
@given(cut=st.tuples(st.floats(0, 1), st.floats(0, 1)), to=st.floats(0, 1))
def test_a_pickled_network_with_parts_moved_loads_or_is_refused(
    kind: str, cut: tuple[float, float], to: float
) -> None:
    data = whole(kind)
    start, stop = sorted(int(share * len(data)) for share in cut)
    rest = data[:start] + data[stop:]
    at = int(to * len(rest))
    loads_or_is_refused(kind, rest[:at] + data[start:stop] + rest[at:])


OPCODES = b"().]}N0125abcdehijlopqrstuQRKJMXUVSIFGLt\x81\x82\x85\x86\x87\x88\x89\x8c\x90\x91\x92\x93\x94"


@settings(max_examples=300)
@given(st.lists(st.sampled_from([bytes([code]) for code in OPCODES] + [LINEAR, b"K\x00", text("_modules")])))
def test_any_sequence_of_opcodes_is_read_or_refused(codes: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InputError):
        read(archive(Path(folder), b"\x80\x04" + b"".join(codes) + b"."))


def loads_or_is_refused(kind: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.pt"
        if kind == "zip":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("net/data.pkl", data)
                for key in range(12):
                    archive.writestr(f"net/data/{key}", bytes(256))
        else:
            file.write_bytes(data)
        with contextlib.suppress(InputError):
            load(file, arch="tests.checkpoint.networks")


def test_the_changed_networks_are_good_to_begin_with(tmp_path: Path) -> None:
    for kind in ("zip", "legacy"):
        torch.save(nn.Linear(2, 2), tmp_path / "net.pt", _use_new_zipfile_serialization=kind == "zip")
        load(tmp_path / "net.pt", arch=None)


def test_a_layer_without_a_part_of_its_own_is_told(tmp_path: Path) -> None:
    net = nn.Sequential(nn.BatchNorm2d(2))
    del net[0]._buffers["num_batches_tracked"]
    torch.save(net, tmp_path / "net.pt")
    with pytest.raises(InputError, match="its layers are not whole: AttributeError"):
        load(tmp_path / "net.pt", arch=None)
