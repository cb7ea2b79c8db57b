"""`jetson` and `tensorrt`: TensorRT engines on the GPU, through TensorRT's Python module or else trtexec."""

import hashlib
import os

from edgeshrink_device.asked_shapes import require_within
from edgeshrink_device.errors import DeviceError
from edgeshrink_device.inference.ways import CHECKED
from edgeshrink_device.runners import RUNNERS, Runner
from edgeshrink_device.specs import Spec

__all__ = ["EngineRunner", "JetsonRunner", "TensorRtRunner", "TrtexecRunner"]


class EngineRunner(Runner):
    """Runs one engine that was found or built before.

    Args:
        options: Of `inference.preparing.prepare`: `engine` (its record, with `path`), `cuda_graph`.
    """

    runs_engines = True
    kind = "gpu"

    def __init__(self, options):
        self._record, self._graph = options["engine"], options["cuda_graph"]
        self.emulated = bool(self._record["emulated"])
        self.precision = self._record["precision"]

    @classmethod
    def make(cls, options=None):
        """The runner for what can run the engine here: TensorRT's Python module, or trtexec."""
        return TrtexecRunner(options) if options["engine"]["run_with"] == "trtexec" else cls(options)

    def about(self):
        """Of the engine."""
        record = self._record
        return {
            "model": {
                "precision": record["precision"],
                "computed_in": self.precision,
                "engine": {
                    "file": os.path.basename(record["path"]),
                    "sha256": record["engine"]["sha256"],
                    "layers": record["layers"],
                    "built_with": record["key"]["built_with"],
                    "tf32": record["build"].get("tf32"),
                },
            },
            "memory": {"engine": record["engine"]["bytes"], "engine_reason": None},
            "device": {},
            "warnings": [*([record["lost"]] if record["lost"] else []), *record["warnings"]],
        }

    def _sizes(self):
        """{input: sizes} of open inputs: as asked for, else at opt, which the engine was made fastest for."""
        shapes = self._record["build"]["shapes"]
        for name in set(shapes) & set(self.asked):
            require_within("the engine of " + self._record["model"], name, self.asked[name], shapes[name])
        return {name: tuple(self.asked.get(name, shapes[name]["opt"])) for name in shapes}

    def _has_open_batch(self, inputs):
        shapes = self._record["build"]["shapes"].get(inputs[0].name) if inputs else None
        return bool(shapes) and shapes["min"][:1] != shapes["max"][:1]

    def _nodes(self, path):
        from edgeshrink_device.engines.onnx_outline import read_outline

        return read_outline(path).nodes


@RUNNERS.register("tensorrt")
class TensorRtRunner(EngineRunner):
    """Runs an engine in this process."""

    def prepare(self):
        """Import numpy and TensorRT, and let CUDA set up: what that takes is not the model's."""
        import numpy  # noqa: F401

        from edgeshrink_device import cuda
        from edgeshrink_device.engines import trt

        module = trt.load()
        self._session = self._stream = cuda.open_stream(self._graph)
        return {"tensorrt": module.__version__}

    def load(self, path, threads):
        """Load the engine; `threads` is the CPU's business."""
        from edgeshrink_device.inference.session import Session

        self._model = path
        words = (_read(self._record), path, self._sizes(), self._graph, self._stream)
        self._session = session = Session(*words)
        self.emulated = self.emulated or session.emulated
        self.precision = _computed_in(self._record, path)
        self.run, self.gpu_seconds = session.run, session.gpu_seconds
        self.open_batch = self._has_open_batch(session.inputs)
        return _specs(session.inputs), _specs(session.outputs)

    def about(self):
        """Of the engine, its context, and what called CUDA."""
        told, session = super().about(), self._session
        graph = self._graph and session.graph_reason is None
        told["memory"].update(context=session.context_bytes, context_reason=None)
        told["device"] = {
            "through": session.through,
            "cuda_graph": graph,
            "cuda_graph_reason": None if graph else session.graph_reason or "not asked for by --cuda-graph",
            "software": session.versions(),
        }
        if session.graph_reason:
            told["warnings"].append("no CUDA graph was run: {}".format(session.graph_reason))
        return told

    def layers(self, feed):
        """By IProfiler; no graph runs from then on."""
        from edgeshrink_device.engines import trt
        from edgeshrink_device.inference.layers import layer_times, make_profiler

        profiler = make_profiler(trt.load())
        self._session.profile_with(profiler)
        found, runs = layer_times(lambda: self._session.run(feed), profiler, self._nodes(self._model))
        if not found:
            return None, "TensorRT told the profiler of no layer"
        return found, "IProfiler, {} runs of their own after all others".format(runs)

    def close(self):
        """Free the engine and its memory on the device."""
        if getattr(self, "_session", None) is not None:
            self._session.close()


