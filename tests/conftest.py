"""For all tests: the same random numbers and examples in every run, no deadlines, and Ctrl-C."""

import os
import random
import signal
import sys
import zlib

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# What runs in the background of a shell is started with Ctrl-C ignored, and hands that on to the programs
# that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Another number here gives every test other weights and masks: a way to look for tests that pass by luck.
SEED = os.environ.get("EDGESHRINK_TEST_SEED", "")


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Seeds what a fixture draws: by its name, and its test's where each test has its own."""
    own = request.node.nodeid if fixturedef.scope == "function" else ""
    _seed(fixturedef.argname, own)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Seeds what a test draws, by its name: whatever was run before, or beside it, does not matter."""
    _seed(item.nodeid)


def _seed(*names):
    seed = zlib.crc32("\n".join((SEED, *names)).encode())
    random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
