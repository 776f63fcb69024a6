"""Figures: same bytes twice, honest about simulated data, and swarms that hide no point."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.cohort.analysis import analyse
from ytterby.files.planfile import read_plan
from ytterby.report.figures import study_figures
from ytterby.report.figures_dose import swarm
from ytterby.report.style import house_style


@pytest.fixture(scope="module")
def figures(study_results, study_tables):
    return {figure.name: figure for figure in study_figures(study_results, study_tables)}


def test_there_are_the_papers_three_and_survival(figures):
    assert list(figures) == ["figure1", "figure2", "figure3", "figure4"]


def test_the_same_bytes_twice_whatever_the_users_settings(figures, study_results, study_tables):
    with mpl.rc_context({"font.size": 22, "svg.hashsalt": None, "axes.grid": True}):
        again = {figure.name: figure for figure in study_figures(study_results, study_tables)}
    for name, figure in figures.items():
        assert figure.svg == again[name].svg
        assert figure.png == again[name].png


def test_files_are_what_they_say_and_carry_no_date(figures):
    for figure in figures.values():
        assert ET.fromstring(figure.svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"<dc:date>" not in figure.svg
        assert figure.png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", figure.png[16:24])
        assert width > 1500
        assert height > 700
        assert b"Software" not in figure.png
        assert figure.alt


def test_settings_of_others_stay(study_results, study_tables):
    before = dict(mpl.rcParams)
    study_figures(study_results, study_tables)
    assert dict(mpl.rcParams) == before
    with house_style():
        assert mpl.rcParams["svg.hashsalt"] == "ytterby"


def test_a_real_study_is_not_called_simulated(study_results, study_tables, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.text", lambda self, x, y, text, **_: drawn.append(text))
    study_figures(study_results, study_tables)
    assert drawn == ["simulated data"] * 4
    drawn.clear()
    study_figures({**study_results, "simulated": False}, study_tables)
    assert drawn == []


def test_a_cohort_that_carries_nothing_is_still_drawn(study_tables):
    one = study_tables.patients.iloc[:1].assign(evaluable=0)
    bare = replace(study_tables, patients=one, lesions=study_tables.lesions.iloc[:0], exclusions=None, toxicity=None)
    figures = study_figures(analyse(bare, read_plan(None)), bare)
    assert [figure.name for figure in figures][:3] == ["figure1", "figure2", "figure3"]
    assert "No table of exclusions" in figures[0].caption


def test_responders_stand_in_for_missing_categories(study_tables):
    bare = replace(study_tables, patients=study_tables.patients.drop(columns="hepatic_response"))
    caption = study_figures(analyse(bare, read_plan(None)), bare)[1].caption
    assert "responders and non-responders" in caption


@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=25))
def test_a_swarm_with_room_hides_no_point(values):
    doses = np.array(values)
    offsets = swarm(doses, diameter=10.0, step=1.0, widest=40.0)
    distance = np.hypot((offsets[:, None] - offsets) / 1.0, (doses[:, None] - doses) / 10.0)
    assert (distance[~np.eye(doses.size, dtype=bool)] >= 0.99).all()
