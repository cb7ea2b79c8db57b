from __future__ import annotations

import json

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


def test_samples_show_what_fp16_cannot_hold(run, right, tmp_path):
    np.savez(tmp_path / "large.npz", x=np.array([300, 1], np.float32))
    result = run("lint", right, "--samples", tmp_path / "large.npz", "--json")
    assert result.status == 0
    assert [finding["rule"] for finding in result.json["findings"]] == ["fp16-overflow"]
    assert run("lint", right, "--json").json["findings"] == []


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
