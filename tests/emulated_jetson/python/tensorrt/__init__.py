"""The stand-in of TensorRT of the version that EMULATED_TENSORRT names; 8.2 unless told."""

import os
import sys

from emulated_tensorrt.module import fill

fill(sys.modules[__name__], os.environ.get("EMULATED_TENSORRT") or "8.2")
del os, sys, fill
