"""What stands in /proc, /sys and /etc of each kind of board, and what its tegrastats prints when idle."""

from collections import namedtuple

from . import sysfs

Kind = namedtuple("Kind", "gpu sm meters gpu_mhz cpu_mhz cores modes")
Kind.__doc__ = """The GPU's name in CUDA and its compute capability; {address: {rail: (mV, mA)}} of the
meters; lowest and highest clock of the GPU and of the cores in MHz; {number: name} of the power modes."""

OLD_MODES = {0: "MAXN", 1: "5W"}
KINDS = {
    "jetson-nano": Kind(
        "NVIDIA Tegra X1",
        "5.3",
        {"6-0040": {"POM_5V_IN": (5000, 280), "POM_5V_GPU": (5000, 0), "POM_5V_CPU": (5000, 25)}},
        (76.8, 921.6),
        (102, 1479),
        4,
        OLD_MODES,
    ),
    "jetson-nano-2gb": Kind("NVIDIA Tegra X1", "5.3", {}, (76.8, 921.6), (102, 1479), 4, OLD_MODES),
    "jetson-tx2": Kind(
        "NVIDIA Tegra X2",
        "6.2",
        {
            "0-0041": {"VDD_IN": (19000, 95), "VDD_SYS_CPU": (19000, 12), "VDD_SYS_DDR": (19000, 20)},
            "0-0040": {"VDD_SYS_GPU": (19000, 8), "VDD_SYS_SOC": (19000, 23), "VDD_4V0_WIFI": (4800, 4)},
        },
        (114.75, 1300.5),
        (345, 2035),
        6,
        {0: "MAXN", 1: "MAXQ"},
    ),
    "jetson-xavier-nx": Kind(
        "Xavier",
        "7.2",
        {"7-0040": {"VDD_IN": (5000, 700), "VDD_CPU_GPU_CV": (5000, 80), "VDD_SOC": (5000, 180)}},
        (114.75, 1109.25),
        (115, 1907),
        6,
        {0: "MODE_15W_2CORE", 2: "MODE_15W_6CORE"},
    ),
    "jetson-agx-xavier": Kind(
        "Xavier",
        "7.2",
        {
            "1-0040": {"GPU": (19000, 0), "CPU": (19000, 16), "SOC": (19000, 49)},
            "1-0041": {"CV": (19000, 0), "VDDRQ": (19000, 32), "SYS5V": (19000, 78)},
        },
        (114.75, 1377),
        (115, 2265),
        8,
        {0: "MAXN", 1: "MODE_10W"},
    ),
    "jetson-orin-nano": Kind(
        "Orin",
        "8.7",
        {"1-0040": {"VDD_IN": (5000, 940), "VDD_CPU_GPU_CV": (5000, 110), "VDD_SOC": (5000, 270)}},
        (306, 1020),
        (115, 1728),
        6,
        {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"},
    ),
    "jetson-orin-nx": Kind(
        "Orin",
        "8.7",
        {"1-0040": {"VDD_IN": (5000, 1020), "VDD_CPU_GPU_CV": (5000, 130), "VDD_SOC": (5000, 300)}},
        (306, 918),
        (115, 1984),
        8,
        {0: "MAXN", 1: "10W"},
    ),
    "jetson-agx-orin": Kind(
        "Orin",
        "8.7",
        {
            "1-0040": {"VDD_GPU_SOC": (19000, 126), "VDD_CPU_CV": (19000, 21), "VIN_SYS_5V0": (5000, 590)},
            "1-0041": {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 110)},
        },
        (306, 1300.5),
        (115, 2201),
        12,
        {0: "MAXN", 1: "15W"},
    ),
    "jetson-agx-thor": Kind(
        "NVIDIA Thor",
        "11.0",
        {"1-0040": {"VDD_GPU": (19000, 103), "VDD_CPU_SOC_MSS": (19000, 310), "VIN_SYS_5V0": (5000, 1127)}},
        (306, 1575),
        (972, 2601),
        14,
        {0: "MAXN", 1: "120W"},
    ),
}
LINES = {
    32: "RAM 1021/{ram}MB (lfb 412x4MB) SWAP 0/1978MB (cached 0MB) CPU [3%@102,2%@102,1%@102,"
    "0%@102] EMC_FREQ 0% GR3D_FREQ 0% PLL@26C CPU@28.5C PMIC@100C GPU@27C AO@34C thermal@27.75C {rails}",
    36: "{time} RAM 1021/{ram}MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) CPU [0%@729,1%@729,0%@729,0%@729,"
    "0%@729,0%@729] GR3D_FREQ 0% cpu@46.6C soc2@45.3C soc0@45.9C gpu@46.1C tj@46.6C soc1@46.2C {rails}",
}


def short(kind):
    """The name that sysfs.py has for a kind."""
    return {"jetson-agx-thor": "thor"}.get(kind, kind[len("jetson-") :])


def memory_bytes(kind):
    return sysfs.BOARDS[short(kind)][2] << 20


def generation(l4t):
    return int(l4t.split(".")[0])


def write_root(root, kind, l4t):
    """Make the folder `root` that stands for / of an idle board of that kind with that L4T."""
    root.mkdir()
    told = KINDS[kind]
    sysfs.board(root, short(kind), l4t)
    meter = sysfs.old_meter if generation(l4t) < 34 else sysfs.new_meter
    for number, (address, rails) in enumerate(told.meters.items()):
        meter(root, rails, address, number)
    sysfs.power_modes(root, told.modes, 0)
    sysfs.gpu_clock(root, *told.gpu_mhz, told.gpu_mhz[0])
    sysfs.cpu_clocks(root, *told.cpu_mhz, told.cpu_mhz[0], told.cores)
    for number, (zone, celsius) in enumerate({"CPU-therm": 28.5, "GPU-therm": 27.0}.items()):
        sysfs.zone(
            root,
            number,
            zone if generation(l4t) < 34 else zone.lower().replace("-therm", "-thermal"),
            celsius,
        )
    sysfs.fan(root, 0, old=generation(l4t) < 34)


def idle_trace(kind, l4t):
    """What programs/tegrastats.py takes as a trace: the idle power of every rail."""
    release = generation(l4t)
    line = LINES[32 if release < 34 else 36].replace("{ram}", str(sysfs.BOARDS[short(kind)][2]))
    rails = {}
    for each in KINDS[kind].meters.values():
        rails.update(
            {
                rail: [[0, millivolts * milliamperes // 1000]]
                for rail, (millivolts, milliamperes) in each.items()
            }
        )
    return {"line": line, "rails": rails, "unit": "" if release < 34 else "mW", "peak": release >= 39}
