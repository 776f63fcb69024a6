"""Notice: something that whoever reads a result has to know."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Notice"]


@dataclass(frozen=True)
class Notice:
    """Something that whoever reads the result has to know: a stable code, and a message in words."""

    code: str
    message: str
