"""The source as the convention tests see it: parsed, never imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """A source file: its path below src/ytterby, its text, its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """First folder below the package ("" for a file of the package itself)."""
        return self.name.split("/")[0] if "/" in self.name else ""

    def at(self, node: ast.AST) -> str:
        """File and line of a node, as an editor takes it."""
        return f"src/ytterby/{self.name}:{getattr(node, 'lineno', 1)}"


@pytest.fixture(scope="session")
def root() -> Path:
    """Top folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> tuple[Module, ...]:
    """Every Python file of the package."""
    package = ROOT / "src" / "ytterby"
    found = []
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(package).as_posix(), text, ast.parse(text)))
    assert len(found) > 30
    return tuple(found)
