"""Imports go one way, and the device package stands apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LADDER = (
    {"byte_sizes", "profile_form", "errors", "digest", "logs", "onnx_bytes", "protobuf", "zip_faults"},
    {"graph", "cost", "devices", "parsers", "machine", "npz", "inputs", "dendrites"}
    | {"open_axes", "signature"},
    {"checkpoint", "onnx_guard", "onnx_reader", "trace", "bake", "lower", "lint", "verify"}
    | {"bundle", "device_form", "manifest", "proof"},
    {"loading", "pipeline", "inspection", "comparison", "stored_profile", "zoo"},
    {"report"},
    {"cli"},
)
RUNG = {name: rung for rung, names in enumerate(LADDER) for name in names}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module in ("edgeshrink", "edgeshrink_device"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    return path.relative_to(ROOT / "edgeshrink").with_suffix("").parts[0]


MODULES = sorted((ROOT / "edgeshrink").rglob("*.py"))
HOST = [path for path in MODULES if part(path) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", HOST, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_climbs_the_ladder(path):
    assert part(path) in RUNG, "give the new part its rung in LADDER"
    for name in imports(path):
        words = name.split(".")
        if words[0] == "edgeshrink" and len(words) > 1 and words[1] in RUNG:
            assert RUNG[words[1]] <= RUNG[part(path)], f"imports {name}"


def test_the_device_package_never_imports_the_host():
    for path in (ROOT / "deploy" / "edgeshrink_device").rglob("*.py"):
        for name in imports(path):
            assert name.split(".")[0] not in ("edgeshrink", "torch", "onnx", "onnx_ir"), path


def test_torch_is_known_to_load_trace_and_verify_alone():
    allowed = {"checkpoint", "dendrites", "trace", "open_axes", "signature", "verify", "proof", "zoo"}
    allowed.add("loading")
    knowing = {part(path) for path in HOST if any(name.split(".")[0] == "torch" for name in imports(path))}
    assert knowing <= allowed
