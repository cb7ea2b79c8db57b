"""Reads a meter of watts in a thread of its own, and keeps when each value came.

The thread lives in the process that waits for the workers, so it takes nothing from the model but the time of
reading: measured below 1% of one core at the 10 readings a second it makes. Times are those of
`time.perf_counter`, the monotonic clock that loads and idle phases are timed with: a change of the wall clock
does not reach them.
"""

import threading
import time
from collections import namedtuple

from edgeshrink_device.errors import DeviceError

__all__ = ["Sampler", "Trace"]

Trace = namedtuple(
    "Trace", ["times_s", "watts", "dropped", "interval_s", "window_s", "resolution_w", "failure"]
)
Trace.__doc__ = """What a meter said. Lists `times_s` (seconds of `time.perf_counter`) and `watts`; how many
readings told nothing; seconds between readings; seconds the meter averages over and its step in watts (None:
not known); and why it ended early ("" when it did not)."""

GOLDEN = 0.6180339887  # multiples of it, modulo 1, fill the unit interval evenly
JITTER = 0.5  # of the interval, so that polling and inferences cannot keep step
STOP_S = 5.0  # a blocked reading must end by then


class Sampler:
    """Samples between entering and leaving the `with` block.

    Args:
        source: A `SampledSource`; started and stopped here.
        clock: Seconds, monotonic.
    """

    def __init__(self, source, clock=time.perf_counter):
        self._source, self._clock = source, clock
        self._times, self._watts, self._dropped, self._failure = [], [], 0, ""
        self._over = threading.Event()
        self._thread = None

    def __enter__(self):
        self._source.start()
        self._thread = threading.Thread(target=self._run, name="power sampler")
        self._thread.daemon = True
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._source.stop()
        self._thread.join(STOP_S)

    def trace(self):
        """All samples so far, as a `Trace`."""
        source, count = self._source, min(len(self._times), len(self._watts))
        return Trace(
            self._times[:count],
            self._watts[:count],
            self._dropped,
            source.interval_s,
            source.window_s,
            source.resolution_w,
            self._failure,
        )

    def _run(self):
        count = 0
        while not self._over.is_set():
            try:
                self._sample()
            except DeviceError as error:
                self._fail(error.message)
                return
            except Exception as error:  # a thread that dies unseen would look like a silent meter
                self._fail("{}: {}".format(type(error).__name__, error))
                return
            count += 1
            if not self._source.streaming:
                self._over.wait(self._source.interval_s * (1 + JITTER * (count * GOLDEN % 1 - 0.5)))

    def _sample(self):
        before = self._clock()
        watts = self._source.read()
        now = self._clock()
        if watts is None:
            self._dropped += 1
            return
        self._times.append(now if self._source.streaming else (before + now) / 2)
        self._watts.append(watts)

    def _fail(self, cause):
        if not self._over.is_set():  # stopping may well make a blocked reading fail
            self._failure = cause
