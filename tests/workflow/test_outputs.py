"""Output folders: whole or nothing, earlier results replaced, other files kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from ytterby.errors import ConfigurationError
from ytterby.workflow.outputs import whole_or_nothing


def half_written(out: Path) -> None:
    with whole_or_nothing(out) as folder:
        (folder / "doses.csv").write_text("half")
        raise RuntimeError("broken")


def test_a_failure_half_way_leaves_the_earlier_result(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_or_nothing(out) as folder:
        (folder / "doses.csv").write_text("first")
    with pytest.raises(RuntimeError, match="broken"):
        half_written(out)
    assert (out / "doses.csv").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_entries_of_one_name_are_replaced_and_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "cases" / "old").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    with whole_or_nothing(out) as folder:
        (folder / "cases" / "new").mkdir(parents=True)
    assert [path.name for path in (out / "cases").iterdir()] == ["new"]
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigurationError, match="is a file"), whole_or_nothing(tmp_path / "out"):
        pass


def test_the_current_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with whole_or_nothing(Path()) as folder:
        (folder / "doses.csv").write_text("1")
    assert (tmp_path / "here" / "doses.csv").read_text() == "1"
