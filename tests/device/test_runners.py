from __future__ import annotations

import pytest
from edgeshrink_device.errors import InputError
from edgeshrink_device.runners import require_runner


def test_a_runner_that_is_there_passes():
    require_runner("cpu")


@pytest.mark.parametrize("board", [None, "Raspberry Pi 4 Model B"])
def test_a_jetson_is_not_found_on_another_machine(board):
    with pytest.raises(InputError, match="this machine is no Jetson"):
        require_runner("jetson-nano", board)


def test_on_a_jetson_its_gpu_is_a_device():
    require_runner("jetson", "NVIDIA Jetson Nano Developer Kit")


def test_the_name_that_a_model_is_exported_for_is_no_device():
    with pytest.raises(InputError, match="'jetson-nano' is what a model is exported for") as caught:
        require_runner("jetson-nano", "NVIDIA Jetson Nano Developer Kit")
    assert "--device jetson" in caught.value.hint


def test_any_other_name_is_unknown():
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        require_runner("gpu")
