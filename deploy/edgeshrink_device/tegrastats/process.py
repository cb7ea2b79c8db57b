"""A running tegrastats: found, started, read line by line, and stopped for sure.

It is started through a Python of a few lines that asks Linux to kill it when its parent dies and then becomes
tegrastats: a measurement that is killed leaves none behind.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import threading

from edgeshrink_device import sysroot
from edgeshrink_device.errors import DeviceError

__all__ = ["Process", "find"]

PLACES = ("/usr/bin/tegrastats", "~/tegrastats")  # since L4T 32, and before
SILENT_S = 5.0  # and five intervals without a line: it hangs
STOP_S = 1.0  # to end by itself before it is killed
LONGEST = 65536  # bytes that may come without a line's end

SHIM = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    print(error)
    sys.stdout.flush()
    os._exit(127)
"""


def find():
    """The path of this board's tegrastats, or None."""
    places = [sysroot.path(PLACES[0]), os.path.expanduser(PLACES[1]), shutil.which("tegrastats")]
    return next((place for place in places if place and os.path.isfile(place)), None)


class Process:
    """One run of tegrastats.

    Args:
        path: The program.
        interval_ms: Milliseconds between its lines.
    """

    def __init__(self, path, interval_ms):
        self._path, self._interval_ms = path, interval_ms
        self._process = None
        self._reading = threading.Lock()
        self._buffer, self._lines, self._last, self._over = b"", 0, "", False

    def start(self):
        """Start it. Linux kills it as soon as the calling thread ends, so start it from one that lasts.

        Raises:
            DeviceError: It cannot be started.
        """
        command = [self._path, "--interval", str(self._interval_ms)]
        shim = [sys.executable, "-I", "-S", "-c", SHIM, str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                shim + command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that what it starts can be stopped with it
            )
        except OSError as error:
            raise DeviceError("{} cannot be started: {}".format(self._path, error.strerror)) from error
        self._buffer, self._lines, self._last, self._over = b"", 0, "", False

    def readline(self, timeout_s=None):
        """The next line as text, without its end. A last line that was cut short is none.

        Args:
            timeout_s: Seconds to wait for it; 5 s and five intervals unless given.

        Raises:
            DeviceError: tegrastats ended, was stopped, or said nothing for so long.
        """
        wait_s = SILENT_S + 5 * self._interval_ms / 1000.0 if timeout_s is None else timeout_s
        with self._reading:
            while b"\n" not in self._buffer:
                self._buffer += self._chunk(wait_s)
            raw, self._buffer = self._buffer.split(b"\n", 1)
        self._lines += 1
        self._last = raw.decode("utf-8", "replace").strip()
        return self._last

    def stop(self):
        """End it and whatever it started, and wait until it is gone. Safe to call twice, from any thread."""
        process = self._process
        if process is None:
            return
        if not self._over:
            self._signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                pass
            self._clear()
        if self._reading.acquire(timeout=STOP_S):  # a reader sees the end of the pipe and lets go
            process.stdout.close()
            self._reading.release()

    def _chunk(self, wait_s):
        pipe = self._process.stdout
        if pipe.closed:
            raise DeviceError("tegrastats was stopped")
        if not select.select([pipe], [], [], wait_s)[0]:
            raise DeviceError("tegrastats has printed nothing for {:g} s".format(wait_s))
        chunk = os.read(pipe.fileno(), LONGEST)
        if not chunk:
            raise self._end()
        if len(self._buffer) + len(chunk) > LONGEST and b"\n" not in chunk:
            raise DeviceError("{} prints no lines: it is no tegrastats".format(self._path))
        return chunk

    def _clear(self):
        """Kill what is left of it and of what it started; never later, when its id may be another's."""
        self._over = True
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _end(self):
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._clear()
            return DeviceError("tegrastats closed its output")
        self._clear()
        cause = "exit status {}".format(status)
        if status < 0:
            cause = "signal {}, {}".format(-status, signal.Signals(-status).name)
        said = self._buffer.decode("utf-8", "replace").strip() or self._last
        return DeviceError(
            "tegrastats ended ({}) after {} line{}".format(
                cause, self._lines, "" if self._lines == 1 else "s"
            ),
            "It said last: {}".format(said[:200]) if said else "",
        )
