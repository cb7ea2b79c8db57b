"""What the device package takes of a board's memory and time before it measures anything.

Run under Python 3.6 where one is found, as on a Nano, else under this Python; without TensorRT. Peak memory
is that of the command's own process; `doctor` tries packages in processes of their own, given apart.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.device.processes import find_python36
from tests.emulated_jetson import roots

ROUNDS = 7
LIMIT_MB, LIMIT_S = 40.0, 0.5
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

# Under the same Python: how long a command takes, and MB at most of its own process and of its largest child.
RUN = """
import subprocess, sys, time
start = time.time()
subprocess.Popen([sys.executable, "-c"] + sys.argv[1:], stdout=subprocess.DEVNULL).wait()
print(time.time() - start)
"""
COMMAND = """
import resource, sys
from edgeshrink_device import main
status = main(sys.argv[1:])
peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
sys.stderr.write("PEAK %f %f\\n" % tuple(peaks))
"""


def run() -> list[dict[str, float | str]]:
    """Median seconds and peak MB of each command on an emulated Nano without TensorRT."""
    python = find_python36() or sys.executable
    with tempfile.TemporaryDirectory() as folder:
        roots.write_root(Path(folder) / "root", "jetson-nano", "32.7.1")
        log = Path(folder) / "log"
        log.write_text("RAM 1021/3964MB (lfb 412x4MB) CPU [3%@102,off] POM_5V_IN 1399/1405\n")
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(DEPLOY),
            "EDGESHRINK_SYSROOT": str(Path(folder) / "root"),
        }
        commands = {"--help": ["--help"], "tegrastats LOG": ["tegrastats", str(log)], "doctor": ["doctor"]}
        return [{"command": name, **_measure(python, words, environment)} for name, words in commands.items()]


def _measure(python: str, words: list[str], environment: dict[str, str]) -> dict[str, float]:
    times, own, children = [], 0.0, 0.0
    for _ in range(ROUNDS):
        started = [python, "-c", RUN, COMMAND, *words]
        done = subprocess.run(started, env=environment, capture_output=True, text=True, check=True)
        times.append(float(done.stdout))
        _, mine, theirs = next(line for line in done.stderr.splitlines() if line.startswith("PEAK")).split()
        own, children = max(own, float(mine)), max(children, float(theirs))
    return {"median_s": statistics.median(times), "peak_mb": own, "children_mb": children}


def main() -> None:
    """Print the table."""
    python = find_python36() or sys.executable
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"the device package under {version}, an emulated Nano without TensorRT")
    for row in run():
        seconds, megabytes = float(row["median_s"]), float(row["peak_mb"])
        verdict = "within" if seconds < LIMIT_S and megabytes < LIMIT_MB else "ABOVE"
        print(
            f"{row['command']:<15} {seconds:.3f} s, {megabytes:.1f} MB"
            f" ({float(row['children_mb']):.1f} MB the largest process it starts);"
            f" {verdict} the {LIMIT_S} s and {LIMIT_MB:.0f} MB it may take"
        )


if __name__ == "__main__":
    main()
