"""How much of the machine's memory a build took.

It is seen from outside: the builder's buffers on a Jetson's GPU are in no process's own figures.
"""

import threading

from edgeshrink_device import sysroot

__all__ = ["MemoryWatch"]

EVERY_S = 0.25
EMULATED = "the memory of an emulated board does not change"
UNKNOWN = "the system does not tell its memory"


class MemoryWatch:
    """Looks a few times a second within the `with` block.

    Args:
        source: A `memory.MemorySource`.
    """

    def __init__(self, source):
        self._source, self._done = source, threading.Event()
        self._before = self._most = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._before = self._most = self._source.device_used()
        if self._before is not None:
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        if self._before is not None:
            self._thread.join()

    def added(self):
        """Bytes the whole machine used more than before, at most; what else ran is in it.

        Returns:
            The bytes and None, or None and why they are not known.
        """
        if sysroot.emulated():
            return None, EMULATED
        if self._before is None:
            return None, UNKNOWN
        return self._most - self._before, None

    def _run(self):
        while not self._done.wait(EVERY_S):
            self._look()
        self._look()

    def _look(self):
        used = self._source.device_used()
        if used is not None:
            self._most = max(self._most, used)
