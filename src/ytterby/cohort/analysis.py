"""The declared analysis: from the two analysis tables and a plan to every number of results.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from ytterby import __version__
from ytterby.cohort.columns import json_ready, numbers, texts
from ytterby.cohort.flow import cohort_sizes, consort_flow
from ytterby.cohort.groups import by_grade
from ytterby.cohort.notices import Notices
from ytterby.cohort.plan import AnalysisPlan
from ytterby.cohort.response import response_analysis
from ytterby.cohort.survival import survival_analysis, survival_evaluable
from ytterby.cohort.table import LESION_COLUMNS, PATIENT_COLUMNS, RESPONDING, AnalysisTables
from ytterby.cohort.table1 import characteristics
from ytterby.cohort.toxicity import toxicity_counts
from ytterby.errors import ConfigurationError, TableError

__all__ = ["RESULTS_SCHEMA", "analyse", "plan_options"]

RESULTS_SCHEMA = 1

# Keys of results.json that are kept, and null, because their method is not built yet.
_NOT_IN_THIS_VERSION = (
    "response.lesion.clustered",
    "response.lesion.bootstrap",
    "response.patient.bootstrap",
    "survival.*.firth",
    "survival.*.ph_test",
    "survival.*.competing",
    "dose_response",
)


def analyse(tables: AnalysisTables, plan: AnalysisPlan) -> dict[str, Any]:
    """All results of the plan on the tables, JSON-ready, with the keys of results.json; nothing is rounded.

    What cannot be estimated is None and has a warning (separation, no event, a missing optional column or table).

    Raises
    ------
    TableError
        A required column is missing, a table is empty, or text stands where a number belongs.
    ConfigurationError
        The plan names what is not there: a covariate, an endpoint, a method that this version does not have.
    """
    _check(tables, plan)
    notices = Notices()
    _contradictions(tables, notices)
    result: dict[str, Any] = {
        "schema": RESULTS_SCHEMA,
        "simulated": tables.simulated,
        "software": {"name": "ytterby", "version": __version__},
        "options": plan_options(plan),
        "cohort": cohort_sizes(tables),
        "flow": consort_flow(tables, notices),
        "response": response_analysis(tables, plan, notices),
        "survival": survival_analysis(tables, plan, notices),
        "survival_evaluable": survival_evaluable(tables),
        "groups": by_grade(tables, notices),
        "table1": characteristics(tables, notices),
        "toxicity": toxicity_counts(tables, notices),
        "dose_response": None,
    }
    notices.warn("not_in_this_version", f"null because not in this version: {', '.join(_NOT_IN_THIS_VERSION)}")
    ready: dict[str, Any] = json_ready({**result, "warnings": notices.records()})
    return ready


def _check(tables: AnalysisTables, plan: AnalysisPlan) -> None:
    """Raise TableError or ConfigurationError for what the analysis cannot do without."""
    for name, table, required in (
        ("analysis_patients.csv", tables.patients, PATIENT_COLUMNS),
        ("analysis_lesions.csv", tables.lesions, LESION_COLUMNS),
    ):
        missing = [column for column in required if column not in table.columns]
        if missing:
            raise TableError(
                f"the column {missing[0]} is missing", where=f"{tables.source}, {name}", remedy="add the column"
            )
    if not len(tables.patients):
        raise TableError("there is no patient", where=f"{tables.source}, analysis_patients.csv", remedy="add rows")
    if plan.auc_ci != "delong":
        raise ConfigurationError(
            f"the interval '{plan.auc_ci}' is not in this version",
            where=f"{plan.name}, roc.auc_ci",
            remedy="choose delong",
        )


def _contradictions(tables: AnalysisTables, notices: Notices) -> None:
    """Warn of columns that contradict each other."""
    patients = tables.patients
    ids = texts(patients, "patient_id")

    def name(rows: np.ndarray) -> str:
        return ", ".join(patient for patient, chosen in zip(ids, rows, strict=True) if chosen)

    global_months, overall = numbers(patients, "global_pfs_months"), numbers(patients, "os_months")
    for column in ("hepatic_pfs_months", "global_pfs_months"):
        late = numbers(patients, column) > overall
        if late.any():
            notices.warn("inconsistent_input", f"{column} is longer than os_months: {name(late)}")
    progressed = numbers(patients, "hepatic_pfs_event") == 1.0
    later = progressed & (global_months > numbers(patients, "hepatic_pfs_months"))
    if later.any():
        notices.warn(
            "inconsistent_input",
            f"hepatic progression comes before the end of global_pfs_months, though it is a global one: {name(later)}",
        )
    if "hepatic_response" in patients.columns:
        responder = numbers(patients, "hepatic_responder")
        category = texts(patients, "hepatic_response")
        differs = np.array(
            [
                text != "" and not np.isnan(flag) and (text in RESPONDING) != (flag == 1.0)
                for text, flag in zip(category, responder, strict=True)
            ],
            dtype=np.bool_,
        )
        if differs.any():
            notices.warn("inconsistent_input", f"hepatic_responder contradicts hepatic_response: {name(differs)}")


def plan_options(plan: AnalysisPlan) -> dict[str, Any]:
    """The plan in the shape of analysis.yaml."""
    covariates = []
    for covariate in plan.covariates:
        entry = {"name": covariate.name, "kind": covariate.kind.value}
        if covariate.reference:
            entry["reference"] = covariate.reference
        if covariate.level:
            entry["level"] = covariate.level
        covariates.append(entry)
    return {
        "schema": 1,
        "name": plan.name,
        "endpoints": {
            "names": list(plan.endpoints),
            "time_zero": plan.time_zero.value,
            "deaths": plan.deaths.value,
        },
        "covariates": covariates,
        "cox": {"ties": plan.ties, "entry": plan.entry.value, "entry_p": plan.entry_p},
        "roc": {
            "cutoff": str(plan.cutoff_convention),
            "fixed_cutoffs_gy": {level: list(cutoffs) for level, cutoffs in plan.fixed_cutoffs_gy.items()},
            "auc_ci": plan.auc_ci,
        },
        "intervals": {
            "proportions": plan.proportions,
            "predictive_values": plan.predictive_values,
            "kaplan_meier": plan.kaplan_meier,
        },
        "bootstrap": {"resamples": plan.bootstrap_resamples, "unit": plan.bootstrap_unit, "seed": plan.seed},
    }
