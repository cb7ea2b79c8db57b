"""One line on a terminal for the silent minutes of a build: time elapsed, and how far TensorRT says it is."""

import re
import sys
import threading
import time

__all__ = ["Progress"]

EVERY_S = 0.5
LAYERS = re.compile(r"^(?:After|Original)[^:]*: (\d+) layers")
TIMED = re.compile(r"Timing Runner: (.+?) \(")


class Progress:
    """Draws within the `with` block, and clears the line on leaving it; in a pipe nothing.

    Args:
        stream: Where to draw; stderr unless given.
    """

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._lock, self._done = threading.Lock(), threading.Event()
        self._thread, self._shown = None, 0
        self.begin("")

    def begin(self, what):
        """A new piece of work: its name, its clock, no layers yet."""
        self._what, self._since = what, time.monotonic()
        self._layers, self._timed, self._phase = None, set(), ""

    def __enter__(self):
        if self._live:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        if self._thread:
            self._thread.join()
        with self._lock:
            if self._shown:
                self._stream.write("\r" + " " * self._shown + "\r")
                self._stream.flush()

    def listen(self, severity, text):
        """A message of TensorRT's: how many layers there are, and which is timed now."""
        layers, timed = LAYERS.match(text), TIMED.search(text)
        if layers:
            self._layers = int(layers.group(1))
        if timed:
            self._timed.add(timed.group(1))

    def step(self, phase, done, total):
        """A step of a phase is done, where TensorRT has a progress monitor."""
        self._phase = "{} {}/{}".format(phase, done, total) if total else phase

    def line(self):
        """The line as it is now."""
        seconds = int(time.monotonic() - self._since)
        parts = ["{}: {}:{:02d}".format(self._what, *divmod(seconds, 60))]
        if self._phase:
            parts.append(self._phase)
        if self._timed:
            of = " of {}".format(self._layers) if self._layers else ""
            parts.append("{}{} layers timed".format(len(self._timed), of))
        elif self._layers:
            parts.append("{} layers".format(self._layers))
        return ", ".join(parts)

    def _run(self):
        while not self._done.wait(EVERY_S):
            with self._lock:
                line = self.line()[:110]
                self._stream.write("\r" + line.ljust(self._shown))
                self._stream.flush()
                self._shown = max(self._shown, len(line))
