"""Several bundles in one call of build, and models with odd names."""

import shlex

import pytest

from tests.emulated_jetson.board import board

from .emulated_helpers import convolution
from .engine_helpers import write_bundle


@pytest.mark.parametrize("bad", ["model", "manifest"])
def test_a_bundle_that_cannot_be_read_is_told_before_another_is_built(tmp_path, bad):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    good, broken = write_bundle(tmp_path / "good.edge"), write_bundle(tmp_path / "bad.edge")
    name = {"model": "model.onnx", "manifest": "manifest.json"}[bad]
    (broken / name).write_text("junk")
    done = made.device("build", good, broken)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"bad.edge/{name}" in done.stderr
    assert not (good / "engines").exists()


def test_what_to_do_next_can_be_typed_even_for_a_name_like_an_option(tmp_path, monkeypatch):
    made = board(tmp_path, tensorrt="8.2", cudart=False)
    (tmp_path / "-m.onnx").write_bytes(convolution())
    monkeypatch.chdir(tmp_path)
    done = made.device("build", "--", "-m.onnx")
    assert (done.stderr, done.returncode) == ("", 0)
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    words = shlex.split(told[len("next: ") :])
    assert words[words.index("profile") + 1] == "./-m.onnx"
    done = made.device(*words[words.index("profile") :], "--precision", "no such")  # read as it was meant
    assert "no such" in done.stderr
