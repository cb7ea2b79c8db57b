"""How long `edgeshrink --help` takes, beside a bare Python that does nothing, in alternation."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
LIMIT_S = 0.2


def run() -> list[dict[str, float | str]]:
    """Median wall time of each command, s."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "edgeshrink --help": [sys.executable, "-m", "edgeshrink", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    return [{"command": name, "median_s": statistics.median(taken)} for name, taken in times.items()]


def main() -> None:
    """Print the table."""
    bare, ours = (float(row["median_s"]) for row in run())
    verdict = "within" if ours < LIMIT_S else "ABOVE"
    print(f"edgeshrink --help: {ours:.3f} s, bare Python {bare:.3f} s; {verdict} the {LIMIT_S} s it may take")


if __name__ == "__main__":
    main()
