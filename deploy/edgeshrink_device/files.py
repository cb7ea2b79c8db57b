"""Files are written whole or not at all."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import tempfile

from edgeshrink_device.errors import DeviceError, InputError

__all__ = ["dumps", "plan_outputs", "sha256", "write_all"]

ROOM = 1 << 20  # bytes that are tried before measuring: more than most profiles take


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
        InputError: A file is there already, a folder cannot be written to, a name is too long, or one file
        is asked for many profiles.
    """
    paths = _paths(targets, output)
    for path in paths:
        if os.path.isdir(path):
            raise InputError("{}: is a folder".format(path), "Give -o a name that is free.")
        if os.path.exists(path) and not force:
            raise InputError("{}: exists already".format(path), "Choose another with -o, or add --force.")
        _check_name(path)
        _check_writable(os.path.dirname(path) or ".")
    return paths


def write_all(documents, paths, force=False):
    """Write JSON documents: all to temporary names first, then each under its own.

    Args:
        documents: One JSON-able dict a path.
        paths: Where they go; missing folders are made.
        force: Whether files that are there are replaced; else a document goes beside one that is there by
            now ("profile-2.json").

    Returns:
        The paths they have.

    Raises:
        DeviceError: A folder or a file cannot be written.
    """
    waiting = []
    try:
        for document, path in zip(documents, paths):
            waiting.append((_write_temporary(dumps(document), path), path))
        return [_put(temporary, path, force) for temporary, path in waiting]
    except OSError as error:
        raise DeviceError(
            "{}: cannot be written: {}".format(path, error.strerror),
            "Make room, or choose another folder with -o; what --json prints holds all that was measured.",
        ) from error
    finally:
        for temporary, _ in waiting:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _put(temporary, path, force):
    """Give a file its name, or the next one that is free; that name."""
    if force:
        os.replace(temporary, path)
        return path
    names = _numbered(path)
    while True:
        candidate = next(names)
        try:
            os.link(temporary, candidate)  # which replaces nothing, not even what came this very moment
        except OSError:
            if os.path.lexists(candidate):
                continue
            os.replace(temporary, candidate)  # a file system without links, as many an SD card's
        return candidate


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
    return next(candidate for candidate in _numbered(path) if candidate not in taken)


def _numbered(path):
    """The path itself, then "-2", "-3" and so on before its end."""
    yield path
    stem, end = os.path.splitext(path)
    for number in itertools.count(2):
        yield "{}-{}{}".format(stem, number, end)


def _check_name(path):
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError("{}: the name is too long".format(path), "Give -o a shorter one.") from error


def _check_writable(folder):
    """Try it, in the nearest folder that is there: permissions alone do not tell, nor what fits."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder) or "."
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
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
