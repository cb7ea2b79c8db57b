from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import onnx
import pytest

from edgeshrink.lint import CAVEAT
from tests.cli.conftest import ARCH
from tests.lint.support import parse


def save(path, text, opset=13, **constants):
    import onnx_ir as ir

    ir.save(parse(text, opset, **constants), path)
    return path


@pytest.fixture
def misread(tmp_path):
    """A mean over one axis, which the Nano's parser would take over all of them."""
    text = "(float[2, 3] x) => (float[2, 1] y) { y = ReduceMean(x, axes) }"
    return save(tmp_path / "misread.onnx", text, opset=18, axes=np.array([1]))


@pytest.fixture
def right(tmp_path):
    return save(tmp_path / "right.onnx", "(float[2] x) => (float[2] y) { y = Mul(x, x) }")


def test_without_errors_the_status_is_0_and_it_ends_with_pass_and_the_caveat(run, right):
    result = run("lint", right, "--device", "jetson-nano")
    assert result.status == 0
    verdict, caveat = result.out.rstrip().splitlines()[-2:]
    assert verdict.startswith(f"PASS  {right} for jetson-nano: no errors")
    assert caveat == CAVEAT


def test_errors_make_the_status_1_and_say_what_to_do(run, misread):
    result = run("lint", misread)
    assert result.status == 1
    assert "error: silent-trap: ReduceMean" in result.out
    assert "over ALL axes" in result.out
    assert "edgeshrink export" in result.out
    assert result.out.rstrip().splitlines()[-2].startswith("FAIL")
    assert result.out.rstrip().splitlines()[-1] == CAVEAT


def test_json_is_one_document_with_every_finding(run, misread):
    result = run("lint", misread, "--device", "jetson-nano", "--json")
    assert result.status == 1
    document = result.json
    assert (document["ok"], document["device"], document["caveat"]) == (False, "jetson-nano", CAVEAT)
    assert document["errors"] == sum(f["severity"] == "error" for f in document["findings"]) > 0
    assert {"rule", "severity", "node", "operator", "module", "why", "what_to_do"} == set(
        document["findings"][0]
    )


@pytest.fixture
def alike(tmp_path):
    """Forty nodes that differ in their reasons, and twelve with the same."""
    kernels = ", ".join(f"float[3, 3, 1, 1] k{i}" for i in range(40))
    names = ["x", *(f"v{i}" for i in range(40))]
    convolutions = " ".join(f"{b} = Conv({a}, k{i})" for i, (a, b) in enumerate(pairwise(names)))
    trilus = " ".join(f"t{i} = Trilu(v39)" for i in range(12))
    return save(
        tmp_path / "alike.onnx",
        f"(float[1, 3, 4, 4] x, {kernels}) => (float[1, 3, 4, 4] t11) {{ {convolutions} {trilus} }}",
        opset=14,
    )


def test_what_is_alike_is_told_once_and_counted(run, alike):
    printed = run("lint", alike, "--device", "jetson-nano")
    assert len(printed.out.splitlines()) < 20
    assert "error: input-not-constant, 40 times\n" in printed.out
    assert "k0 is computed" in printed.out
    assert "and 37 more; --json lists them all" in printed.out
    assert "error: unsupported-operator, 12 times: Trilu" in printed.out
    assert "and 7 more\n" in printed.out
    findings = run("lint", alike, "--json").json["findings"]
    assert len([finding for finding in findings if finding["rule"] == "input-not-constant"]) == 40
    assert f"{len(findings) - 1} errors, 1 warning, no notes" in printed.out


