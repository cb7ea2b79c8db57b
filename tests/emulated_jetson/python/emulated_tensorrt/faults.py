"""Faults and conditions that tests ask for by environment variables, and the GPU that is emulated.

EMULATED_GPU                    its name ("NVIDIA Tegra X1" unless told)
EMULATED_GPU_SM                 its compute capability ("5.3" unless told)
EMULATED_BUILD_SECONDS          a build lasts at least so long
EMULATED_BUILD_FAILS            a build finds no implementation, and gives None
EMULATED_CONTEXT_OUT_OF_MEMORY  no execution context can be made
EMULATED_LATENCY_MS             a launch lasts at least so long
EMULATED_LOAD_MW                what the total rail of the board shows while it computes, see meter.py
EMULATED_NAN_OUTPUTS            every output is NaN
EMULATED_ENQUEUE_FAILS          the launch of that number (from 1 on, in this process) fails
"""

import os


def gpu_name():
    return os.environ.get("EMULATED_GPU") or "NVIDIA Tegra X1"


def compute_capability():
    return os.environ.get("EMULATED_GPU_SM") or "5.3"


def has_fast_fp16():
    return compute_capability() != "6.1"


def has_fast_int8():
    """Whether the GPU has DP4A or better: SM 6.1 and from 7.0 on, but neither 5.3 nor 6.2."""
    return compute_capability() == "6.1" or float(compute_capability()) >= 7


def asked(name):
    return os.environ.get("EMULATED_" + name, "") not in ("", "0")


def number(name):
    """The number that EMULATED_<name> gives, or 0."""
    return float(os.environ.get("EMULATED_" + name) or 0)
