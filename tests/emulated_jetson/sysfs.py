"""A Jetson's /proc, /sys and /etc as a folder: set EDGESHRINK_SYSROOT to it. Tests build what they need.

write(root, path, text)                 any file, folders made
board(root, "nano", l4t="32.7.1")       device tree, release file, meminfo and buddyinfo of one of BOARDS
old_meter(root, rails, address, number) the INA3221 as L4T 32 shows it; rails: {name: (mV, mA)}, at most 3
new_meter(root, rails, address, number) the same as L4T 34 and later show it, as hwmon<number>
set_rail(root, name, millivolts, milliamperes)   new values for a rail, in either layout
power_modes(root, modes, now)           nvpmodel's files; modes: {number: name}
gpu_clock(root, low, high, now), cpu_clocks(root, low, high, now, cores)   limits in MHz
cooler(root, number, kind, state), zone(root, number, kind, celsius)       thermal devices
fan(root, pwm, rpm), over_current(root, counts)                            the fan; event counters
"""

from pathlib import Path

BOARDS = {
    "nano": (
        "NVIDIA Jetson Nano Developer Kit",
        "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210",
        3964,
    ),
    "nano-2gb": (
        "NVIDIA Jetson Nano 2GB Developer Kit",
        "nvidia,p3542-0000+p3448-0003\0nvidia,jetson-nano\0nvidia,tegra210",
        1979,
    ),
    "tx2": ("quill", "nvidia,p2771-0000\0nvidia,p3310-1000\0nvidia,tegra186", 7852),
    "xavier-nx": (
        "NVIDIA Jetson Xavier NX Developer Kit",
        "nvidia,p3449-0000+p3668-0000\0nvidia,p3509-0000+p3668-0000\0nvidia,tegra194",
        7772,
    ),
    "agx-xavier": ("Jetson-AGX", "nvidia,p2972-0000\0nvidia,tegra194", 31919),
    "orin-nano": (
        "NVIDIA Jetson Orin Nano Developer Kit",
        "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234",
        7620,
    ),
    "orin-nx": (
        "NVIDIA Orin NX Developer Kit",
        "nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234",
        15656,
    ),
    "agx-orin": (
        "Jetson AGX Orin Developer Kit",
        "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234",
        62780,
    ),
    "thor": ("NVIDIA Jetson AGX Thor Developer Kit", "nvidia,p4071-0000+p3834-0008\0nvidia,tegra264", 125772),
}


def write(root, path, text):
    file = Path(root) / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return file


def board(root, name, l4t="32.7.1"):
    model, compatible, megabytes = BOARDS[name]
    for file, text in (("model", model), ("compatible", compatible)):
        write(root, f"/proc/device-tree/{file}", "").write_text(text + "\0")
    major, revision = l4t.split(".", 1)
    rest = "GCID: 29818004, BOARD: generic, EABI: aarch64, DATE: Sat Feb 19 17:05:08 UTC 2022"
    write(root, "/etc/nv_tegra_release", f"# R{major} (release), REVISION: {revision}, {rest}")
    kilobytes = megabytes * 1024
    write(
        root,
        "/proc/meminfo",
        f"MemTotal: {kilobytes} kB\nMemFree: {kilobytes // 2} kB\nMemAvailable: {kilobytes // 2} kB\n"
        f"SwapTotal: 2030544 kB\nSwapFree: 2030544 kB",
    )
    write(
        root,
        "/proc/buddyinfo",
        "Node 0, zone   Normal      9      8      7      6      5      4      3      2      1      0    98",
    )


def old_meter(root, rails, address="6-0040", number=0):
    folder = f"/sys/bus/i2c/drivers/ina3221x/{address}/iio:device{number}"
    for channel, (name, values) in enumerate(rails.items()):
        write(root, f"{folder}/rail_name_{channel}", name)
        _old_values(Path(root) / folder.lstrip("/"), channel, *values)


