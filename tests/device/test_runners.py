import pytest
from edgeshrink_device import boards, sysroot
from edgeshrink_device.errors import InputError
from edgeshrink_device.runners import require_runner

from tests.emulated_jetson import sysfs


def test_a_runner_that_is_there_passes():
    require_runner("cpu")


@pytest.mark.parametrize("name", ["jetson", "jetson-nano"])
def test_a_jetson_is_not_found_on_another_machine(name):
    with pytest.raises(InputError, match="this machine is no Jetson"):
        require_runner(name)


@pytest.mark.parametrize("kind", sysfs.BOARDS)
def test_on_every_jetson_its_gpu_is_a_device(kind, tmp_path, monkeypatch):
    """The device trees of a TX2 and an Orin NX do not say "Jetson"."""
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    sysfs.board(tmp_path, kind)
    require_runner("jetson", boards.detect() is not None)


def test_in_a_container_without_the_device_tree_it_is_a_device_too(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    sysfs.write(tmp_path, "/etc/nv_tegra_release", "# R32 (release), REVISION: 7.1, GCID: 1")
    require_runner("jetson", boards.detect() is not None)


def test_the_name_that_a_model_is_exported_for_is_no_device():
    with pytest.raises(InputError, match="'jetson-nano' is what a model is exported for") as caught:
        require_runner("jetson-nano", jetson=True)
    assert "--device jetson" in caught.value.hint


def test_any_other_name_is_unknown():
    with pytest.raises(InputError, match="unknown device 'npu'"):
        require_runner("npu")
