"""Notices: the warnings of an analysis, in the order in which they arose."""

from __future__ import annotations

__all__ = ["Notices"]


class Notices:
    """Collects warnings as {code, message}; the same warning twice is one.

    Examples
    --------
    >>> notices = Notices()
    >>> notices.warn("small_group", "grade 3 has 3 patients")
    >>> notices.warn("small_group", "grade 3 has 3 patients")
    >>> notices.records()
    [{'code': 'small_group', 'message': 'grade 3 has 3 patients'}]
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], None] = {}

    def warn(self, code: str, message: str) -> None:
        """Add a warning under a code that programs can look for."""
        self._records[code, message] = None

    def records(self) -> list[dict[str, str]]:
        """All warnings, JSON-ready."""
        return [{"code": code, "message": message} for code, message in self._records]
