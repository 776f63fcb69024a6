from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ytterby.cohort.plan import Covariate, CovariateKind, Deaths, Entry, TimeZero
from ytterby.cohort.table import ENDPOINTS
from ytterby.errors import ConfigurationError
from ytterby.files import planfile
from ytterby.files.planfile import PAPER, read_plan
from ytterby.stats.cox import Ties
from ytterby.stats.diagnostic import PredictiveInterval, ProportionInterval
from ytterby.stats.roc import CutoffConvention
from ytterby.stats.survival import SurvivalInterval


def test_the_paper_s_plan_is_shipped() -> None:
    plan = read_plan(None)
    assert plan.name == "paper.yaml"
    assert plan.endpoints == ENDPOINTS
    assert (plan.time_zero, plan.deaths) == (TimeZero.FIRST_ADMINISTRATION, Deaths.CENSOR_PROGRESSION)
    assert plan.covariates == (
        Covariate("grade", CovariateKind.FACTOR, reference="1"),
        Covariate("origin", CovariateKind.CONTRAST, level="pancreas"),
        Covariate("mad_gy", CovariateKind.LINEAR),
    )
    assert (plan.ties, plan.entry, plan.entry_p) == ("efron", Entry.PAPER, 0.05)
    assert (plan.cutoff_convention, plan.auc_ci) == ("above_observed", "delong")
    assert dict(plan.fixed_cutoffs_gy) == {"lesion": (196.6,), "patient": (175.0,)}
    assert (plan.proportions, plan.predictive_values, plan.kaplan_meier) == (
        "clopper_pearson",
        "mercaldo_logit",
        "log_log",
    )
    assert (plan.bootstrap_resamples, plan.bootstrap_unit, plan.seed) == (2000, "patient", 20240621)


def test_a_plan_of_one_s_own_goes_by_the_name_of_its_file(tmp_path: Path) -> None:
    text = PAPER.read_text(encoding="utf-8").replace("entry: paper", "entry: all_prespecified").replace("[196.6]", "[]")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    plan = read_plan(tmp_path / "mine.yaml")
    assert (plan.name, plan.entry, plan.fixed_cutoffs_gy["lesion"]) == ("mine.yaml", Entry.ALL_PRESPECIFIED, ())


@pytest.mark.parametrize(
    ("model", "field", "methods"),
    [
        (planfile.CoxRules, "ties", Ties),
        (planfile.RocRules, "cutoff", CutoffConvention),
        (planfile.Intervals, "proportions", ProportionInterval),
        (planfile.Intervals, "predictive_values", PredictiveInterval),
        (planfile.Intervals, "kaplan_meier", SurvivalInterval),
    ],
)
def test_a_plan_can_ask_for_every_method_that_there_is_and_no_other(model: type, field: str, methods: type) -> None:
    assert set(get_args(model.model_fields[field].annotation)) == {str(method) for method in methods}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ties: efron", "ties: exact", r"plan\.yaml, cox\.ties: must be 'efron' or 'breslow'"),
        (
            "entry: paper",
            "entry: stepwise",
            r"plan\.yaml, cox\.entry: must be 'paper', 'by_term', 'all_prespecified' or 'penalised'",
        ),
        ("entry_p: 0.05", "entry_p: 5.0", r"plan\.yaml, cox\.entry_p: lies outside its range \(<= 1\)"),
        (
            "cutoff: above_observed",
            "cutoff: best",
            r"plan\.yaml, roc\.cutoff: must be 'above_observed', 'midpoint' or 'at_observed'",
        ),
        ("auc_ci: delong", "auc_ci: hanley", r"plan\.yaml, roc\.auc_ci: must be 'delong'"),
        ("[196.6]", "[high]", r"plan\.yaml, roc\.fixed_cutoffs_gy\.lesion\.0: is no number"),
        ("[196.6]", "[-1]", r"roc\.fixed_cutoffs_gy\.lesion\.0: lies outside"),
        (
            "kaplan_meier: log_log",
            "kaplan_meier: logit",
            r"intervals\.kaplan_meier: must be 'log_log', 'log' or 'plain'",
        ),
        ("proportions: clopper_pearson", "proportions: wald", r"intervals\.proportions: must be"),
        ("kind: linear", "kind: spline", r"plan\.yaml, covariates\.2\.kind: must be 'factor', 'contrast' or 'linear'"),
        ("kind: linear", "kind: factor", r"plan\.yaml, covariates\.2: a covariate of kind factor needs 'reference'"),
        ("kind: linear", "kind: linear, level: 3", r"covariates\.2: a covariate of kind linear has no 'level'"),
        ("name: mad_gy, kind: linear", "name: grade, kind: linear", "named twice"),
        ("[hepatic_pfs, global_pfs, os]", "[pfs]", r"endpoints\.names\.0: must be 'hepatic_pfs', 'global_pfs' or 'os'"),
        ("[hepatic_pfs, global_pfs, os]", "[os, os]", r"plan\.yaml, endpoints: an endpoint is named twice"),
        ("[hepatic_pfs, global_pfs, os]", "[]", r"plan\.yaml, endpoints\.names: is an empty list"),
        ("deaths: censor_progression", "deaths: ignore", r"endpoints\.deaths: must be 'censor_progression' or 'event'"),
        ("unit: patient", "unit: liver", r"bootstrap\.unit: must be 'patient' or 'lesion'"),
        ("resamples: 2000", "resamples: 2e3", r"bootstrap\.resamples: is no whole number"),
        ("  seed: 20240621\n", "", r"plan\.yaml, bootstrap\.seed: is missing"),
        ("schema: 1\n", "", r"plan\.yaml, schema: is missing"),
        ("schema: 1\n", "schema: 1\nroce: {}\n", r"plan\.yaml, roce: is not known here\. What to do: write 'roc'"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = PAPER.read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "plan.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_plan(tmp_path / "plan.yaml")
