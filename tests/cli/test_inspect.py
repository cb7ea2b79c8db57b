from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from edgeshrink.dendrites import MaskedGroupedConv2d
from tests.cli.conftest import ARCH


def test_without_a_network_it_tells_what_the_tensors_tell(run, workplace):
    found = run("inspect", "model.pt", "--json").json
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["conv1"]["zero_units"] == 3
    assert layers["conv2"]["shape"] == [16, 6, 5, 5]
    assert found["forecast"] is None


def test_with_a_network_it_foretells_what_export_will_do(run, workplace):
    found = run("inspect", "model.pt", "--arch", ARCH, "--input", "1x1x28x28", "--json").json
    layers = {layer["name"]: layer["after"] for layer in found["forecast"]["layers"]}
    assert layers == {"conv1": 3, "conv2": 8, "fc1": 23, "fc2": 10}
    assert found["forecast"]["after"]["parameters"] < found["forecast"]["before"]["parameters"]


def test_it_writes_nothing(run, workplace):
    before = sorted(entry.name for entry in workplace.iterdir())
    assert run("inspect", "model.pt", "--arch", ARCH, "--input", "1x1x28x28").status == 0
    assert sorted(entry.name for entry in workplace.iterdir()) == before


def test_an_onnx_file_needs_no_network(run, bundle):
    found = run("inspect", bundle / "baseline.onnx", "--json").json
    assert found["source"]["format"] == "ONNX"
    assert [layer["name"] for layer in found["forecast"]["layers"]] == ["conv1", "conv2", "fc1", "fc2"]


def test_an_option_that_does_not_go_with_onnx_is_refused(run, bundle):
    result = run("inspect", bundle / "baseline.onnx", "--arch", ARCH)
    assert result.status == 2
    assert "--arch" in result.err


def test_for_people_it_ends_with_the_next_command(run, workplace):
    result = run("inspect", "model.pt")
    assert result.out.rstrip().splitlines()[-1].startswith("next:")


def test_the_next_command_can_be_typed_as_it_stands(run, workplace):
    inspected = run("inspect", "model.pt", "--arch", ARCH, "--input", "1x1x28x28")
    command = inspected.out.rstrip().splitlines()[-1].removeprefix("next: edgeshrink ")
    assert command == f"export model.pt --arch {ARCH} --input 1x1x28x28"
    assert run(*command.split()).status == 0


def test_an_onnx_file_never_waits_for_torch(bundle):
    code = (
        "import sys; from edgeshrink.cli import main;"
        f"status = main(['inspect', {str(bundle / 'baseline.onnx')!r}, '--json']);"
        "sys.exit(status or ('torch' in sys.modules and 'torch was imported') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_brackets_in_a_name_are_shown_as_they_are(run, workplace):
    folder = workplace / "runs[/x]"
    folder.mkdir(parents=True)
    (workplace / "model.pt").rename(folder / "a[b].pt")
    result = run("inspect", "runs[/x]/a[b].pt")
    assert result.status == 0
    assert "a[b].pt: state_dict" in result.out
    assert "'runs[/x]/a[b].pt'" in result.out


def test_every_column_has_its_total(run, workplace):
    result = run("inspect", "model.pt")
    [total] = [line for line in result.out.splitlines() if line.startswith("total")]
    layers = run("inspect", "model.pt", "--json").json["layers"]
    parameters = sum(layer["parameters"] for layer in layers)
    zeros = sum(layer["zeros"] for layer in layers)
    dead = sum(layer["zero_units"] for layer in layers)
    assert total.split() == [
        "total",
        f"{parameters:,}",
        "0",
        "0",
        "0%",
        f"{zeros / parameters:.0%}",
        f"{dead}",
    ]


def test_it_says_per_layer_what_baking_will_do(run, workplace):
    found = run("inspect", "model.pt", "--json").json
    notes = {layer["name"]: layer["note"] for layer in found["layers"] if layer["note"]}
    assert notes == {
        "conv1": "3 zero filters may leave",
        "conv2": "8 zero filters may leave",
        "fc1": "9 zero units may leave",
    }
    assert "3 zero filters may leave" in run("inspect", "model.pt").out


def test_the_threshold_of_learnable_masks_is_stated(run, tmp_path):
    layer = MaskedGroupedConv2d(4, 6, 3, threshold=0.25)
    torch.save({f"conv.{name}": tensor for name, tensor in layer.state_dict().items()}, tmp_path / "net.pt")
    assert run("inspect", tmp_path / "net.pt", "--json").json["layers"][0]["threshold"] == 0.25
    out = run("inspect", tmp_path / "net.pt").out
    assert "masked conv2d" in out
    assert "above 0.25" in " ".join(out.split())


def test_what_is_not_loaded_is_named(run, tmp_path):
    state = nn.Linear(2, 3).state_dict()
    perforated = {f"fc.main_module.{name}": tensor for name, tensor in state.items()}
    perforated["fc.dendrite_module.num_cycles"] = torch.zeros(1)
    for name in ("shape", "initialized"):
        perforated[f"fc.dendrite_module.dendrite_values.0.{name}"] = torch.zeros(1)
    torch.save(perforated, tmp_path / "net.pt")
    out = run("inspect", tmp_path / "net.pt").out
    assert (
        "not loaded (training scaffolding): 1 tensor of bookkeeping, 2 tensors of dendrite statistics" in out
    )


def test_inspect_counts_an_open_batch_at_opt(run, workplace):
    opened = run("inspect", "model.pt", "--arch", ARCH, "--input", "1..8x1x28x28", "--json")
    fixed = run("inspect", "model.pt", "--arch", ARCH, "--input", "8x1x28x28", "--json")
    assert opened.status == 0
    assert opened.json["forecast"]["before"]["macs"] == fixed.json["forecast"]["before"]["macs"]
    assert opened.json["forecast"]["after"]["macs"] == fixed.json["forecast"]["after"]["macs"]
