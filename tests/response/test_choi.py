"""Choi: the worked cases of physics.md, section 8, the edges of each rule, and the rules per patient."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import DomainError
from ytterby.model.outcome import LesionMeasurement, Response
from ytterby.model.patient import Lesion
from ytterby.response.choi import evaluable_lesions, lesion_response, patient_response

RULE = {"minimum_diameter_mm": 20.0, "maximum_lesions": 10}
ORDER = [Response.CR, Response.PR, Response.SD, Response.PD]


def changed(size_percent, hu_percent, *, size_mm=50.0, hu=80.0):
    return (
        LesionMeasurement(size_mm, hu),
        LesionMeasurement(size_mm * (1 + size_percent / 100), hu * (1 + hu_percent / 100)),
    )


def lesion(name, before, after, *, new=False):
    return Lesion(
        name,
        f"Tumour {name}",
        baseline=LesionMeasurement(*before) if before else None,
        follow_up=LesionMeasurement(*after) if after else None,
        new_lesion=new,
    )


# ---------------------------------------------------------------- one lesion


@pytest.mark.parametrize(
    ("size", "hu", "response"),
    [
        # physics.md section 8, worked cases.
        (12, -20, Response.PR),
        (12, -10, Response.PD),
        (-5, -14.9, Response.SD),
        (-10.0, 5, Response.PR),
        (9.9, 0, Response.SD),
        # the edges of the rule
        (0, -15.0, Response.PR),
        (10.0, 0, Response.PD),
        (10.0, -15.0, Response.PR),
        (-9.99, -14.99, Response.SD),
        (-10.01, 50, Response.PR),
        (9.99, 300, Response.SD),
    ],
)
# Diameters for which the change is not exact in binary floating point.
@pytest.mark.parametrize("size_mm", [50.0, 21.0, 33.3, 70.1])
@pytest.mark.parametrize("attenuation", [80.0, 61.7])
def test_worked_cases_and_edges(size, hu, response, size_mm, attenuation):
    assert lesion_response(*changed(size, hu, size_mm=size_mm, hu=attenuation)).response is response


@pytest.mark.parametrize(
    ("before", "after", "response"),
    [
        ((30.0, 100.0), (27.0, 100.0), Response.PR),
        ((30.0, 100.0), (33.0, 100.0), Response.PD),
        ((30.0, 60.0), (30.0, 51.0), Response.PR),
        ((70.0, 60.0), (77.0, 60.0), Response.PD),
        ((0.3, 0.2), (0.27, 0.2), Response.PR),
    ],
)
def test_edges_in_round_millimetres(before, after, response):
    assert lesion_response(LesionMeasurement(*before), LesionMeasurement(*after)).response is response


def test_a_lesion_that_is_gone_is_complete_response():
    assessment = lesion_response(LesionMeasurement(30, 90), LesionMeasurement(0, None))
    assert assessment.response is Response.CR
    assert "gone" in assessment.explanation


@pytest.mark.parametrize("hu", [0.0, -5.0])
def test_baseline_attenuation_of_zero_or_less_is_not_evaluable_by_density(hu):
    still = lesion_response(LesionMeasurement(30, hu), LesionMeasurement(30, -20))
    assert still.response is Response.NE
    assert still.density_change_fraction is None
    assert "density not evaluable" in still.explanation
    assert lesion_response(LesionMeasurement(30, hu), LesionMeasurement(40, 90)).response is Response.NE
    # Size alone settles a partial response.
    assert lesion_response(LesionMeasurement(30, hu), LesionMeasurement(24, 90)).response is Response.PR


def test_missing_measurements_are_not_evaluable():
    assert lesion_response(LesionMeasurement(30, 90), None).response is Response.NE
    assert lesion_response(None, LesionMeasurement(30, 90)).response is Response.NE
    assert lesion_response(LesionMeasurement(30, 90), LesionMeasurement(31, None)).response is Response.NE


def test_the_decision_is_told_with_its_numbers():
    assessment = lesion_response(*changed(12, -20))
    assert assessment.criterion == "Choi"
    assert assessment.size_change_fraction == pytest.approx(0.12)
    assert assessment.density_change_fraction == pytest.approx(-0.20)
    for piece in ("50 to 56 mm", "+12.00 %", "80 to 64 HU", "-20.00 %", "PR by density"):
        assert piece in assessment.explanation


@pytest.mark.parametrize(("before", "after"), [((0, 80), (20, 80)), ((30, 80), (-1, 80)), ((30, math.nan), (30, 80))])
def test_impossible_measurements_are_refused(before, after):
    with pytest.raises(DomainError):
        lesion_response(LesionMeasurement(*before), LesionMeasurement(*after))


@given(st.floats(20, 200), st.floats(0, 300), st.floats(0, 300), st.floats(1, 200), st.floats(-50, 300))
def test_response_never_improves_with_size(before_mm, one_mm, other_mm, before_hu, after_hu):
    small, large = sorted((one_mm, other_mm))
    baseline = LesionMeasurement(before_mm, before_hu)
    first, second = (lesion_response(baseline, LesionMeasurement(mm, after_hu)).response for mm in (small, large))
    assert ORDER.index(first) <= ORDER.index(second)


# ---------------------------------------------------------------- which lesions count


def test_evaluable_lesions_are_the_larger_ones_first():
    lesions = [lesion(f"L{mm:02d}", (mm, 80), (mm, 80)) for mm in range(15, 35)]
    chosen = evaluable_lesions(lesions, **RULE)
    assert [entry.lesion_id for entry in chosen] == [f"L{mm}" for mm in range(34, 24, -1)]


def test_two_centimetres_count_and_less_does_not():
    lesions = [lesion("A", (20.0, 80), None), lesion("B", (19.9, 80), (10, 80)), lesion("C", None, (50, 80))]
    assert [entry.lesion_id for entry in evaluable_lesions(lesions, **RULE)] == ["A"]


@pytest.mark.parametrize("rule", [{"maximum_lesions": 0}, {"minimum_diameter_mm": 0.0}])
def test_an_empty_rule_is_refused(rule):
    with pytest.raises(DomainError):
        evaluable_lesions([], **RULE | rule)


# ---------------------------------------------------------------- one patient


def test_sum_of_diameters_and_unweighted_mean_attenuation():
    # 100 + 20 -> 95 + 20 mm is -4.17 %; mean HU (100 + 50) / 2 -> (100 + 20) / 2 is -20 %: PR by density, unweighted.
    lesions = [lesion("A", (100, 100), (95, 100)), lesion("B", (20, 50), (20, 20))]
    assessment = patient_response(lesions, **RULE)
    assert assessment.response is Response.PR
    assert assessment.size_change_fraction == pytest.approx(115 / 120 - 1)
    assert assessment.density_change_fraction == pytest.approx(-0.20)


def test_small_lesions_do_not_enter_the_sum():
    lesions = [lesion("A", (50, 80), (50, 80)), lesion("B", (19, 80), (60, 80))]
    assert patient_response(lesions, **RULE).response is Response.SD


def test_only_the_ten_largest_enter_the_sum():
    lesions = [lesion(f"L{n}", (50, 80), (50, 80)) for n in range(10)] + [lesion("M", (40, 80), (200, 80))]
    assert patient_response(lesions, **RULE).response is Response.SD


def test_a_new_lesion_is_progression_of_the_patient_only():
    # physics.md section 8: a new lesion makes PD of the patient, never of the other lesions.
    shrunk = lesion("A", (50, 80), (25, 80))
    new = lesion("N", None, (15, 80), new=True)
    assessment = patient_response([shrunk, new], **RULE)
    assert assessment.response is Response.PD
    assert "N" in assessment.explanation
    assert lesion_response(shrunk.baseline, shrunk.follow_up).response is Response.PR
    assert patient_response([new], **RULE).response is Response.PD


def test_patient_with_baseline_attenuation_of_zero_is_not_evaluable_by_density():
    assert patient_response([lesion("A", (50, 0), (50, 10))], **RULE).response is Response.NE


def test_complete_response_needs_every_lesion_gone():
    gone = lesion("A", (50, 80), (0, None))
    assert patient_response([gone], **RULE).response is Response.CR
    assert patient_response([gone, lesion("B", (12, 80), (0, None))], **RULE).response is Response.CR
    left = patient_response([gone, lesion("B", (12, 80), (12, 80))], **RULE)
    assert left.response is Response.PR
    assert "B" in left.explanation


def test_lesions_that_are_gone_leave_both_means():
    # Left: 60 -> 60 HU. With the vanished lesion's 140 HU in the first mean, this would be -40 %.
    lesions = [
        lesion("A", (100, 60), (100, 60)),
        lesion("B", (5 + 20, 140), (24, 140)),
        lesion("C", (20, 140), (0, None)),
    ]
    assessment = patient_response(lesions, **RULE)
    assert assessment.density_change_fraction == pytest.approx(0.0)


def test_patients_without_measurements_are_not_evaluable():
    assert patient_response([], **RULE).response is Response.NE
    unseen = patient_response([lesion("A", (50, 80), (25, 80)), lesion("B", (40, 80), None)], **RULE)
    assert unseen.response is Response.NE
    assert "B" in unseen.explanation


@given(
    st.lists(
        st.tuples(st.floats(10, 100), st.floats(20, 120), st.floats(0, 120), st.floats(0, 150)), min_size=1, max_size=14
    ),
    st.randoms(use_true_random=False),
)
def test_response_does_not_depend_on_the_order_of_lesions(numbers, random):
    lesions = [
        lesion(f"L{place:02d}", (before, hu), (after, later))
        for place, (before, hu, after, later) in enumerate(numbers)
    ]
    shuffled = list(lesions)
    random.shuffle(shuffled)
    assert patient_response(shuffled, **RULE) == patient_response(lesions, **RULE)


@given(st.floats(20, 100), st.floats(20, 120), st.floats(0, 120), st.floats(0, 150))
def test_a_patient_with_one_lesion_responds_like_the_lesion(before, hu, after, later):
    only = lesion("A", (before, hu), (after, later))
    assert patient_response([only], **RULE).response is lesion_response(only.baseline, only.follow_up).response
