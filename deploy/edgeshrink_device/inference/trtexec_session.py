"""Engines run by trtexec, where TensorRT has no Python module: its exported times, outputs and layers.

Of --exportTimes one row is one inference: `computeMs` is what the GPU spends on it, `latencyMs` the copies
and that (H2D + compute + D2H) without the time it waited for the inference before it. Before TensorRT 10 the
rows of the warm-up are among them (sampleReporting.cpp, exportJSONTrace): they are those that began before
its end. From TensorRT 11 on trtexec leaves the copies out, spins and runs graphs unless told otherwise; it is
told.
"""

import json
import math
import os
import re
import subprocess
import tempfile

from edgeshrink_device import program
from edgeshrink_device.engines.trt import tidy
from edgeshrink_device.engines.trtexec import LINE, VERDICT, quoted, running, shapes_of
from edgeshrink_device.errors import DeviceError

__all__ = ["TrtexecSession", "read_outputs", "read_profile", "read_times"]

WARM_UP_MS = 200
FEW = 10
LEAST_S = 0.1  # it measures nothing when its duration is over with the warm-up
TIMES = ("startComputeMs", "latencyMs", "computeMs")
ROUNDED = 1e-5  # they are printed with six digits
LONGEST_MS = 1e9  # eleven days
START_S = 600.0  # for TensorRT to set up and load an engine
SLOWEST_S = 30.0  # an inference
BARE = r"(?<=[\s,\[:]){}(?=[\s,\]}}])"
PRINTED = (("-?nan", "NaN"), ("-inf", "-Infinity"), ("inf", "Infinity"))


class TrtexecSession:
    """An engine file that trtexec runs, one process a call.

    Args:
        program: An `engines.trtexec.Trtexec`.
        engine: Path of the engine.
        shapes: {input: sizes} of inputs with open sizes.
        graph: Whether to run a CUDA graph.
        model: Path of the model it was built of, for what to do where it does not run.
    """

    def __init__(self, program, engine, shapes, graph=False, model="MODEL"):
        options, self._model = program.options, model
        self._words = [program.path, "--loadEngine=" + engine]
        if shapes:
            self._words.append("--shapes=" + shapes_of(shapes))
        self._words += ["--includeDataTransfers"] * ("--includeDataTransfers" in options)
        self._words += ["--noSpinWait"] * ("--noSpinWait" in options)
        if graph:
            self._words += ["--useCudaGraph"] * ("--useCudaGraph" in options)
        else:
            self._words += ["--noCudaGraph"] * ("--noCudaGraph" in options)

    def times(self, seconds, runs, feed):
        """Run at least `seconds` and `runs`.

        Args:
            seconds: Wall time of measuring, after a warm-up of 0.2 s.
            runs: Inferences.
            feed: Arrays by input name, or None for trtexec's own random numbers.

        Returns:
            (end-to-end, GPU) seconds, a pair an inference.

        Raises:
            DeviceError: trtexec fails or hangs, or its times cannot be read or cannot be.
        """
        words = ["--warmUp={}".format(WARM_UP_MS), "--duration={:g}".format(max(seconds, LEAST_S))]
        words.append("--iterations={}".format(runs + 1))  # a slow network's first is the warm-up
        limit_s = 10 * seconds + SLOWEST_S * (runs + 1)
        return read_times(self._export("Times", words, feed, limit_s), WARM_UP_MS)

    def outputs(self, feed):
        """{output: float64 array} of one feed; raises as `times`."""
        words = ["--warmUp=0", "--duration=0", "--iterations=1"]
        return read_outputs(self._export("Output", words, feed, SLOWEST_S))

    def layers(self, feed):
        """[(layer, mean milliseconds)] and the number of runs; raises as `times`."""
        words = ["--warmUp={}".format(WARM_UP_MS), "--duration=1", "--iterations={}".format(FEW)]
        return read_profile(self._export("Profile", words, feed, 10 + SLOWEST_S * FEW))

    def _export(self, what, words, feed, limit_s):
        """The text of the file that --export<what> writes; `limit_s`: for all but setting up."""
        with tempfile.TemporaryDirectory(prefix="edgeshrink-") as folder:
            target = os.path.join(folder, "exported.json")
            words = [*self._words, *words, "--export{}={}".format(what, target)]
            if feed:
                words.append("--loadInputs=" + ",".join(_written(feed, folder)))
            _run(words, START_S + limit_s, self._model)
            try:
                with open(target, encoding="utf-8") as file:
                    return file.read()
            except (OSError, ValueError) as error:
                raise DeviceError("trtexec exported nothing that can be read: {}".format(error)) from error


