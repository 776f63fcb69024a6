"""The reference pages say what the code reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from ytterby.files import analysiscolumns, studycolumns
from ytterby.files.casefile import CaseFile, CaseSession
from ytterby.files.planfile import PAPER, PlanFile
from ytterby.files.studyfile import StudyFile

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference"


def text_of(page: str) -> str:
    return (PAGES / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "columns"),
    [
        ("study-folder.md", studycolumns.PATIENTS),
        ("study-folder.md", studycolumns.SESSIONS),
        ("study-folder.md", studycolumns.LESIONS),
        ("study-folder.md", studycolumns.LABS),
        ("study-folder.md", studycolumns.FOLLOW_UP),
        ("study-folder.md", studycolumns.MEASUREMENTS),
        *(("analysis-tables.md", columns) for columns in analysiscolumns.TABLES.values()),
    ],
)
def test_every_column_stands_in_its_page(page: str, columns: tuple[studycolumns.Column, ...]) -> None:
    lines = text_of(page).splitlines()
    for column in columns:
        rows = [line for line in lines if line.startswith(f"| `{column.name}` |")]
        assert any(column.meaning in row and column.values in row and f"| {column.unit} |" in row for row in rows), (
            column.name
        )


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("case-file.md", CaseFile),
        ("case-file.md", CaseSession),
        ("study-folder.md", StudyFile),
        ("analysis-plan.md", PlanFile),
    ],
)
def test_every_key_stands_in_its_page(page: str, model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        key = field.alias or name
        assert f"`{key}`" in text_of(page) or f"`{key}." in text_of(page) or f"{key}:" in text_of(page), key


def test_the_pages_show_what_is_read() -> None:
    shown = text_of("analysis-plan.md").split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(shown) == yaml.safe_load(PAPER.read_text(encoding="utf-8"))