@RUNNERS.register("jetson")
class JetsonRunner(TensorRtRunner):
    """The same on the Jetson this is."""


@RUNNERS.register("trtexec")
class TrtexecRunner(EngineRunner):
    """Lets trtexec run an engine, and reads the times it exports."""

    hidden = True
    times_itself = True
    most_checked = CHECKED
    energy_reason = "trtexec does not tell when its inferences begin and end: no power belongs to them"

    def prepare(self):
        """Find trtexec."""
        from edgeshrink_device.engines import trtexec

        self._program = trtexec.find()
        if self._program is None:
            raise DeviceError("trtexec, which was to run the engine, is gone", "Install libnvinfer-bin.")
        return {"tensorrt": self._program.version}

    def load(self, path, threads):
        """Tell what goes in and out, as the model has it; TensorRT before 10 computes INT64 as INT32."""
        from edgeshrink_device.inference.onnx_types import read_types
        from edgeshrink_device.inference.trtexec_session import TrtexecSession

        _read(self._record)
        self._model, types, sizes = path, read_types(path), self._sizes()
        self.emulated = self.emulated or self._program.emulated
        self.precision = _computed_in(self._record, path)
        self._session = TrtexecSession(self._program, self._record["path"], sizes, self._graph, path)
        inputs = [spec._replace(dtype=self._bound(spec.dtype)) for spec in types.inputs]
        inputs = [spec._replace(shape=sizes.get(spec.name, spec.shape)) for spec in inputs]
        self._outputs = types.outputs
        self.open_batch = self._has_open_batch(inputs)
        return inputs, types.outputs

    def run(self, feed):
        """The outputs of one feed, in the types of the model."""
        found = self._session.outputs(feed)
        missing = [spec.name for spec in self._outputs if spec.name not in found]
        if missing:
            raise DeviceError("trtexec exported no output '{}'".format(missing[0]))
        return [found[spec.name].astype(spec.dtype) for spec in self._outputs]

    def run_many(self, seconds, runs, feed):
        """By one process of trtexec that exports its times."""
        return self._session.times(seconds, runs, feed)

    def about(self):
        """Of the engine."""
        told = super().about()
        told["memory"].update(context=None, context_reason="trtexec does not tell")
        graphs = self._graph and "--useCudaGraph" in self._program.options
        told["device"] = {
            "through": "trtexec ({})".format(self._program.path),
            "cuda_graph": bool(graphs),
            "cuda_graph_reason": None if graphs else "not asked for by --cuda-graph",
            "software": {},
        }
        return told

    def layers(self, feed):
        """By trtexec's --exportProfile."""
        from edgeshrink_device.inference.layers import shares

        means, runs = self._session.layers(feed)
        return shares(means, self._nodes(self._model)), "trtexec --exportProfile, {} runs".format(runs)

    def _bound(self, dtype):
        wide = int(self._program.version.split(".")[0]) >= 10  # no option of trtexec tells the types
        return dtype if wide else {"int64": "int32", "float64": "float32"}.get(dtype, dtype)


def _specs(tensors):
    return [Spec(tensor.name, tensor.shape, tensor.dtype) for tensor in tensors]


def _read(record):
    """The engine's bytes, checked against its record once more: minutes may lie between.

    Raises:
        DeviceError: It is not what was found or built.
    """
    again = "Run the command again: a damaged engine is built anew."
    try:
        with open(record["path"], "rb") as file:
            data = file.read()
    except OSError as error:
        raise DeviceError("{}: cannot be read: {}".format(record["path"], error.strerror), again) from error
    if hashlib.sha256(data).hexdigest() != record["engine"]["sha256"]:
        raise DeviceError("{}: the engine is damaged: its checksum is wrong".format(record["path"]), again)
    return data


def _computed_in(record, path):
    """The precision that decides the tolerance: of a strongly typed engine what its model file has."""
    if record["precision"] != "typed":
        return record["precision"]
    from edgeshrink_device.engines.onnx_outline import is_quantized, read_outline
    from edgeshrink_device.inference.onnx_types import read_types

    if is_quantized(read_outline(path)):
        return "int8"
    return "fp16" if read_types(path).has_float16 else "fp32"
