"""Which module of the network a node comes from, as far as the exporter left a trace of it."""

from __future__ import annotations

import ast

import onnx_ir as ir

__all__ = ["module_path", "traced_path"]

SCOPES = "pkg.torch.onnx.name_scopes"  # torch.onnx writes the modules around a node here, outermost first


def module_path(node: ir.Node) -> str:
    """The torch module a node comes from, `layer1.0.conv1`; empty where nothing says.

    A weight's own name counts first: a convolution that took up its BatchNorm carries the BatchNorm's scopes.
    """
    for value in node.inputs[1:2]:
        name = "" if value is None or value.name is None else value.name
        if value is not None and value.is_initializer() and name.endswith(".weight"):
            return name.removesuffix(".weight")
    try:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return str(scopes[-2]) if isinstance(scopes, list | tuple) and len(scopes) > 1 else ""


def traced_path(node: ir.Node) -> str:
    """As `module_path`, and where that knows nothing, from a node name as torch's older exporter writes them.

    `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`: members of lists bear the list's name before their own.
    """
    path = module_path(node)
    if path or not (node.name or "").startswith("/"):
        return path
    words: list[str] = []
    for word in str(node.name).split("/")[1:-1]:
        if words and word.startswith(f"{words[-1]}."):
            words.pop()
        words.append(word)
    return ".".join(words)
