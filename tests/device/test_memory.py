import pytest
from edgeshrink_device import memory, sysroot
from edgeshrink_device.memory.tegra import TegraMemory

from tests.emulated_jetson import sysfs


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    return tmp_path


def test_a_jetsons_memory_is_one_with_that_of_its_gpu(root):
    assert not memory.pick().shared_with_gpu
    sysfs.board(root, "nano")
    source = memory.pick()
    assert isinstance(source, TegraMemory)
    assert source.shared_with_gpu
    assert (source.device_total(), source.device_used()) == (3964 << 20, 1982 << 20)


def test_the_process_is_always_this_machines_own(root):
    sysfs.board(root, "nano")
    assert memory.pick().process_now() > 1_000_000


def test_largest_free_blocks_are_those_of_the_highest_order_that_has_any(root):
    sysfs.board(root, "nano")
    assert memory.pick().largest_free() == {"blocks": 98, "bytes": 4 << 20}
    sysfs.write(
        root,
        "/proc/buddyinfo",
        "Node 0, zone      DMA      1      1      1      2      0      0      0      0      0      0      0\n"
        "Node 0, zone   Normal      9      8      7      6      0      0      0      0      0      0      0",
    )
    assert memory.pick().largest_free() == {"blocks": 8, "bytes": 4096 << 3}
    (root / "proc/buddyinfo").unlink()
    assert memory.pick().largest_free() is None


def test_swap_is_what_lies_in_it(root):
    sysfs.board(root, "nano")
    assert memory.state() == {"used": 1982 << 20, "swap": 0, "largest_free": {"blocks": 98, "bytes": 4 << 20}}
    sysfs.write(
        root, "/proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB\nSwapTotal: 9 kB\nSwapFree: 4 kB"
    )
    assert memory.state()["swap"] == 5 << 10


def test_what_is_not_told_is_none_and_never_zero(root):
    sysfs.board(root, "nano")
    (root / "proc/meminfo").unlink()
    (root / "proc/buddyinfo").unlink()
    assert memory.state() == {"used": None, "swap": None, "largest_free": None}


def test_what_a_model_adds_is_the_middle_of_all_launches():
    assert memory.added([7, None, 300, 5]) == (7, None)
    assert memory.added([0, 0]) == (0, None)


def test_memory_that_others_gave_back_meanwhile_makes_it_unknown_and_never_negative():
    reason = "other programs gave back more memory meanwhile than the model took"
    assert memory.added([-1915322368]) == (None, reason)
    assert memory.added([-1915322368, 4000, 5000]) == (4000, None)


def test_on_an_emulated_board_what_is_added_is_unknown_and_not_zero(root):
    assert memory.added([0, 0]) == (None, "the memory of an emulated board does not change")


def test_what_is_added_is_unknown_where_the_system_does_not_tell():
    assert memory.added([None]) == (None, "the system does not tell how much memory is in use")
