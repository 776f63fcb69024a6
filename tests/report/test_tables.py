"""Tables 1 and 2 in the layout of the paper, and CSV."""

from __future__ import annotations

import csv
from io import StringIO

from ytterby.report.numbers import fixed, interval, p_text
from ytterby.report.tables import records_csv, table_csv
from ytterby.report.tables_patients import patient_table
from ytterby.report.tables_response import diagnostic_table, toxicity_table
from ytterby.report.tables_survival import cox_table, survival_table


def test_table_2_has_the_papers_rows(study_results):
    table = cox_table(study_results)
    labels = [row.cells[1] for row in table.rows]
    assert labels[:6] == [
        "NEN grade",
        "Grade 2 vs. 1",
        "Grade 3 vs. 1",
        "Tumour origin (pancreas vs. other)",
        "MAD (per Gy)",
        "MAD (per 100 Gy)",
    ]
    assert [row.cells[0] for row in table.rows if row.cells[0]] == ["Hepatic PFS", "Global PFS", "Overall survival"]
    univariate = {row["term"]: row for row in study_results["survival"]["hepatic_pfs"]["univariate"]}
    grade, dose, dose_100 = table.rows[1].cells, table.rows[4].cells, table.rows[5].cells
    expected = univariate["grade 2 vs 1"]
    assert grade[2:4] == (f"{fixed(expected['hr'], 2)} ({interval(expected['ci'], 2)})", p_text(expected["p"]))
    assert dose[2].startswith(fixed(univariate["mad per gy"]["hr"], 3))
    assert dose_100[2].startswith(fixed(univariate["mad per 100 gy"]["hr"], 2))


def test_table_2_leaves_out_what_did_not_enter(study_results):
    for name, title in (("hepatic_pfs", "Hepatic PFS"), ("os", "Overall survival")):
        entered = study_results["survival"][name]["entry"]["covariates"]
        rows = cox_table(study_results).rows
        start = next(number for number, row in enumerate(rows) if row.cells[0] == title)
        assert bool(rows[start + 4].cells[4]) == ("mad_gy" in entered)


def test_a_model_without_an_estimate_is_told(study_results):
    survival = study_results["survival"]
    broken = {**survival["os"], "univariate": [], "multivariate": None}
    table = cox_table({**study_results, "survival": {**survival, "os": broken}})
    assert sum("not estimable" in row.cells for row in table.rows) == 3


def test_table_1_joins_levels_as_the_paper_does(study_results):
    rows = dict(row.cells for row in patient_table(study_results).rows)
    assert rows["Male/female (n)"] == "21/11"
    assert rows["NEN grade: 1/2/3 (n)"] == "11/11/10"
    assert rows["Lymph node/thyroid gland/lung (n)".replace("Lymph node/thyroid gland/", "")] == "1"
    assert rows["Number of involved regions: 1/2 (n)*"] == "2/1"
    assert rows["Lung shunt fraction (%)"] == "Median, 2.9; range, 2.9–2.9"
    assert rows["Age (y)"].startswith("Median, ")


def test_figures_at_each_cutoff(study_results):
    table = diagnostic_table(study_results)
    lesion = study_results["response"]["lesion"]
    assert table.header[1] == f"Per lesion, > {lesion['cutoff_gy']:.1f} Gy (Youden)"
    assert table.header[2] == "Per lesion, > 196.6 Gy (fixed)"
    assert table.rows[0].cells[1] == f"{lesion['tp']}/{lesion['fp']}/{lesion['tn']}/{lesion['fn']}"
    assert f"({lesion['tp']}/{lesion['tp'] + lesion['fn']};" in table.rows[1].cells[1]


def test_survival_and_toxicity(study_results):
    assert [row.cells[0] for row in survival_table(study_results).rows] == [
        "Hepatic PFS",
        "Global PFS",
        "Overall survival",
    ]
    toxicity = toxicity_table(study_results)
    assert toxicity is not None
    assert toxicity.rows[0].cells == ("Aspartate aminotransferase", "0", "1", "0", "1", "0")
    assert toxicity_table({**study_results, "toxicity": None}) is None


def test_csv_reads_back(study_results):
    table = cox_table(study_results)
    read = list(csv.reader(StringIO(table_csv(table, simulated=False))))
    assert tuple(read[0]) == table.header
    assert [tuple(row) for row in read[1:]] == [row.cells for row in table.rows]
    records = [{"a": 0.1, "b": None}, {"a": 2, "b": "x,y"}]
    assert records_csv(("a", "b"), records, simulated=False) == 'a,b\n0.1,\n2,"x,y"\n'
    assert records_csv(("a", "b"), records, simulated=True) == 'a,b,simulated\n0.1,,1\n2,"x,y",1\n'
