"""One line of progress on a terminal; nothing anywhere else."""

import sys

__all__ = ["Bar"]

WIDTH = 30


class Bar:
    """A progress function for `profile_models`, cleared on leaving the `with` block.

    Args:
        stream: Where to draw; stderr unless given.
    """

    def __init__(self, stream=None):
        self._stream = stream or sys.stderr
        self._shown = 0
        self._live = self._stream.isatty()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()

    def __call__(self, model, phase, fraction):
        """Draw the bar at `fraction`."""
        if not self._live:
            return
        full = int(fraction * WIDTH)
        line = "[{}{}] {:3.0f}% {} {}".format("#" * full, "." * (WIDTH - full), fraction * 100, phase, model)
        self._stream.write("\r" + line.ljust(self._shown))
        self._stream.flush()
        self._shown = max(self._shown, len(line))