def read_times(text, warm_up_ms):
    """(end-to-end, GPU) seconds of what --exportTimes wrote, without the warm-up's.

    Args:
        text: The file's.
        warm_up_ms: What --warmUp was given; the rows' clock starts with it.

    Raises:
        DeviceError: It is no such file, or holds times that cannot be.
    """
    pairs = []
    for number, row in enumerate(_rows(text), 1):
        start, latency, compute = (_milliseconds(row, number, name) for name in TIMES)
        if start < warm_up_ms:
            continue
        if not 0 < compute <= latency * (1 + ROUNDED) or latency > LONGEST_MS:
            raise _impossible(number, "{:g} ms with the copies, {:g} ms without".format(latency, compute))
        pairs.append((latency / 1000.0, compute / 1000.0))
    if not pairs:
        raise DeviceError("trtexec measured no inference")
    return pairs


def read_outputs(text):
    """{output: float64 array} of what --exportOutput wrote."""
    import numpy as np

    found = {}
    try:
        for row in _rows(text):
            sizes = [int(size) for size in re.findall(r"\d+", str(row["dimensions"]))]
            found[row["name"]] = np.array(row["values"], dtype=np.float64).reshape(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise DeviceError("trtexec's outputs cannot be read: {}".format(error)) from error
    return found


def read_profile(text):
    """[(layer, mean milliseconds)] and the number of runs of what --exportProfile wrote."""
    rows = _rows(text)
    try:
        return [(row["name"], row["averageMs"]) for row in rows if "name" in row], rows[0]["count"]
    except (KeyError, TypeError, IndexError) as error:
        raise DeviceError("trtexec's layer times cannot be read: {!r}".format(error)) from error


def _rows(text):
    """The JSON list; trtexec writes numbers that are none as C++ prints them."""
    for printed, word in PRINTED:
        text = re.sub(BARE.format(printed), word, text)
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise DeviceError("what trtexec exported cannot be read: {}".format(error)) from error
    return rows if isinstance(rows, list) else []


def _milliseconds(row, number, name):
    value = row.get(name) if isinstance(row, dict) else None
    if value is None:
        raise DeviceError("trtexec's times cannot be read: row {} has no '{}'".format(number, name))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _impossible(number, "{} {}".format(name, value))
    return value


def _impossible(number, what):
    return DeviceError("trtexec exported times that cannot be: row {}: {}".format(number, what))


def _written(feed, folder):
    """Each array in a file, as --loadInputs wants it."""
    for number, name in enumerate(sorted(feed)):
        path = os.path.join(folder, "{}.bin".format(number))
        feed[name].tofile(path)
        yield "{}:{}".format(quoted(name), path)


def _run(words, limit_s, model):
    try:
        with running(words) as process:
            printed = process.communicate(timeout=limit_s)[0].decode("utf-8", "replace")
            status = process.returncode
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            "trtexec hangs: it was ended after {:.0f} s".format(limit_s),
            "See with tegrastats what the GPU does; where it does nothing, restart the board.",
        ) from error
    if status == 0 and VERDICT.findall(printed)[-1:] != ["FAILED"]:
        return
    lines = map(LINE.match, printed.splitlines())
    errors = [tidy(line.group(2)) for line in lines if line and line.group(1) in "EF"]
    ended = "{} {}".format("signal" if status < 0 else "exit status", abs(status)) if status else "it FAILED"
    raise DeviceError(
        "trtexec does not run the engine: {}".format("; ".join(dict.fromkeys(errors)) or ended),
        "Build it again: {}".format(program.command("build", model, "--force")),
    )
