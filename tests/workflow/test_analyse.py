"""``analyse`` on files: what it writes, twice the same, all or nothing, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ytterby.cli import analyse as command
from ytterby.errors import ConfigurationError, InconsistentStudy
from ytterby.workflow.analyse import analyse_folder
from ytterby.workflow.provenance import RunRecord, sha256_of, write_json

FILES = {
    "results.json",
    "run.json",
    "report/index.html",
    "report/report.pdf",
    *(f"figures/figure{number}.{kind}" for number in (1, 2, 3, 4) for kind in ("svg", "png")),
    *(
        f"tables/{name}.csv"
        for name in ("table1", "table2", "roc_lesion", "roc_patient", "mann_whitney", "kaplan_meier", "codebook")
    ),
}


@pytest.fixture
def folder(tmp_path):
    """A folder with the two tables of 24 patients, half of them evaluable with three lesions each."""
    rng = np.random.default_rng(3)
    n = 24
    dose_gy = rng.gamma(4.0, 60.0, n).round(1)
    months = rng.integers(4, 100, n)
    place = tmp_path / "tables of a study"
    place.mkdir()
    pd.DataFrame(
        {
            "patient_id": [f"P{k:02d}" for k in range(n)],
            "grade": 1 + np.arange(n) % 3,
            "origin": np.where(np.arange(n) % 3 == 0, "pancreas", "gastrointestinal"),
            "mad_gy": dose_gy,
            "evaluable": (np.arange(n) < 12).astype(int),
            "hepatic_responder": [str(int(dose > 230)) if k < 12 else "" for k, dose in enumerate(dose_gy)],
            **{
                column: values
                for name in ("hepatic_pfs", "global_pfs", "os")
                for column, values in ((f"{name}_months", months), (f"{name}_event", rng.integers(0, 2, n)))
            },
        }
    ).to_csv(place / "analysis_patients.csv", index=False)
    pd.DataFrame(
        {
            "patient_id": [f"P{k // 3:02d}" for k in range(36)],
            "lesion_id": [f"L{k % 3}" for k in range(36)],
            "mad_gy": rng.gamma(4.0, 60.0, 36).round(1),
            "response": np.array(["PR", "SD", "PD"])[rng.integers(0, 3, 36)],
        }
    ).to_csv(place / "analysis_lesions.csv", index=False)
    return place


def written(out):
    return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}


def test_everything_is_written_and_twice_the_same(folder, tmp_path):
    first = analyse_folder(folder, tmp_path / "first")
    second = analyse_folder(folder, tmp_path / "second")
    assert set(written(first.out)) == FILES
    assert first.index.is_file()
    for name in FILES - {"run.json"}:
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes(), name
    assert json.loads((first.out / "results.json").read_text()) == first.results


def test_run_json_names_inputs_by_their_content(folder, tmp_path):
    out = analyse_folder(folder, tmp_path / "out").out
    run = json.loads((out / "run.json").read_text())
    patients = folder / "analysis_patients.csv"
    assert run["inputs"]["analysis_patients.csv"] == hashlib.sha256(patients.read_bytes()).hexdigest()
    assert set(run["inputs"]) == {"analysis_patients.csv", "analysis_lesions.csv"}
    assert {"python", "ytterby", "numpy", "pandas", "matplotlib", "typst"} <= set(run["software"])
    assert set(run["seconds"]) == {"read", "statistics", "figures", "write", "report"}
    assert run["options"]["cox"]["ties"] == "efron"


def test_curves_and_tests_as_tables(folder, tmp_path):
    analysis = analyse_folder(folder, tmp_path / "out")
    tables = analysis.out / "tables"

    def rows(name):
        with (tables / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    lesion = analysis.results["response"]["lesion"]
    at = next(row for row in rows("roc_lesion") if row["cutoff_gy"] == repr(lesion["cutoff_gy"]))
    assert (int(at["tp"]), int(at["fp"])) == (lesion["tp"], lesion["fp"])
    curve = [row for row in rows("kaplan_meier") if row["endpoint"] == "os" and row["group"] == "all"]
    assert sum(int(row["events"]) for row in curve) == analysis.results["survival"]["os"]["events"]
    assert {row["group"] for row in rows("kaplan_meier")} == {"all", "grade 1", "grade 2", "grade 3"}
    assert float(rows("mann_whitney")[0]["p"]) == lesion["mann_whitney"][0]["p"]


def test_simulated_by_flag(folder, tmp_path):
    analysis = analyse_folder(folder, tmp_path / "out", simulated=True)
    assert analysis.results["simulated"] is True
    assert "Simulated data" in analysis.index.read_text(encoding="utf-8")
    assert analyse_folder(folder, tmp_path / "out").results["simulated"] is False
    assert "imulated data" not in analysis.index.read_text(encoding="utf-8")


def test_a_plan_of_ones_own(folder, tmp_path):
    from ytterby.files.planfile import PAPER

    plan = tmp_path / "analysis.yaml"
    plan.write_text(PAPER.read_text(encoding="utf-8").replace("ties: efron", "ties: breslow"), encoding="utf-8")
    analysis = analyse_folder(folder, tmp_path / "out", plan=plan)
    assert analysis.results["survival"]["os"]["ties"] == "breslow"
    assert "analysis.yaml" in json.loads((analysis.out / "run.json").read_text())["inputs"]


def test_wrong_tables_leave_an_earlier_result_untouched(folder, tmp_path):
    out = analyse_folder(folder, tmp_path / "out").out
    before = {name: path.read_bytes() for name, path in written(out).items()}
    table = folder / "analysis_patients.csv"
    table.write_text(table.read_text().replace("P03,1,", "P03,seven,"))
    with pytest.raises(InconsistentStudy, match=r"analysis_patients\.csv, row 5, column grade"):
        analyse_folder(folder, out)
    assert {name: path.read_bytes() for name, path in written(out).items()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "tables of a study"]


def test_a_failure_while_writing_leaves_nothing(folder, tmp_path, monkeypatch):
    def broken(_):
        raise RuntimeError("no paper")

    monkeypatch.setattr("ytterby.workflow.analyse.study_pdf", broken)
    with pytest.raises(RuntimeError, match="no paper"):
        analyse_folder(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tables of a study"]


def test_results_never_replace_the_tables_they_are_made_from(folder, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    folder.rename(study / "tables")
    with pytest.raises(ConfigurationError, match="would replace the tables"):
        analyse_folder(study / "tables", study)
    assert (study / "tables" / "analysis_patients.csv").is_file()


def test_what_others_put_into_the_output_folder_is_safe(folder, tmp_path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "figures" / "holiday.png").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="no analysis wrote"):
        analyse_folder(folder, out)
    (out / "tables").mkdir()
    (out / "tables" / "analysis_patients.csv").write_bytes(b"x")
    (out / "results.json").write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="results of a study run"):
        analyse_folder(folder, out)
    assert (out / "figures" / "holiday.png").is_file()


def test_json_knows_no_nan_and_keeps_the_order(tmp_path):
    write_json(tmp_path / "a.json", {"b": 0.1, "a": [None, "ä"]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "b": 0.1,\n  "a": [\n    null,\n    "ä"\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"a": float("nan")})


def test_steps_add_up(tmp_path):
    record = RunRecord("test", options={})
    for _ in range(2):
        with record.step("one"):
            pass
    (tmp_path / "x").write_bytes(b"abc")
    record.add_inputs(tmp_path, [tmp_path / "x"])
    written = record.as_dict()
    assert list(written["seconds"]) == ["one"]
    assert written["inputs"] == {"x": sha256_of(tmp_path / "x")}
    assert sha256_of(tmp_path / "x").startswith("ba7816bf")


def test_the_command(folder, tmp_path):
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    runner = CliRunner()
    told = runner.invoke(app, ["analyse", str(folder), "--out", str(tmp_path / "out"), "--simulated"])
    assert told.exit_code == 0, told.output
    assert "24 patients analysed; 12 evaluable for response, with 36 lesions." in told.output
    assert "Simulated data. Research use only." in told.output
    printed = runner.invoke(app, ["analyse", str(folder), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(printed.stdout)["cohort"]["analysed"] == 24


@pytest.mark.external
def test_the_reference_cohort(reference_data, tmp_path):
    analysis = analyse_folder(reference_data / "synthetic_cohort", tmp_path / "out", simulated=True)
    lesion = analysis.results["response"]["lesion"]
    assert [lesion[name] for name in ("cutoff_gy", "tp", "fn", "tn", "fp")] == [196.6, 55, 30, 35, 6]
    html = analysis.index.read_text(encoding="utf-8")
    assert "4.02 (1.33–12.18)" in html
    assert "64.7 (55/85; 53.6–74.8)" in html
