from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.files import csvtable
from ytterby.files.cells import Column, Kind, Unreadable, infer_kind, parse_cell
from ytterby.files.csvtable import Table, number_text, read_table, write_csv

COLUMNS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("age_years", Kind.NUMBER, "age", "years", filled=False, minimum=0, maximum=120),
    Column("lung_shunt_fraction", Kind.NUMBER, "shunt", filled=False, minimum=0, below=1),
    Column("grade", Kind.INTEGER, "grade", filled=False, minimum=1, maximum=3),
    Column("new_lesion", Kind.FLAG, "new", filled=False),
    Column("origin", Kind.CATEGORY, "origin", filled=False, categories=("pancreas", "unknown")),
    Column("died_on", Kind.DATE, "death", filled=False),
    Column("note", Kind.TEXT, "note", required=False, filled=False),
)
HEADER = "patient_id,age_years,lung_shunt_fraction,grade,new_lesion,origin,died_on"


def table(folder: Path, *rows: str, header: str = HEADER, key: tuple[str, ...] = ("patient_id",)) -> Table:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_table(path, COLUMNS, key=key)


def test_cells_get_the_type_of_their_column(tmp_path: Path) -> None:
    read = table(tmp_path, "P1,61.5,0.02,2,1,pancreas,2024-02-29", " P2 ,,,,,,", "P3,61,0,2.0,0,unknown,")
    assert read.problems == ()
    first, second, third = read.rows
    assert first.values == {
        "patient_id": "P1",
        "age_years": 61.5,
        "lung_shunt_fraction": 0.02,
        "grade": 2,
        "new_lesion": 1,
        "origin": "pancreas",
        "died_on": date(2024, 2, 29),
    }
    assert isinstance(first.values["grade"], int)
    assert (second.text("patient_id"), second.number_of("age_years"), second.day("died_on")) == ("P2", None, None)
    assert (third.required("grade"), third.number, third.is_sound) == (2.0, 4, True)


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        (
            "P1,old,,,,,",
            "age_years",
            r"t\.csv, row 2, column age_years: 'old' is no number\. What to do: write a plain number, or leave",
        ),
        ("P1,121,,,,,", "age_years", r"121 lies outside the range \(>= 0 and <= 120\)"),
        ("P1,-0.1,,,,,", "age_years", "outside the range"),
        ("P1,nan,,,,,", "age_years", "'nan' is no number"),
        ("P1,1e999,,,,,", "age_years", "outside the range"),
        ("P1,1_0,,,,,", "age_years", "is no number"),
        ('P1,"61,5",,,,,', "age_years", "'61,5' has a decimal comma.*write a decimal point"),
        (
            "P1,,2.9,,,,",
            "lung_shunt_fraction",
            r"2\.9 lies outside the range \(>= 0 and < 1\).*2\.9 % is written 0\.029",
        ),
        ("P1,,1,,,,", "lung_shunt_fraction", "outside the range"),
        ("P1,,,2.5,,,", "grade", "'2.5' is no whole number"),
        ("P1,,,4,,,", "grade", "outside the range"),
        ("P1,,,,yes,,", "new_lesion", "'yes' is no number"),
        ("P1,,,,2,,", "new_lesion", "'2' is neither 0 nor 1"),
        ("P1,,,,,liver,", "origin", "'liver' is not known here.*write one of pancreas, unknown"),
        ("P1,,,,,,01.02.2024", "died_on", r"'01\.02\.2024' is no date.*yyyy-mm-dd"),
        ("P1,,,,,,2023-02-29", "died_on", "is no date"),
        (",,,2,,,", "patient_id", "the cell is empty. What to do: give patient_id"),
        ("../x,,,,,,", "patient_id", "'../x' cannot be an identifier"),
        ("P\x071,,,,,,", "patient_id", "control character"),
    ],
)
def test_wrong_cells_are_named_by_row_and_column(tmp_path: Path, row: str, column: str, message: str) -> None:
    read = table(tmp_path, row)
    (problem,) = read.problems
    assert (problem.level, problem.file, problem.row, problem.column) == ("red", "t.csv", 2, column)
    assert re.search(message, str(problem))
    assert not read.rows[0].is_sound


def test_all_problems_are_collected(tmp_path: Path) -> None:
    read = table(tmp_path, "P1,old,2,x,,,", "P2,1,,,,,", "P3,,,,,,tomorrow")
    assert [(problem.row, problem.column) for problem in read.problems] == [
        (2, "age_years"),
        (2, "lung_shunt_fraction"),
        (2, "grade"),
        (4, "died_on"),
    ]
    assert [row.is_sound for row in read.rows] == [False, True, False]


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    read = table(tmp_path, "P1,2", header="patient_id,Grade")
    assert not read.is_usable
    assert [problem.column for problem in read.problems] == [column.name for column in COLUMNS[1:7]]
    assert str(read.problems[2]) == (
        "t.csv, row 1, column grade: the column is missing; there are patient_id, Grade. What to do: add the column grade"
    )


