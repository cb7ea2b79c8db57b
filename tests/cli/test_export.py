from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgeshrink import pipeline
from edgeshrink.bake.base import BakePass
from edgeshrink.graph.edit import replace_weight
from tests.cli.conftest import ARCH

INPUT = ("--input", "1x1x28x28")
ROOT = Path(__file__).parents[2]


def entries(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_writes_every_part_of_a_bundle(bundle):
    assert entries(bundle) == {
        "model.onnx",
        "baseline.onnx",
        "samples.npz",
        "manifest.json",
        "edgeshrink-device.pyz",
    }


def test_the_manifest_says_where_it_came_from_and_what_was_proven(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["source"]["name"] == "model.pt"
    assert manifest["source"]["arch"] == ARCH
    assert manifest["source"]["dendrite_activation"] is None
    assert manifest["device"] == "jetson-nano"
    assert (manifest["opset"], manifest["ir_version"]) == (13, 7)
    assert manifest["inputs"] == [{"name": "image", "shape": [1, 1, 28, 28], "dtype": "float32"}]
    assert manifest["parity"]["ok"]
    assert manifest["parity"]["samples"] == 32 + 40
    assert set(manifest["parity"]["against"]) == {"baseline", "torch"}
    assert manifest["accuracy"] == {"before": 0.75, "after": 0.75, "samples": 40}
    assert manifest["after"]["parameters"] < manifest["before"]["parameters"]


def test_the_models_are_what_the_nano_parses(bundle):
    for name in ("model.onnx", "baseline.onnx"):
        model = onnx.load(bundle / name)
        onnx.checker.check_model(model, full_check=True)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
        assert model.ir_version == 7


def test_dead_filters_are_gone_but_for_one_carrier_and_named_per_layer(bundle):
    layers = {layer["name"]: layer for layer in json.loads((bundle / "manifest.json").read_text())["layers"]}
    # conv1 is read by an unpadded conv and conv2 by a linear layer: no carrier is needed, all dead units go.
    assert (layers["conv1"]["before"], layers["conv1"]["after"]) == (6, 3)
    assert (layers["conv2"]["before"], layers["conv2"]["after"]) == (16, 8)
    assert (layers["fc1"]["before"], layers["fc1"]["after"]) == (32, 23)
    assert (layers["fc2"]["before"], layers["fc2"]["after"]) == (10, 10)


def test_json_is_the_manifest_and_nothing_else_on_stdout(run, workplace):
    result = run("export", "model.pt", "--arch", ARCH, *INPUT, "--json")
    assert result.status == 0
    assert result.json["bundle"] == "model.edge"
    assert result.json["samples"] == "random, seed 0"


def test_for_people_it_ends_with_proof_path_and_next_command(run, workplace):
    result = run("export", "model.pt", "--arch", ARCH, *INPUT)
    assert result.status == 0
    assert "PASS  equal to the torch network on 32 inputs" in result.out
    assert result.out.rstrip().splitlines()[-3:] == [
        "bundle: model.edge",
        "next:   copy it to the board, and there: "
        "python3 model.edge/edgeshrink-device.pyz profile model.edge --device jetson",
        "        or here, on the CPU: edgeshrink profile model.edge",
    ]
    assert "what FP16 cannot hold is looked for on --samples" in result.out


def test_for_a_cpu_it_ends_with_the_command_for_here(run, workplace):
    words = ("--samples", "samples.npz", "--device", "onnxruntime-cpu")
    out = run("export", "model.pt", "--arch", ARCH, *words).out
    assert out.rstrip().splitlines()[-1] == "next:   edgeshrink profile model.edge"
    assert "FP16" not in out


def test_a_bundle_is_not_replaced_by_what_is_made_of_its_parts(run, bundle):
    result = run("export", bundle / "model.onnx", "-o", bundle, "--force")
    assert result.status == 2
    assert "is part of" in result.err
    assert (bundle / "baseline.onnx").is_file()


def test_an_onnx_file_takes_the_same_road(run, workplace, bundle):
    result = run("export", bundle / "baseline.onnx", "-o", "again.edge", "--json")
    assert result.status == 0
    assert result.json["source"]["format"] == "ONNX"
    assert set(result.json["parity"]["against"]) == {"baseline", "file"}
    original = json.loads((bundle / "manifest.json").read_text())
    for figure in ("parameters", "macs"):
        assert result.json["after"][figure] == original["after"][figure]


def test_an_existing_folder_is_kept_unless_forced(run, workplace):
    assert run("export", "model.pt", "--arch", ARCH, *INPUT).status == 0
    before = (workplace / "model.edge" / "manifest.json").read_bytes()
    refused = run("export", "model.pt", "--arch", ARCH, *INPUT)
    assert refused.status == 2
    assert "model.edge exists" in refused.err
    assert "--force" in refused.err
    assert (workplace / "model.edge" / "manifest.json").read_bytes() == before
    assert run("export", "model.pt", "--arch", ARCH, *INPUT, "--force").status == 0


def test_force_does_not_replace_what_is_no_bundle(run, workplace):
    (workplace / "model.edge").mkdir()
    (workplace / "model.edge" / "thesis.txt").write_text("years of work")
    result = run("export", "model.pt", "--arch", ARCH, *INPUT, "--force")
    assert result.status == 2
    assert (workplace / "model.edge" / "thesis.txt").read_text() == "years of work"


BAD_CALLS = {
    "missing file": (["none.pt"], "none.pt"),
    "a directory": (["."], "directory"),
    "state_dict without --arch": (["model.pt", *INPUT], "--arch"),
    "no input shape": (["model.pt", "--arch", ARCH], "--input"),
    "an input of another form": (["model.pt", "--arch", ARCH, "--input", "28,28"], "1x3x224x224"),
    "an input the network does not take": (["model.pt", "--arch", ARCH, "--input", "1x3x28x28"], "conv1"),
    "unknown device": (["model.pt", "--arch", ARCH, *INPUT, "--device", "jetson-nanoo"], "jetson-nano"),
    "no such factory": (["model.pt", "--arch", "tests.models:plain_cn", *INPUT], "plain_cnn"),
    "no such module": (["model.pt", "--arch", "tests.nowhere:net", *INPUT], "tests.nowhere"),
    "another network": (["model.pt", "--arch", "tests.models:resnet18", *INPUT], "not in the file"),
    "arch-args no JSON": (["model.pt", "--arch", ARCH, "--arch-args", "{classes: 10", *INPUT], "JSON"),
    "other number of classes": (
        ["model.pt", "--arch", ARCH, "--arch-args", '{"classes": 7}', *INPUT],
        "fc2",
    ),
    "samples missing": (["model.pt", "--arch", ARCH, "--samples", "none.npz"], "none.npz"),
    "a folder that is not there": (["model.pt", "--arch", ARCH, *INPUT, "-o", "no/where.edge"], "folder"),
    "a folder that cannot be written": (["model.pt", "--arch", ARCH, *INPUT, "-o", "/proc/m.edge"], "/proc"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_wrong_call_is_explained_and_leaves_nothing(run, workplace, case):
    arguments, named = BAD_CALLS[case]
    before = entries(workplace)
    result = run("export", *arguments)
    assert result.status == 2, result.err
    assert named in result.err
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    assert result.out == ""
    assert entries(workplace) == before


BAD_BYTES = {
    "empty": b"",
    "random": np.random.default_rng(1).bytes(4096),
    "text": b"epoch,loss\n1,0.3\n",
}


@pytest.mark.parametrize("case", [*BAD_BYTES, "truncated"])
def test_bytes_that_are_no_checkpoint_are_refused(run, workplace, case):
    whole = (workplace / "model.pt").read_bytes()
    (workplace / "bad.pt").write_bytes(BAD_BYTES.get(case, whole[: len(whole) // 2]))
    result = run("export", "bad.pt", "--arch", ARCH, *INPUT)
    assert result.status == 2
    assert "bad.pt" in result.err
    assert "Traceback" not in result.err


def test_a_pickle_is_never_run_and_what_it_wants_is_named(run, workplace):
    trap = workplace / "sprung"
    (workplace / "evil.pt").write_bytes(f"cos\nsystem\n(S'touch {trap}'\ntR.".encode())
    for command in ("inspect", "export"):
        result = run(command, "evil.pt", "--arch", ARCH)
        assert result.status == 2
        assert "os.system" in result.err or "posix.system" in result.err
    assert not trap.exists()


def test_ctrl_c_while_loading_leaves_nothing(workplace):
    (workplace / "net.py").write_text(
        "import os, signal, time\ndef net():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(30)\n"
    )
    before = entries(workplace)
    done = subprocess.run(
        [sys.executable, "-m", "edgeshrink", "export", "model.pt", "--arch", "net.py:net", *INPUT],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 128 + signal.SIGINT
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert entries(workplace) == before


def test_ctrl_c_while_writing_leaves_nothing(run, workplace, monkeypatch):
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeshrink.bundle.write_device_package", interrupt)
    before = entries(workplace)
    assert run("export", "model.pt", "--arch", ARCH, *INPUT).status == 130
    assert entries(workplace) == before


class BreakABias(BakePass):
    """A wrong pass."""

    def rewrite(self, model):
        bias = model.graph.initializers["fc2.bias"]
        array = bias.const_value.numpy().copy()
        array[3] += 0.01
        replace_weight(bias, array)
        return {"biases": 1}


class TakeABiasAway(BakePass):
    """A pass that leaves no valid network."""

    def rewrite(self, model):
        bias = model.graph.initializers["fc2.bias"]
        replace_weight(bias, bias.const_value.numpy()[:3])
        return {"biases": 1}


def test_a_network_that_bakes_wrong_is_refused_and_leaves_no_bundle(run, workplace, monkeypatch):
    monkeypatch.setattr(pipeline, "BAKE_PASSES", (*pipeline.BAKE_PASSES, BreakABias))
    before = entries(workplace)
    result = run("export", "model.pt", "--arch", ARCH, *INPUT)
    assert result.status == 1
    assert "[0, 3]" in result.err
    assert entries(workplace) == before


@pytest.mark.parametrize("wrong", [BreakABias, TakeABiasAway])
def test_paranoid_names_the_pass_that_went_wrong_and_leaves_no_bundle(run, workplace, monkeypatch, wrong):
    passes = pipeline.BAKE_PASSES
    monkeypatch.setattr(pipeline, "BAKE_PASSES", (*passes[:3], wrong, *passes[3:]))
    before = entries(workplace)
    result = run("export", "model.pt", "--arch", ARCH, *INPUT, "--paranoid")
    assert result.status == 1
    assert f"Pass {wrong.__name__} " in result.err
    assert "Traceback" not in result.err
    assert entries(workplace) == before


def test_paranoid_makes_the_same_bundle(run, workplace, bundle):
    result = run(
        "export", "model.pt", "--arch", ARCH, "--samples", "samples.npz", "-o", "b.edge", "--paranoid"
    )
    assert result.status == 0
    for name in ("model.onnx", "baseline.onnx"):
        assert (workplace / "b.edge" / name).read_bytes() == (bundle / name).read_bytes()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_polite_kill_ends_it_as_ctrl_c_does(run, workplace, monkeypatch, name):
    monkeypatch.setattr(
        "edgeshrink.bundle.write_device_package", lambda _: os.kill(os.getpid(), getattr(signal, name))
    )
    before = entries(workplace)
    assert run("export", "model.pt", "--arch", ARCH, *INPUT).status == 130
    assert entries(workplace) == before


def test_what_the_users_code_prints_does_not_break_the_json(run, workplace):
    (workplace / "loud.py").write_text(
        "from tests.models import plain_cnn\nprint('hello from the module')\n"
        "def net():\n    print('building')\n    return plain_cnn()\n"
    )
    result = run("export", "model.pt", "--arch", "loud.py:net", *INPUT, "--json")
    assert result.json["parity"]["ok"]
    assert "hello from the module" in result.err


def test_a_forward_that_draws_random_numbers_is_told_from_a_wrong_rewrite(run, workplace):
    (workplace / "noisy.py").write_text(
        "import torch\nfrom tests.models import PlainCNN\n"
        "class Noisy(PlainCNN):\n"
        "    def forward(self, image):\n"
        "        return super().forward(image) + torch.rand_like(image[:, 0, 0, :10])\n"
    )
    result = run("export", "model.pt", "--arch", "noisy.py:Noisy", *INPUT)
    assert result.status == 1
    assert "draw random numbers" in result.err or "random" in result.err
    assert not (workplace / "model.edge").exists()


def test_a_branch_on_values_is_refused_and_never_frozen(run, workplace):
    (workplace / "branch.py").write_text(
        "from tests.models import PlainCNN\n"
        "class Branch(PlainCNN):\n"
        "    def forward(self, image):\n"
        "        y = super().forward(image)\n"
        "        return y * 2 if y.sum() > 50 else y\n"
    )
    result = run("export", "model.pt", "--arch", "branch.py:Branch", *INPUT)
    assert result.status == 1
    assert "branches on the values" in result.err
    assert not (workplace / "model.edge").exists()


COUNTING = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(6, 2)

    def forward(self, ids):
        return {"next": ids + 1, "score": self.linear(ids.float())}
"""


@pytest.fixture
def counting(workplace):
    """net.py and net.pt: integers in, integers and floats out."""
    (workplace / "net.py").write_text(COUNTING)
    torch.save({"linear.weight": torch.randn(2, 6), "linear.bias": torch.zeros(2)}, workplace / "net.pt")
    return "net.pt", "--arch", "net.py:Net"


def manifest_of(name):
    return json.loads(Path(name, "manifest.json").read_text())


def test_a_batch_stays_open_in_a_range_and_is_profiled_and_linted_at_opt(run, workplace):
    done = run("export", "model.pt", "--arch", ARCH, "--input", "1..3..4x1x28x28", "-o", "open.edge")
    assert done.status == 0
    assert "PASS  equal to the torch network on 32 inputs with batch from 1 to 4" in done.out
    (stated,) = manifest_of("open.edge")["inputs"]
    assert stated["shape"] == ["batch", 1, 28, 28]
    assert [stated[name][0] for name in ("min", "opt", "max")] == [1, 3, 4]
    assert manifest_of("open.edge")["outputs"][0]["shape"] == ["batch", 10]
    with np.load("open.edge/samples.npz") as samples:
        assert samples["in/image"].shape == (24, 1, 28, 28)
        assert samples["out/output"].shape == (24, 10)
    assert run("lint", "open.edge").status == 0
    quick = ("--seconds", "0.05", "--runs", "5", "--launches", "1", "--power", "none")
    assert run("profile", "open.edge", *quick).status == 0
    profile = json.loads(Path("open.edge/profile-cpu-model.json").read_text())
    assert profile["model"]["batch"] == 3
    assert profile["parity"]["ok"]


def test_samples_fill_batches_at_opt_and_their_labels_count_once(run, workplace):
    samples = ("--samples", "samples.npz", "--input", "1..16x1x28x28")
    assert run("export", "model.pt", "--arch", ARCH, *samples).status == 0
    assert manifest_of("model.edge")["accuracy"] == {"before": 0.75, "after": 0.75, "samples": 40}
    assert manifest_of("model.edge")["parity"]["samples"] == 32 + 3


def test_a_size_that_cannot_stay_open_writes_nothing(run, workplace):
    done = run("export", "model.pt", "--arch", ARCH, "--input", "1x1x28x20..28")
    assert done.status == 2
    assert "does not run on image 1x1x28x20:float32: layer 'fc1'" in done.err
    assert not Path("model.edge").exists()


def test_integers_are_32_bits_wide_where_the_board_binds_them_so(run, counting):
    done = run("export", *counting, "--input", "1..4x6:int64")
    assert done.status == 0
    assert "warning: The input 'ids' is INT32 on this device, not INT64" in done.err
    assert "--input ids:1..4x6:int32" in done.err
    manifest = manifest_of("net.edge")
    kinds = {value["name"]: value["dtype"] for value in (*manifest["inputs"], *manifest["outputs"])}
    assert kinds == {"ids": "int32", "next": "int32", "score": "float32"}
    assert manifest["passes"][-1] == {
        "name": "NarrowInterface",
        "exact": True,
        "changed": True,
        "detail": {"inputs": 1, "outputs": 1},
    }
    assert not [finding for finding in manifest["lint"] if finding["rule"] == "narrowed-interface"]
    baseline = onnx.load("net.edge/baseline.onnx").graph
    assert [value.type.tensor_type.elem_type for value in baseline.input] == [onnx.TensorProto.INT32]
    with np.load("net.edge/samples.npz") as samples:
        assert (samples["in/ids"].dtype, samples["out/next"].dtype) == (np.int32, np.int32)


@pytest.mark.parametrize("device", ["onnxruntime-cpu", "jetson-orin-nano"])
def test_integers_keep_their_64_bits_elsewhere(run, counting, device):
    done = run("export", *counting, "--input", "1x6:int64", "--device", device)
    assert (done.status, done.err) == (0, "")
    assert manifest_of("net.edge")["inputs"][0]["dtype"] == "int64"
    assert not manifest_of("net.edge")["passes"][-1]["changed"]


def test_integers_said_to_be_32_bits_wide_need_no_warning(run, counting):
    done = run("export", *counting, "--input", "1x6:int32")
    assert (done.status, done.err) == (0, "")


def test_a_sample_that_32_bits_do_not_hold_is_refused(run, counting):
    np.savez("good.npz", ids=np.arange(12).reshape(2, 6))
    assert run("export", *counting, "--samples", "good.npz").status == 0
    np.savez("large.npz", ids=np.arange(12).reshape(2, 6) + 2**31)
    done = run("export", *counting, "--samples", "large.npz", "-o", "large.edge")
    assert done.status == 2
    assert "large.npz: input 'ids' holds 2147483648, and the device takes it as int32" in done.err
    assert not Path("large.edge").exists()
    run("export", *counting, "--samples", "large.npz", "-o", "large.edge", "--device", "onnxruntime-cpu")
    assert Path("large.edge").exists()


def test_a_file_of_opset_13_changes_in_its_interface_alone(run, workplace):
    text = """<ir_version: 7, opset_import: ["" : 13]>
    main (int64[N, 4] ids) => (float[N, 4] y) <float[9] table = {0, 1, 2, 3, 4, 5, 6, 7, 8}>
    { y = Gather(table, ids) }"""
    onnx.save(onnx.parser.parse_model(text), "table.onnx")
    assert run("export", "table.onnx", "--input", "1..4x4").status == 0
    graph = onnx.load("table.edge/model.onnx").graph
    assert [node.op_type for node in graph.node] == ["Cast", "Gather"]
    assert manifest_of("table.edge")["inputs"][0]["shape"] == ["N", 4]
    assert manifest_of("table.edge")["inputs"][0]["max"] == [4, 4]
