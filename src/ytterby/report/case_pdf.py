"""The report of one case as PDF, set by typst from what its page shows: the same bytes for the same facts."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from ytterby.report.case_facts import CaseFacts

__all__ = ["case_pdf"]


def case_pdf(facts: CaseFacts) -> bytes:
    """The facts as PDF. Text goes to typst as data, never as markup; fonts are those that come with typst alone."""
    with tempfile.TemporaryDirectory(prefix="ytterby-report-") as name:
        folder = Path(name)
        template = files("ytterby.report").joinpath("templates", "case.typ").read_bytes()
        (folder / "case.typ").write_bytes(template)
        (folder / "planes.png").write_bytes(facts.planes_png)
        if facts.histogram_svg is not None:
            (folder / "histogram.svg").write_bytes(facts.histogram_svg)
        (folder / "page.json").write_text(json.dumps(_data(facts), ensure_ascii=False), encoding="utf-8")
        made: bytes = typst.compile(str(folder / "case.typ"), root=str(folder), ignore_system_fonts=True, format="pdf")
    return made


def _data(facts: CaseFacts) -> dict[str, Any]:
    values = facts.values
    rows = [*values["tumours"], *values["tissues"]]
    together = values["all_tumours"]
    return {
        "title": values["title"],
        "patient_id": values["patient_id"],
        "simulated": values["simulated"],
        "software": values["software"],
        "headline": [
            {"name": one.name, "value": one.value, "unit": one.unit, "note": one.note} for one in values["headline"]
        ],
        "notices": [notice.message for notice in values["notices"]],
        "sessions": [dict(row) for row in values["sessions"]],
        "doses": [
            [
                row["name"],
                row["role"],
                row["volume"],
                row["mean"],
                row["uncertainty"],
                row["points"][4],
                row["points"][5],
            ]
            for row in rows
        ],
        "together": None if together is None else [together["volume"], together["mean"]],
        "lungs": [dict(row) for row in values["lungs"]],
        "options": [list(pair) for pair in (*values["options"], *values["parameters"])],
        "histogram": facts.histogram_svg is not None,
        "isodoses": values["isodoses"],
    }
