"""A small cohort made by a formula, and the paper's plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ytterby.cohort.plan import AnalysisPlan, Covariate, CovariateKind, Deaths, Entry, TimeZero
from ytterby.cohort.table import AnalysisTables

PLAN: dict[str, Any] = {
    "endpoints": ("hepatic_pfs", "global_pfs", "os"),
    "time_zero": TimeZero.FIRST_ADMINISTRATION,
    "deaths": Deaths.CENSOR_PROGRESSION,
    "covariates": (
        Covariate("grade", CovariateKind.FACTOR, reference="1"),
        Covariate("origin", CovariateKind.CONTRAST, level="pancreas"),
        Covariate("mad_gy", CovariateKind.LINEAR),
    ),
    "ties": "efron",
    "entry": Entry.PAPER,
    "entry_p": 0.05,
    "cutoff_convention": "above_observed",
    "fixed_cutoffs_gy": {"lesion": (196.6,), "patient": (175.0,)},
    "auc_ci": "delong",
    "proportions": "clopper_pearson",
    "predictive_values": "mercaldo_logit",
    "kaplan_meier": "log_log",
    "bootstrap_resamples": 2000,
    "bootstrap_unit": "patient",
    "seed": 20240621,
}


@pytest.fixture(scope="session")
def plan() -> Callable[..., AnalysisPlan]:
    """The paper's plan with the fields that are named replaced."""
    return lambda **changes: AnalysisPlan(**{**PLAN, **changes})


def cohort(n: int = 40, seed: int = 5) -> AnalysisTables:
    """``n`` simulated patients, three quarters of them evaluable with three lesions each; a higher dose responds more often."""
    rng = np.random.default_rng(seed)
    dose_gy = rng.gamma(4.0, 60.0, n).round(1)
    os_months = rng.integers(3, 120, n).astype(float)
    global_months = np.minimum(os_months, rng.integers(1, 90, n))
    hepatic_months = np.maximum(global_months, np.minimum(os_months, rng.integers(1, 110, n)))
    evaluable = np.arange(n) % 4 != 3
    lesions = []
    for patient in np.flatnonzero(evaluable):
        for number in range(3):
            lesion_gy = float(np.round(dose_gy[patient] * rng.uniform(0.5, 1.6), 1))
            response = ("CR", "PR", "SD", "PD")[min(3, int(rng.uniform(0.0, 4.0) * 150.0 / (lesion_gy + 40.0)))]
            lesions.append((f"P{patient:02d}", f"L{number}", lesion_gy, response))
    lesion_table = pd.DataFrame(lesions, columns=["patient_id", "lesion_id", "mad_gy", "response"])
    best = lesion_table.groupby("patient_id")["response"].agg(lambda x: x.mode().iloc[0])
    response = [best.get(f"P{k:02d}", "") for k in range(n)]
    patients = pd.DataFrame(
        {
            "patient_id": [f"P{k:02d}" for k in range(n)],
            "grade": 1 + np.arange(n) % 3,
            "origin": np.array(["pancreas", "gastrointestinal", "gastrointestinal", "unknown"])[rng.integers(0, 4, n)],
            "mad_gy": dose_gy,
            "evaluable": evaluable.astype(int),
            "hepatic_responder": [float(r in ("CR", "PR")) if r else np.nan for r in response],
            "hepatic_response": response,
            "hepatic_pfs_months": hepatic_months,
            "hepatic_pfs_event": rng.integers(0, 2, n) * (hepatic_months == global_months),
            "global_pfs_months": global_months,
            "global_pfs_event": 1,
            "os_months": os_months,
            "os_event": rng.integers(0, 2, n),
            "age_years": rng.integers(30, 80, n),
            "sex": np.array(["M", "F"])[rng.integers(0, 2, n)],
        }
    )
    return AnalysisTables(patients, lesion_table, None, None, True, "a formula")


@pytest.fixture(scope="session")
def tables() -> Callable[..., AnalysisTables]:
    """Maker of the small cohort: ``tables(n, seed)``."""
    return cohort
