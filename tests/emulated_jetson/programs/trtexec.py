"""A stand-in of trtexec: one version's options and output, the work done by the stand-in of TensorRT.

EMULATED_TENSORRT says which version; an option that it lacks is refused as the real program does. Options
that are taken but change nothing here: streams, threads, spinning, CUDA graphs, tactics, sparsity, DLA.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
os.environ.pop("EMULATED_LIBCUDART", None)  # its own memory is no libcudart's

import numpy as np
from emulated_tensorrt.module import load
from trtexec_options import VERSIONS, known_options

TYPES = {"FLOAT": "f4", "HALF": "f2", "INT8": "i1", "INT32": "i4", "BOOL": "?", "UINT8": "u1", "INT64": "i8"}
QUOTED = "'\""


class Failure(Exception):  # noqa: N818 - what trtexec calls it
    """What ends in FAILED, after its messages."""


def say(text, letter="I"):
    stream = sys.stderr if letter == "E" else sys.stdout
    print(time.strftime("[%m/%d/%Y-%H:%M:%S] ") + f"[{letter}] {text}", file=stream, flush=True)


def main(words):
    version = os.environ.get("EMULATED_TENSORRT") or "8.2"
    tag = f"TensorRT.trtexec [TensorRT {VERSIONS[version]}] # trtexec {' '.join(words)}"
    print("&&&& RUNNING " + tag, flush=True)
    try:
        options = read_options(words, version)
        if options is None:
            print(
                "=== Model Options ===\n" + "\n".join("  " + each for each in sorted(known_options(version)))
            )
            return 0
        run(options, version)
    except Failure as failure:
        for message in failure.args:
            say(message, "E")
        print("&&&& FAILED " + tag, flush=True)
        return 1
    print("&&&& PASSED " + tag, flush=True)
    return 0


def read_options(words, version):
    """{option: text}, or None where help is asked for."""
    options, known = {}, known_options(version)
    for word in words:
        option, _, value = word.partition("=")
        if option in ("--help", "-h"):
            return None
        if option not in known:
            raise Failure(f"Unknown option: {option} {value}")
        options[option] = value
    if not {"--onnx", "--loadEngine"} & set(options):
        raise Failure("Model missing or format not recognized")
    return options


def run(options, version):
    trt = load(version)
    logger = make_logger(trt, "--verbose" in options)
    engine = get_engine(trt, logger, options, version)
    if "--saveEngine" in options:
        Path(options["--saveEngine"]).write_bytes(bytes(engine.serialize()))
    inspect(trt, engine, options)
    if "--buildOnly" in options or "--skipInference" in options:
        say("Skipped inference phase since --buildOnly is added.")
        return
    context = engine.create_execution_context()
    if context is None:
        raise Failure("Unable to create execution context for stream 0.")
    arrays = bind(engine._impl, context._impl, options)
    measure(engine._impl, context._impl, arrays, options, version)


def make_logger(trt, verbose):
    """TensorRT's messages go where trtexec's go, marked."""

    class Told(trt.ILogger):
        def log(self, severity, msg):
            if verbose or severity != trt.ILogger.VERBOSE:
                say("[TRT] " + msg, "F" if severity == trt.ILogger.INTERNAL_ERROR else severity.name[0])

    return Told()


def get_engine(trt, logger, options, version):
    if "--loadEngine" in options:
        try:
            data = Path(options["--loadEngine"]).read_bytes()
        except OSError:
            raise Failure(f"Error opening engine file: {options['--loadEngine']}", *SET_UP) from None
        engine = trt.Runtime(logger).deserialize_cuda_engine(data)
        if engine is None:
            raise Failure("Engine deserialization failed", *SET_UP)
        return engine
    plan = build(trt, logger, options, version)
    if plan is None:
        raise Failure("Engine could not be created from network", "Building engine failed", *SET_UP)
    if not version.startswith("8."):
        say(f"Created engine with size: {len(bytes(memoryview(plan))) / (1 << 20):g} MiB")
    return trt.Runtime(logger).deserialize_cuda_engine(plan)


SET_UP = ("Failed to create engine from model or file.", "Engine set up failed")


def build(trt, logger, options, version):
    builder = trt.Builder(logger)
    network = builder.create_network(0 if version == "11.4" else 1)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(options["--onnx"]):
        raise Failure("Failed to parse onnx file", "Parsing model failed", *SET_UP)
    config = builder.create_builder_config()
    for option, flag in (("--fp16", "FP16"), ("--int8", "INT8")):
        if option in options or ("--best" in options):
            config.set_flag(getattr(trt.BuilderFlag, flag))
    if "--profilingVerbosity" in options:
        names = {"detailed": "DETAILED", "layer_names_only": "LAYER_NAMES_ONLY", "none": "NONE"}
        config.profiling_verbosity = getattr(trt.ProfilingVerbosity, names[options["--profilingVerbosity"]])
    add_profile(builder, config, network, options)
    cache = options.get("--timingCacheFile")
    if cache and Path(cache).exists():
        config.set_timing_cache(config.create_timing_cache(Path(cache).read_bytes()), False)
    plan = builder.build_serialized_network(network, config)
    if cache and plan is not None:
        Path(cache).write_bytes(bytes(config.get_timing_cache().serialize()))
    return plan


def add_profile(builder, config, network, options):
    """The profile of what is dynamic: the shapes given, 1 for all that is not."""
    sets = [
        shapes(options.get(name, options.get("--shapes", "")))
        for name in ("--minShapes", "--optShapes", "--maxShapes")
    ]
    profile, used = builder.create_optimization_profile(), False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if -1 not in tuple(tensor.shape):
            continue
        ones = [max(1, each) for each in tensor.shape]
        given = [each for each in sets if tensor.name in each]
        if not given:
            say(f"Dynamic dimensions required for input: {tensor.name}, but no shapes were provided."
                f" Automatically overriding shape to: {'x'.join(map(str, ones))}", "W")  # fmt: skip
        low, best, high = [each.get(tensor.name, given[0][tensor.name] if given else ones) for each in sets]
        profile.set_shape(tensor.name, low, best, high)
        used = True
    if used:
        config.add_optimization_profile(profile)


def shapes(text):
    """{input: shape} of "x:1x3x224x224,y:2"."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, numbers = part.rpartition(":")
        found[name.strip(QUOTED)] = [int(each) for each in numbers.split("x")]
    return found


