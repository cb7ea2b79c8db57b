"""Files are written whole or not at all."""

import hashlib
import json
import os
import tempfile

from edgeshrink_device.errors import DeviceError, InputError

__all__ = ["dumps", "plan_outputs", "sha256", "write_all"]


def plan_outputs(targets, output=None, force=False):
    """Where each target's profile goes, checked before anything is measured.

    Args:
        targets: The targets.
        output: A file (it ends in .json) for a single target, or a folder, where those of several bundles are
            named after their bundles, too; None for each target's own place.
        force: Whether files that are there may be replaced.

    Returns:
        One path a target, all different.

    Raises:
        InputError: A file is there already, a folder cannot be written to, or one file is asked for many
        profiles.
    """
    paths = _paths(targets, output)
    for path in paths:
        if os.path.isdir(path):
            raise InputError("{}: is a folder".format(path), "Give -o a name that is free.")
        if os.path.exists(path) and not force:
            raise InputError("{}: exists already".format(path), "Choose another with -o, or add --force.")
        _check_writable(os.path.dirname(path) or ".")
    return paths


def write_all(documents, paths):
    """Write JSON documents: all to temporary names first, then renamed.

    Args:
        documents: One JSON-able dict a path.
        paths: Where they go; missing folders are made.

    Raises:
        DeviceError: A folder or a file cannot be written.
    """
    waiting = []
    try:
        for document, path in zip(documents, paths):
            waiting.append((_write_temporary(dumps(document), path), path))
        for temporary, path in waiting:
            os.replace(temporary, path)
    except OSError as error:
        raise DeviceError("{}: cannot be written: {}".format(path, error.strerror)) from error
    finally:
        for temporary, _ in waiting:
            if os.path.exists(temporary):
                os.unlink(temporary)


def dumps(value, indent=0):
    """JSON with one key a line and every list on one line: raw times stay readable and small.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    inner = " " * (indent + 2)
    lines = ["{}{}: {}".format(inner, json.dumps(key), dumps(value[key], indent + 2)) for key in value]
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"


def sha256(path):
    """The file's SHA-256 as hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _paths(targets, output):
    if output is not None and output.endswith(".json"):
        if len(targets) > 1:
            raise InputError(
                "{} is one file, but {} models are measured".format(output, len(targets)),
                "Give -o a folder, or add --no-baseline to measure a bundle's model alone.",
            )
        return [output]
    paths = []
    for target in targets:
        path = os.path.join(target.folder, target.output)
        if output is not None:
            path = os.path.join(output, _collected(target, targets))
        paths.append(_unused(os.path.normpath(path), paths))
    return paths


def _collected(target, targets):
    """The file name in one folder for all: those of several bundles are alike, so the bundle's goes first."""
    bundle, slash, _ = target.name.rpartition("/")
    if not slash or len({each.folder for each in targets if each.output == target.output}) == 1:
        return target.output
    stem, end = os.path.splitext(bundle)
    return "{}-{}".format(stem if end == ".edge" else bundle, target.output)


def _unused(path, taken):
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = "{}-{}.json".format(path[: -len(".json")], number)
    return candidate


def _check_writable(folder):
    """Try it, in the nearest folder that is there: permissions alone do not tell."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder) or "."
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            "{}: cannot be written to: {}".format(folder, error.strerror), "Choose a folder with -o."
        ) from error


def _write_temporary(text, path):
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".profile-", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
