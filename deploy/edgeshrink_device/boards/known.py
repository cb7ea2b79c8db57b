"""The Jetson boards: chip, memory, and which rails are the whole of what they draw. Data alone.

Rails: the module's or board's own input where its meter has one; never the sum of parts beside it. On AGX
Orin VDDQ_VDD2_1V8AO is left out since VIN_SYS_5V0 feeds it. Sources: NVIDIA's answers in its forum, threads
73608 (Nano), 81016 (AGX Xavier) and on AGX Orin, and real tegrastats lines. Part numbers: NVIDIA's developer
guide, "Quick start", table of configurations. Watts: its tables of power modes; of a TX1, a TX2 and an AGX
Orin, forum threads 53240, 59389 and 323456.
"""

from collections import namedtuple

__all__ = ["CHIPS", "FAMILIES", "JETPACKS", "Chip", "Family"]

Chip = namedtuple("Chip", ["sm", "fast_fp16", "fast_int8"])
Chip.__doc__ = """A system on chip: its GPU's compute capability as text, and whether half precision and 8 bit
integers run faster than single precision there. SM 5.3 and 6.2 have no dot product of bytes (DP4A)."""

CHIPS = {
    "tegra210": Chip("5.3", True, False),
    "tegra186": Chip("6.2", True, False),
    "tegra194": Chip("7.2", True, True),
    "tegra234": Chip("8.7", True, True),
    "tegra264": Chip("11.0", True, True),
}

Family = namedtuple("Family", ["name", "chip", "words", "modules", "totals", "covers", "no_total", "mode_w"])
Family.__doc__ = """Boards that differ in memory alone.

name: as tables show it; chip: key of CHIPS; words: of which the device tree's model holds all of one tuple;
modules: {part number: GB of memory, None where the part number does not tell}; totals: tuples of rails that
together are the whole, the best first; covers: what that whole is; no_total: why none of them may be there;
mode_w: what its highest power mode is made for, watts.
"""

BOARD_5V = "the 5 V input of the board, its parts for processor and graphics included"
MODULE = "the module's input; the carrier board, its fan and what is plugged into it are not included"
SUM = "the module, as the sum of its supplies; the carrier board is not included"
VDD_IN = (("VDD_IN",),)

FAMILIES = (
    Family(
        "Jetson Nano 2GB",
        "tegra210",
        (("jetson nano 2gb",),),
        {"p3448-0003": 2},
        (),
        "",
        "a Jetson Nano 2GB has no power sensor",
        10,
    ),
    Family(
        "Jetson Nano",
        "tegra210",
        (("jetson nano",), ("jetson-nano",)),
        {"p3448-0000": 4, "p3448-0002": 4},
        (("POM_5V_IN",),),
        BOARD_5V,
        "",
        10,
    ),
    Family(
        "Jetson TX1",
        "tegra210",
        (("jetson", "tx1"), ("jetson_tx1",)),
        {"p2180-1000": 4, "p2180-0000": 4},
        VDD_IN,
        MODULE,
        "",
        15,
    ),
    Family("Jetson TX2 NX", "tegra186", (("tx2", "nx"),), {"p3636-0001": 4}, VDD_IN, MODULE, "", 20),
    Family(
        "Jetson TX2",
        "tegra186",
        (("jetson", "tx2"), ("quill",)),
        {"p3310-1000": 8, "p3489-0000": 8, "p3489-0888": 4},
        VDD_IN,
        MODULE,
        "",
        15,
    ),
    Family(
        "Jetson Xavier NX",
        "tegra194",
        (("xavier", "nx"),),
        {"p3668-0000": 8, "p3668-0001": 8, "p3668-0003": 16},
        VDD_IN,
        MODULE,
        "",
        20,
    ),
    Family(
        "Jetson AGX Xavier",
        "tegra194",
        (("agx", "xavier"), ("jetson-agx",)),
        {"p2888-0001": 16, "p2888-0004": 32, "p2888-0005": 64, "p2888-0006": 8, "p2888-0008": 32},
        (("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),),
        SUM,
        "",
        40,
    ),
    Family(
        "Jetson Orin Nano",
        "tegra234",
        (("orin", "nano"),),
        {"p3767-0003": 8, "p3767-0004": 4, "p3767-0005": 8},
        VDD_IN,
        MODULE,
        "",
        25,
    ),
    Family(
        "Jetson Orin NX",
        "tegra234",
        (("orin", "nx"),),
        {"p3767-0000": 16, "p3767-0001": 8},
        VDD_IN,
        MODULE,
        "",
        40,
    ),
    Family(
        "Jetson AGX Orin",
        "tegra234",
        (("agx", "orin"),),
        {"p3701-0000": None, "p3701-0004": 32, "p3701-0005": 64, "p3701-0008": 64},
        (("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),),
        SUM,
        "",
        75,
    ),
    Family(
        "Jetson AGX Thor",
        "tegra264",
        (("thor",),),
        {"p3834-0008": 128},
        (("VIN",),),
        "the carrier board's input, everything on it included",
        "the parts of a Thor module do not add up to what it draws",
        130,
    ),
)

JETPACKS = {
    "32.4.3": "4.4",
    "32.4.4": "4.4.1",
    "32.5.0": "4.5",
    "32.5.1": "4.5.1",
    "32.5.2": "4.5.1",
    "32.6.1": "4.6",
    "32.7.1": "4.6.1",
    "32.7.2": "4.6.2",
    "32.7.3": "4.6.3",
    "32.7.4": "4.6.4",
    "32.7.5": "4.6.5",
    "32.7.6": "4.6.6",
    "35.1.0": "5.0.2",
    "35.2.1": "5.1",
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5.0": "5.1.3",
    "35.6.0": "5.1.4",
    "35.6.1": "5.1.5",
    "35.6.2": "5.1.5",
    "35.6.4": "5.1.6",
    "36.2.0": "6.0 DP",
    "36.3.0": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "38.2.0": "7.0",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
}
