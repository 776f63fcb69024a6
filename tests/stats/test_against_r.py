"""Every figure of the room beside what R computed (tests/oracles/stats_r.R), on simulated and on public samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ytterby.stats.cox import cox
from ytterby.stats.diagnostic import ConfusionMatrix, diagnostic_figures
from ytterby.stats.groups import cochran_armitage, kruskal_wallis, mann_whitney
from ytterby.stats.roc import CutoffConvention, delong, roc_curve, youden_cutoff
from ytterby.stats.survival import kaplan_meier, log_rank, reverse_kaplan_meier_median

INTERVALS = ("log_log", "log", "plain")


def roc_figures(found, dataset, score, positive, *, points=False):
    for analysis, confidence in (("roc", 0.95), ("roc_80", 0.8)):
        estimate = delong(score, positive, confidence=confidence)
        ours = {"ci_lower": estimate.ci[0], "ci_upper": estimate.ci[1]}
        if analysis == "roc":
            ours |= {"auc": estimate.auc, "variance": estimate.se**2}
        found.agrees((dataset, analysis, ""), ours, rel=1e-9)
    assert roc_curve(score, positive).auc == estimate.auc
    best = youden_cutoff(score, positive, convention=CutoffConvention.MIDPOINT)
    fields = ("cutoff", "index", "sensitivity", "specificity", "n_optima")
    found.agrees((dataset, "youden", "midpoint"), {name: getattr(best, name) for name in fields}, rel=1e-12)
    if points:
        curve = roc_curve(score, positive, convention="midpoint")
        ours = numbered(threshold=curve.thresholds, sensitivity=curve.sensitivity, specificity=curve.specificity)
        found.agrees((dataset, "curve", "midpoint"), ours, rel=1e-12)


def numbered(**arrays):
    return {f"{name}_{at:04d}": value for name, array in arrays.items() for at, value in enumerate(array, start=1)}


def rank_sum(found, dataset, term, a, b):
    test = mann_whitney(a, b)
    assert test.n == (len(a), len(b))
    ours = {"u": test.u, "p": test.p, "exact": float(test.method == "exact")}
    found.agrees((dataset, "mann_whitney", term), ours, rel=1e-9)


def rank_groups(found, dataset, term, values, labels):
    test = kruskal_wallis([values[labels == label] for label in np.unique(labels)])
    found.agrees((dataset, "kruskal_wallis", term), {"h": test.h, "df": test.df, "p": test.p}, rel=1e-9)


def trend(found, dataset, term, successes, totals, scores):
    test = cochran_armitage(successes, totals, scores=scores)
    assert test.z**2 == pytest.approx(test.chi2)
    ours = {"chi2": test.chi2, "p": test.p, "exact_p": test.exact_p}
    # Where the statistic is at its mean R's chi2 is 0 but for rounding.
    found.agrees((dataset, "trend", term), ours, rel=1e-9, abs_=1e-25)


def curves(found, dataset, term, time, event, *, points=False):
    for interval in INTERVALS:
        curve = kaplan_meier(time, event, interval=interval)
        ours = {"median": curve.median, "lower": curve.median_ci[0], "upper": curve.median_ci[1]}
        found.agrees((dataset, f"median_{interval}", term), ours, rel=1e-12)
        if points:
            ours = numbered(lower=curve.lower, upper=curve.upper)
            found.agrees((dataset, f"survfit_{interval}", term), ours, rel=1e-9)
    if points:
        steps = {"time": curve.times, "survival": curve.survival, "at_risk": curve.at_risk}
        ours = numbered(**steps, events=curve.events, censored=curve.censored)
        found.agrees((dataset, "survfit", term), ours, rel=1e-12)
    ours = {"median": reverse_kaplan_meier_median(time, event)}
    found.agrees((dataset, "follow_up", term), ours, rel=1e-12)


def logrank(found, dataset, term, time, event, group):
    test = log_rank(time, event, group)
    found.agrees((dataset, "log_rank", term), {"chi2": test.chi2, "df": test.df, "p": test.p}, rel=1e-9)


def hazards(found, dataset, term, data, model):
    names = model.split(" + ")
    x = np.column_stack([data[name] for name in names])
    for ties in ("efron", "breslow"):
        fit = cox(data["time"], data["event"], x, names=names, ties=ties)
        for fitted in fit.terms:
            ours = {name: getattr(fitted, name) for name in ("coefficient", "hr", "se", "z", "p")}
            ours |= {"lower": fitted.ci[0], "upper": fitted.ci[1]}
            found.agrees((dataset, f"cox_{ties}", f"{term}:{fitted.name}"), ours, rel=1e-6)
        test = fit.likelihood_ratio
        ours = {"log_likelihood": fit.log_likelihood, "log_likelihood_null": fit.log_likelihood_null}
        ours |= {"lr_chi2": test.chi2, "lr_df": test.df, "lr_p": test.p}
        if len(names) > 1:
            ours["covariance_12"] = fit.covariance[0, 1]
        found.agrees((dataset, f"cox_{ties}", term), ours, rel=1e-6)


def test_simulated_samples_as_r(oracle, sample):
    found = oracle("stats_r.csv")

    d = sample("roc")
    score, positive, cluster = d["score"], d["positive"], d["cluster"]
    roc_figures(found, "roc", score, positive, points=True)
    rank_sum(found, "roc", "ties", score[positive == 1], score[positive == 0])
    rank_sum(found, "roc", "six clusters", score[cluster <= 3], score[(cluster > 3) & (cluster <= 6)])
    rank_groups(found, "roc", "cluster", score, cluster)
    spread = score + np.arange(1, score.size + 1) / 1e4
    rank_sum(found, "roc", "no ties, small", spread[cluster <= 8], spread[(cluster > 8) & (cluster <= 16)])
    rank_sum(found, "roc", "no ties, large", spread[positive == 1], spread[positive == 0])
    rank_sum(found, "roc", "no ties, tiny", spread[:3], spread[[39, 79]])
    rank_groups(found, "roc", "no ties", spread[:60], cluster[:60] % 3)

    d = sample("survival")
    time, event, level, group = d["time"], d["event"], d["level"], d["group"]
    curves(found, "survival", "all", time, event, points=True)
    for name in "abc":
        curves(found, "survival", name, time[group == name], event[group == name])
    logrank(found, "survival", "group", time, event, group)
    logrank(found, "survival", "level", time, event, level)
    d |= {"level2": level == 2, "level3": level == 3, "group_b": group == "b"}
    hazards(found, "survival", "level", d, "level2 + level3")
    hazards(found, "survival", "group", d, "group_b")
    hazards(found, "survival", "marker", d, "marker")
    hazards(found, "survival", "all", d, "level2 + level3 + group_b + marker")

    d = sample("median")
    for name in np.unique(d["set"]):
        chosen = d["set"] == name
        curves(found, "median", name, d["time"][chosen], d["event"][chosen], points=True)
    d = sample("trend")
    for name in np.unique(d["set"]):
        chosen = d["set"] == name
        trend(found, "trend", name, d["successes"][chosen], d["total"][chosen], d["score"][chosen])
    found.compared |= {key for key in found.figures if key[0] == "table"}  # the next test
    found.assert_all_compared()


def test_intervals_of_tables_as_r(oracle, sample):
    found = oracle("stats_r.csv")
    d = sample("table")
    for row, name in enumerate(d["set"]):
        matrix = ConfusionMatrix(*(int(d[cell][row]) for cell in ("tp", "fp", "tn", "fn")))
        for method in ("clopper_pearson", "wilson"):
            figures = diagnostic_figures(matrix, proportions=method, predictive_values=method)
            for figure in ("sensitivity", "specificity", "ppv", "npv", "accuracy"):
                ours = dict(zip(("lower", "upper"), getattr(figures, figure).ci, strict=True))
                assert getattr(figures, figure).method == method
                # R's Wilson bound at 0 of n is 0 but for rounding.
                found.agrees(("table", method, f"{name} {figure}"), ours, rel=1e-9, abs_=1e-15)
        figures = diagnostic_figures(matrix)
        for figure in ("ppv", "npv"):
            key = ("table", "mercaldo", f"{name} {figure}")
            logit = getattr(figures, figure).method == "mercaldo_logit"
            assert logit == (key in found.figures)
            if logit:
                ours = dict(zip(("lower", "upper"), getattr(figures, figure).ci, strict=True))
                found.agrees(key, ours, rel=1e-9)
    found.compared |= {key for key in found.figures if key[0] != "table"}
    found.assert_all_compared()


@pytest.mark.external
def test_simulated_cohort_as_r(oracle, table, reference_data):
    found = oracle("stats_r_cohort.csv")
    folder = reference_data / "synthetic_cohort"
    d = table(folder / "analysis_lesions.csv")
    score, response = d["mad_gy"], d["response"]
    roc_figures(found, "lesions", score, np.isin(response, ["CR", "PR"]))
    for one, other in itertools.combinations(("CR", "PR", "SD", "PD"), 2):
        rank_sum(found, "lesions", f"{one} {other}", score[response == one], score[response == other])
    rank_groups(found, "lesions", "response", score, response)

    d = table(folder / "analysis_patients.csv")
    evaluable = d["evaluable"] == 1
    score, positive, grade = d["mad_gy"][evaluable], d["hepatic_responder"][evaluable] == 1, d["grade"][evaluable]
    roc_figures(found, "patients", score, positive)
    rank_sum(found, "patients", "response", score[positive], score[~positive])
    rank_groups(found, "patients", "grade", score, grade)
    by_grade = [positive[grade == level] for level in (1, 2, 3)]
    trend(found, "patients", "grade", [g.sum() for g in by_grade], [g.size for g in by_grade], None)

    d |= {"g2": d["grade"] == 2, "g3": d["grade"] == 3, "pancreas": d["origin"] == "pancreas"}
    # The multivariate models of the paper's Table 2, and all covariates together.
    everything = "g2 + g3 + pancreas + mad_gy"
    entered = {"hepatic_pfs": "g2 + g3 + pancreas", "global_pfs": everything, "os": "g2 + g3 + mad_gy"}
    for endpoint, multivariate in entered.items():
        d |= {"time": d[f"{endpoint}_months"], "event": d[f"{endpoint}_event"]}
        curves(found, "patients", endpoint, d["time"], d["event"])
        logrank(found, "patients", endpoint, d["time"], d["event"], d["grade"])
        for model in {"g2 + g3", "pancreas", "mad_gy", multivariate, everything}:
            hazards(found, "patients", f"{endpoint} {model}", d, model)
    found.assert_all_compared()


@pytest.mark.external
def test_public_samples_as_r(oracle, table, external_data):
    found = oracle("stats_r_public.csv")
    d = table(external_data / "stats" / "aSAH.csv")
    poor = d["outcome"] == "Poor"
    for score in ("s100b", "ndka", "wfns"):
        roc_figures(found, f"aSAH {score}", d[score], poor)
        rank_sum(found, "aSAH", score, d[score][poor], d[score][~poor])
        rank_groups(found, "aSAH", score, d[score], d["gos6"])

    d = table(external_data / "stats" / "veteran.csv")
    d |= {"event": d["status"]} | {cell: d["celltype"] == cell for cell in ("squamous", "smallcell", "adeno")}
    curves(found, "veteran", "all", d["time"], d["event"])
    logrank(found, "veteran", "celltype", d["time"], d["event"], d["celltype"])
    hazards(found, "veteran", "full", d, "trt + squamous + smallcell + adeno + karno + diagtime + age + prior")

    whole = table(external_data / "stats" / "colon.csv")
    for etype in (1, 2):
        d = {name: column[whole["etype"] == etype] for name, column in whole.items()}
        d |= {"event": d["status"], "lev": d["rx"] == "Lev", "lev5fu": d["rx"] == "Lev+5FU"}
        curves(found, "colon", f"etype {etype}", d["time"], d["event"])
        logrank(found, "colon", f"etype {etype}", d["time"], d["event"], d["rx"])
        model = "lev + lev5fu + sex + age + obstruct + perfor + adhere + extent + surg + node4"
        hazards(found, "colon", f"etype {etype}", d, model)

    d = table(external_data / "stats" / "cancer.csv")
    d |= {"event": d["status"] - 1, "ecog": d["ph.ecog"]}
    curves(found, "cancer", "all", d["time"], d["event"])
    logrank(found, "cancer", "sex", d["time"], d["event"], d["sex"])
    complete = ~np.isnan(d["ecog"]) & ~np.isnan(d["wt.loss"])
    hazards(found, "cancer", "full", {k: v[complete] for k, v in d.items()}, "age + sex + ecog + wt.loss")
    found.assert_all_compared()


@pytest.mark.external
def test_pairs_of_conventions_on_s100b(table, external_data):
    d = table(external_data / "stats" / "aSAH.csv")
    poor = d["outcome"] == "Poor"
    cutoffs = {
        convention.value: youden_cutoff(d["s100b"], poor, convention=convention) for convention in CutoffConvention
    }
    assert {name: best.cutoff for name, best in cutoffs.items()} == pytest.approx(
        {"above_observed": 0.19, "midpoint": 0.205, "at_observed": 0.22}
    )
    assert len({(best.index, best.sensitivity) for best in cutoffs.values()}) == 1
