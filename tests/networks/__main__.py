"""`python -m tests.networks [--full] [NAME...]`: parameters and multiplications before, after, and ideal."""

from __future__ import annotations

import argparse

from edgeshrink.errors import EdgeshrinkError
from tests.networks.catalogue import FAMILIES
from tests.networks.scenarios import SCENARIOS
from tests.networks.trial import ideal_size, trial


def main() -> None:
    """Print a table, a network and a scenario a line; an ideal holds no carrier, where one may be needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.networks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Of {', '.join(FAMILIES)}; all by default.")
    parser.add_argument("--full", action="store_true", help="At full width.")
    options = parser.parse_args()
    print(f"{'network':20}{'scenario':12}{'parameters':>12}{'after':>12}{'ideal':>12}", end="")
    print(f"{'MACs':>14}{'after':>14}{'ideal':>14}  error")
    for name in options.names or FAMILIES:
        for scenario in SCENARIOS:
            print(_line(name, scenario, full=options.full), flush=True)


def _line(name: str, scenario: str, *, full: bool) -> str:
    try:
        run, ideal = trial(name, scenario, full=full), ideal_size(name, scenario, full=full)
    except EdgeshrinkError as error:
        return f"{name:20}{scenario:12}{error}"
    parameters = f"{run.before.parameters:12,}{run.after.parameters:12,}"
    macs = f"{run.before.macs:14,}{run.after.macs:14,}"
    best = (f"{ideal.parameters:12,}", f"{ideal.macs:14,}") if ideal else (" " * 12, " " * 14)
    return f"{name:20}{scenario:12}{parameters}{best[0]}{macs}{best[1]}  {run.parity.max_rel_error:.1e}"


if __name__ == "__main__":
    main()
