"""`tegrastats`: the power rails that NVIDIA's own status program prints, one value an interval.

It reads the meters that `ina3221` reads from /sys, through a process of its own: what is left where /sys is
not readable. Taken is the first number of a rail, the latest sample; the second is the mean of all samples
since that tegrastats started, and the third (R39) the highest.
"""

import os

from edgeshrink_device import boards, sysroot
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.power import SOURCES, SampledSource
from edgeshrink_device.tegrastats.parser import parse_line
from edgeshrink_device.tegrastats.process import Process, find

__all__ = ["Tegrastats"]

PROBE_S = 5.0  # for the first line; Python, tegrastats and an interval fit in it many times
PROBE_LINES = 3  # the first may be an error's text
MOST_VALUES = 1024


@SOURCES.register("tegrastats")
class Tegrastats(SampledSource):
    """The rails that together are the whole board, by `boards.total_rails`."""

    priority = 20
    jetson_only = True
    streaming = True
    interval_s = 0.1  # the meters' own windows are about that long: shorter ones repeat values

    def __init__(self):
        self.emulated = sysroot.is_stand_in(find())
        self._process = None
        self._seen = {}
        self._most_w = boards.most_watts(boards.detect())

    @property
    def resolution_w(self):
        """The least difference between two values of a rail, summed over the rails; None before 3 values."""
        steps = []
        for rail in self.rails:
            values = sorted(self._seen.get(rail, ()))
            if len(values) < 3:
                return None
            steps.append(min(b - a for a, b in zip(values, values[1:])))
        return sum(steps) / 1000.0 if steps else None

    def unavailable(self):
        """Why it cannot be used; empty when it can. Runs tegrastats until it has printed a sample."""
        path = find()
        if path is None:
            return "no tegrastats in /usr/bin, the home folder or PATH"
        process = Process(path, int(self.interval_s * 1000))
        try:
            process.start()
            record = _first_sample(process)
        except DeviceError as error:
            return str(error).replace("\n", ". ")
        finally:
            process.stop()
        if record is None:
            return "{} prints no samples".format(path)
        return self._choose_rails(record["rails_mw"] or {})

    def start(self):
        """Start tegrastats.

        Raises:
            DeviceError: It cannot be started, or is of no use here.
        """
        if not self.rails:
            reason = self.unavailable()
            if reason:
                raise DeviceError(reason)
        self._seen = {rail: set() for rail in self.rails}
        self._process = Process(find(), int(self.interval_s * 1000))
        self._process.start()

    def read(self):
        """The total of the next line, watts; None for a line that does not tell it.

        Raises:
            DeviceError: tegrastats ended or hangs.
        """
        shown = parse_line(self._process.readline()).get("rails_mw") or {}
        if not all(rail in shown for rail in self.rails):
            return None
        values = [shown[rail]["cur"] for rail in self.rails]
        if not 0 < sum(values) < 1000 * self._most_w:  # a board that runs draws something, and not that much
            return None
        for rail, value in zip(self.rails, values):
            if len(self._seen[rail]) < MOST_VALUES:
                self._seen[rail].add(value)
        return sum(values) / 1000.0

    def stop(self):
        """End tegrastats; a `read` that waits for it raises."""
        if self._process is not None:
            self._process.stop()

    def _choose_rails(self, shown):
        self.rails, self.covers, reason = boards.total_rails(boards.detect(), shown)
        if not shown and reason and os.geteuid() != 0:
            reason += " (some releases show rails to root alone: try sudo)"
        return reason or ""


def _first_sample(process):
    """The first line that is a sample, None if there is none."""
    for _ in range(PROBE_LINES):
        record = parse_line(process.readline(PROBE_S))
        if "error" not in record:
            return record
    return None
