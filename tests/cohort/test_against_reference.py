"""The paper's plan on the reference cohort: the published counts, and R's models."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ytterby.cohort.analysis import analyse
from ytterby.cohort.table import AnalysisTables

ORACLES = Path(__file__).parents[1] / "oracles"
pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def cohort(reference_data) -> AnalysisTables:
    folder = reference_data / "synthetic_cohort"
    return AnalysisTables(
        pd.read_csv(folder / "analysis_patients.csv"),
        pd.read_csv(folder / "analysis_lesions.csv"),
        None,
        None,
        True,
        "the reference cohort",
    )


def figures(path: Path) -> dict[tuple[str, str, str], float]:
    with path.open(encoding="ascii", newline="") as file:
        return {(r["endpoint"], r["model"], r["quantity"]): float(r["value"]) for r in csv.DictReader(file)}


def test_published_counts(cohort, plan):
    results = analyse(cohort, plan())
    lesion, patient = results["response"]["lesion"], results["response"]["patient"]
    assert (lesion["n"], lesion["responders"]) == (126, 85)
    assert [lesion[name] for name in ("cutoff_gy", "tp", "fn", "tn", "fp")] == [196.6, 55, 30, 35, 6]
    assert lesion["auc"] == pytest.approx(0.789096, abs=5e-7)
    assert lesion["median_gy"] == {"responder": 237.6, "non_responder": 120.2}
    assert (patient["n"], patient["responders"]) == (28, 21)
    fixed = next(at for at in patient["at_cutoffs"] if at["source"] == "fixed")
    assert [fixed[name] for name in ("cutoff_gy", "tp", "tn")] == [175.0, 14, 5]
    assert [results["survival"][name]["events"] for name in ("hepatic_pfs", "global_pfs", "os")] == [24, 33, 35]
    assert results["survival"]["follow_up"]["median_months"] == 34
    assert results["survival"]["follow_up"]["range_months"] == [2, 151]
    assert results["survival_evaluable"]["global_pfs"]["raw_median_months"] == 10.5


def ours(results) -> dict[tuple[str, str, str], float]:
    found = {}
    for name in ("hepatic_pfs", "global_pfs", "os"):
        endpoint = results["survival"][name]
        for model in ("univariate", "multivariate"):
            for row in endpoint[model]:
                if row["rescaled_from"] is None:
                    values = (row["hr"], *row["ci"], row["p"])
                    for quantity, value in zip(("hr", "lower", "upper", "p"), values, strict=True):
                        found[name, model, f"{row['term']} {quantity}"] = value
        found[name, "kaplan_meier", "median"] = endpoint["median_months"]
        found[name, "kaplan_meier", "lower"], found[name, "kaplan_meier", "upper"] = endpoint["median_ci"]
        found[name, "log_rank", "chi2"] = endpoint["by_group"]["log_rank"]["chi2"]
    for test, statistic in (("grade_response_trend", "chi2"), ("grade_mad", "h")):
        found["groups", test, statistic] = results["groups"][test][statistic]
        found["groups", test, "p"] = results["groups"][test]["p"]
    return found


def test_models_are_those_of_r(cohort, plan):
    # The same dummies, contrast and entry rule: the keys agree too.
    assert ours(analyse(cohort, plan())) == pytest.approx(figures(ORACLES / "analyse_r.csv"), rel=1e-6, abs=1e-12)


@pytest.mark.needs_r
def test_r_still_says_so(rscript, reference_data, tmp_path):
    fresh = tmp_path / "analyse_r.csv"
    command = [rscript, str(ORACLES / "analyse_r.R"), str(reference_data / "synthetic_cohort"), str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert figures(fresh) == pytest.approx(figures(ORACLES / "analyse_r.csv"), rel=1e-9, abs=1e-12)
