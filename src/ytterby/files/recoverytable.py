"""Recovery coefficients that a site has measured with the spheres of a phantom: a CSV of diameters and coefficients."""

from __future__ import annotations

from pathlib import Path

from ytterby.dosimetry.recovery import RecoveryTable
from ytterby.errors import InconsistentStudy
from ytterby.files.cells import Column, Kind
from ytterby.files.csvtable import read_table

__all__ = ["RECOVERY_COLUMNS", "read_recovery"]

RECOVERY_COLUMNS = (
    Column("diameter_mm", Kind.NUMBER, "inner diameter of the sphere", "mm", above=0),
    Column(
        "recovery_fraction",
        Kind.NUMBER,
        "measured over true mean concentration, in the sphere's true boundary",
        above=0,
        maximum=1,
    ),
)
"""Columns of a table of recovery coefficients."""


def read_recovery(path: Path) -> RecoveryTable:
    """The recovery coefficients of a CSV, sorted by diameter.

    Raises
    ------
    InconsistentStudy
        The table cannot be read, or a cell is wrong; carries every problem with row and column.
    DomainError
        Fewer than two spheres, a diameter twice, or coefficients that fall.
    """
    table = read_table(path, RECOVERY_COLUMNS, key=("diameter_mm",))
    if table.problems:
        raise InconsistentStudy(
            "the table of recovery coefficients cannot be used",
            where=path.name,
            remedy="mend what is listed",
            problems=table.problems,
        )
    pairs = sorted((row.required("diameter_mm"), row.required("recovery_fraction")) for row in table.rows)
    return RecoveryTable(tuple(mm for mm, _ in pairs), tuple(share for _, share in pairs), source=path.name)
