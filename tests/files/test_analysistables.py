from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import pandas as hpd

from ytterby.cohort.table import LESION_COLUMNS, PATIENT_COLUMNS, AnalysisTables
from ytterby.errors import InconsistentStudy, TableError
from ytterby.files import analysiscolumns
from ytterby.files.analysistables import read_analysis_tables, write_analysis_tables, write_table

PATIENTS = """\
patient_id,grade,origin,mad_gy,evaluable,hepatic_responder,hepatic_pfs_months,hepatic_pfs_event,global_pfs_months,\
global_pfs_event,os_months,os_event,hepatic_response,age_years,prior_tace,centre
S1,1,pancreas,663.1,1,1,73,0,73,0,115,1,PR,47,1,A
S2,3,unknown,52.75,1,0,8.5,1,6,1,24,1,SD,,0,
S3,2,gastrointestinal,0,0,,1,0,1,0,2,0,,61.5,,B
"""
LESIONS = "patient_id,lesion_id,mad_gy,response\nS1,L1,407.1,PR\nS1,L2,641.4,CR\nS2,L1,29.9,PD\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "analysis_patients.csv").write_text(PATIENTS, encoding="utf-8")
    (tmp_path / "analysis_lesions.csv").write_text(LESIONS, encoding="utf-8")
    return tmp_path


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"'{old}' must stand once in {file}"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def test_the_declared_columns_are_those_of_the_analysis() -> None:
    assert tuple(c.name for c in analysiscolumns.PATIENTS if c.required) == PATIENT_COLUMNS
    assert tuple(c.name for c in analysiscolumns.LESIONS if c.required) == LESION_COLUMNS
    for columns in analysiscolumns.TABLES.values():
        names = [column.name for column in columns]
        assert len(set(names)) == len(names)


def test_types_and_missing_values(folder: Path) -> None:
    tables = read_analysis_tables(folder)
    patients = tables.patients
    assert (len(patients), len(tables.lesions), tables.exclusions, tables.toxicity) == (3, 3, None, None)
    assert (tables.simulated, tables.source) == (False, folder.name)
    assert patients["grade"].dtype == np.int64
    assert patients["evaluable"].tolist() == [1, 1, 0]
    assert patients["hepatic_responder"].dtype == np.float64
    assert np.isnan(patients["hepatic_responder"][2])
    assert patients["hepatic_response"].tolist() == ["PR", "SD", ""]
    assert patients["prior_tace"].tolist()[:2] == [1.0, 0.0]
    assert patients["centre"].tolist() == ["A", "", "B"]
    assert np.isnan(patients["age_years"][1])


