"""The statistics of a study: from two analysis tables and a plan to results.json, tables, figures and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ytterby.cohort.analysis import analyse, plan_options
from ytterby.cohort.plan import AnalysisPlan
from ytterby.cohort.table import AnalysisTables
from ytterby.errors import ConfigurationError
from ytterby.files.analysistables import FILES, read_analysis_tables, write_codebook
from ytterby.files.planfile import read_plan
from ytterby.report.html import study_html
from ytterby.report.page import CaseLink, StudyPage, study_page
from ytterby.report.pdf import study_pdf
from ytterby.report.tables import Table, records_csv, table_csv
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.provenance import RunRecord, write_json

__all__ = ["INDEX", "Analysis", "analyse_folder", "write_analysis"]

INDEX = Path("report") / "index.html"
"""Where the page to open lies in an output folder."""

_FOLDERS = ("tables", "figures", "report")
_ROC = ("cutoff_gy", "sensitivity", "specificity", "tp", "fp")
_MANN_WHITNEY = ("level", "first", "second", "n_first", "n_second", "u", "p", "method")
_CURVES = ("months", "survival", "lower", "upper", "at_risk", "events", "censored")


@dataclass(frozen=True)
class Analysis:
    """What an analysis left behind: its results, its folder, and the page to open."""

    results: dict[str, Any]
    out: Path
    index: Path


def analyse_folder(folder: Path, out: Path, *, plan: Path | None = None, simulated: bool | None = None) -> Analysis:
    """Analyse the tables of ``folder`` and write everything to ``out``: all of it, or nothing.

    Parameters
    ----------
    folder
        Holds analysis_patients.csv and analysis_lesions.csv; exclusions.csv and toxicity.csv where there are any.
    out
        Gets results.json, run.json, tables/, figures/ and report/ (an earlier run's are replaced).
    plan
        An analysis.yaml; the paper's plan when None.
    simulated
        True marks everything as simulated, whatever the tables say; False and None leave it to the tables.

    Raises
    ------
    InputError
        A table or the plan is wrong, or ``out`` would replace what it is made from.
    """
    _keep_apart(folder, out)
    declared = read_plan(plan)
    record = RunRecord("analyse", options=plan_options(declared))
    with record.step("read"):
        tables = read_analysis_tables(folder)
        if simulated:
            tables = replace(tables, simulated=True)
        inputs = [folder / name for name in FILES.values()] + ([] if plan is None else [plan])
        record.add_inputs(folder, [path for path in inputs if path.is_file()])
    with whole_or_nothing(out) as making:
        results = write_analysis(making, tables, declared, record=record)
        record.write(making / "run.json")
    return Analysis(results, out, out / INDEX)


def write_analysis(
    folder: Path,
    tables: AnalysisTables,
    plan: AnalysisPlan,
    *,
    record: RunRecord,
    title: str = "Dose–response analysis",
    cases: Sequence[CaseLink] = (),
    truth: Table | None = None,
) -> dict[str, Any]:
    """Analyse the tables, write all but run.json into an existing folder, and give the results.

    ``cases`` are listed in the report, ``truth`` is its table of measured against simulated; ``record`` gets the time of each
    step. Files that ``folder`` holds already stay, unless one has the name of a new one.
    """
    with record.step("statistics"):
        results = analyse(tables, plan)
    with record.step("figures"):
        page = study_page(results, tables, title=title, cases=cases, truth=truth)
    with record.step("write"):
        write_json(folder / "results.json", results)
        _write_figures(folder / "figures", page)
        _write_tables(folder / "tables", page, results, tables)
    with record.step("report"):
        report = folder / INDEX.parent
        report.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).write_text(study_html(page), encoding="utf-8", newline="\n")
        (report / "report.pdf").write_bytes(study_pdf(page))
    return results


def _keep_apart(folder: Path, out: Path) -> None:
    """Raise ConfigurationError where the output would take the place of anything but an earlier analysis."""
    tables, target = folder.resolve(), out.resolve()
    remedy = "name another output folder"
    if any(tables.is_relative_to(target / name) for name in _FOLDERS):
        raise ConfigurationError(f"the results would replace the tables in {folder}", where="--out", remedy=remedy)
    taken = [name for name in _FOLDERS if (target / name).exists()]
    if taken and not (target / "results.json").is_file():
        raise ConfigurationError(
            f"{out} has a folder '{taken[0]}' that no analysis wrote, and it would be replaced",
            where="--out",
            remedy=remedy,
        )
    if (target / "tables" / FILES["patients"]).exists():
        raise ConfigurationError(
            f"{out} holds the results of a study run, whose tables would be replaced", where="--out", remedy=remedy
        )


def _write_figures(folder: Path, page: StudyPage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for figure in page.figures.values():
        (folder / f"{figure.name}.svg").write_bytes(figure.svg)
        (folder / f"{figure.name}.png").write_bytes(figure.png)


def _write_tables(folder: Path, page: StudyPage, results: dict[str, Any], tables: AnalysisTables) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: table_csv(page.tables[name], simulated=tables.simulated) for name in ("table1", "table2")}
    tests: list[dict[str, Any]] = []
    for level in ("lesion", "patient"):
        response = results["response"][level]
        texts[f"roc_{level}"] = records_csv(_ROC, _columns(response["roc"], _ROC), simulated=tables.simulated)
        pairs = [*(response["mann_whitney"] or []), response["mann_whitney_responders"]]
        tests += [_test(level, test) for test in pairs if test is not None]
    texts["mann_whitney"] = records_csv(_MANN_WHITNEY, tests, simulated=tables.simulated)
    texts["kaplan_meier"] = records_csv(
        ("endpoint", "group", *_CURVES), _curves(results["survival"]), simulated=tables.simulated
    )
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="\n")
    write_codebook(folder / "codebook.csv", tables)


def _columns(curve: dict[str, list[Any]] | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a curve that is kept by columns."""
    if curve is None:
        return []
    return [dict(zip(names, row, strict=True)) for row in zip(*(curve[name] for name in names), strict=True)]


def _test(level: str, test: dict[str, Any]) -> dict[str, Any]:
    first, second = test["groups"]
    sizes = test["n"]
    return {"level": level, "first": first, "second": second, "n_first": sizes[0], "n_second": sizes[1], **test}


def _curves(survival: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, endpoint in survival.items():
        if name == "follow_up" or endpoint is None:
            continue
        curves = {"all": endpoint["kaplan_meier"]}
        if endpoint["by_group"] is not None:
            variable = endpoint["by_group"]["variable"]
            curves |= {
                f"{variable} {level}": group["kaplan_meier"] for level, group in endpoint["by_group"]["groups"].items()
            }
        for group, curve in curves.items():
            rows += [{"endpoint": name, "group": group, **row} for row in _columns(curve, _CURVES)]
    return rows
