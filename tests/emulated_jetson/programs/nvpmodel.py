"""A stand-in of nvpmodel that is asked, never told: `nvpmodel -q` prints EMULATED_POWER_MODE ("MAXN:0")."""

import os
import sys

words = sys.argv[1:]
name, _, number = (os.environ.get("EMULATED_POWER_MODE") or "MAXN:0").rpartition(":")
if words and words[0] in ("-q", "--query"):
    if "--verbose" in words:
        print("NVPM VERB: Config file: /etc/nvpmodel.conf\nNVPM VERB: parsing done for /etc/nvpmodel.conf")
    print(f"NV Power Mode: {name}\n{number}")
    sys.exit(0)
print("nvpmodel: this stand-in answers -q alone", file=sys.stderr)
sys.exit(1)
