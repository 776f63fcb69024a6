"""StudyPage: all that a study's report says, before it becomes HTML or PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ytterby.cohort.table import AnalysisTables
from ytterby.report.figures import study_figures
from ytterby.report.methods import methods_paragraphs
from ytterby.report.numbers import NOT_AVAILABLE, fixed, interval, p_with_sign
from ytterby.report.style import Drawn
from ytterby.report.tables import Table
from ytterby.report.tables_patients import patient_table
from ytterby.report.tables_response import diagnostic_table, response_table, toxicity_table
from ytterby.report.tables_survival import cox_table, survival_table

__all__ = ["CaseLink", "KeyFigure", "StudyPage", "study_page"]


@dataclass(frozen=True)
class CaseLink:
    """A patient of the study in the report's list: ``href`` leads from the report to the case's page, "" where there is none.

    ``failure`` says why a case could not be computed; ``notices`` what is to be known of one that was.
    """

    patient_id: str
    href: str = ""
    mad_gy: float | None = None
    notices: tuple[str, ...] = ()
    failure: str = ""

    @property
    def mad_text(self) -> str:
        """The mean absorbed dose as printed."""
        return fixed(self.mad_gy, 1)


@dataclass(frozen=True)
class KeyFigure:
    """A number at the head of the report, with its name and what qualifies it."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class StudyPage:
    """Everything on the page, in final text and drawn figures."""

    title: str
    source: str
    simulated: bool
    software: str
    key_figures: tuple[KeyFigure, ...]
    figures: Mapping[str, Drawn]
    tables: Mapping[str, Table]
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    warnings: tuple[Mapping[str, str], ...]
    cases: tuple[CaseLink, ...] = ()
    truth: Table | None = None


def study_page(
    results: Mapping[str, Any],
    tables: AnalysisTables,
    *,
    title: str = "Dose–response analysis",
    cases: Sequence[CaseLink] = (),
    truth: Table | None = None,
) -> StudyPage:
    """The page of a study: ``results`` as ``cohort.analysis.analyse`` gives them, ``tables`` that they were made from.

    ``cases`` lists the patients with links; ``truth`` compares what was measured with what was simulated.
    """
    made = (
        patient_table(results),
        response_table(results),
        diagnostic_table(results),
        survival_table(results),
        cox_table(results),
        toxicity_table(results),
    )
    software = results["software"]
    return StudyPage(
        title=title,
        source=tables.source,
        simulated=results["simulated"],
        software=f"{software['name'].capitalize()} {software['version']}",
        key_figures=_key_figures(results),
        figures={figure.name: figure for figure in study_figures(results, tables)},
        tables={table.name: table for table in made if table is not None},
        methods=methods_paragraphs(results),
        groups=_groups(results["groups"]),
        warnings=tuple(results["warnings"]),
        cases=tuple(cases),
        truth=truth,
    )


def _key_figures(results: Mapping[str, Any]) -> tuple[KeyFigure, ...]:
    sizes, lesion, patient = results["cohort"], results["response"]["lesion"], results["response"]["patient"]
    head = [
        KeyFigure(str(sizes["analysed"]), "patients analysed"),
        KeyFigure(str(sizes["evaluable_lesions"]), "lesions evaluable", f"in {sizes['evaluable_patients']} patients"),
    ]
    for level, name in ((lesion, "lesion"), (patient, "patient")):
        cutoff = NOT_AVAILABLE if level["cutoff_gy"] is None else f"{fixed(level['cutoff_gy'], 1)} Gy"
        head.append(
            KeyFigure(
                fixed(level["auc"], 2),
                f"AUC per {name}",
                f"95% CI {interval(level['auc_ci'], 2)}; Youden cut-off {cutoff}",
            )
        )
    return tuple(head)


def _groups(groups: Mapping[str, Any]) -> tuple[str, ...]:
    lines = []
    trend, dose = groups["grade_response_trend"], groups["grade_mad"]
    if trend is not None:
        counts = ", ".join(
            f"grade {level}: {trend['responders'][level]} of {n}" for level, n in trend["totals"].items()
        )
        exact = "" if trend["exact_p"] is None else f"; exact {p_with_sign(trend['exact_p'])}"
        lines.append(f"Hepatic response by grade ({counts}): Cochran–Armitage trend {p_with_sign(trend['p'])}{exact}.")
    if dose is not None:
        lines.append(f"MAD by grade: Kruskal–Wallis H = {fixed(dose['h'], 2)}, {p_with_sign(dose['p'])}.")
    return tuple(lines)
