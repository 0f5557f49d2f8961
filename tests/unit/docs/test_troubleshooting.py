"""docs/troubleshooting.md: every message that it quotes is one of the code's own."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from support.document import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
MESSAGES = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)


def text_of(node: ast.AST) -> str:
    """A string of the code, with … for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "…"


@cache
def strings() -> set[str]:
    """Every string of the library, the jobs and the service, but the shortest."""
    files = [path for folder in ("platform/beholder", "jobs", "serve") for path in (ROOT / folder).rglob("*.py")]
    kinds = (ast.Constant, ast.JoinedStr, ast.BinOp)
    found = {text_of(node) for path in files for node in ast.walk(ast.parse(Path(path).read_text())) if isinstance(node, kinds)}
    return {text for text in found if len(text) > 10}


def is_said(message: str) -> bool:
    """Tell whether the parts of a message stand in one string of the code, in their order."""
    parts = [re.escape(part) for part in message.split("…")]
    pattern = re.compile(".*".join(parts), re.S)
    return any(pattern.search(text) for text in strings())


def test_there_are_at_least_twenty_messages_each_with_cause_and_cure():
    assert len(MESSAGES) >= 20
    assert len(set(MESSAGES)) == len(MESSAGES)
    parts = PAGE.split("\n### ")[1:]
    assert [part.splitlines()[0] for part in parts if "Cause: " not in part or "Cure: " not in part] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_the_codes_own(message: str) -> None:
    assert len(message.replace("…", "").replace(" ", "")) > 10
    assert is_said(message)


def test_a_message_that_nobody_says_is_seen():
    assert not is_said("… has gone to lunch; give lunch=…")
