"""EngineInspector and the profilers: what an engine tells of its layers."""

import json


class Inspector:
    """EngineInspector: names of layers, and with DETAILED verbosity a little of each."""

    error_recorder, execution_context = None, None

    def __init__(self, engine):
        self._engine = engine

    def _layer(self, index):
        name = self._engine.layers[index]
        if self._engine.head["verbosity"] in ("DETAILED", "VERBOSE"):
            return {"Name": name, "LayerType": "Emulated", "Precision": self._engine.head["precision"]}
        return name

    def get_layer_information(self, layer_index, format):  # noqa: A002 - the argument's name in TensorRT
        layer = self._layer(layer_index)
        return json.dumps(layer) if format.name == "JSON" else str(layer)

    def get_engine_information(self, format):  # noqa: A002 - the argument's name in TensorRT
        layers = [self._layer(index) for index in range(len(self._engine.layers))]
        if format.name == "JSON":
            return json.dumps({"Layers": layers, "Bindings": self._engine.names})
        return "\n".join(map(str, layers)) + "\n"


class ProfilerBase:
    """IProfiler: a class derived from it gets the time of each layer."""

    def __init__(self, api):
        pass

    def report_layer_time(self, layer_name, ms):
        raise NotImplementedError('Tried to call pure virtual function "IProfiler::report_layer_time"')


class PrintingProfiler:
    """Profiler: prints."""

    def __init__(self, api):
        pass

    def report_layer_time(self, layer_name, ms):
        print(f"{layer_name}: {ms}ms")
