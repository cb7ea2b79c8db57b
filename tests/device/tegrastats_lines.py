"""Captured lines, damaged ones, and a program that prints them as a board's tegrastats does."""

import json
import random
import sys
from pathlib import Path

ASSET = Path(__file__).parents[1] / "assets" / "tegrastats_lines.jsonl"
CAPTURED = [json.loads(line) for line in ASSET.read_text().splitlines()]
LINES = [captured["line"] for captured in CAPTURED]

PROGRAM = """#!{python}
import os, signal, subprocess, sys, time
assert sys.argv[1] == "--interval", sys.argv
{first}
for line in {lines!r}:
    print(line, flush=True)
    time.sleep({wait_s})
{then}
"""


def write_program(path, lines, then="time.sleep(60)", first="", wait_s=0.02):
    """A program at `path` that does `first`, prints the lines one by one, and does `then`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = {"lines": list(lines), "then": then, "first": first, "wait_s": wait_s}
    path.write_text(PROGRAM.format(python=sys.executable, **words))
    path.chmod(0o755)
    return path


def damaged(count, seed=0):
    """Captured lines with bytes lost, put in and repeated, cut and joined."""
    rng = random.Random(seed)
    return [_damage(rng) for _ in range(count)]


def _damage(rng):
    line = rng.choice(LINES)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(line) + 1)
        line = rng.choice(
            (
                line[:at] + line[at + rng.randint(1, 8) :],
                line[:at] + chr(rng.choice((0, 9, 32, 37, 47, 64, 91, 93, 0x663, 0x1F600))) + line[at:],
                line[at:],
                line[:at] + rng.choice(LINES),
                line[:at] + "9" * rng.randint(1, 30) + line[at:],
            )
        )
    return line
