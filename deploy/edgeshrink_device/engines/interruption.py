"""Ctrl-C while TensorRT's own code runs for minutes.

Python answers a signal only between its own instructions, and an exception in one of TensorRT's callbacks is
swallowed there. So the signal is taken from a pipe by a thread: it asks the builder to stop, where this
TensorRT can be asked (a progress monitor), and else cleans up and ends the process.
"""

import contextlib
import os
import signal
import sys
import threading

__all__ = ["Interruption"]

STATUS = 130
PATIENCE_S = 2.0


class Interruption:
    """Within the `with` block SIGINT is answered; leaving it raises KeyboardInterrupt if one came.

    Outside of the main thread, where Python takes no signals, and where SIGINT is ignored it does nothing.

    Args:
        clean: Called before the process is ended.
    """

    def __init__(self, clean):
        self._clean = clean
        self.asked = threading.Event()
        self._left = threading.Event()
        self._watching = False

    def __enter__(self):
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # in the background of a shell
        if ignored or threading.current_thread() is not threading.main_thread():
            return self
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        self._write = write
        self._old = signal.signal(signal.SIGINT, lambda number, frame: self.asked.set())
        self._old_pipe = signal.set_wakeup_fd(write)
        self._watching = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        if not self._watching:
            return
        self._left.set()
        signal.set_wakeup_fd(self._old_pipe)
        signal.signal(signal.SIGINT, self._old or signal.SIG_DFL)
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")
        self._thread.join()
        os.close(self._read)
        os.close(self._write)
        if self.asked.is_set():
            raise KeyboardInterrupt

    def _watch(self):
        while not self._left.is_set():
            if signal.SIGINT in os.read(self._read, 64):
                self.asked.set()
                if not self._left.wait(PATIENCE_S):
                    self._end()

    def _end(self):
        try:
            self._clean()
        finally:
            sys.stderr.write("\nerror: interrupted; nothing was left half written\n")
            sys.stderr.flush()
            os._exit(STATUS)
