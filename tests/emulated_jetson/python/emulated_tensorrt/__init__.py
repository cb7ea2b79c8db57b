"""A TensorRT that computes with ONNX Runtime on host memory: the API of one real version, none of its speed.

`module.fill` makes a module `tensorrt` of one version. What it shows (`surface`) is read from what NVIDIA's
own bindings say of themselves (tests/assets/tensorrt_api.json), so a name that a version lacks is missing
here too; what it does (`logger`, `network`, `building`, `engine`) is written once for all versions.

It is no TensorRT where: layers are neither fused (save an activation into its convolution) nor tuned; a
launch computes while it is enqueued and not beside the host; the times of layers are shares of the whole;
numbers of enumerations that `enums.KNOWN` does not list are not NVIDIA's; members that raise
NotImplementedError are there to be found by `hasattr` alone.

Faults are asked for by environment variables, see `faults`.
"""
