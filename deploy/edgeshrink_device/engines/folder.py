"""The folder of engines: what lies in it is whole, and written by one build at a time."""

import contextlib
import errno
import json
import os
import shutil
import tempfile

from edgeshrink_device.errors import DeviceError, InputError

__all__ = [
    "beside",
    "check_writable",
    "fill",
    "not_written",
    "put",
    "read_record",
    "remove_leftovers",
    "temporary",
    "write",
]

TEMPORARY = ".edgeshrink-unfinished-"  # none of the user's files begins so
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def beside(model):
    """The folder where a model's engines are kept unless another is given: `engines` beside the model."""
    return os.path.join(os.path.dirname(model) or ".", "engines")


def check_writable(folder, names=()):
    """Make the folder, and try to write there: before a build that takes minutes, not after.

    Args:
        folder: Its path.
        names: Of files that are to be written there.

    Raises:
        InputError: It cannot be written to, or a folder bears one of the names.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            "{}: engines cannot be kept there: {}".format(folder, error.strerror),
            "Name another folder with --engines DIR.",
        ) from error
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            raise InputError(
                "{}: a folder is where an engine is to be kept".format(path),
                "Move it away, or name another folder with --engines DIR.",
            )


def read_record(path):
    """The JSON object in the file `path`, or None where it cannot be read as one."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError, RecursionError):  # the last: brackets by the thousand
        return None
    return record if isinstance(record, dict) else None


def remove_leftovers(folder):
    """Remove what builds that were cut short left unfinished; only while the folder's lock is held.

    Returns:
        How many files.
    """
    names = [name for name in os.listdir(folder) if name.startswith(TEMPORARY)]
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
    return len(names)


@contextlib.contextmanager
def temporary(folder):
    """The path of a new file in the folder that is gone after the block, unless it was renamed.

    Raises:
        DeviceError: The disk is full, or the file cannot be written.
    """
    try:
        handle, path = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
    except OSError as error:
        raise not_written(folder, error) from error
    os.close(handle)
    try:
        os.chmod(path, 0o644)
        yield path
    except OSError as error:  # a worn SD card turns read-only, a network's folder goes away
        raise not_written(folder, error) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def write(folder, name, data):
    """Write bytes-like data under a temporary name, sync, then rename.

    Raises:
        DeviceError: The disk is full, or the file cannot be written; nothing is left of it.
    """
    with temporary(folder) as path:
        fill(path, data)
        put(path, folder, name)


def fill(path, data):
    """Write bytes-like data into a file, and on to the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def put(path, folder, name):
    """Give the finished file `path` its name, so that it survives a loss of power."""
    os.replace(path, os.path.join(folder, name))
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some file systems of SD cards and networks sync no folders
        pass
    finally:
        os.close(handle)


def not_written(folder, error):
    """The error to tell when the system refused to write there."""
    if error.errno not in FULL:
        return DeviceError("{}: cannot be written to: {}".format(folder, error.strerror or error))
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free >> 20
        return DeviceError(
            "{}: no room for the engine: {} ({} MB are free)".format(folder, error.strerror, free),
            "Make room, or name a folder on another disk with --engines DIR; nothing was left half written.",
        )
    return DeviceError("{}: no room for the engine: {}".format(folder, error.strerror))
