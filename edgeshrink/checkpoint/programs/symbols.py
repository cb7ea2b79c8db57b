"""The symbolic sizes of a torch.export program, as text: arithmetic on symbols, or the file is refused.

They are never evaluated here. But torch's loader gives them to sympy, which runs them as Python: a text that
is no arithmetic was written to do harm, and whoever wrote it is not believed in the rest.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from edgeshrink.errors import InputError

__all__ = ["plain_symbol", "require_arithmetic"]

_LONGEST = 2000
_FUNCTION = re.compile(r"[A-Z][A-Za-z]*|floor|ceiling|sqrt|true|false|oo|zoo|nan")  # sympy's own, torch's own
_SYMBOL = re.compile(r"Symbol\('(\w+)'[\w=, ]*\)|(\w+)")
_ALLOWED = (
    *(ast.Expression, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.operator, ast.unaryop),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop, ast.Tuple),
)


def plain_symbol(text: str) -> str | None:
    """The name of a size that is one symbol and nothing else."""
    match = _SYMBOL.fullmatch(text)
    return match and (match[1] or match[2])


def require_arithmetic(stored: dict[str, Any], where: str) -> None:
    """Look at every symbolic size in a program.

    Raises:
        InputError: One is anything else than numbers, symbols and functions of sizes; names it.
    """
    for text in _expressions(stored):
        if not _is_arithmetic(text):
            raise InputError(
                f"{where} is a torch.export program with a size that is no arithmetic: {str(text)[:120]!r}",
                "Nothing of it was run. Do not load it with torch either: its loader would run that text.",
            )


def _expressions(stored: Any) -> Iterator[Any]:
    waiting = [stored]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "expr_str" in part:
                yield part["expr_str"]
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _is_arithmetic(text: Any) -> bool:
    if not isinstance(text, str) or len(text) > _LONGEST:
        return False
    if re.fullmatch(r"\w+", text):
        return "__" not in text
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return all(_allowed(node) for node in ast.walk(tree))


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and bool(_FUNCTION.fullmatch(node.func.id))
    if isinstance(node, ast.Name):
        return "__" not in node.id
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) or bool(re.fullmatch(r"\w+", str(node.value)))
    return isinstance(node, _ALLOWED)