def new_meter(root, rails, address="1-0040", number=3, update_interval_ms=None, shunt_uohm=None):
    folder = f"/sys/bus/i2c/drivers/ina3221/{address}/hwmon/hwmon{number}"
    write(root, f"{folder}/name", "ina3221")
    for channel, (name, (millivolts, milliamperes)) in enumerate(rails.items(), 1):
        write(root, f"{folder}/in{channel}_label", name)
        write(root, f"{folder}/in{channel}_input", millivolts)
        write(root, f"{folder}/curr{channel}_input", milliamperes)
        if shunt_uohm is not None:
            write(root, f"{folder}/shunt{channel}_resistor", shunt_uohm)
    write(root, f"{folder}/in7_label", "Sum of shunt voltages")
    write(root, f"{folder}/in7_input", 12)
    if update_interval_ms is not None:
        write(root, f"{folder}/update_interval", update_interval_ms)


def set_rail(root, name, millivolts, milliamperes):
    for file in Path(root).glob("sys/bus/i2c/drivers/ina3221*/*/**/*"):
        if not file.is_file() or file.read_text() != f"{name}\n":
            continue
        if file.name.startswith("rail_name_"):
            _old_values(file.parent, int(file.name[-1]), millivolts, milliamperes)
        elif file.name.endswith("_label"):
            _put(file.parent / f"in{file.name[2]}_input", millivolts)
            _put(file.parent / f"curr{file.name[2]}_input", milliamperes)


def _put(file, number):
    """As the kernel does it: whoever reads sees the old value or the new one, never half of it."""
    new = file.with_name(f".{file.name}")
    new.write_text(f"{number}\n")
    new.replace(file)


def _old_values(folder, channel, millivolts, milliamperes):
    _put(folder / f"in_voltage{channel}_input", millivolts)
    _put(folder / f"in_current{channel}_input", milliamperes)
    _put(folder / f"in_power{channel}_input", millivolts * milliamperes // 1000)


def power_modes(root, modes, now):
    lines = [
        f"< POWER_MODEL ID={number} NAME={name} >\nCPU_ONLINE CORE_0 1\n" for number, name in modes.items()
    ]
    write(root, "/etc/nvpmodel.conf", "# modes\n" + "\n".join(lines) + "< PM_CONFIG DEFAULT=0 >")
    write(root, "/var/lib/nvpmodel/status", f"pmode:{now:04d}")


def gpu_clock(root, low, high, now, name="57000000.gpu"):
    for file, megahertz in (("min_freq", low), ("max_freq", high), ("cur_freq", now)):
        write(root, f"/sys/class/devfreq/{name}/{file}", int(megahertz * 1e6))


def cpu_clocks(root, low, high, now, cores=4):
    for core in range(cores):
        folder = f"/sys/devices/system/cpu/cpu{core}/cpufreq"
        write(root, f"{folder}/scaling_governor", "schedutil")
        for file, megahertz in (("min", low), ("max", high), ("cur", now)):
            write(root, f"{folder}/scaling_{file}_freq", megahertz * 1000)


def cooler(root, number, kind, state):
    write(root, f"/sys/class/thermal/cooling_device{number}/type", kind)
    write(root, f"/sys/class/thermal/cooling_device{number}/cur_state", state)


def zone(root, number, kind, celsius):
    write(root, f"/sys/class/thermal/thermal_zone{number}/type", kind)
    write(root, f"/sys/class/thermal/thermal_zone{number}/temp", int(celsius * 1000))


def fan(root, pwm, rpm=None, old=True):
    if old:
        write(root, "/sys/devices/pwm-fan/cur_pwm", pwm)
        if rpm is not None:
            write(root, "/sys/devices/pwm-fan/rpm_measured", rpm)
        return
    write(root, "/sys/class/hwmon/hwmon1/name", "pwmfan")
    write(root, "/sys/class/hwmon/hwmon1/pwm1", pwm)
    if rpm is not None:
        write(root, "/sys/class/hwmon/hwmon2/name", "pwm_tach")
        write(root, "/sys/class/hwmon/hwmon2/rpm", rpm)


def over_current(root, counts=(0, 0, 0)):
    write(root, "/sys/class/hwmon/hwmon4/name", "soctherm_oc")
    for number, count in enumerate(counts, 1):
        write(root, f"/sys/class/hwmon/hwmon4/oc{number}_event_cnt", count)