def test_tables_beside_them(folder: Path) -> None:
    (folder / "exclusions.csv").write_text("reason,n\nno imaging,15\n", encoding="utf-8")
    (folder / "toxicity.csv").write_text("patient_id,test,grade\nS1,ast,2\nS1,alt,0\n", encoding="utf-8")
    tables = read_analysis_tables(folder)
    assert tables.exclusions is not None
    assert tables.exclusions.to_dict("records") == [{"reason": "no imaging", "n": 15}]
    assert tables.toxicity is not None
    assert tables.toxicity["grade"].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "analysis_patients.csv",
            "S1,1,pancreas",
            "S1,one,pancreas",
            r"analysis_patients\.csv, row 2, column grade: 'one' is no number",
        ),
        (
            "analysis_patients.csv",
            "S1,1,pancreas",
            "S1,4,pancreas",
            r"row 2, column grade: 4 lies outside the range \(>= 1 and <= 3\)",
        ),
        ("analysis_patients.csv", "S1,1,pancreas", "S1,,pancreas", "row 2, column grade: the cell is empty"),
        (
            "analysis_patients.csv",
            "S1,1,pancreas",
            "S1,1,Pancreas",
            "row 2, column origin: 'Pancreas' is not known here",
        ),
        ("analysis_patients.csv", "52.75", "-1", "row 3, column mad_gy: -1 lies outside"),
        ("analysis_patients.csv", ",8.5,1,", ",8.5,yes,", "row 3, column hepatic_pfs_event: 'yes' is no number"),
        (
            "analysis_patients.csv",
            ",8.5,1,",
            ',"8,5",1,',
            "row 3, column hepatic_pfs_months: '8,5' has a decimal comma",
        ),
        ("analysis_patients.csv", "S2,3", "S1,3", "row 3, column patient_id: patient_id S1 stands in row 2 already"),
        (
            "analysis_patients.csv",
            "os_event,",
            "os_evnt,",
            r"row 1, column os_event: the column is missing; there are patient_id, ",
        ),
        (
            "analysis_patients.csv",
            "663.1,1,1,",
            "663.1,1,,",
            "row 2, column hepatic_responder: the patient is evaluable, but",
        ),
        (
            "analysis_patients.csv",
            "115,1,PR",
            "115,1,PD",
            "row 2, column hepatic_responder: hepatic_responder 1 contradicts",
        ),
        (
            "analysis_lesions.csv",
            "S2,L1",
            "S9,L1",
            r"analysis_lesions\.csv, row 4, column patient_id: the patient 'S9' is not in",
        ),
        (
            "analysis_lesions.csv",
            "S1,L2",
            "S1,L1",
            "row 3, column lesion_id: patient_id S1, lesion_id L1 stands in row 2",
        ),
        (
            "analysis_lesions.csv",
            "29.9,PD",
            "29.9,NE",
            "row 4, column response: 'NE' is not known here.*CR, PR, SD, PD",
        ),
        ("analysis_lesions.csv", "29.9,PD", "29.9,", "row 4, column response: the cell is empty"),
    ],
)
def test_wrong_cells_are_named_by_file_row_and_column(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    edit(folder, file, old, new)
    with pytest.raises(InconsistentStudy) as caught:
        read_analysis_tables(folder)
    assert any(re.search(message, str(problem)) for problem in caught.value.problems), str(caught.value)
    assert str(folder) in str(caught.value)


def test_all_problems_of_all_tables_come_at_once(folder: Path) -> None:
    edit(folder, "analysis_patients.csv", "52.75", "much")
    edit(folder, "analysis_lesions.csv", "S2,L1", "S9,L1")
    (folder / "exclusions.csv").write_text("reason,n\nno imaging,-1\n", encoding="utf-8")
    (folder / "toxicity.csv").write_text("patient_id,test,grade\nS8,ast,7\n", encoding="utf-8")
    with pytest.raises(InconsistentStudy, match=r"5 problem\(s\)") as caught:
        read_analysis_tables(folder)
    assert sorted((problem.file, problem.row, problem.column) for problem in caught.value.problems) == [
        ("analysis_lesions.csv", 4, "patient_id"),
        ("analysis_patients.csv", 3, "mad_gy"),
        ("exclusions.csv", 2, "n"),
        ("toxicity.csv", 2, "grade"),
        ("toxicity.csv", 2, "patient_id"),
    ]


def test_missing_and_empty_tables(folder: Path) -> None:
    (folder / "analysis_lesions.csv").unlink()
    (folder / "analysis_patients.csv").write_text(PATIENTS.splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(InconsistentStudy) as caught:
        read_analysis_tables(folder)
    assert [str(problem) for problem in caught.value.problems] == [
        "analysis_lesions.csv: the file is missing. What to do: add it to the folder",
        "analysis_patients.csv: there is no patient. What to do: add rows",
    ]


def test_simulated_tables_say_so_in_every_row(folder: Path) -> None:
    text = PATIENTS.replace("prior_tace", "simulated")
    (folder / "analysis_patients.csv").write_text(
        text.replace(",61.5,,B", ",61.5,1,B").replace(",,0,", ",,1,"), encoding="utf-8"
    )
    assert read_analysis_tables(folder).simulated
    (folder / "analysis_patients.csv").write_text(text.replace(",61.5,,B", ",61.5,1,B"), encoding="utf-8")
    with pytest.raises(InconsistentStudy, match="rows of simulated and of real patients"):
        read_analysis_tables(folder)


def test_written_tables_read_back_the_same_and_are_the_same_bytes(folder: Path, tmp_path_factory) -> None:
    tables = read_analysis_tables(folder)
    out = [tmp_path_factory.mktemp("out") for _ in range(2)]
    for place in out:
        write_analysis_tables(place, tables)
    assert sorted(path.name for path in out[0].iterdir()) == [
        "analysis_lesions.csv",
        "analysis_patients.csv",
        "codebook.csv",
    ]
    for path in out[0].iterdir():
        assert path.read_bytes() == (out[1] / path.name).read_bytes()
    again = read_analysis_tables(out[0])
    pd.testing.assert_frame_equal(again.patients, tables.patients)
    pd.testing.assert_frame_equal(again.lesions, tables.lesions)
    third = (out[0] / "analysis_patients.csv").read_text(encoding="utf-8").splitlines()[3]
    assert third == "S3,2,gastrointestinal,0.0,0,,1.0,0,1.0,0,2.0,0,,61.5,,B"


def test_whole_numbers_stay_whole_where_gaps_made_them_floats(tmp_path: Path) -> None:
    frame = pd.DataFrame({"patient_id": ["a", "b"], "grade": [2.0, np.nan], "mad_gy": [1 / 3, 2], "x": [True, False]})
    write_table(tmp_path / "analysis_patients.csv", frame)
    assert (tmp_path / "analysis_patients.csv").read_text(encoding="utf-8") == (
        "patient_id,grade,mad_gy,x\na,2,0.3333333333333333,1\nb,,2.0,0\n"
    )


@pytest.mark.parametrize(("column", "value"), [("grade", 2.5), ("mad_gy", np.inf)])
def test_what_no_table_can_hold_is_not_written(tmp_path: Path, column: str, value: float) -> None:
    with pytest.raises(TableError, match=rf"analysis_patients\.csv, row 2, column {column}"):
        write_table(tmp_path / "analysis_patients.csv", pd.DataFrame({column: [value]}))


@given(
    frame=hpd.data_frames(
        [
            hpd.column("a", elements=st.floats(allow_infinity=False)),
            hpd.column("b", dtype=np.int64),
            hpd.column(
                "c", dtype=object, elements=st.text(st.characters(codec="ascii", categories=["L", "P"]), min_size=1)
            ),
        ]
    )
)
def test_numbers_survive_writing(frame: pd.DataFrame, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("w") / "t.csv"
    write_table(path, frame)
    again = pd.read_csv(path, dtype={"a": float, "b": np.int64, "c": object}, keep_default_na=False, na_values={"a": [""]},
                        float_precision="round_trip")  # fmt: skip
    pd.testing.assert_frame_equal(again, frame.reset_index(drop=True), check_dtype=False)


def test_the_codebook_explains_every_column(folder: Path) -> None:
    write_analysis_tables(folder, read_analysis_tables(folder))
    rows = pd.read_csv(folder / "codebook.csv", keep_default_na=False)
    assert list(rows.columns) == ["table", "column", "type", "unit", "values", "meaning"]
    tables = read_analysis_tables(folder)
    expected = [("analysis_patients", c) for c in tables.patients.columns] + [
        ("analysis_lesions", c) for c in tables.lesions.columns
    ]
    assert list(zip(rows["table"], rows["column"], strict=True)) == expected
    assert (rows["meaning"] != "").all()
    by_column = rows.drop_duplicates("column").set_index("column")
    assert by_column.loc["mad_gy", "unit"] == "Gy"
    assert by_column.loc["grade", "values"] == ">= 1 and <= 3"
    assert by_column.loc["prior_tace", "meaning"] == "tace before the treatment"
    assert by_column.loc["centre", "type"] == "text"


@pytest.mark.external
def test_the_synthetic_cohort_reads_without_a_problem(reference_data: Path) -> None:
    tables = read_analysis_tables(reference_data / "synthetic_cohort")
    assert isinstance(tables, AnalysisTables)
    assert (len(tables.patients), len(tables.lesions)) == (43, 126)
    assert int(tables.patients["evaluable"].sum()) == 28
    assert tables.lesions["patient_id"].nunique() == 28
    assert int(tables.patients["hepatic_responder"].notna().sum()) == 28
