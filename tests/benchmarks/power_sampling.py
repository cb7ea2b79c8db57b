"""What looking costs while a model is measured: processor time of the two threads, as shares of one core.

One samples power, the other looks for throttling. Meters and cooling devices are files in a folder; a real
meter's driver waits for its bus as well, which is no processor time.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from edgeshrink_device import sysroot
from edgeshrink_device.power.ina3221 import Ina3221
from edgeshrink_device.sampler import Sampler
from edgeshrink_device.thermal import EVERY_S, Thermal, ThermalWatch

from tests.emulated_jetson import sysfs

SECONDS = 20.0
LIMIT = 0.01
COOLERS = 12  # of an Orin, without its fan


def run() -> list[dict[str, float | str]]:
    """Share of a core for one rail of the old driver and for three of the later one."""
    rows: list[dict[str, float | str]] = []
    for kind in ("nano", "agx-orin"):
        with tempfile.TemporaryDirectory() as folder:
            _meters(Path(folder), kind)
            os.environ[sysroot.VARIABLE] = folder
            try:
                start, used = time.perf_counter(), time.process_time()
                with Sampler(Ina3221()) as sampler:
                    time.sleep(SECONDS)
                    readings = len(sampler.trace().watts)
                share = (time.process_time() - used) / (time.perf_counter() - start)
            finally:
                del os.environ[sysroot.VARIABLE]
        rows.append({"board": kind, "readings_per_s": readings / SECONDS, "share": share})
    return rows


def run_watch() -> float:
    """Share of a core for looking at the cooling devices of an Orin."""
    with tempfile.TemporaryDirectory() as folder:
        sysfs.board(Path(folder), "agx-orin")
        for number in range(COOLERS):
            sysfs.cooler(Path(folder), number, f"cpu{number}-throttle-alert", 0)
        os.environ[sysroot.VARIABLE] = folder
        try:
            thermal = Thermal()
            start, used = time.perf_counter(), time.process_time()
            with ThermalWatch(thermal):
                time.sleep(SECONDS)
            return (time.process_time() - used) / (time.perf_counter() - start)
        finally:
            del os.environ[sysroot.VARIABLE]


def main() -> None:
    """Print the table."""
    for row in run():
        print(f"{row['board']}: {row['readings_per_s']:.1f} readings/s take {_judged(float(row['share']))}")
    print(f"throttling of {COOLERS} cooling devices, {1 / EVERY_S:.0f} looks/s: {_judged(run_watch())}")


def _judged(share: float) -> str:
    return f"{share:.2%} of a core; {'within' if share < LIMIT else 'ABOVE'} the {LIMIT:.0%} it may take"


def _meters(root: Path, kind: str) -> None:
    sysfs.board(root, kind)
    if kind == "nano":
        sysfs.old_meter(root, {"POM_5V_IN": (5000, 600), "POM_5V_GPU": (5000, 100), "POM_5V_CPU": (5000, 1)})
        return
    rails = {"VDD_GPU_SOC": (19000, 200), "VDD_CPU_CV": (19000, 100), "VIN_SYS_5V0": (5000, 900)}
    sysfs.new_meter(root, rails)


if __name__ == "__main__":
    main()