def inspect(trt, engine, options):
    if "--exportLayerInfo" in options:
        told = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
        Path(options["--exportLayerInfo"]).write_text(told)
    if "--dumpLayerInfo" in options:
        told = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.ONELINE)
        say("Layer Information:")
        say(told)


def bind(engine, context, options):
    """{name: host array}: inputs as loaded or random, outputs empty."""
    random, given = np.random.default_rng(0), shapes(options.get("--shapes", ""))
    loaded = dict(part.split(":", 1) for part in filter(None, options.get("--loadInputs", "").split(",")))
    loaded = {name.strip(QUOTED): path for name, path in loaded.items()}
    arrays = {}
    for name in engine.inputs:
        if -1 in engine._shape(name):
            shape = given.get(name) or list(engine.get_tensor_profile_shape(name, 0)[1])
            if not context.set_input_shape(name, shape):
                raise Failure("Inference set up failed")
        shape, dtype = context._shape(name), np.dtype(TYPES[engine._type(name)])
        if name in loaded:
            data = Path(loaded[name]).read_bytes()
            if len(data) != dtype.itemsize * int(np.prod(shape)):
                raise Failure(
                    f"Unexpected file size for input file: {loaded[name]}", "Inference set up failed"
                )
            arrays[name] = np.frombuffer(data, dtype).reshape(shape).copy()
        else:
            drawn = random.uniform(-1, 1, shape) if dtype.kind == "f" else random.integers(0, 2, shape)
            arrays[name] = drawn.astype(dtype)
    for name in engine.names:
        if name not in arrays:
            arrays[name] = np.zeros(context._shape(name), TYPES[engine._type(name)])
    return arrays


def measure(engine, context, arrays, options, version):
    device = {name: array.copy() for name, array in arrays.items()}
    for name, array in device.items():
        context.set_tensor_address(name, array.ctypes.data)
    transfers = "--noDataTransfers" not in options and (
        version != "11.4" or "--includeDataTransfers" in options
    )
    warm_ms, start = float(options.get("--warmUp") or 200), time.perf_counter()
    end = start + warm_ms / 1000 + float(options.get("--duration") or 3)
    least, times = int(options.get("--iterations") or 10), []
    while time.perf_counter() < end or len(times) < least:
        times.append(launch(engine, context, arrays, device, transfers or not times, start))
    kept = [t for t in times if t["startComputeMs"] >= warm_ms]
    if not kept:
        raise Failure("Nothing was measured after the warm-up")  # where the real one prints nonsense
    report(kept, time.perf_counter() - start - warm_ms / 1000, options, version)
    # Before 10 the exported times hold the warm-up, too (sampleReporting.cpp, exportJSONTrace).
    export(engine, context, arrays, times if version.startswith("8.") else kept, options, version)


