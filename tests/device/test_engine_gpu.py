"""By which GPU engines are kept: one GPU is one, whichever library answers, and two are two."""

import pytest
from edgeshrink_device.engines import cudart

from tests.emulated_jetson import sysfs
from tests.emulated_jetson.board import board

from .engine_helpers import write_bundle

KEY = """
from edgeshrink_device.engines import cudart
gpu = cudart.gpu()
print(gpu.key, gpu.sm, sep="; ")
"""


def key(made, **changes):
    return made.run("-c", KEY, **changes).stdout.strip()


@pytest.mark.parametrize("kind", ["jetson-nano", "jetson-orin-nano", "jetson-agx-thor"])
def test_a_jetsons_gpu_is_its_chip_and_module_whether_cuda_answers_or_not(kind, tmp_path):
    made = board(tmp_path, kind=kind)
    with_cuda = key(made)
    assert with_cuda.startswith("tegra")
    assert key(made, EMULATED_NO_DEVICE=1) == with_cuda


def test_an_engine_is_found_again_when_cudas_library_comes_or_goes(tmp_path):
    made, bundle = board(tmp_path), write_bundle(tmp_path / "net.edge")
    made.device("build", bundle)
    again = made.device("build", bundle, EMULATED_NO_DEVICE=1)
    assert "found " in again.stdout, again.stdout + again.stderr


def test_two_modules_of_one_chip_are_two(tmp_path):
    keys = set()
    for kind in ("jetson-nano", "jetson-nano-2gb"):
        (tmp_path / kind).mkdir()
        keys.add(key(board(tmp_path / kind, kind=kind)))
    assert len(keys) == 2


def test_a_card_in_a_jetson_is_not_the_jetsons_own(tmp_path):
    """Cards have compute capabilities that no Jetson has."""
    made = board(tmp_path, kind="jetson-orin-nano")
    card = key(made, EMULATED_GPU="NVIDIA RTX A6000", EMULATED_GPU_SM="8.6")
    assert card.startswith("NVIDIA RTX A6000, ")
    assert card != key(made)


def test_a_container_that_hides_the_device_tree_knows_the_chip_by_cuda(tmp_path):
    made = board(tmp_path)
    for folder in ("proc/device-tree", "sys/firmware/devicetree/base"):
        for name in ("model", "compatible"):
            if (made.root / folder / name).exists():
                (made.root / folder / name).unlink()
    assert key(made).startswith("tegra210")


def test_without_cuda_the_driver_tells_the_card_of_another_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path))
    cudart._library.cache_clear()
    keys = []
    for model in ("NVIDIA GeForce RTX 3090", "NVIDIA H200"):
        text = f"Model: \t\t {model}\nIRQ:   \t\t 147\n"
        sysfs.write(tmp_path, "/proc/driver/nvidia/gpus/0000:01:00.0/information", text)
        keys.append(cudart.gpu().key)
    assert keys == ["NVIDIA GeForce RTX 3090", "NVIDIA H200"]
    cudart._library.cache_clear()
