"""One build at a time in a folder of engines, and a word about one that was cut short.

The lock is the kernel's (flock), which lets go when its process ends, however it ends; what the file says,
process and boot, is for people. A file that is still there while nobody holds it was left by a build that was
killed or lost its power. Engines may be kept in any folder: what only bears the lock's name is left alone.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
import time

from edgeshrink_device.engines.folder import not_written, remove_leftovers
from edgeshrink_device.errors import DeviceError, InputError

__all__ = ["NAME", "FolderLock"]

NAME = ".edgeshrink-build.lock"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


class FolderLock:
    """Held within the `with` block, which gives a sentence on a build that was cut short, or None.

    Args:
        folder: A folder that can be written to.
        work: What is built, for the message to others.

    Raises:
        DeviceError: Another build is running there, or the folder cannot be written to.
        InputError: What bears the lock's name is something else.
    """

    def __init__(self, folder, work):
        self._folder, self._path = folder, os.path.join(folder, NAME)
        self._work, self._handle = work, None

    def __enter__(self):
        while self._handle is None:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except OSError as error:
                raise not_written(self._path, error) from error
            try:
                _require_lock(self._path, handle)
                self._take(handle)
            except BaseException:
                os.close(handle)
                raise
        told = _cut_short(_read(self._handle))
        _write(self._handle, {"pid": os.getpid(), "boot": _boot(), "since": _now(), "building": self._work})
        left = remove_leftovers(self._folder)
        return told and told + ("; what it had begun to write was removed" if left else "")

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        """Let go, and remove the file and whatever is unfinished."""
        if self._handle is None:
            return
        remove_leftovers(self._folder)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._handle)
        self._handle = None

    def _take(self, handle):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in TAKEN or _alive(_read(handle)):  # the second: file systems without locks
                raise _running(self._path, _read(handle)) from error
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_ino == os.fstat(handle).st_ino:
                self._handle = handle
                return
        os.close(handle)  # its owner removed it between opening and locking: there is a new one to take


def _require_lock(path, handle):
    """One that was cut short by a loss of power may hold zeros, or half of what it was to say."""
    plain = stat.S_ISREG(os.fstat(handle).st_mode)
    if not plain or os.pread(handle, 4096, 0).strip(b"\0")[:1] not in (b"", b"{"):
        raise InputError(
            "{}: is no lock of a build".format(path),
            "Move it away, or name another folder with --engines DIR.",
        )


def _read(handle):
    """What the lock file says, {} where nothing, None where it is empty."""
    text = os.pread(handle, 4096, 0)
    try:
        said = json.loads(text.decode("utf-8")) if text else None
    except ValueError:
        return {}
    return said if isinstance(said, dict) or said is None else {}


def _write(handle, said):
    with contextlib.suppress(OSError):  # a full disk is told when the engine is written
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(said).encode("utf-8"), 0)
        os.fsync(handle)


def _cut_short(said):
    if said is None:
        return None
    since = " (begun {})".format(said["since"]) if said.get("since") else ""
    how = "was killed, perhaps for want of memory"
    if said.get("boot") and _boot() and said["boot"] != _boot():
        how = "was cut short by a restart or a loss of power"
    return "an earlier build{} {}".format(since, how)


def _running(path, said):
    said = said or {}
    return DeviceError(
        "another build is running: process {} since {} ({})".format(
            said.get("pid", "?"), said.get("since", "?"), path
        ),
        "Wait for it to end: two at once would not fit the memory, and each would spoil the other's times.",
    )


def _alive(said):
    """Whether the process a lock file names runs, as far as this boot and this machine can tell."""
    if not said or said.get("boot") != _boot() or not isinstance(said.get("pid"), int):
        return False
    return os.path.exists("/proc/{}".format(said["pid"]))


def _boot():
    try:
        with open(BOOT_ID) as file:
            return file.read().strip()
    except OSError:
        return None


def _now():
    return time.strftime("%Y-%m-%d %H:%M:%S")
