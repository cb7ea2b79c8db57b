from __future__ import annotations

import subprocess
import sys

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
