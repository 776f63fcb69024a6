"""The report of a study as PDF, set by typst: the same bytes for the same page."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from ytterby.report.page import StudyPage
from ytterby.report.tables import Table

__all__ = ["study_pdf"]


def study_pdf(page: StudyPage) -> bytes:
    """The page as PDF. Text goes to typst as data, never as markup; fonts are those that come with typst alone."""
    with tempfile.TemporaryDirectory(prefix="ytterby-report-") as name:
        folder = Path(name)
        template = files("ytterby.report").joinpath("templates", "study.typ").read_bytes()
        (folder / "study.typ").write_bytes(template)
        for figure in page.figures.values():
            (folder / f"{figure.name}.svg").write_bytes(figure.svg)
        (folder / "page.json").write_text(json.dumps(_data(page), ensure_ascii=False), encoding="utf-8")
        made: bytes = typst.compile(str(folder / "study.typ"), root=str(folder), ignore_system_fonts=True, format="pdf")
    return made


def _data(page: StudyPage) -> dict[str, Any]:
    return {
        "title": page.title,
        "source": page.source,
        "simulated": page.simulated,
        "software": page.software,
        "key_figures": [{"value": key.value, "label": key.label, "detail": key.detail} for key in page.key_figures],
        "figures": {
            name: {"file": f"{name}.svg", "title": figure.title, "caption": figure.caption, "alt": figure.alt}
            for name, figure in page.figures.items()
        },
        "tables": {name: _table(table) for name, table in page.tables.items()},
        "methods": list(page.methods),
        "groups": list(page.groups),
        "warnings": [dict(warning) for warning in page.warnings],
        "cases": [
            {
                "patient_id": case.patient_id,
                "mad": case.mad_text,
                "notices": "; ".join([*([f"Failed: {case.failure}"] if case.failure else []), *case.notices]),
            }
            for case in page.cases
        ],
        "truth": None if page.truth is None else _table(page.truth),
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "header": list(table.header),
        "rows": [{"cells": list(row.cells), "level": row.level, "heading": row.heading} for row in table.rows],
        "notes": [note for note in table.notes if note],
        "numeric": list(table.numeric),
        "indented": 1 if table.name == "table2" else 0,
    }
