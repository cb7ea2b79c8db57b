"""`python3 -m edgeshrink_device`, and the entry of edgeshrink-device.pyz."""

import sys

from edgeshrink_device.cli import main

if __name__ == "__main__":
    sys.exit(main())
