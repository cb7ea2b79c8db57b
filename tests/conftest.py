"""For all tests: hypothesis (the same examples everywhere in CI, no deadline on shared cores), and Ctrl-C."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# What runs in the background of a shell is started with Ctrl-C ignored, and hands that on to the programs
# that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
