import pytest
from edgeshrink_device import boards, sysroot

from tests.emulated_jetson import sysfs


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(sysroot.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "name", "chip", "sm", "ram_gb"),
    [
        ("nano", "Jetson Nano", "tegra210", "5.3", 4),
        ("nano-2gb", "Jetson Nano 2GB", "tegra210", "5.3", 2),
        ("tx2", "Jetson TX2", "tegra186", "6.2", 8),
        ("xavier-nx", "Jetson Xavier NX", "tegra194", "7.2", 8),
        ("agx-xavier", "Jetson AGX Xavier", "tegra194", "7.2", None),
        ("orin-nano", "Jetson Orin Nano", "tegra234", "8.7", 8),
        ("orin-nx", "Jetson Orin NX", "tegra234", "8.7", 16),
        ("agx-orin", "Jetson AGX Orin", "tegra234", "8.7", 64),
        ("thor", "Jetson AGX Thor", "tegra264", "11.0", 128),
    ],
)
def test_a_board_is_known_by_its_device_tree(root, kind, name, chip, sm, ram_gb):
    sysfs.board(root, kind)
    board = boards.detect()
    assert (board.name, board.chip, board.sm, board.ram_gb) == (name, chip, sm, ram_gb)


@pytest.mark.parametrize(
    ("kind", "fp16", "int8"), [("nano", True, False), ("tx2", True, False), ("orin-nx", True, True)]
)
def test_what_a_chip_is_fast_in_goes_by_its_compute_capability(root, kind, fp16, int8):
    sysfs.board(root, kind)
    assert (boards.detect().fast_fp16, boards.detect().fast_int8) == (fp16, int8)


def test_whatever_is_read_from_a_stand_in_says_so(root, monkeypatch):
    sysfs.board(root, "nano")
    assert boards.detect().emulated
    assert sysroot.emulated()
    monkeypatch.delenv(sysroot.VARIABLE)
    assert not sysroot.emulated()


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [
        ("32.7.1", "4.6.1"),
        ("35.4.1", "5.1.2"),
        ("36.4.3", "6.2"),
        ("36.4", "6.1"),
        ("99.1.0", None),
        (None, None),
    ],
)
def test_the_jetpack_goes_by_the_release(l4t, jetpack):
    assert boards.jetpack_of(l4t) == jetpack


def test_the_release_comes_from_its_file_or_from_the_package(root):
    sysfs.board(root, "nano", "32.7.1")
    assert (boards.detect().l4t, boards.detect().jetpack) == ("32.7.1", "4.6.1")
    (root / "etc/nv_tegra_release").unlink()
    assert boards.detect().l4t is None
    sysfs.write(
        root,
        "/var/lib/dpkg/status",
        "Package: bash\nVersion: 5.0\n\nPackage: nvidia-l4t-core\nVersion: 36.4.4-20250616085344\n",
    )
    assert (boards.detect().l4t, boards.detect().jetpack) == ("36.4.4", "6.2.1")


def test_in_a_container_the_copied_model_and_the_mounted_release_are_enough(root):
    sysfs.write(root, "/tmp/nv_jetson_model", "NVIDIA Jetson Nano Developer Kit\0")
    sysfs.write(root, "/etc/nv_tegra_release", "# R32 (release), REVISION: 7.1, GCID: 1, BOARD: t210ref")
    board = boards.detect()
    assert (board.name, board.chip, board.module, board.l4t) == ("Jetson Nano", "tegra210", None, "32.7.1")


def test_a_machine_that_is_no_jetson_is_none(root):
    assert boards.detect() is None
    sysfs.write(root, "/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    assert boards.detect() is None


def test_a_jetson_of_the_future_has_its_model_and_no_guesses(root):
    sysfs.write(root, "/proc/device-tree/model", "NVIDIA Jetson Next Developer Kit\0")
    board = boards.detect()
    assert board.model == "NVIDIA Jetson Next Developer Kit"
    assert (board.name, board.sm, board.fast_fp16, board.ram_gb) == (None, None, None, None)
    rails, _, reason = boards.total_rails(board, ["VDD_IN"])
    assert (rails, reason) == (
        (),
        "which rail of 'NVIDIA Jetson Next Developer Kit' is its total is not known",
    )


@pytest.mark.parametrize(
    ("kind", "shown", "total"),
    [
        ("nano", ["POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"], ("POM_5V_IN",)),
        ("tx2", ["VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_IN", "VDD_SYS_CPU"], ("VDD_IN",)),
        ("orin-nano", ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], ("VDD_IN",)),
        (
            "agx-xavier",
            ["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"],
            ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
        ),
        (
            "agx-orin",
            ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"],
            ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        ),
        ("thor", ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0", "VIN"], ("VIN",)),
    ],
)
def test_the_total_is_the_boards_input_and_holds_no_part_twice(root, kind, shown, total):
    sysfs.board(root, kind)
    rails, covers, reason = boards.total_rails(boards.detect(), shown)
    assert (rails, reason) == (total, None)
    assert covers


@pytest.mark.parametrize(
    ("kind", "shown", "reason"),
    [
        ("nano", ["POM_5V_GPU", "POM_5V_CPU"], "POM_5V_IN, and the meter shows only POM_5V_CPU, POM_5V_GPU"),
        ("nano-2gb", ["POM_5V_IN"], "has no power sensor"),
        ("agx-orin", ["VDD_GPU_SOC", "VIN_SYS_5V0"], "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"),
        ("thor", ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"], "do not add up to what it draws"),
        ("orin-nx", [], "no rails at all"),
    ],
)
def test_parts_never_stand_for_the_whole(root, kind, shown, reason):
    sysfs.board(root, kind)
    rails, covers, why = boards.total_rails(boards.detect(), shown)
    assert (rails, covers) == ((), "")
    assert reason in why


def test_no_board_has_no_total():
    assert boards.total_rails(None, ["VDD_IN"])[2] == "this is no Jetson board"
