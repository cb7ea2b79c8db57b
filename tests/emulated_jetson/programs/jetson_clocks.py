"""A stand-in of jetson_clocks that is asked, never told: `jetson_clocks --show`, as root only.

EMULATED_AS_ROOT=1       it is run as root
EMULATED_CLOCKS=locked   the lowest frequencies are the highest ones
The layout is that of L4T 32 on a Jetson Nano; with which words it refuses others is not known.
"""

import os
import sys

locked = os.environ.get("EMULATED_CLOCKS") == "locked"


def low(minimum, maximum):
    return maximum if locked else minimum


if sys.argv[1:] != ["--show"]:
    sys.exit("jetson_clocks: this stand-in answers --show alone")
if os.environ.get("EMULATED_AS_ROOT") != "1":
    sys.exit("Please run as root")
print("SOC family:tegra210  Machine:NVIDIA Jetson Nano Developer Kit")
print("Online CPUs: 0-3")
for number in range(4):
    print(
        f"cpu{number}: Online=1 Governor=schedutil MinFreq={low(102000, 1479000)} MaxFreq=1479000"
        f" CurrentFreq={low(102000, 1479000)} IdleStates: WFI={int(not locked)} c7={int(not locked)}"
    )
print(f"GPU MinFreq={low(76800000, 921600000)} MaxFreq=921600000 CurrentFreq={low(76800000, 921600000)}")
print(f"EMC MinFreq=204000000 MaxFreq=1600000000 CurrentFreq=1600000000 FreqOverride={int(locked)}")
print("Fan: speed=0")
print("NV Power Mode: MAXN")
