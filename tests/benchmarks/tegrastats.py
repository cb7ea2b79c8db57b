"""`edgeshrink_device tegrastats` on a log of 24 hours at one line a second, and how light the command is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.device.processes import find_python36
from tests.device.tegrastats_lines import CAPTURED
from tests.device.test_python36 import PACKAGE

LINES_A_DAY = 86400
LIMIT_S, START_LIMIT_S, MEMORY_LIMIT_MB = 5.0, 0.5, 40.0

# Run by the Python that is measured: processor time of `parse_line` alone.
PARSE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from edgeshrink_device.tegrastats import parse_line
lines = open(sys.argv[2]).read().splitlines()
start = time.process_time()
for line in lines:
    parse_line(line)
print(time.process_time() - start)
"""

LOGS = (("Nano 4GB", "R32.7"), ("Orin NX/Nano 8GB", "R36"), ("AGX Thor", "R39.2.0"))


def run(python: str) -> list[dict[str, str | float]]:
    """Seconds of processor time to parse a day of each board's lines."""
    rows: list[dict[str, str | float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for board, release in LOGS:
            line = next(x["line"] for x in CAPTURED if (x["board"], x["l4t"]) == (board, release))
            log = Path(folder) / "day.log"
            log.write_text((line + "\n") * LINES_A_DAY)
            done = subprocess.run(
                [python, "-c", PARSE, str(PACKAGE.parent), str(log)],
                check=True,
                capture_output=True,
            )
            rows.append({"board": board, "seconds": float(done.stdout)})
    return rows


def start(python: str) -> tuple[float, float]:
    """Seconds from the start to the first JSON line, and the peak memory by then in MB."""
    command = [python, "-m", "edgeshrink_device", "tegrastats", "-"]
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PACKAGE.parent
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(CAPTURED[0]["line"].encode() + b"\n")
        process.stdin.flush()
        json.loads(process.stdout.readline())
        taken = time.perf_counter() - begin
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
    return taken, int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print the table."""
    for python in filter(None, (sys.executable, find_python36())):
        version = subprocess.run(
            [python, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for row in run(python):
            verdict = "within" if float(row["seconds"]) < LIMIT_S else "ABOVE"
            print(
                f"{version}: a day of {row['board']} lines takes {row['seconds']:.2f} s of processor; "
                f"{verdict} {LIMIT_S:g} s"
            )
        taken, memory = min(start(python) for _ in range(5))
        fits = taken < START_LIMIT_S and memory < MEMORY_LIMIT_MB
        print(
            f"{version}: first line out after {taken:.3f} s at {memory:.1f} MB; "
            f"{'within' if fits else 'ABOVE'} {START_LIMIT_S:g} s and {MEMORY_LIMIT_MB:g} MB"
        )


if __name__ == "__main__":
    main()
