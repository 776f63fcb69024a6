"""Results of a small simulated cohort with every optional table and column, to be drawn and set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ytterby.cohort.analysis import analyse
from ytterby.cohort.table import AnalysisTables
from ytterby.files.planfile import read_plan


@pytest.fixture(scope="session")
def study_tables() -> AnalysisTables:
    """32 simulated patients, 24 of them evaluable with two lesions each."""
    rng = np.random.default_rng(11)
    n = 32
    dose_gy = rng.gamma(4.0, 60.0, n).round(1)
    months = rng.integers(3, 120, n).astype(float)
    evaluable = np.arange(n) < 24
    response = np.where(dose_gy > np.median(dose_gy), "PR", np.where(np.arange(n) % 2 == 0, "SD", "PD"))
    patients = pd.DataFrame(
        {
            "patient_id": [f"P{k:02d}" for k in range(n)],
            "grade": 1 + np.arange(n) % 3,
            "origin": np.where(np.arange(n) % 4 == 0, "pancreas", "gastrointestinal"),
            "mad_gy": dose_gy,
            "evaluable": evaluable.astype(int),
            "hepatic_responder": np.where(evaluable, (response == "PR").astype(float), np.nan),
            "hepatic_response": np.where(evaluable, response, ""),
            **{f"{name}_months": months for name in ("hepatic_pfs", "global_pfs", "os")},
            **{f"{name}_event": rng.integers(0, 2, n) for name in ("hepatic_pfs", "global_pfs", "os")},
            "age_years": rng.integers(30, 80, n),
            "sex": np.where(np.arange(n) % 3 == 0, "F", "M"),
            "site_lung": (np.arange(n) == 1).astype(int),
            "site_bone": (np.arange(n) < 3).astype(int),
            "lung_shunt_fraction": 0.029,
            "prior_therapies": 1,
            "prior_tace": 1,
        }
    )
    lesions = pd.DataFrame(
        {
            "patient_id": [f"P{k // 2:02d}" for k in range(48)],
            "lesion_id": [f"L{k % 2}" for k in range(48)],
            "mad_gy": rng.gamma(4.0, 60.0, 48).round(1),
            "response": np.array(["CR", "PR", "SD", "PD"])[np.arange(48) % 4],
        }
    )
    lesions.loc[lesions["response"].isin(["CR", "PR"]), "mad_gy"] += 150.0
    exclusions = pd.DataFrame({"reason": ["no SPECT <b>or</b> CT & MRI", "#eval(1) $\\frac{$"], "n": [5, 2]})
    toxicity = pd.DataFrame({"patient_id": ["P00", "P01"], "test": ["ast", "ast"], "grade": [1, 3]})
    return AnalysisTables(patients, lesions, exclusions, toxicity, True, "simulated tables")


@pytest.fixture(scope="session")
def study_results(study_tables):
    """Results of the paper's plan on them."""
    return analyse(study_tables, read_plan(None))
