"""What was done to a folder, told without a single original value."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ytterby import __version__
from ytterby.dicom.deidentify.profile import EDITION, LABELS, Choices
from ytterby.dicom.deidentify.secret import MAX_SHIFT_DAYS

__all__ = ["JSON_NAME", "TEXT_NAME", "LeftOut", "Record", "write_report"]

JSON_NAME = "deidentification.json"
TEXT_NAME = "deidentification.txt"


@dataclass(frozen=True)
class LeftOut:
    """A file that was not written: its number among the files of the source in the order of their paths, and why.

    ``path`` and ``detail`` may tell who the patient is: they are shown, and never written. ``is_dicom`` is False
    of a file that is no DICOM at all, such as a README: nothing is missing without it.
    """

    number: int
    reason: str
    path: Path
    detail: str = ""
    is_dicom: bool = True


@dataclass
class Record:
    """Counts, warnings by written file, and what was left out."""

    choices: Choices
    n_files: int = 0
    written: dict[str, int] = field(default_factory=dict)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    too_short: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def lacks_objects(self) -> bool:
        """True where something was left out that is, or may be, a DICOM object."""
        return any(file.is_dicom for file in self.left_out)

    def record(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return {
            "software": {"name": "ytterby", "version": __version__},
            "profile": {
                "standard": f"DICOM PS3.15 {EDITION}, Table E.1-1",
                "codes": [{"code": code, "meaning": meaning} for code, meaning in self._codes()],
                "documents_kept": self.choices.documents,
                "matches_kept": self.choices.matches,
                "birth_date": "shifted" if self.choices.shifted_birth_date else "emptied",
            },
            "date_shift_days": {"lowest": -MAX_SHIFT_DAYS, "highest": -1, "constant_within": "patient"},
            "files": {"in_source": self.n_files, "written": sum(self.written.values()), "left_out": len(self.left_out)},
            "patients": dict(sorted(self.written.items())),
            "attributes": self._attributes(),
            "warnings": [{"file": file, "message": message} for file, message in self.warnings],
            "left_out": [{"number": file.number, "reason": file.reason} for file in self.left_out],
            "leak_check": {
                "words_too_short_to_be_searched": self.too_short,
                "notices": sorted(set(self.notices)),
            },
        }

    def _codes(self) -> tuple[tuple[str, str], ...]:
        return self.choices.codes(labels_kept=any(name in LABELS for name, _ in self.done))

    def _attributes(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (name, deed), count in sorted(self.done.items()):
            found.setdefault(name, {})[deed] = count
        return found

    def summary(self) -> str:
        """The record as a person reads it."""
        lines = [
            f"De-identified by ytterby {__version__}. Research use only.",
            f"DICOM PS3.15 {EDITION}, Table E.1-1: " + "; ".join(meaning for _, meaning in self._codes()),
            "",
            f"{self.n_files} files in the source, {sum(self.written.values())} written, {len(self.left_out)} left out.",
            f"Patients: {', '.join(f'{name} ({n} files)' for name, n in sorted(self.written.items())) or 'none'}",
            f"Dates of each patient are moved by one number of whole days, between {-MAX_SHIFT_DAYS} and -1.",
            "",
            "What was done, and how often:",
        ]
        totals: Counter[str] = Counter()
        for (_, deed), count in self.done.items():
            totals[deed] += count
        lines += [f"  {deed}: {count}" for deed, count in sorted(totals.items())]
        if self.warnings:
            lines += ["", "Warnings:", *self._told(self.warnings)]
        reasons = Counter(file.reason for file in self.left_out)
        if reasons:
            lines += ["", "Left out:", *(f"  {count} x {reason}" for reason, count in sorted(reasons.items()))]
        lines += [
            "",
            "No search finds everything. Look at the images, and at the names of structures, before you pass them on.",
        ]
        return "\n".join(lines) + "\n"

    def _told(self, warnings: list[tuple[str, str]]) -> list[str]:
        files: dict[str, list[str]] = {}
        for file, message in warnings:
            files.setdefault(message, []).append(file)
        return [
            f"  {message}: {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
            for message, names in files.items()
        ]


def write_report(record: Record, folder: Path) -> None:
    """Write the record into a folder, as JSON and as text."""
    written = json.dumps(record.record(), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / JSON_NAME).write_text(written + "\n", encoding="utf-8")
    (folder / TEXT_NAME).write_text(record.summary(), encoding="utf-8")
