"""Opset and IR version against what the runtime is documented for."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshrink.lint.rule import Hit, rule
from edgeshrink.lint.subject import Subject

__all__: list[str] = []

EXPORT = "`edgeshrink export` writes the network down to it."


@rule("opset-untested", "warning", any_runtime=True)
def opset_untested(network: Subject) -> Iterator[Hit]:
    """TensorRT's parser does not refuse a newer opset: it fails op by op, or misreads what changed."""
    if network.opset > network.device.opset:
        yield Hit(
            f"The network is written in opset {network.opset}; {network.device.name} is tested up to "
            f"{network.device.opset}.",
            EXPORT,
        )


@rule("ir-version", "note")
def ir_version(network: Subject) -> Iterator[Hit]:
    """TensorRT's parser only logs the IR version."""
    if network.model.ir_version > network.device.ir_version:
        yield Hit(
            f"IR version {network.model.ir_version} is newer than {network.device.ir_version}, which goes "
            "with the device's opset; the parser only logs it.",
            EXPORT,
        )


@rule("ir-version-refused", "error", any_runtime=True)
def ir_version_refused(network: Subject) -> Iterator[Hit]:
    """ONNX Runtime refuses a file of a newer IR version than its own."""
    if network.device.runtime == "onnxruntime" and network.model.ir_version > network.device.ir_version:
        yield Hit(
            f"IR version {network.model.ir_version} is newer than {network.device.ir_version}, the newest "
            "that the oldest ONNX Runtime of this profile reads.",
            EXPORT,
        )
