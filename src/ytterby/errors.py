"""The exceptions of Ytterby, one tree.

::

    YtterbyError
    ├── InputError                what came in is wrong; the remedy lies with the user (exit code 2)
    │   ├── FileFormatError       a file is not what it claims to be, or is damaged
    │   │   └── DicomError        the same, of a DICOM object
    │   ├── TableError            a CSV table: names file, row and column
    │   ├── ConfigurationError    a YAML file or an option: names the field
    │   ├── GeometryError         grids, affines, frames of reference that do not fit
    │   ├── CalibrationError      unit, decay reference or activity unknown or contradictory
    │   ├── SegmentError          a segment is missing, empty, or lies where it cannot
    │   ├── MissingMeasurement    a quantity that the computation needs was not given
    │   ├── NetworkError          another machine cannot be reached, refuses, or answers wrongly
    │   ├── InconsistentStudy     parts of a study contradict each other; carries every problem found
    │   └── DomainError           a number outside the range in which a formula means something
    └── EstimationError           a statistical estimate does not exist for these data (no event, separation)

Every message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CalibrationError",
    "ConfigurationError",
    "DicomError",
    "DomainError",
    "EstimationError",
    "FileFormatError",
    "GeometryError",
    "InconsistentStudy",
    "InputError",
    "MissingMeasurement",
    "NetworkError",
    "Problem",
    "SegmentError",
    "TableError",
    "YtterbyError",
]


class YtterbyError(Exception):
    """Root of the tree: ``what`` is wrong, ``where``, and the ``remedy``.

    Examples
    --------
    >>> str(YtterbyError("no unit is stated", where="spect.nrrd", remedy="set image.unit in the case file"))
    'spect.nrrd: no unit is stated. What to do: set image.unit in the case file'
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what.rstrip(".")
        self.where = where
        self.remedy = remedy.rstrip(".")
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. What to do: {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments would be lost when the error crosses to another process.
        return _restored, (type(self), self.what, self.where, self.remedy)


def _restored(kind: type[YtterbyError], what: str, where: str, remedy: str) -> YtterbyError:
    return kind(what, where=where, remedy=remedy)


class InputError(YtterbyError):
    """What came in is wrong; the remedy lies with the user."""


class FileFormatError(InputError):
    """A file is not what it claims to be, or is damaged."""


class DicomError(FileFormatError):
    """A DICOM object is damaged, incomplete, or of a kind that cannot be used here."""


class TableError(InputError):
    """A CSV table is wrong: ``where`` names file, row and column."""


class ConfigurationError(InputError):
    """A YAML file or an option is wrong: ``where`` names file and field."""


class GeometryError(InputError, ValueError):
    """Grids, affines or frames of reference do not fit together."""


class CalibrationError(InputError):
    """A unit, a decay reference or an activity is unknown or contradictory."""


class SegmentError(InputError):
    """A segment is missing, empty, or lies where it cannot."""


class MissingMeasurement(InputError):  # noqa: N818 - the field speaks of a missing measurement
    """A quantity that the computation needs was not given."""


class NetworkError(InputError):
    """Another machine cannot be reached, refuses, or answers wrongly; ``where`` names it."""


class DomainError(InputError, ValueError):
    """A number lies outside the range in which the formula means something."""


class EstimationError(YtterbyError):
    """A statistical estimate does not exist for these data."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a study: where it stands and how it is mended.

    ``level`` is ``red`` (stops), ``amber`` (goes on, flagged) or ``green`` (noted). ``row`` counts as a text editor does:
    the header of a table is row 1.
    """

    level: str
    message: str
    file: str = ""
    row: int | None = None
    column: str = ""
    remedy: str = ""

    @property
    def place(self) -> str:
        """File, row and column, as one phrase."""
        parts = [self.file]
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column:
            parts.append(f"column {self.column}")
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}. What to do: {self.remedy}" if self.remedy else text


class InconsistentStudy(InputError):  # noqa: N818 - the study is what is inconsistent
    """Parts of a study contradict each other; ``problems`` holds every one that was found."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {problem}" for problem in self.problems)])

    def __reduce__(self) -> tuple[object, ...]:
        return _restored_study, (self.what, self.where, self.remedy, self.problems)


def _restored_study(what: str, where: str, remedy: str, problems: tuple[Problem, ...]) -> InconsistentStudy:
    return InconsistentStudy(what, where=where, remedy=remedy, problems=problems)
