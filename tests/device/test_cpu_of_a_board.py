"""Without --device it is the CPU that is measured; on a Jetson, where the GPU is meant, that is told."""

import json

import pytest

from tests.emulated_jetson.board import board

from .inference_helpers import QUICK, write_bundle

WARNING = "measured on the board's CPU, since no --device was given; its GPU is --device jetson"


@pytest.mark.parametrize("words", [[], ["--device", "cpu"]], ids=["unsaid", "said"])
def test_a_board_warns_where_its_cpu_was_measured_unasked(words, tmp_path):
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = board(tmp_path).device("profile", bundle, *words, *QUICK[2:])
    assert (done.stderr, done.returncode) == ("", 0)
    assert "\non the CPU of NVIDIA Jetson Nano Developer Kit EMULATED, 1 thread, " in done.stdout
    told = json.loads((bundle / "profile-cpu-model.json").read_text())
    assert (WARNING in told["warnings"]) is (not words)
    assert (f"\nwarning: {WARNING}\n" in done.stdout) is (not words)
