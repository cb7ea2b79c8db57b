"""Where the dendrites' activation comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from edgeshrink.checkpoint import read
from edgeshrink.checkpoint.activation import choose_activation
from edgeshrink.errors import InputError

SETTING = "pai_forward_function"


def say(folder: Path, config: str, activation: object) -> None:
    (folder / config).write_text(json.dumps({SETTING: activation}))


def test_the_flag_is_taken_under_any_of_its_spellings(tmp_path: Path) -> None:
    for flag in ("tanh", "torch.tanh", "Tanh", " torch.nn.functional.tanh"):
        assert choose_activation(tmp_path / "net.pt", flag) == ("tanh", "flag", None)


def test_a_config_beside_the_file_is_taken(tmp_path: Path) -> None:
    say(tmp_path, "PAI_config.json", "torch.nn.functional.gelu")
    assert choose_activation(tmp_path / "net.pt", None) == ("gelu", "config file PAI_config.json", None)


def test_the_flag_wins_over_a_config_that_contradicts_with_a_warning(tmp_path: Path) -> None:
    say(tmp_path, "PAI_config.json", "torch.tanh")
    assert choose_activation(tmp_path / "net.pt", "tanh") == ("tanh", "flag", None)
    name, source, warning = choose_activation(tmp_path / "net.pt", "relu")
    assert (name, source) == ("relu", "flag")
    assert warning is not None
    assert "PAI_config.json: tanh" in warning
    assert "relu, which is used" in warning


def test_the_flag_settles_configs_that_disagree_or_name_nothing_known(tmp_path: Path) -> None:
    say(tmp_path, "a_config.json", "torch.tanh")
    say(tmp_path, "b_config.json", "mine.swirl")
    assert choose_activation(tmp_path / "net.pt", "tanh")[:2] == ("tanh", "flag")


def test_configs_that_disagree_need_the_users_word(tmp_path: Path) -> None:
    say(tmp_path, "a_config.json", "torch.tanh")
    say(tmp_path, "b_config.json", "torch.relu")
    (tmp_path / "c_config.json").write_text("not JSON")
    with pytest.raises(InputError, match=r"disagree.*a_config.json: tanh, b_config.json: relu"):
        choose_activation(tmp_path / "net.pt", None)


@pytest.mark.parametrize("namesake", ["net_config.json", "{folder}_config.json", "config.json"])
def test_a_namesake_goes_before_other_configs(tmp_path: Path, namesake: str) -> None:
    say(tmp_path, "a_config.json", "torch.tanh")
    config = tmp_path / namesake.format(folder=tmp_path.name)
    setting = {SETTING: "torch.nn.functional.relu"}
    config.write_text(json.dumps({"pai_config": setting} if config.name == "config.json" else setting))
    assert choose_activation(tmp_path / "net.pt", None)[:2] == ("relu", f"config file {config.name}")


@pytest.mark.parametrize("function", [torch.tanh, torch.relu, torch.sigmoid, torch.nn.functional.relu])
def test_a_function_as_the_library_shows_it_in_an_upload_is_understood(
    tmp_path: Path, function: object
) -> None:
    from perforatedai import utils_perforatedai as tools

    config = {"model_type": "mine", "pai_config": tools.make_json_serializable({SETTING: function})}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert choose_activation(tmp_path / "model.safetensors", None)[0] == function.__name__


@pytest.mark.parametrize("document", [{SETTING: "torch.tanh"}, {"pai_config": 3}, {"pai_config": {}}, []])
def test_a_config_of_something_else_says_nothing(tmp_path: Path, document: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert choose_activation(tmp_path / "model.safetensors", None)[1] == "default"


def test_without_flag_and_config_sigmoid_is_assumed_with_a_warning(tmp_path: Path) -> None:
    name, source, warning = choose_activation(tmp_path / "net.pt", None)
    assert (name, source) == ("sigmoid", "default")
    assert warning is not None
    assert "sigmoid is assumed" in warning


def test_an_unknown_activation_names_where_it_is_said(tmp_path: Path) -> None:
    say(tmp_path, "PAI_config.json", "mine.swirl")
    with pytest.raises(InputError, match=r"PAI_config.json beside net.pt: unknown .*'swirl'"):
        choose_activation(tmp_path / "net.pt", None)
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        choose_activation(tmp_path / "net.pt", "than")


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"pai_forward_function": ' + b"9" * 5000 + b"}",
        b'{"pai_forward_function": ["torch.tanh"]}',
        b"\xff\xfe\x00",
        b" " * 2_000_000 + b'{"pai_forward_function": "torch.tanh"}',
    ],
    ids=["nested", "digits", "list", "no text", "large"],
)
def test_a_strange_config_is_passed_over(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "PAI_config.json").write_bytes(text)
    assert choose_activation(tmp_path / "net.pt", None)[1] == "default"


def test_what_would_be_read_for_ever_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "PAI_config.json")
    (tmp_path / "net_config.json").symlink_to("/dev/zero")
    assert choose_activation(tmp_path / "net.pt", None)[1] == "default"


def test_a_flag_without_dendrites_is_ignored_with_a_warning(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.full((2, 3), 0.5)}, tmp_path / "net.pt")
    contents = read(tmp_path / "net.pt", dendrite_activation="tanh")
    assert (contents.activation, contents.activation_source) == (None, "no dendrites")
    assert contents.warnings == ("the network has no dendrites: --dendrite-activation tanh is ignored",)
    assert read(tmp_path / "net.pt").warnings == ()
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        read(tmp_path / "net.pt", dendrite_activation="than")
