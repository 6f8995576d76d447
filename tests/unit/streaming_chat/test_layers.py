"""Protocol knowledge is kept from everything that does I/O; import-linter has the other layers."""

from __future__ import annotations

import ast

import pytest

from support.checkout import ROOT

PURE = ("chunks", "problems", "sse", "surrogates")
ALLOWED = {
    "__future__",
    "dataclasses",
    "http",
    "json",
    "msgspec",
    "typing",
    *(f"streaming_chat.{name}" for name in PURE),
}


@pytest.mark.parametrize("name", PURE)
def test_what_protocol_knowledge_imports(name: str) -> None:
    tree = ast.parse((ROOT / f"src/streaming_chat/{name}.py").read_text())
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative"
            imported.add(node.module or "")
            if node.module == "streaming_chat":
                imported |= {f"streaming_chat.{alias.name}" for alias in node.names}
            if node.module == "http":
                assert [alias.name for alias in node.names] == ["HTTPStatus"]
    assert imported <= ALLOWED
