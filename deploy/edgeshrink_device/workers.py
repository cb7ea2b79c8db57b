"""The parent's side of the worker processes: start, ask, and never leave one behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from edgeshrink_device.errors import DeviceError
from edgeshrink_device.fresh import boot

__all__ = ["Worker", "Workers"]

CLOSING_S = 1.0  # for a worker to free its engine
UNASKED_S = 1.0  # a terminal tells the whole group: this process has its signal, too


class Workers:
    """One worker a target; all are gone after the `with` block, however it is left.

    Without an error they have a second to close what they opened, else none.

    Args:
        names: What the workers measure, for messages.
    """

    def __init__(self, names):
        self._names = names
        self._workers = []

    def __enter__(self):
        try:
            for name in self._names:
                self._workers.append(Worker(name))
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self._workers

    def __exit__(self, kind=None, *_):
        try:
            if kind is None:
                self._close()
        finally:
            for worker in self._workers:
                worker.kill()

    def _close(self):
        for worker in self._workers:
            worker.leave()
        until = time.monotonic() + CLOSING_S
        for worker in self._workers:
            worker.wait(max(0.0, until - time.monotonic()))


class Worker:
    """A running worker process.

    Args:
        name: What it works on, for messages.
        module: The module of this package whose `main` it runs.
        shown: Whether what it draws on stderr is for the user, where that is a terminal.

    Raises:
        DeviceError: No folder for temporary files can be written to.
    """

    def __init__(self, name, module="worker", shown=False):
        self.name = name
        self._folder, self._log = _temporary()
        self._process = subprocess.Popen(
            [sys.executable, "-c", boot(module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if shown and sys.stderr.isatty() else self._log,
            env=dict(_environment(), TMPDIR=self._folder),  # of its own: one that is killed clears nothing
        )

    @property
    def pid(self):
        """The process id."""
        return self._process.pid

    def ask(self, command, **arguments):
        """Send a command and wait for its result.

        Raises:
            DeviceError: The command failed, with the worker's message; or the worker died.
        """
        request = json.dumps({"command": command, "arguments": arguments}) + "\n"
        try:
            self._process.stdin.write(request.encode("utf-8"))
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise self._death()
        reply = json.loads(line.decode("utf-8"))
        if "error" in reply:
            raise _failure(self.name, reply["error"])
        return reply["result"]

    def end(self, patience_s):
        """Let a process that answers SIGINT itself clean up: wait for it, and after a while send it one.

        Args:
            patience_s: How long to wait for it then, seconds.
        """
        for seconds in (UNASKED_S, patience_s):
            try:
                self._process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGINT)

    def leave(self):
        """Tell the process that nothing more comes: it gives back what it took and ends, once it is idle."""
        try:
            self._process.stdin.close()
        except OSError:
            pass

    def wait(self, seconds):
        """Wait for the end of one that was told to `leave`, so long at most."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def kill(self):
        """End the process now and wait until it is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self.leave()
        self._process.stdout.close()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _death(self):
        self._process.stdout.close()
        status = self._process.wait()
        self._log.seek(0)
        last = self._log.read().decode("utf-8", "replace").strip().split("\n")[-1]
        hint = (
            "A process that needs more memory than there is gets killed. "
            if status == -signal.SIGKILL
            else ""
        )
        said = "It said last: {}".format(last) if last else ""
        return DeviceError(
            "{}: its worker process died ({})".format(self.name, _cause(status)), (hint + said).strip()
        )


def _temporary():
    """A folder for the worker's temporary files, and a file for what it says."""
    try:
        return tempfile.mkdtemp(prefix="edgeshrink-"), tempfile.TemporaryFile()
    except OSError as error:  # a disk that is full, too: then no folder will do
        raise DeviceError(
            "there is no room for temporary files: {}".format(error.strerror),
            "Make room, or name a folder that can be written to: TMPDIR=DIR before the command.",
        ) from error


def _failure(name, error):
    if "exit_status" in error:
        failure = DeviceError(error["message"], error["hint"], error["exit_status"])
        failure.emulated = error["emulated"]
        return failure
    failure = DeviceError("{}: {}".format(name, error["message"]), "--debug shows where.")
    failure.worker_traceback = error["traceback"]
    return failure


def _cause(status):
    if status >= 0:
        return "exit status {}".format(status)
    return "signal {}, {}".format(-status, signal.Signals(-status).name)


def _environment():
    """One thread for numpy's own libraries: only the runtime's threads are measured."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, "1")
    return environment
