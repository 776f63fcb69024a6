from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from ytterby.model.outcome import Response
from ytterby.response.choi import lesion_response
from ytterby.response.endpoints import endpoints
from ytterby.response.toxicity import worst_grades
from ytterby.virtual.cohort import VirtualCohort
from ytterby.virtual.outcomes import follow_up, hazard_per_month, laboratory
from ytterby.virtual.plan import Imaging, PatientPlan
from ytterby.virtual.response import baseline_hu, lesions, response_probability
from ytterby.virtual.truth import LesionTruth

TESTS = ("ast", "alt", "bilirubin", "albumin")


@pytest.fixture(scope="module")
def plan(cohort: VirtualCohort) -> PatientPlan:
    first = next(patient for patient in cohort.plan.enrolled if patient.is_evaluable)
    return replace(first, grade=1, origin="unknown", treated_on=date(2007, 6, 4), complete_laboratory=True)


def _truths(number: int, dose_gy: float) -> list[LesionTruth]:
    return [LesionTruth(f"L{n}", f"L{n}", 40.0, 20.0, 0.02, 2.0, 0.01, dose_gy) for n in range(number)]


def test_measurements_have_the_response_that_was_drawn() -> None:
    rng = np.random.default_rng(1)
    truths = _truths(600, 140.0)
    measured, decided = lesions(truths, baseline_hu(rng, len(truths)), rng, with_follow_up=True)
    found = [lesion_response(lesion.baseline, lesion.follow_up).response for lesion in measured]
    assert found == [one.response for one in decided]
    assert set(found) == {Response.CR, Response.PR, Response.SD, Response.PD}


def test_without_follow_up_imaging_nothing_is_measured_later() -> None:
    rng = np.random.default_rng(1)
    measured, decided = lesions(_truths(3, 200.0), (80, 81, 82), rng, with_follow_up=False)
    assert all(lesion.follow_up is None and not lesion.new_lesion for lesion in measured)
    assert all(one.response is Response.NE for one in decided)


def test_the_chance_of_response_rises_with_the_dose_and_is_met() -> None:
    chances = [response_probability(dose) for dose in (30.0, 100.0, 140.0, 200.0, 600.0)]
    assert chances == sorted(chances)
    assert chances[2] == 0.5
    rng = np.random.default_rng(2)
    for dose_gy in (80.0, 250.0):
        decided = [
            one for _ in range(400) for one in lesions(_truths(2, dose_gy), (80, 80), rng, with_follow_up=True)[1]
        ]
        responded = np.mean([one.response.is_responder for one in decided])
        assert responded == pytest.approx(np.mean([one.probability for one in decided]), abs=4 * 0.5 / np.sqrt(800))


def test_diameters_stay_on_their_side_of_20_mm(cohort: VirtualCohort) -> None:
    for index in (0, 5, 9):
        subject = cohort.patient(index)
        large = [one for one in subject.patient.lesions if one.baseline and one.baseline.diameter_mm >= 20.0]
        assert len(large) == subject.plan.large_lesions


def test_hazards_carry_the_stated_ratios(plan: PatientPlan) -> None:
    base = hazard_per_month("death", plan, mad_gy=220.0)
    assert hazard_per_month("death", replace(plan, grade=2), mad_gy=220.0) / base == pytest.approx(1.8)
    assert hazard_per_month("death", replace(plan, origin="pancreas"), mad_gy=220.0) / base == pytest.approx(1.7)
    assert hazard_per_month("death", plan, mad_gy=320.0) / base == pytest.approx(0.998**100)


def test_waiting_times_are_exponential(plan: PatientPlan) -> None:
    rng = np.random.default_rng(4)
    ill = replace(plan, grade=3, origin="pancreas", imaging=Imaging.NO_FOLLOW_UP_IMAGING)
    hazard = hazard_per_month("death", ill, mad_gy=220.0)
    courses = [follow_up(ill, rng, mad_gy=220.0, last_session_on=ill.treated_on) for _ in range(1500)]
    months = [endpoints(course, deaths="censor_progression").os.months - 2.0 for course in courses]
    assert all(course.died_on for course in courses)
    assert np.mean(months) == pytest.approx(1 / hazard, abs=4 / hazard / np.sqrt(1500))
    assert np.std(months) == pytest.approx(1 / hazard, rel=0.15)


def test_progression_comes_before_death_and_the_end_of_the_study(plan: PatientPlan) -> None:
    rng = np.random.default_rng(5)
    late = replace(plan, treated_on=date(2021, 3, 1))
    courses = [follow_up(late, rng, mad_gy=150.0, last_session_on=late.treated_on) for _ in range(300)]
    assert any(course.died_on is None for course in courses)
    assert any(course.hepatic_progression_on for course in courses)
    for course in courses:
        assert course.last_contact_on <= date(2023, 8, 31)
        assert course.died_on in (None, course.last_contact_on)
        if course.hepatic_progression_on is not None:
            assert course.global_progression_on is not None
            assert course.global_progression_on <= course.hepatic_progression_on <= course.last_contact_on


def test_laboratory_values_have_the_grades_that_were_drawn(plan: PatientPlan) -> None:
    rng = np.random.default_rng(6)
    for _ in range(200):
        labs, grades = laboratory(plan, rng, normal_liver_gy=130.0, last_contact_on=date(2012, 1, 1))
        found = worst_grades(labs, treated_on=plan.treated_on, window_months=12.0, tests=TESTS)
        assert found.evaluable
        assert {test: found.of(test).grade for test in TESTS} == grades


def test_toxicity_rises_with_the_dose_to_the_normal_liver(plan: PatientPlan) -> None:
    rng = np.random.default_rng(7)
    severe = {
        dose: np.mean(
            [
                max(laboratory(plan, rng, normal_liver_gy=dose, last_contact_on=date(2012, 1, 1))[1].values()) >= 3
                for _ in range(400)
            ]
        )
        for dose in (40.0, 200.0)
    }
    assert severe[200.0] > 2 * severe[40.0]


def test_incomplete_laboratory_follow_up_ends_early(plan: PatientPlan) -> None:
    rng = np.random.default_rng(8)
    labs, _ = laboratory(
        replace(plan, complete_laboratory=False), rng, normal_liver_gy=90.0, last_contact_on=date(2012, 1, 1)
    )
    assert max(lab.day for lab in labs) < date(2007, 12, 10)
    assert not worst_grades(labs, treated_on=plan.treated_on, window_months=12.0, tests=TESTS).evaluable
