"""trtexec, where TensorRT has no Python module: found, asked what it knows, and told to build.

Which options it has is read from its --help. The workspace is always told: 8.2's own 16 MiB leaves most fast
tactics out.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections import namedtuple

from edgeshrink_device import sysroot
from edgeshrink_device.engines import folder as kept
from edgeshrink_device.engines import refusal
from edgeshrink_device.engines.trt import tidy
from edgeshrink_device.errors import DeviceError, InputError
from edgeshrink_device.worker import die_with_parent

__all__ = ["LINE", "VERDICT", "Trtexec", "build", "find", "quoted", "running", "shapes_of", "version_of"]

Trtexec = namedtuple("Trtexec", ["path", "version", "options", "emulated"])
Trtexec.__doc__ = """The program: its path, TensorRT's version as text ("8.2.1"), the set of options it knows,
and whether it is a stand-in's."""

PLACE = "/usr/src/tensorrt/bin/trtexec"
HEADER = re.compile(r"\[TensorRT v(\d+)\]")
OPTION = re.compile(r"(--\w+)")
LINE = re.compile(r"^\[[\d/:-]+\] (?:\[TRT\] )?\[([FEWIV])\] (.*)$")
VERDICT = re.compile(r"&&&& (PASSED|FAILED) TensorRT\.trtexec")  # its last line, since 7 and in 11 still
SIZE = re.compile(r"Created engine with size: ([\d.]+(?:e[+-]?\d+)?) MiB")  # 10 on
NEAR = 0.01  # of that size: it is printed rounded
HELP_S = 30  # its libraries come from an SD card, perhaps
NEAR_FULL = 1 << 16
NOISE = ("Engine could not be created", "Building engine failed", "Failed to create engine", "Engine set up")


def find():
    """The `Trtexec` of this machine, or None.

    Raises:
        DeviceError: It is there and does not run.
    """
    place = sysroot.path(PLACE)
    path = place if os.access(place, os.X_OK) else shutil.which("trtexec")
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--help"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=HELP_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError("{}: does not run: {}".format(path, error)) from error
    text = done.stdout.decode("utf-8", "replace")
    header = HEADER.search(text)
    if header is None or "--onnx" not in text:
        raise DeviceError("{}: does not say what it is: {}".format(path, text.strip()[-200:] or "no answer"))
    return Trtexec(path, version_of(header.group(1)), set(OPTION.findall(text)), sysroot.is_stand_in(path))


