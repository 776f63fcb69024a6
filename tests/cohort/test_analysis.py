"""The declared analysis: its keys, its rules, and what it says of data that cannot carry an estimate."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ytterby.cohort.analysis import analyse
from ytterby.cohort.plan import Covariate, CovariateKind, Entry
from ytterby.errors import ConfigurationError, TableError

TOP = [
    "schema",
    "simulated",
    "software",
    "options",
    "flow",
    "response",
    "survival",
    "survival_evaluable",
    "groups",
    "table1",
    "toxicity",
    "dose_response",
    "warnings",
]
RESPONSE = [
    "n",
    "responders",
    "median_gy",
    "range_gy",
    "by_category",
    "auc",
    "auc_ci",
    "auc_p",
    "cutoff_convention",
    "cutoff_gy",
    "tp",
    "fp",
    "tn",
    "fn",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "at_cutoffs",
    "mann_whitney",
    "bootstrap",
]
ENDPOINT = [
    "n",
    "events",
    "median_months",
    "median_ci",
    "raw_median_months",
    "range_months",
    "ties",
    "epv",
    "univariate",
    "multivariate",
    "firth",
    "ph_test",
    "competing",
]


def codes(results):
    return [warning["code"] for warning in results["warnings"]]


def test_every_key_of_the_interface_is_there(tables, plan):
    results = analyse(tables(), plan())
    assert set(TOP) <= set(results)
    assert set(RESPONSE) | {"clustered"} <= set(results["response"]["lesion"])
    assert set(RESPONSE) <= set(results["response"]["patient"])
    assert {"median_months", "range_months", "method"} <= set(results["survival"]["follow_up"])
    for endpoint in ("hepatic_pfs", "global_pfs", "os"):
        assert set(ENDPOINT) <= set(results["survival"][endpoint])
    assert [row["term"] for row in results["survival"]["os"]["univariate"]] == [
        "grade 2 vs 1",
        "grade 3 vs 1",
        "origin pancreas vs other",
        "mad per gy",
        "mad per 100 gy",
    ]
    assert all(set(row) == {"variable", "level", "n", "median", "range", "missing"} for row in results["table1"])
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_what_later_versions_bring_is_null_and_named(tables, plan):
    results = analyse(tables(), plan())
    absent = [warning["message"] for warning in results["warnings"] if warning["code"] == "not_in_this_version"]
    assert len(absent) == 1
    for name in ("clustered", "bootstrap", "firth", "ph_test", "competing", "dose_response"):
        assert name in absent[0]
    assert results["dose_response"] is None
    assert results["response"]["lesion"]["clustered"] is None
    assert results["survival"]["os"]["firth"] is None


def test_flow_and_toxicity_need_their_tables(tables, plan):
    bare = analyse(tables(), plan())
    assert bare["flow"] is None
    assert bare["toxicity"] is None
    assert codes(bare).count("table_missing") == 2
    exclusions = pd.DataFrame({"reason": ["no SPECT", "other histology"], "n": [7, 2]})
    toxicity = pd.DataFrame(
        {
            "patient_id": ["P00", "P00", "P01", "P01", "P02"],
            "test": ["ast", "albumin", "ast", "albumin", "ast"],
            "grade": [3, 0, 1, 4, 0],
        }
    )
    full = analyse(replace(tables(), exclusions=exclusions, toxicity=toxicity), plan())
    assert full["flow"]["screened"] == 49
    assert full["flow"]["excluded"] == [{"reason": "no SPECT", "n": 7}, {"reason": "other histology", "n": 2}]
    assert (full["flow"]["analysed"], full["flow"]["evaluable_patients"], full["flow"]["evaluable_lesions"]) == (
        40,
        30,
        90,
    )
    assert full["toxicity"] == {
        "n": 3,
        "by_test": {
            "ast": {"0": 1, "1": 1, "2": 0, "3": 1, "4": 0},
            "albumin": {"0": 1, "1": 0, "2": 0, "3": 0, "4": 1},
        },
        "grade_3_plus": 2,
        "window_months": None,
    }


def test_toxicity_from_columns_counts_those_followed(tables, plan):
    made = tables()
    patients = made.patients.assign(toxicity_evaluable=[1, 1] + [0] * 38, ast_grade=[0, 3] + [4] * 38)
    toxicity = analyse(replace(made, patients=patients), plan())["toxicity"]
    assert toxicity["n"] == 2
    assert toxicity["by_test"] == {"ast": {"0": 1, "1": 0, "2": 0, "3": 1, "4": 0}}


def test_response_counts_are_those_of_the_tables(tables, plan):
    made = tables()
    lesion = analyse(made, plan())["response"]["lesion"]
    responding = made.lesions["response"].isin(["CR", "PR"])
    assert lesion["n"] == len(made.lesions)
    assert lesion["responders"] == int(responding.sum())
    assert lesion["median_gy"]["responder"] == pytest.approx(made.lesions.loc[responding, "mad_gy"].median())
    assert sum(part["n"] for part in lesion["by_category"].values()) == lesion["n"]
    for at in lesion["at_cutoffs"]:
        called = made.lesions["mad_gy"] > at["cutoff_gy"]
        assert (at["tp"], at["fp"]) == (int((called & responding).sum()), int((called & ~responding).sum()))
        assert at["tp"] + at["fp"] + at["tn"] + at["fn"] == lesion["n"]
    assert [at["source"] for at in lesion["at_cutoffs"]] == ["youden", "fixed"]
    present = [c for c in ("CR", "PR", "SD", "PD") if (made.lesions["response"] == c).any()]
    assert len(lesion["mann_whitney"]) == len(present) * (len(present) - 1) // 2


def test_lesions_of_patients_outside_the_response_analysis_are_left_out_with_a_word(tables, plan):
    made = tables()
    extra = pd.DataFrame([("P03", "L9", 900.0, "CR")], columns=made.lesions.columns)
    results = analyse(replace(made, lesions=pd.concat([made.lesions, extra], ignore_index=True)), plan())
    assert results["response"]["lesion"]["n"] == len(made.lesions)
    assert "response_incomplete" in codes(results)


def test_a_rescaled_dose_is_the_same_model(tables, plan):
    univariate = analyse(tables(), plan())["survival"]["global_pfs"]["univariate"]
    per_gy, per_100_gy = univariate[-2:]
    assert per_100_gy["rescaled_from"] == "mad per gy"
    assert per_100_gy["p"] == per_gy["p"]
    assert per_100_gy["hr"] == pytest.approx(np.exp(100.0 * per_gy["coefficient"]))
    assert per_100_gy["ci"] == pytest.approx([bound**100 for bound in per_gy["ci"]])


def entered(results, endpoint="global_pfs"):
    return results["survival"][endpoint]["entry"]["entered"]


def test_the_papers_entry_rule_takes_covariates_whole(tables, plan):
    results = analyse(tables(), plan())
    univariate = results["survival"]["global_pfs"]["univariate"]
    # An entry P that lets in exactly one dummy of grade.
    grade = sorted(row["p"] for row in univariate if row["covariate"] == "grade")
    between = (grade[0] + grade[1]) / 2
    whole = analyse(tables(), plan(entry_p=between))
    assert {"grade 2 vs 1", "grade 3 vs 1"} <= set(entered(whole))
    by_term = analyse(tables(), plan(entry_p=between, entry=Entry.BY_TERM))
    assert len([term for term in entered(by_term) if term.startswith("grade")]) == 1


def test_nothing_enters_and_one_enters(tables, plan):
    none = analyse(tables(), plan(entry_p=0.0))["survival"]["os"]
    assert none["multivariate"] == []
    assert none["epv"] is None
    assert "none did" in none["entry"]["explanation"]
    everything = analyse(tables(), plan(entry=Entry.ALL_PRESPECIFIED))["survival"]["os"]
    assert len(everything["multivariate"]) == 5
    assert everything["epv"] == everything["events"] / 4
    alone = plan(covariates=(Covariate("mad_gy", CovariateKind.LINEAR),), entry_p=1.0)
    one = analyse(tables(), alone)["survival"]["os"]
    assert one["multivariate"] == one["univariate"]
    assert "mad_gy alone did" in one["entry"]["explanation"]


def test_few_events_per_variable_are_told(tables, plan):
    results = analyse(tables(24), plan(entry=Entry.ALL_PRESPECIFIED))
    assert results["survival"]["os"]["epv"] < 10
    assert "events_per_variable" in codes(results)


def test_the_penalised_fit_is_refused(tables, plan):
    with pytest.raises(ConfigurationError, match="not in this version"):
        analyse(tables(), plan(entry=Entry.PENALISED))


def test_a_covariate_that_is_no_column_is_refused(tables, plan):
    with pytest.raises(ConfigurationError, match="'bilirubin' is not a column"):
        analyse(tables(), plan(covariates=(Covariate("bilirubin", CovariateKind.LINEAR),)))


def test_an_unknown_endpoint_is_refused_and_an_unnamed_one_is_null(tables, plan):
    with pytest.raises(ConfigurationError, match="'dfs' is not known"):
        analyse(tables(), plan(endpoints=("dfs",)))
    assert analyse(tables(), plan(endpoints=("os",)))["survival"]["hepatic_pfs"] is None


def test_a_missing_column_is_refused(tables, plan):
    made = tables()
    with pytest.raises(TableError, match="mad_gy is missing"):
        analyse(replace(made, patients=made.patients.drop(columns="mad_gy")), plan())


def test_separation_is_a_warning_not_a_crash(tables, plan):
    made = tables()
    ordered = made.patients.assign(mad_gy=1000.0 - made.patients["os_months"], os_event=1)
    results = analyse(replace(made, patients=ordered), plan())
    assert any(w["code"] == "not_estimable" and "separation" in w["message"] for w in results["warnings"])
    assert "mad per gy" not in [row["term"] for row in results["survival"]["os"]["univariate"]]


def test_no_event_is_a_warning_not_a_crash(tables, plan):
    made = tables()
    results = analyse(replace(made, patients=made.patients.assign(os_event=0)), plan())
    assert results["survival"]["os"]["univariate"] == []
    assert results["survival"]["os"]["median_months"] is None
    assert "not_estimable" in codes(results)


def test_missing_values_leave_models_not_the_cohort(tables, plan):
    made = tables()
    patients = made.patients.astype({"mad_gy": float})
    patients.loc[:4, "mad_gy"] = np.nan
    results = analyse(replace(made, patients=patients), plan())["survival"]["global_pfs"]
    by_term = {row["term"]: row for row in results["univariate"]}
    assert results["n"] == 40
    assert by_term["mad per gy"]["n"] == 35
    assert by_term["grade 2 vs 1"]["n"] == 40


def test_contradictions_are_told(tables, plan):
    made = tables()
    patients = made.patients.copy()
    patients.loc[0, "global_pfs_months"] = patients.loc[0, "os_months"] + 5
    told = [w["message"] for w in analyse(replace(made, patients=patients), plan())["warnings"]]
    assert any("global_pfs_months is longer than os_months: P00" in message for message in told)


def test_one_class_alone(tables, plan):
    made = tables()
    lesions = made.lesions.assign(response="PR")
    results = analyse(replace(made, lesions=lesions), plan())
    assert results["response"]["lesion"]["auc"] is None
    assert results["response"]["lesion"]["at_cutoffs"][0]["source"] == "fixed"


@settings(max_examples=25)
@given(st.integers(0, 1000), st.lists(st.integers(0, 39), min_size=1, max_size=12, unique=True))
def test_any_small_cohort_gets_results(tables, plan, seed, kept):
    made = tables(40, seed)
    patients = made.patients.iloc[sorted(kept)].reset_index(drop=True)
    lesions = made.lesions[made.lesions["patient_id"].isin(patients["patient_id"])].reset_index(drop=True)
    results = analyse(replace(made, patients=patients, lesions=lesions), plan())
    json.dumps(results, allow_nan=False)
    assert results["cohort"]["analysed"] == len(kept)


def test_the_same_tables_give_the_same_results(tables, plan):
    assert json.dumps(analyse(tables(), plan())) == json.dumps(analyse(tables(), plan()))
