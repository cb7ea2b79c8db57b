"""What the parser or the builder refuses: every error with its node, its module and what to do."""

import json
import os
import re

from edgeshrink_device.engines.names import module_in_name
from edgeshrink_device.errors import DeviceError

__all__ = ["BuildError", "of_lines", "of_parser", "refused_by_builder"]

AGAIN = (
    "Where edgeshrink is installed, export it for this board: edgeshrink export CHECKPOINT --device NAME"
    " (edgeshrink devices lists them)."
)
ADVICE = (
    ("allowzero", "This TensorRT wants Reshape to say allowzero = 0. " + AGAIN),
    ("MODEL_DESERIALIZE_FAILED", "The file is damaged, or not an ONNX model: copy it again."),
    ("UNSUPPORTED_NODE", "This TensorRT has no such operator. " + AGAIN),
    ("", AGAIN),
)
MEMORY = ("out of memory", "OutOfMemory", "Could not find any implementation", "insufficient workspace")
IN_NODE = re.compile(r"In node (-?\d+) (?:with name: (.*?) and operator: (\S*) )?\((\w+)\): (\w+): (.*)")
MOST_LINES = 20


class BuildError(DeviceError):
    """TensorRT makes no engine of a model.

    Attributes:
        errors: One {"node", "operator", "module", "index", "message", "what_to_do"} an error; what is not
            known is None.
    """

    def __init__(self, message, errors, hint=""):
        super().__init__(message, hint)
        self.errors = errors


def of_parser(model, parser, outline, imported=None):
    """The refusal of an OnnxParser.

    Args:
        model: Path of the model.
        parser: The parser, its errors unread.
        outline: The model's `Outline`, which knows the nodes' names: TensorRT to 8 gives their numbers alone.
        imported: A function that says whether an operator has an importer: for parsers that stop at the first
            error, so that every further operator without one is told, too.
    """
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    found = [_error(each.code().name, each.desc(), each.node(), outline) for each in errors]
    known = {each["index"] for each in found}
    for index, node in enumerate(outline.nodes) if imported else ():
        if index not in known and not imported(node.operator):
            found.append(_error("UNSUPPORTED_NODE", "it imports no such operator", index, outline))
    return _refused(model, found)


def of_lines(model, lines, outline):
    """The refusal of trtexec, from the errors it printed."""
    matches = [(line, IN_NODE.search(line)) for line in lines]
    found = [_error(m.group(5), m.group(6), int(m.group(1)), outline) for _, m in matches if m]
    if not found:
        return refused_by_builder(model, lines)
    unique = {(each["index"], each["message"]): each for each in found}
    return _refused(model, list(unique.values()))


def refused_by_builder(model, messages):
    """The refusal of the builder, from what it logged."""
    told = messages or ["it gives no reason"]
    errors = [
        {"node": None, "operator": None, "module": None, "index": None, "message": text, "what_to_do": ""}
        for text in told
    ]
    short = any(word in text for word in MEMORY for text in told)
    hint = "Give it more memory with --workspace MIB, or free some." if short else ""
    return BuildError("{}: TensorRT builds no engine:\n  {}".format(model, "\n  ".join(told)), errors, hint)


def _error(code, message, index, outline):
    node = outline.nodes[index] if 0 <= index < len(outline.nodes) else None
    return {
        "node": (node.name or None) if node else None,
        "operator": node.operator if node else None,
        "module": (node.module or None) if node else None,
        "index": index if node else None,
        "message": "{}: {}".format(code, message.strip()),
        "what_to_do": next(advice for word, advice in ADVICE if word in code or word in message),
    }


def _refused(model, errors):
    findings = _findings(model)
    for error in errors if findings is not None else ():
        finding = findings.get(error["node"], {})
        error["module"] = error["module"] or finding.get("module") or module_in_name(error["node"])
        error["what_to_do"] = finding.get("what_to_do") or error["what_to_do"]
    lines = [_line(error) for error in errors[:MOST_LINES]]
    if len(errors) > MOST_LINES:
        lines.append("and {} more (build --json lists them)".format(len(errors) - MOST_LINES))
    count = "{} error{}".format(len(errors), "" if len(errors) == 1 else "s")
    advice = list(dict.fromkeys(error["what_to_do"] for error in errors))
    text = "{}: the parser refuses it ({}):\n  {}".format(model, count, "\n  ".join(lines))
    return BuildError(text, errors, "\n".join(advice))


def _line(error):
    if error["index"] is None:
        return error["message"]
    name = "'{}'".format(error["node"]) if error["node"] else "without a name"
    module = ", module {}".format(error["module"]) if error["module"] else ""
    return "node {} ({}{}, number {}): {}".format(
        name, error["operator"], module, error["index"], error["message"]
    )


def _findings(model):
    """{node: finding} of the lint in the manifest beside the model; None where there is no manifest."""
    try:
        path = os.path.join(os.path.dirname(os.path.abspath(model)), "manifest.json")
        with open(path, encoding="utf-8") as file:
            return {finding["node"]: finding for finding in json.load(file).get("lint", [])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
