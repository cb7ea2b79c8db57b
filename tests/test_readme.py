"""Every shell block of the README does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
TARGETS = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The folders a reader stands in, block after block: a `cd` counts for all that follow."""
    return [tmp_path_factory.mktemp("readme")]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
def test_shell_block_runs(block, places):
    """Blocks run in order, as typed; `make` is not called from inside its own test, only looked up."""
    made = re.findall(r"(?m)^make (\w+)", block)
    assert set(made) <= TARGETS
    lines = [line for line in block.splitlines() if not line.startswith("make ")]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([*lines, "pwd"])],
        cwd=places[-1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    places.append(Path(done.stdout.splitlines()[-1]))


def test_there_are_blocks_to_run():
    assert len(BLOCKS) >= 3
