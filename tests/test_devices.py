from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from edgeshrink.devices import PRECISIONS, Device, device, devices, read_device
from edgeshrink.errors import InputError
from edgeshrink.machine import board_names, this_machine
from edgeshrink.report.devices import print_devices

VALID = """
name = "mine"
description = "a board of mine"
[facts]
runtime = "tensorrt"
opset = 17
ir_version = { value = 8, source = "its manual" }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nano_takes_opset_13_and_has_no_fast_int8() -> None:
    nano = device("jetson-nano")
    assert (nano.opset, nano.ir_version, nano.tensorrt) == (13, 7, "8.2.1")
    assert nano.fast_fp16 is True
    assert nano.fast_int8 is False


@pytest.mark.parametrize("name", ["cpu", "CPU", "onnxruntime-cpu"])
def test_a_device_is_found_by_its_aliases(name: str) -> None:
    assert device(name).name == "onnxruntime-cpu"


def test_every_shipped_fact_but_the_runtime_states_its_source() -> None:
    for found in devices():
        head = {"name", "aliases", "description", "board_models", "sources", "runtime"}
        facts = {key for key, value in vars(found).items() if key not in head and value is not None}
        assert facts == set(found.sources)


def test_names_and_aliases_are_unique() -> None:
    names = [name for found in devices() for name in (found.name, *found.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("jetson-nan", "jetson-nano"),
        ("jetsn", "jetson"),
        ("cpuu", "cpu"),
        ("jetson-agx-orim", "jetson-agx-orin"),
    ],
)
def test_a_misspelt_device_is_guessed(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f"There is no device '{wrong}'") as caught:
        device(wrong)
    assert f"Did you mean '{right}'?" in caught.value.hint


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        device("abacus")
    assert "Did you mean" not in caught.value.hint
    assert "jetson-nano, jetson-nano-2gb" in caught.value.hint
    assert "onnxruntime-cpu" in caught.value.hint


# Device trees of public logs: jetson_release, kernel messages and bug reports.
BOARDS = {
    "NVIDIA Jetson Nano Developer Kit": "jetson-nano",
    "NVIDIA Jetson Nano 2GB Developer Kit": "jetson-nano-2gb",
    "NVIDIA Jetson TX2 Developer Kit": "jetson-tx2",
    "NVIDIA Jetson Xavier NX Developer Kit": "jetson-xavier-nx",
    "Jetson-AGX": "jetson-agx-xavier",
    "NVIDIA Orin Nano Developer Kit": "jetson-orin-nano",
    "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super": "jetson-orin-nano",
    "NVIDIA Orin NX Developer Kit": "jetson-orin-nx",
    "NVIDIA Jetson Orin NX Engineering Reference Developer Kit": "jetson-orin-nx",
    "Jetson AGX Orin Developer Kit": "jetson-agx-orin",
    "NVIDIA Jetson AGX Thor Developer Kit": "jetson-thor",
    "quill": "jetson-tx2",
}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets this machine be one with that model and compatible in its device tree."""

    def become(model: str, compatible: str = "nvidia,tegra") -> None:
        tree = tmp_path / "proc/device-tree"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "model").write_bytes(model.encode() + b"\0")
        (tree / "compatible").write_bytes(compatible.encode() + b"\0")
        monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path))

    return become


@pytest.mark.parametrize(("model", "name"), BOARDS.items())
def test_a_board_is_known_by_what_its_device_tree_calls_it(
    board: Callable[..., None], model: str, name: str
) -> None:
    board(model)
    assert device("jetson").name == name


def test_the_boards_and_their_tensorrt() -> None:
    assert {found.name: found.tensorrt for found in devices()} == {
        "jetson-nano": "8.2.1",
        "jetson-nano-2gb": "8.2.1",
        "jetson-tx2": "8.2.1",
        "jetson-xavier-nx": "8.5.2",
        "jetson-agx-xavier": "8.5.2",
        "jetson-orin-nano": "10.3.0",
        "jetson-orin-nx": "10.3.0",
        "jetson-agx-orin": "10.3.0",
        "jetson-thor": "10.13.3",
        "onnxruntime-cpu": None,
    }


def test_boards_without_dp4a_have_no_fast_int8() -> None:
    slow = {found.name for found in devices() if found.fast_int8 is False}
    assert slow == {"jetson-nano", "jetson-nano-2gb", "jetson-tx2"}


def test_jetson_means_this_board_and_is_refused_elsewhere(board: Callable[..., None]) -> None:
    board("NVIDIA Jetson Something New")
    with pytest.raises(InputError, match="calls itself 'NVIDIA Jetson Something New'"):
        device("jetson")
    board("Raspberry Pi 4 Model B", "raspberrypi,4-model-b")
    with pytest.raises(InputError, match="no Jetson"):
        device("jetson")