def test_places_are_told_by_their_modules(run, tmp_path):
    names = ["encoder/0/act/Trilu", "encoder/0/act/Trilu_1", "encoder/1/act/Trilu"]
    chain = "(float[2, 2] x) => (float[2, 2] y) { a = Trilu(x) b = Trilu(a) y = Trilu(b) }"
    path = save(tmp_path / "m.onnx", chain, 14)
    model = onnx.load(path)
    for node, name in zip(model.graph.node, names, strict=True):
        node.name = name
    onnx.save(model, path)
    heading = "error: unsupported-operator, 3 times: Trilu in encoder.0.act (2), Trilu in encoder.1.act\n"
    assert heading in run("lint", path).out
    modules = [f["module"] for f in run("lint", path, "--json").json["findings"] if f["operator"] == "Trilu"]
    assert modules == ["encoder.0.act", "encoder.0.act", "encoder.1.act"]


def test_memory_is_told_with_what_is_not_in_it(run, tmp_path):
    weight = np.arange(10_000, dtype=np.float32)
    path = save(tmp_path / "m.onnx", "(float[1] x) => (float[10000] y) { y = Add(x, w) }", w=weight)
    result = run("lint", path, "--device", "jetson-nano", "--workspace", "16", "--json")
    assert result.json["memory"] == {
        "weights_bytes": 40_000,
        "activations_bytes": 40_004,
        "workspace_bytes": 16 * 2**20,
        "running_bytes": 80_004,
        "building_bytes": 120_004 + 16 * 2**20,
        "values_of_unknown_size": 0,
        "device_bytes": 4_156_555_264,
        "not_counted": "what CUDA, its libraries, the operating system and other programs take",
    }
    printed = run("lint", path, "--device", "jetson-nano").out
    assert "memory: at least 80 kB to run (40 kB weights, 40 kB values at once), 120 kB to build" in printed
    assert "4.16 GB that CUDA, the system and all else take from, too" in printed
    assert run("lint", path, "--json").json["memory"]["workspace_bytes"] is None


def test_int8_on_a_nano_is_refused_and_fp32_asks_nothing_of_fp16(run, right, tmp_path):
    np.savez(tmp_path / "large.npz", x=np.array([300, 1], np.float32))
    result = run("lint", right, "--precision", "int8")
    assert result.status == 1
    assert "INT8 is asked for, which jetson-nano does not compute in" in result.out
    result = run("lint", right, "--precision", "fp32", "--samples", tmp_path / "large.npz", "--json")
    assert (result.status, result.json["findings"], result.json["samples"]) == (0, [], 0)
    assert result.json["precision"] == "fp32"
    assert run("lint", right, "--precision", "fp8").status == 2


def test_the_file_is_left_as_it_is(run, misread):
    before = misread.read_bytes()
    run("lint", misread)
    assert misread.read_bytes() == before


def test_a_bundle_is_linted_for_its_own_device_and_on_its_own_samples(run, bundle):
    result = run("lint", bundle, "--json")
    assert result.status == 0, result.out
    assert result.json["device"] == "jetson-nano"
    assert 0 < result.json["samples"] <= 16
    assert json.loads((bundle / "manifest.json").read_text())["lint"] == [
        finding
        for finding in result.json["findings"]
        if not finding["rule"].startswith(("fp16-over", "fp16-under"))
    ]


def test_a_bundle_of_open_sizes_has_their_range_and_counts_memory_at_the_largest(run, tmp_path):
    path = save(tmp_path / "open.onnx", "(float[n, 2] x) => (float[n, 2] y) { y = Mul(x, x) }")
    findings = run("lint", path, "--json").json["findings"]
    assert [finding["rule"] for finding in findings] == ["open-size"]
    assert "x:1..8x2" in findings[0]["what_to_do"]
    exported = run("export", path, "--input", "x:1..4x2", "-o", tmp_path / "open.edge")
    assert exported.status == 0, exported.err
    document = run("lint", tmp_path / "open.edge", "--json").json
    assert [finding for finding in document["findings"] if finding["severity"] == "error"] == []
    assert document["memory"]["activations_bytes"] == 2 * 4 * 2 * 4
    assert document["samples"] > 0