@pytest.mark.parametrize(
    ("content", "row", "message"),
    [
        (b"", None, "the file is empty"),
        (b"\n\n", None, "the file is empty"),
        (
            HEADER.replace(",", ";").encode() + b"\nP1;3,9;;;;;\n",
            1,
            "separated by semicolons, not by commas.*points in the numbers",
        ),
        (HEADER.replace(",", "\t").encode() + b"\nP1\t\n", 1, "separated by tabulators"),
        ((HEADER + "\nP1,,,,,,\nP\xe4,,,,,,\n").encode("latin-1"), 3, "the file is not UTF-8.*CSV UTF-8"),
        ((HEADER + "\n").encode("utf-16"), None, "the file is UTF-16"),
        ((HEADER + ",grade\n").encode(), 1, "the column 'grade' stands twice"),
        ((HEADER + ",,\n").encode(), 1, "columns have no name"),
        ((HEADER + '\nP1,"2"x,,,,,\n').encode(), 2, "cannot be told into cells"),
        ((HEADER + "\nP1," + "9" * 200_000 + ",,,,,\n").encode(), 2, "cannot be told into cells"),
    ],
)
def test_a_file_that_is_no_such_table(tmp_path: Path, content: bytes, row: int | None, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    read = read_table(path, COLUMNS)
    assert (read.is_usable, read.problems[0].row) == (False, row)
    assert re.search(message, str(read.problems[0]))


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read_table(tmp_path / "t.csv", COLUMNS).problems
    assert str(problem) == "t.csv: the file is missing. What to do: add it to the folder"


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"\r\nP1,61,,,,,\r\n")
    read = read_table(path, COLUMNS)
    assert (read.problems, read.rows[0].text("patient_id")) == ((), "P1")


def test_rows_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    read = table(tmp_path, 'P1,,,,,,,"two\nlines"', "", "P2,x,,,,,,", header=HEADER + ",note")
    assert [row.number for row in read.rows] == [2, 5]
    assert read.problems[0].row == 5
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[4].startswith("P2")


def test_rows_of_another_length_are_one_problem_each(tmp_path: Path) -> None:
    read = table(tmp_path, "P1,3,9,,,,,", "P2,61")
    assert [problem.message for problem in read.problems] == [
        "the row has 8 cells where the header has 7",
        "the row has 2 cells where the header has 7",
    ]
    assert read.rows[0].text("patient_id") == "P1"  # whose problem it is stays known
    assert not read.rows[0].is_sound


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    read = table(tmp_path, "P1,1,,,,,", "P2,1,,,,,", "P1,2,,,,,")
    (problem,) = read.problems
    assert (problem.row, problem.column, problem.message) == (4, "patient_id", "patient_id P1 stands in row 2 already")


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvtable, "MAX_ROWS", 3)
    read = table(tmp_path, *[f"P{n},,,,,," for n in range(5)])
    assert (len(read.rows), read.is_usable) == (3, False)
    assert read.problems[0].message == "more than 3 rows: reading stops here"
    assert read.problems[0].row == 5
    monkeypatch.setattr(csvtable, "MAX_BYTES", 50)
    assert "more than 50 bytes" in table(tmp_path, "P1,,,,,,").problems[0].message
    monkeypatch.undo()
    monkeypatch.setattr(csvtable, "MAX_PROBLEMS", 4)
    read = table(tmp_path, *[f"P{n},x,,,,," for n in range(9)])
    assert (len(read.rows), len(read.problems)) == (4, 5)


@given(cells=st.lists(st.lists(st.text(max_size=8), min_size=7, max_size=7), max_size=5))
def test_any_text_gives_rows_or_problems(cells: list[list[str]], tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    text = "\n".join([HEADER, *(",".join(row) for row in cells)])
    path.write_bytes(text.encode("utf-8", errors="replace"))
    read = read_table(path, COLUMNS)
    assert all(problem.file == "t.csv" and problem.message for problem in read.problems)
    for row in read.rows:
        assert row.number >= 2
        if row.is_sound:
            assert row.text("patient_id")


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])),
            min_size=2,
            max_size=2,
        )
    )
)
def test_written_cells_read_back(rows: list[list[str]], tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("w") / "t.csv"
    write_csv(path, ("a", "b"), rows)
    read = read_table(path, ())
    kept = [row for row in rows if any(row)]
    assert [[row.text("a"), row.text("b")] for row in read.rows] == kept
    assert b"\r" not in path.read_bytes()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_so_that_they_read_back(value: float) -> None:
    assert parse_cell(number_text(value), Column.free("x", Kind.NUMBER)) == value


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "", "20"], Kind.INTEGER),
        (["1.5", "2", "1e3"], Kind.NUMBER),
        (["007", "12"], Kind.TEXT),
        (["1", "x"], Kind.TEXT),
        (["1e999"], Kind.TEXT),
        (["", ""], Kind.TEXT),
    ],
)
def test_what_undeclared_columns_hold(cells: list[str], kind: Kind) -> None:
    assert infer_kind(cells) is kind


def test_long_cells_are_cut_in_messages() -> None:
    with pytest.raises(Unreadable) as caught:
        parse_cell("x" * 500, COLUMNS[1])
    assert len(caught.value.what) < 80