def test_a_board_of_the_users_own_is_read_from_its_toml(tmp_path: Path) -> None:
    mine = device(str(written(tmp_path, VALID)))
    assert mine == Device("mine", (), "a board of mine", "tensorrt", 17, 8, sources=mine.sources)
    assert dict(mine.sources) == {"ir_version": "its manual"}


def test_every_fault_of_a_profile_is_listed_at_once(tmp_path: Path) -> None:
    text = """
    name = ""
    description = "x"
    alias = ["y"]
    board_models = 3
    [facts]
    runtime = "abacus"
    opset = "13"
    tensorrt = "eight"
    memory_byte = 1
    memory_bytes = -1
    """
    with pytest.raises(InputError) as caught:
        read_device(written(tmp_path, text))
    for fault in (
        "`name` must be a text",
        "`alias` is not known; did you mean `aliases`?",
        "`board_models` must be a list of texts",
        "`facts.runtime` must be one of onnxruntime, tensorrt, not 'abacus'",
        "`facts.tensorrt` must be a version such as \"8.2.1\", not 'eight'",
        "`facts.opset` must be a whole number, not '13'",
        "`memory_byte` is not known; did you mean `memory_bytes`?",
        "`facts.memory_bytes` must not be negative",
        "`facts.ir_version` is missing",
    ):
        assert fault in caught.value.message


def test_a_fault_of_a_profile_names_its_line(tmp_path: Path) -> None:
    text = 'name="a"\nopset = 13\n[facts]\nruntime = "tensorrt"\n  opset = 1.5\n"ir_version" = -1\nl2t = 1\n'
    with pytest.raises(InputError) as caught:
        read_device(written(tmp_path, text))
    lines = caught.value.message.rstrip(".").splitlines()[1:]
    assert lines == [
        "- `opset` belongs under [facts] (line 2)",
        "- `description` must be a text",
        "- `facts.opset` must be a whole number, not 1.5 (line 5)",
        "- `facts.ir_version` must not be negative, got -1 (line 6)",
        "- `l2t` is not known; did you mean `l4t`? (line 7)",
    ]


def test_a_device_tells_what_it_is_fast_in() -> None:
    nano, thor = device("jetson-nano"), device("jetson-thor")
    assert [nano.is_fast_in(precision) for precision in PRECISIONS] == [True, True, False]
    assert [thor.is_fast_in(precision) for precision in PRECISIONS] == [True, None, None]


def test_the_list_of_devices_fits_80_columns() -> None:
    stream = StringIO()
    print_devices(Console(file=stream, width=80, highlight=False), devices(), this_machine())
    table = stream.getvalue().splitlines()[: len(devices()) + 2]
    assert all(len(line.rstrip()) <= 80 for line in table)
    assert all(any(line.startswith(f"{found.name} ") for line in table) for found in devices())
    (nano,) = (line for line in table if line.startswith("jetson-nano "))
    assert nano.split() == ["jetson-nano", "nano", "4.6.1", "8.2.1", "FP16", "13", "4.16", "GB"]


@pytest.mark.parametrize("text", ["name = ", "\x00", 'facts = 3\nname = "a"\ndescription = "b"', "name = 3"])
def test_a_broken_profile_is_an_input_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=re.escape("mine.toml")):
        device(str(written(tmp_path, text)))


def test_a_missing_profile_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read: No such file"):
        device("nowhere.toml")


def test_a_jetson_is_known_by_its_device_tree_and_release_file(
    board: Callable[..., None], tmp_path: Path
) -> None:
    board("NVIDIA Jetson Nano Developer Kit")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(
        "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref\n"
    )
    assert board_names() == ("NVIDIA Jetson Nano Developer Kit", "Jetson Nano")
    facts = this_machine()
    assert (facts["jetson"], facts["l4t"], facts["jetpack"]) == (True, "32.7.1", "4.6.1")


def test_a_stand_in_for_a_board_is_marked_emulated(board: Callable[..., None]) -> None:
    board("NVIDIA Jetson Nano Developer Kit")
    stream = StringIO()
    print_devices(Console(file=stream, width=80), devices(), this_machine())
    assert "this machine: NVIDIA Jetson Nano Developer Kit EMULATED" in stream.getvalue()


def test_another_computer_is_no_jetson(board: Callable[..., None]) -> None:
    board("Raspberry Pi 4 Model B", "raspberrypi,4-model-b")
    facts = this_machine()
    assert (facts["jetson"], facts["board"], facts["l4t"], facts["memory_bytes"]) == (False, None, None, None)


def test_this_machine_tells_plain_facts_and_nothing_that_identifies_it() -> None:
    facts = this_machine()
    assert facts["cpu_cores"] >= 1
    assert not {"hostname", "node", "serial", "mac"} & facts.keys()
