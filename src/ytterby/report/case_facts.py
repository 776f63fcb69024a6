"""What every form of a case's report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CaseFacts"]


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What a report of a case shows: ``values`` by the name that the template uses, and the two figures."""

    values: Mapping[str, Any]
    planes_png: bytes = field(repr=False)
    histogram_svg: bytes | None = field(repr=False)
