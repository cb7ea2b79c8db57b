"""One model being measured, as it lives in its worker process."""

import gc
import itertools
import time
from array import array

from edgeshrink_device import memory, parity
from edgeshrink_device.asked_shapes import asked_sizes, require_measured_at
from edgeshrink_device.errors import InputError
from edgeshrink_device.runners import RUNNERS
from edgeshrink_device.samples import cut, random_feeds, read_samples
from edgeshrink_device.warmup import warm_up

__all__ = ["Measurement"]

TIMED_FEEDS = 8  # timed runs take turns over these; parity runs over all samples
LEAD_IN_S = 0.005  # untimed runs at the start of a block: caches still hold the other model
MARK_S = 0.1  # of a load, between two marks
SLOW_S = 0.05  # a run this long warms its own caches: no lead-in


class Measurement:
    """Opens a model, warms it up, runs it in timed blocks, and tells what came out.

    The methods named in `COMMANDS` take and return what JSON can carry.
    """

    COMMANDS = ("open", "warm_up", "block", "load", "finish", "layers")

    def __init__(self):
        self._times, self._gpu_times = array("d"), array("d")
        self._runner = None
        self._last_s = 0.0

    def open(self, device, model, threads, samples, seed, check, options=None, shapes=None):
        """Load the model and check it against the samples.

        Args:
            device: Name of the runner.
            model: Path of the model.
            threads: Threads inside an operator.
            samples: Path of an .npz, or None for random inputs.
            seed: Seed of the random inputs.
            check: Whether to compare the outputs with those of the samples.
            options: What the runner's `make` takes.
            shapes: {input: sizes} to measure open inputs at, in place of opt.

        Returns:
            `inputs`, `outputs`, `shapes` (of what is fed, by input name), `versions`, `parity`,
            `parity_reason`, `fed_with`, `batch` and what the runner says of itself.
        """
        self._runner = runner = RUNNERS.get(device).make(options)
        versions = runner.prepare()
        arrays = read_samples(samples) if samples else None
        self._memory = memory.pick()
        self._memory.reset_peak()
        self._before = (self._memory.process_now(), self._memory.process_peak())
        runner.asked = asked_sizes(model, shapes or {})
        inputs, outputs = runner.load(model, threads)
        require_measured_at(inputs, runner.asked, model)
        arrays, unfit = _fitting(arrays, inputs, outputs, runner.asked)
        feeds, checked, batch = self._feeds(arrays, inputs, outputs, seed, check)
        self._next_feed = itertools.cycle(feeds[:TIMED_FEEDS]).__next__
        about = runner.about()
        if check and checked is None:
            about["warnings"] += self._look(feeds[0], [spec.name for spec in outputs])
        checked, unchecked = _told(checked)
        about["warnings"] += checked["remarks"] if checked else []
        return {
            "inputs": [spec.as_json() for spec in inputs],
            "outputs": [spec.as_json() for spec in outputs],
            "shapes": {spec.name: list(feeds[0][spec.name].shape) for spec in inputs},
            "versions": versions,
            "parity": checked,
            "parity_reason": unfit or unchecked,
            "fed_with": "samples" if arrays else "random numbers, seed {}".format(seed),
            "batch": batch,
            "open_batch": runner.open_batch,
            "emulated": runner.emulated,
            "kind": runner.kind,
            "gpu_reason": runner.gpu_reason,
            "engine_reason": runner.engine_reason,
            "energy_reason": runner.energy_reason,
            "about": about,
        }

    def warm_up(self, limit_s):
        """Run until steady, at most about `limit_s` seconds; see `edgeshrink_device.warmup`."""
        if self._runner.times_itself:
            return self._warm_up_itself()
        return warm_up(self._run_once, limit_s)

    def block(self, seconds, runs):
        """Run and time until both `seconds` of timed work and `runs` are reached.

        Returns:
            `runs` timed, their `seconds`, and the `lead_in_runs` before them.
        """
        if self._runner.times_itself:
            return self._block_itself(seconds, runs)
        lead_in = self._lead_in()
        run, clock, next_feed, keep = (
            self._runner.run,
            self._runner.clock,
            self._next_feed,
            self._times.append,
        )
        gpu_seconds, keep_gpu = self._runner.gpu_seconds, self._gpu_times.append
        done, total = 0, 0.0
        gc.disable()
        try:
            while done < runs or total < seconds:
                feed = next_feed()
                start = clock()
                run(feed)
                took = clock() - start
                keep(took)
                if gpu_seconds is not None:
                    keep_gpu(gpu_seconds())
                total += took
                done += 1
        finally:
            gc.enable()
        self._last_s = total / done
        return {"runs": done, "seconds": total, "lead_in_runs": lead_in}

    def load(self, seconds):
        """Run for `seconds` without a pause, for a power meter that needs long loads; no time is kept.

        Returns:
            `marks`: [seconds of `time.perf_counter`, runs so far], about 0.1 s apart, from 0 runs on. On one
            machine all processes share that clock.
        """
        runs, now = 0, time.perf_counter()
        marks, end = [[now, 0]], now + seconds
        while now < end:
            self._runner.run(self._next_feed())
            runs += 1
            now = time.perf_counter()
            if now - marks[-1][0] >= MARK_S or now >= end:
                marks.append([now, runs])
        return {"marks": marks}

    def finish(self):
        """Every time measured (`times_ms`, `gpu_times_ms`) and the process's `memory`, bytes."""
        now, peak_before = self._before
        peak = self._memory.process_peak()
        known = None not in (now, peak_before, peak) and peak > peak_before
        return {
            "memory": {
                "process_peak": peak,
                "process_before_model": now,
                "model_delta": peak - now if known else None,
                "model_delta_reason": None
                if known
                else "the process was at its peak before the model was loaded",
            },
            "times_ms": [round(seconds * 1000, 6) for seconds in self._times],
            "gpu_times_ms": [round(seconds * 1000, 6) for seconds in self._gpu_times],
        }

    def layers(self):
        """`layers` and `layers_method`, or None and `layers_reason`; nothing is measured after it."""
        found, words = self._runner.layers(self._next_feed())
        method, reason = (None, words) if found is None else (words, None)
        return {"layers": found, "layers_method": method, "layers_reason": reason}

    def close(self):
        """Give back what the runner took."""
        if self._runner is not None:
            self._runner.close()

    def _warm_up_itself(self):
        """Runners that time themselves warm up before each block."""
        return {"runs": 0, "seconds": 0.0, "steady": None, "median_ms": None}

    def _block_itself(self, seconds, runs):
        feed = self._next_feed() if self._fed else None
        pairs = self._runner.run_many(seconds, runs, feed)
        self._times.extend(pair[0] for pair in pairs)
        self._gpu_times.extend(pair[1] for pair in pairs)
        return {"runs": len(pairs), "seconds": sum(pair[0] for pair in pairs), "lead_in_runs": 0}

    def _feeds(self, arrays, inputs, outputs, seed, check):
        self._fed = arrays is not None
        if arrays is None:
            sizes = inputs[0].sizes() if inputs else ()
            return random_feeds(inputs, seed), None, sizes[0] if sizes else 1
        feeds, expected, batch = cut(arrays[0], arrays[1], inputs, outputs)
        if expected is None or not check:
            return feeds, None, batch
        names = [spec.name for spec in outputs]
        some = feeds[: self._runner.most_checked]
        checked = parity.check(
            self._runner.run, some, expected, names, len(some) * batch, self._runner.precision
        )
        return feeds, checked, batch

    def _look(self, feed, names):
        odd = parity.not_finite(self._runner.run(feed), names)
        return ["output '{}' holds NaN or infinity".format(name) for name in odd]

    def _run_once(self):
        feed = self._next_feed()
        start = self._runner.clock()
        self._runner.run(feed)
        self._last_s = self._runner.clock() - start
        return self._last_s

    def _lead_in(self):
        runs, spent = 0, 0.0
        while self._last_s < SLOW_S and spent < LEAD_IN_S:
            spent += self._run_once()
            runs += 1
        return runs


def _told(checked):
    """The profile's `parity` and the reason where it is None."""
    if checked is None:
        return None, "no samples with expected outputs were given"
    if not checked.pop("judged") and checked["ok"]:
        return None, "nothing can be compared: " + "; ".join(checked["remarks"])
    return checked, None


def _fitting(arrays, inputs, outputs, asked):
    """The samples; None and why, where they do not fit the sizes that were asked for."""
    try:
        if arrays and asked:
            cut(arrays[0], arrays[1], inputs, outputs)
    except InputError as error:
        return None, "the samples do not fit the sizes of --shape: {}".format(error.message)
    return arrays, None
