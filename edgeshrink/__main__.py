"""`python -m edgeshrink`: the command line."""

import sys

from edgeshrink.cli import main

if __name__ == "__main__":
    sys.exit(main())
