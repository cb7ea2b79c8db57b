"""What sampling power costs: processor time of the sampling thread, as a share of one core.

The meters are files in a folder; a real meter's driver waits for its bus as well, which is no processor time.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from edgeshrink_device import sysroot
from edgeshrink_device.power.ina3221 import Ina3221
from edgeshrink_device.sampler import Sampler

from tests.emulated_jetson import sysfs

SECONDS = 20.0
LIMIT = 0.01


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


def main() -> None:
    """Print the table."""
    for row in run():
        share = float(row["share"])
        verdict = "within" if share < LIMIT else "ABOVE"
        print(
            f"{row['board']}: {row['readings_per_s']:.1f} readings/s take {share:.2%} of a core; "
            f"{verdict} the {LIMIT:.0%} it may take"
        )


def _meters(root: Path, kind: str) -> None:
    sysfs.board(root, kind)
    if kind == "nano":
        sysfs.old_meter(root, {"POM_5V_IN": (5000, 600), "POM_5V_GPU": (5000, 100), "POM_5V_CPU": (5000, 1)})
        return
    rails = {"VDD_GPU_SOC": (19000, 200), "VDD_CPU_CV": (19000, 100), "VIN_SYS_5V0": (5000, 900)}
    sysfs.new_meter(root, rails)


if __name__ == "__main__":
    main()