def test_samples_show_what_fp16_cannot_hold(run, right, tmp_path):
    np.savez(tmp_path / "large.npz", x=np.array([300, 1], np.float32))
    result = run("lint", right, "--samples", tmp_path / "large.npz", "--json")
    assert result.status == 0
    assert [finding["rule"] for finding in result.json["findings"]] == ["fp16-overflow"]
    assert run("lint", right, "--json").json["findings"] == []


def test_export_tells_what_fp16_cannot_hold_on_the_users_samples_alone(run, tmp_path):
    path = save(tmp_path / "square.onnx", "(float[1, 2] x) => (float[1, 2] y) { y = Mul(x, x) }")
    np.savez(tmp_path / "large.npz", x=np.array([[300, 1]], np.float32))
    told = {}
    for name, options in (("given", ("--samples", tmp_path / "large.npz")), ("random", ())):
        assert run("export", path, *options, "-o", tmp_path / name).status == 0
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        told[name] = [finding["rule"] for finding in manifest["lint"]]
    assert told == {"given": ["fp16-overflow"], "random": []}


def test_for_a_cpu_the_rules_of_tensorrt_are_no_matter(run, misread):
    result = run("lint", misread, "--device", "onnxruntime-cpu")
    assert result.status == 0
    assert result.out.rstrip().splitlines()[-1] == "TensorRT's rules do not apply to this device."


BAD = {
    "missing": (["none.onnx"], "none.onnx"),
    "no ONNX": (["text.onnx"], "text.onnx"),
    "no bundle": (["."], "no bundle"),
    "unknown device": (["right.onnx", "--device", "jetson-nanoo"], "jetson-nano"),
    "other samples": (["right.onnx", "--samples", "z.npz"], "z.npz"),
    "empty device": (["right.onnx", "--device", ""], "no device ''"),
    "negative workspace": (["right.onnx", "--workspace", "-1"], "--workspace"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_explained_with_status_2(run, right, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.onnx").write_text("epoch,loss\n")
    np.savez(tmp_path / "z.npz", z=np.zeros(2, np.float32))
    arguments, named = BAD[case]
    result = run("lint", *arguments)
    assert result.status == 2, result.out
    assert named in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


@pytest.fixture
def open_ended(tmp_path):
    """A network that lowers to opset 13, and whose top 4000 TensorRT does not take."""
    text = "(float[1, 5000] x) => (float[1, 4000] y, int64[1, 4000] i) { y, i = TopK(x, k) }"
    return save(tmp_path / "open.onnx", text, k=np.array([4000]))


def test_errors_fail_an_export_unless_they_are_allowed(run, open_ended, tmp_path):
    refused = run("export", open_ended, "-o", tmp_path / "out.edge")
    assert refused.status == 1
    assert "topk-too-large" in refused.err
    assert "--allow-lint-errors" in refused.err
    assert not (tmp_path / "out.edge").exists()
    allowed = run("export", open_ended, "-o", tmp_path / "out.edge", "--allow-lint-errors")
    assert allowed.status == 0, allowed.err
    assert "1 error" in allowed.out
    manifest = json.loads((tmp_path / "out.edge" / "manifest.json").read_text())
    assert "topk-too-large" in [finding["rule"] for finding in manifest["lint"]]


def test_force_alone_allows_no_errors(run, open_ended, tmp_path):
    assert run("export", open_ended, "-o", tmp_path / "out.edge", "--force").status == 1


def test_what_export_lowers_lint_has_nothing_against(run, misread, tmp_path):
    assert run("export", misread, "-o", tmp_path / "out.edge").status == 0
    assert onnx.load(tmp_path / "out.edge" / "model.onnx").opset_import[0].version == 13
    assert run("lint", tmp_path / "out.edge").status == 0


def test_an_export_of_a_checkpoint_lists_its_findings_in_the_manifest(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["source"]["arch"] == ARCH
    assert isinstance(manifest["lint"], list)
    assert not [finding for finding in manifest["lint"] if finding["severity"] == "error"]