def version_of(digits):
    """TensorRT's version of trtexec's digits: "8201" is 8.2.1, "100300" is 10.3.0."""
    major, rest = divmod(int(digits), 10000 if len(digits) > 4 else 1000)
    return "{}.{}.{}".format(major, rest // 100, rest % 100)


def build(plan, target, workspace, progress):
    """Build the engine of a plan into the file `target`.

    Returns:
        {"layers", "layers_reason", "context_bytes", "context_reason", "warnings"}.

    Raises:
        BuildError: trtexec ended with errors.
        DeviceError: The disk is full, or trtexec does not start.
    """
    program = plan.program
    with contextlib.ExitStack() as stack:
        cache = layers = None
        if "--timingCacheFile" in program.options:
            cache = stack.enter_context(kept.temporary(plan.folder))
            _copy(os.path.join(plan.folder, plan.timing_name), cache)
        if "--exportLayerInfo" in program.options:
            layers = stack.enter_context(kept.temporary(plan.folder))
        words = _words(plan, target, workspace, cache, layers)
        failed, errors, warnings, mib = _run(words, progress)
        _check_room(plan.folder)
        count = _count(layers)
        untold = layers is not None and count is None
        if failed or _is_cut(target, mib, errors) or (errors and untold):
            raise refusal.of_lines(plan.model, errors, plan.outline)
        if cache and os.path.getsize(cache):
            kept.put(cache, plan.folder, plan.timing_name)
    return {
        "layers": count,
        "layers_reason": None if count is not None else "this trtexec does not tell",
        "context_bytes": None,
        "context_reason": "trtexec does not tell",
        "warnings": warnings,
    }


def _words(plan, target, workspace, cache, layers):
    options, told = plan.program.options, plan.decision
    words = [plan.program.path, "--onnx=" + plan.model, "--saveEngine=" + target]
    words.append("--skipInference" if "--skipInference" in options else "--buildOnly")
    pool = "--memPoolSize=workspace:{}" if "--memPoolSize" in options else "--workspace={}"
    words.append(pool.format(workspace.mib))
    words += ["--fp16"] * (told.half and "--fp16" in options)
    words += ["--int8"] * (told.precision == "int8" and "--int8" in options)
    words += ["--noTF32"] * (not told.tf32 and "--noTF32" in options)
    for selector in ("min", "opt", "max") if plan.shapes else ():
        sizes = {name: plan.shapes[name][selector] for name in plan.shapes}
        words.append("--{}Shapes={}".format(selector, shapes_of(sizes)))
    words += ["--timingCacheFile=" + cache] if cache else []
    return words + (["--exportLayerInfo=" + layers] if layers else [])


def shapes_of(sizes):
    """{input: sizes} as trtexec's options want them: x:1x3x8x8,y:1x4."""
    told = [(quoted(name), "x".join(map(str, sizes[name])) or "scalar") for name in sorted(sizes)]
    return ",".join(map(":".join, told))


def quoted(name):
    """A tensor's name as trtexec's options want it: a colon would end it.

    Raises:
        InputError: It cannot be told: a comma ends it even within quotes, and a quote has no escape
            (splitNameAndValue of its sampleOptions.cpp).
    """
    if "," in name or "'" in name:
        raise InputError(
            "trtexec cannot be told of the input '{}': a comma or a quote ends a name".format(name),
            "Give the input another name, or use TensorRT's Python module.",
        )
    return "'{}'".format(name) if ":" in name else name


@contextlib.contextmanager
def running(words):
    """The process of trtexec, all said on its stdout; it ends with the block, or with this process.

    Raises:
        DeviceError: It does not start.
    """
    try:
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        raise DeviceError("{}: does not run: {}".format(words[0], error)) from error
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait()


def _run(words, progress):
    """Run it.

    Returns:
        Whether it failed, by its status or its own word; its errors and its warnings, each once; the size of
        the engine in MiB as it tells it, or None.
    """
    errors, warnings, verdict, mib = [], [], None, None
    with running(words) as process:
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            verdict = VERDICT.search(line) or verdict
            found = LINE.match(line)
            if not found:
                continue
            letter, text = found.group(1), tidy(found.group(2))
            progress.listen(letter, text)
            size = SIZE.search(text)
            mib = float(size.group(1)) if size else mib
            kept_in = {"E": errors, "F": errors, "W": warnings}.get(letter)
            if kept_in is not None and text not in kept_in and not text.startswith(NOISE):
                kept_in.append(text)
        status = process.wait()
    if status < 0:
        errors.append("trtexec was ended by signal {}{}".format(-status, _killed(-status)))
    failed = status != 0 or verdict is None or verdict.group(1) == "FAILED"
    if failed and not errors:
        said = verdict.group(1) if verdict else "neither PASSED nor FAILED"
        errors.append("trtexec said {} and ended with exit status {}".format(said, status))
    return failed, errors, warnings, mib


def _killed(number):
    return ": out of memory, perhaps" if number == 9 else ""


def _check_room(folder):
    """It does not look itself whether its file was written whole."""
    state = os.statvfs(folder)
    if state.f_bavail * state.f_frsize < NEAR_FULL:
        raise DeviceError(
            "{}: the disk is full: no engine was kept".format(folder),
            "Make room, or name a folder on another disk with --engines DIR.",
        )


def _is_cut(path, mib, errors):
    """Whether the engine's file is not as large as it was said to be; then `errors` say so."""
    there = os.path.getsize(path) / float(1 << 20)
    if there and (mib is None or abs(there - mib) <= NEAR * mib):
        return False
    if mib is not None:
        errors.append("trtexec made an engine of {:g} MiB, its file has {:g} MiB".format(mib, there))
    return True


def _copy(source, target):
    with contextlib.suppress(OSError):
        shutil.copyfile(source, target)


def _count(path):
    """How many layers the file of --exportLayerInfo lists, or None."""
    try:
        with open(path, encoding="utf-8") as file:
            return len(json.load(file)["Layers"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
