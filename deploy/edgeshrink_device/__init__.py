"""edgeshrink_device: run and measure a network on the device itself (Python >= 3.6, numpy, no torch).

`profile_models` measures, `main` is the command line, `stats` compares two profiles. Importing the package
loads neither numpy nor a runtime.
"""

import os
import sys

__version__ = "0.1.0"

if sys.version_info < (3, 7) and os.uname().machine == "aarch64":
    # numpy 1.19.5, the last for Python 3.6, dies of an illegal instruction on a Cortex-A57 without this.
    os.environ.setdefault("OPENBLAS_CORETYPE", "ARMV8")

from edgeshrink_device.cli import main
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.profiling import profile_models

__all__ = ["DeviceError", "InputError", "__version__", "main", "profile_models"]