def launch(engine, context, arrays, device, transfers, start):
    """Copy, compute, copy: the times of it in ms since `start`."""
    now = lambda: 1000 * (time.perf_counter() - start)  # noqa: E731 - short
    t = {"startH2dMs": now()}
    if transfers:
        for name in engine.inputs:
            np.copyto(device[name], arrays[name])
    t["endH2dMs"] = t["startEnqMs"] = t["startComputeMs"] = now()
    if not context.execute_async_v3(0):
        raise Failure("Error occurred during inference")
    t["endEnqMs"] = t["endComputeMs"] = t["startD2hMs"] = now()
    if transfers:
        for name in engine.names[len(engine.inputs) :]:
            np.copyto(arrays[name], device[name])
    t["endD2hMs"] = now()
    return t


def spans(t, version):
    """What trtexec derives of one launch's times."""
    got = {
        "h2dMs": t["endH2dMs"] - t["startH2dMs"],
        "computeMs": t["endComputeMs"] - t["startComputeMs"],
        "d2hMs": t["endD2hMs"] - t["startD2hMs"],
        "enqueueMs": t["endEnqMs"] - t["startEnqMs"],
    }
    got["latencyMs"] = got["h2dMs"] + got["computeMs"] + got["d2hMs"]
    if version == "8.2":
        got["endToEndMs"] = t["endD2hMs"] - t["startH2dMs"]
    return got


def report(times, wall_s, options, version):
    all_spans = [spans(t, version) for t in times]
    every = int(options.get("--avgRuns") or 10)
    say("=== Trace details ===")
    say(f"Trace averages of {every} runs:")
    for first in range(0, len(times) - every + 1, every):
        mean = {
            key: statistics.mean(each[key] for each in all_spans[first : first + every])
            for key in all_spans[0]
        }
        extra = f"end to end {mean['endToEndMs']:g} ms, " if version == "8.2" else ""
        say(f"Average on {every} runs - GPU latency: {mean['computeMs']:g} ms - Host latency:"
            f" {mean['latencyMs']:g} ms ({extra}enqueue {mean['enqueueMs']:g} ms)")  # fmt: skip
    print()
    say("=== Performance summary ===")
    say(f"Throughput: {len(times) / wall_s:g} qps")
    lines = [("Latency", "latencyMs"), ("Enqueue Time", "enqueueMs"), ("H2D Latency", "h2dMs")]
    lines += [("GPU Compute Time", "computeMs"), ("D2H Latency", "d2hMs")]
    if version == "8.2":
        lines.insert(1, ("End-to-End Host Latency", "endToEndMs"))
    percents = percentiles(options, version)
    for title, key in lines:
        say(f"{title}: {summary(sorted(each[key] for each in all_spans), percents)}")
    say(f"Total Host Walltime: {wall_s:g} s")
    say(f"Total GPU Compute Time: {sum(each['computeMs'] for each in all_spans) / 1000:g} s")
    say("Explanations of the performance metrics are printed in the verbose logs.")


def percentiles(options, version):
    given = options.get("--percentile") or ("99" if version == "8.2" else "90,95,99")
    return [float(each) for each in given.split(",")]


def summary(values, percents):
    text = f"min = {values[0]:g} ms, max = {values[-1]:g} ms, mean = {statistics.mean(values):g} ms"
    text += f", median = {statistics.median(values):g} ms"
    for percent in percents:
        at = values[min(len(values) - 1, int(len(values) * percent / 100))]
        text += f", percentile({percent:g}%) = {at:g} ms"
    return text


def export(engine, context, arrays, times, options, version):
    if "--exportTimes" in options:
        rows = [dict(t, **{k: v for k, v in spans(t, version).items() if k != "enqueueMs"}) for t in times]
        Path(options["--exportTimes"]).write_text(json.dumps(rows))
    if "--exportOutput" in options:
        rows = [
            {
                "name": name,
                "dimensions": "x".join(map(str, arrays[name].shape)),
                "values": arrays[name].ravel().tolist(),
            }
            for name in engine.names[len(engine.inputs) :]
        ]
        Path(options["--exportOutput"]).write_text(json.dumps(rows))
    if "--exportProfile" in options or "--dumpProfile" in options:
        profile = layer_times(engine, context, min(len(times), 100), version)
        if "--exportProfile" in options:
            Path(options["--exportProfile"]).write_text(json.dumps(profile))


def layer_times(engine, context, count, version):
    """[{"count"}, {a layer}, ...], of a run of its own."""

    class Sum:
        times = {}  # noqa: RUF012 - made anew with each call

        def report_layer_time(self, layer_name, ms):
            self.times.setdefault(layer_name, []).append(ms)

    context.profiler = Sum()
    for _ in range(count):
        context.execute_async_v3(0)
    total = sum(sum(each) for each in Sum.times.values()) or 1
    rows = [{"count": count}]
    for name, each in Sum.times.items():
        row = {
            "name": name,
            "timeMs": sum(each),
            "averageMs": sum(each) / count,
            "percentage": 100 * sum(each) / total,
        }
        if version != "8.2":
            row["medianMs"] = statistics.median(each)
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
