"""Corrections and uncertainties of a whole case: known tumours behind a known blur, one session and two, counts and Bq/mL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import ndimage

from ytterby.dosimetry.accuracy import Accuracy, assessed
from ytterby.dosimetry.case import DosedCase, ImagedSessions, case_dose
from ytterby.dosimetry.recovery import RecoveryTable
from ytterby.errors import DomainError
from ytterby.model.dose import DoseOptions, Engine
from ytterby.model.segment import BoolArray, Role, Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.uncertainty import UncertaintyInputs
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
OPTIONS = DoseOptions(49.67, 1.03, 1.0)
FINE = Grid.axis_aligned((104, 96, 88), (2.0, 2.0, 2.0))
SPECT = Grid.axis_aligned((52, 48, 44), (4.0, 4.0, 4.0))
FWHM_MM = 10.0
SESSION = Session("1", Device.GLASS, 3.0, NOON, residual_fraction=0.01, lung_shunt_fraction=0.05)
CENTRES = {"large": ((30.0, 0.0, 0.0), 20.0), "small": ((-30.0, 10.0, 5.0), 11.0)}
INPUTS = UncertaintyInputs(
    fwhm_mm=FWHM_MM,
    fwhm_uncertainty_mm=0.5,
    activity_fraction=0.05,
    calibration_fraction=0.04,
    lung_shunt_sd_fraction=0.01,
    residual_sd_fraction=0.005,
    boundary_mm=1.0,
    registration_mm=2.0,
    noise_fraction=0.1,
)


def ball(radius_mm: float, centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> BoolArray:
    positions = FINE.positions_mm(np.indices(FINE.shape).reshape(3, -1).T) - np.array(centre_mm)
    return (np.linalg.norm(positions, axis=1) < radius_mm).reshape(FINE.shape)


LIVER = Segment("liver", Role.LIVER, ball(70.0), FINE)
TUMOURS = [Segment(name, Role.TUMOUR, ball(radius, at), FINE) for name, (at, radius) in CENTRES.items()]
SEGMENTS = [LIVER, *TUMOURS]


def true_activity(tumour_to_normal: float = 5.0) -> FloatArray:
    activity = np.where(LIVER.mask, 1.0, 0.0)
    for tumour in TUMOURS:
        activity[tumour.mask] = tumour_to_normal
    return activity


def blurred(activity: FloatArray) -> Volume:
    """What a scanner of FWHM 10 mm shows, on voxels of 4 mm."""
    sharp = ndimage.gaussian_filter(activity, FWHM_MM / 2.354820045 / 2.0, truncate=6)
    return Volume(sharp.reshape(52, 2, 48, 2, 44, 2).mean(axis=(1, 3, 5)), SPECT, Quantity.COUNTS)


def true_dose_gy(activity: FloatArray, segment: Segment) -> float:
    share = activity[segment.mask].sum() / activity[LIVER.mask].sum()
    return 49.67 * SESSION.liver_activity_gbq * share / (segment.volume_ml * 1.03e-3)


def dosed(image: Volume, *sessions: Session, segments: list[Segment] = SEGMENTS) -> DosedCase:
    return case_dose("P", [ImagedSessions(image, sessions or (SESSION,), 64.1)], segments, options=OPTIONS)


def test_known_tumours_are_found_again_behind_the_blur() -> None:
    activity = true_activity()
    found = assessed(dosed(blurred(activity)), Accuracy(fwhm_mm=FWHM_MM)).dose
    for tumour, measured_low in zip(TUMOURS, (0.92, 0.75), strict=True):
        row = found.of(tumour.name)
        truth_gy = true_dose_gy(activity, tumour)
        assert row.mean_dose_gy < measured_low * truth_gy  # without correction clearly too low
        assert row.corrected_mean_dose_gy == pytest.approx(truth_gy, rel=0.03)
        assert row.recovery_coefficient is not None
        assert 0.3 < row.recovery_coefficient < 0.9
        assert row.mean_dose_uncertainty_gy is None
    assert found.of("normal_liver").corrected_mean_dose_gy is None
    together = found.tumours.corrected_mean_dose_gy
    joint = sum(true_dose_gy(activity, one) * one.volume_ml for one in TUMOURS) / sum(one.volume_ml for one in TUMOURS)
    assert together == pytest.approx(joint, rel=0.03)


def test_the_correction_changes_nothing_where_all_is_uniform() -> None:
    activity = true_activity(1.0)
    found = assessed(dosed(blurred(activity)), Accuracy(fwhm_mm=FWHM_MM)).dose
    whole_gy = 49.67 * SESSION.liver_activity_gbq / (LIVER.volume_ml * 1.03e-3)
    for tumour in TUMOURS:
        # The blur that left the liver is given back to it: what is corrected is the liver's own mean dose.
        assert found.of(tumour.name).corrected_mean_dose_gy == pytest.approx(whole_gy, rel=0.02)


def test_two_territories_are_corrected_each_by_its_own_counts() -> None:
    right = Segment("right", Role.PERFUSED, LIVER.mask & (np.arange(104)[:, None, None] < 52), FINE)
    left = Segment("left", Role.PERFUSED, LIVER.mask & (np.arange(104)[:, None, None] >= 52), FINE)
    first = replace(SESSION, session_id="1", perfused=("right",), administered_activity_gbq=2.0)
    second = replace(SESSION, session_id="2", perfused=("left",))
    activity = true_activity()
    both = dosed(blurred(activity), first, second, segments=[*SEGMENTS, right, left])
    found = assessed(both, Accuracy(fwhm_mm=FWHM_MM, inputs=INPUTS)).dose
    for tumour, territory, session in zip(TUMOURS, (left, right), (second, first), strict=True):
        share = activity[tumour.mask].sum() / activity[territory.mask].sum()
        truth_gy = 49.67 * session.liver_activity_gbq * share / (tumour.volume_ml * 1.03e-3)
        assert found.of(tumour.name).corrected_mean_dose_gy == pytest.approx(truth_gy, rel=0.05)
        assert found.of(tumour.name).mean_dose_uncertainty_gy is not None


def test_an_image_in_becquerels_is_corrected_without_a_denominator() -> None:
    activity = true_activity()
    image = blurred(activity)
    pet = Volume(image.array * 1e6, SPECT, Quantity.CONCENTRATION, reference_time=NOON)
    found = assessed(dosed(pet), Accuracy(fwhm_mm=FWHM_MM, inputs=INPUTS)).dose
    for tumour in TUMOURS:
        truth_gy = 5e6 * 1e-9 * 49.67 / 1.03e-3
        assert found.of(tumour.name).corrected_mean_dose_gy == pytest.approx(truth_gy, rel=0.03)
    names = {term.name for budget in found.budgets for term in budget.terms}
    # The image has measured what arrived: neither vial nor lung shunt nor residual is part of it.
    assert not names & {"activity", "lung_shunt", "residual"}
    assert "calibration" in names


def test_a_measured_table_corrects_against_normal_tissue() -> None:
    activity = true_activity()
    table = RecoveryTable((20.0, 30.0, 40.0), (0.42, 0.6, 0.7), "phantom")
    found = assessed(dosed(blurred(activity)), Accuracy(recovery=table, inputs=INPUTS)).dose
    normal_gy = found.of("normal_liver").mean_dose_gy
    for tumour in TUMOURS:
        row = found.of(tumour.name)
        recovery = row.recovery_coefficient
        assert recovery is not None
        expected = (row.mean_dose_gy - (1 - recovery) * normal_gy) / recovery
        assert row.corrected_mean_dose_gy == pytest.approx(expected)
        assert row.corrected_mean_dose_uncertainty_gy is not None
        assert row.corrected_low_gy is None
    smaller = RecoveryTable((30.0, 40.0), (0.6, 0.7), "phantom")
    refused = assessed(dosed(blurred(activity)), Accuracy(recovery=smaller)).dose
    assert refused.of("small").corrected_mean_dose_gy is None
    assert refused.tumours.corrected_mean_dose_gy is None
    assert any(notice.code == "no_correction" and "'small'" in notice.message for notice in refused.notices)


def test_every_dose_has_its_budget() -> None:
    found = assessed(dosed(blurred(true_activity())), Accuracy(fwhm_mm=FWHM_MM, inputs=INPUTS, draws=400, seed=5)).dose
    assert {budget.segment for budget in found.budgets} == {row.segment for row in found.doses}
    assert {budget.segment for budget in found.corrected_budgets} == set(CENTRES)
    for row in found.doses:
        assert row.mean_dose_uncertainty_gy is not None
        # The activity alone is 5 %.
        assert row.mean_dose_uncertainty_gy > 0.05 * row.mean_dose_gy
    small, large = found.of("small"), found.of("large")
    relative = [
        (row.corrected_mean_dose_uncertainty_gy or 0) / (row.corrected_mean_dose_gy or 1) for row in (small, large)
    ]
    assert relative[0] > relative[1] > 0.06
    for row in (small, large):
        assert row.corrected_low_gy is not None
        assert row.corrected_high_gy is not None
        assert row.corrected_mean_dose_gy is not None
        assert row.corrected_low_gy < row.corrected_mean_dose_gy < row.corrected_high_gy
    (lungs,) = found.lungs
    assert lungs.mean_dose_uncertainty_gy == pytest.approx(
        lungs.mean_dose_gy * np.hypot(np.hypot(0.05, 0.01 / 0.05), 0.005 / 0.99)
    )
    (single,) = found.single_compartment
    # The whole liver has the activity that was given, whatever the image shows: one compartment is MIRD here too.
    assert single.mean_dose_gy == pytest.approx(found.of("liver").mean_dose_gy)
    assert single.mean_dose_uncertainty_gy == pytest.approx(found.of("liver").mean_dose_uncertainty_gy)
    # Shared errors do not average out over tumours.
    together = found.tumours.mean_dose_uncertainty_gy
    assert together is not None
    assert together > 0.06 * (found.tumour_mean_dose_gy or 0)


def test_terms_that_are_not_stated_are_told() -> None:
    few = UncertaintyInputs(fwhm_mm=FWHM_MM, activity_fraction=0.05)
    found = assessed(dosed(blurred(true_activity())), Accuracy(inputs=few)).dose
    (notice,) = [one for one in found.notices if one.code == "uncertainty_terms_left_out"]
    for term in ("calibration", "lung_shunt", "residual", "volume", "registration", "noise"):
        assert term in notice.message
    assert found.of("large").mean_dose_uncertainty_gy == pytest.approx(0.05 * found.of("large").mean_dose_gy)
    nothing = assessed(dosed(blurred(true_activity())), Accuracy(inputs=UncertaintyInputs(fwhm_mm=FWHM_MM))).dose
    assert {row.mean_dose_uncertainty_gy for row in nothing.doses} == {None}
    drawn = assessed(dosed(blurred(true_activity())), Accuracy(inputs=INPUTS, draws=400, seed=1)).dose
    assert "no_interval" in {notice.code for notice in drawn.notices}


def test_small_tumours_are_flagged_with_and_without_a_resolution() -> None:
    tiny = Segment("tiny", Role.TUMOUR, ball(8.0, (0.0, -30.0, 0.0)), FINE)
    case = dosed(blurred(true_activity()), segments=[LIVER, tiny])
    without = {notice.code for notice in assessed(case, Accuracy()).dose.notices}
    assert "lesion_under_20_mm" in without
    assert "lesion_under_2_5_fwhm" not in without
    assert "lesion_under_2_5_fwhm" in {notice.code for notice in assessed(case, Accuracy(fwhm_mm=FWHM_MM)).dose.notices}


def test_without_normal_liver_nothing_is_corrected() -> None:
    pet = Volume(blurred(true_activity()).array * 1e6, SPECT, Quantity.CONCENTRATION, reference_time=NOON)
    table = RecoveryTable((20.0, 40.0), (0.4, 0.7), "phantom")
    for accuracy in (Accuracy(fwhm_mm=FWHM_MM), Accuracy(recovery=table)):
        found = assessed(dosed(pet, segments=TUMOURS), accuracy).dose
        assert found.of("large").corrected_mean_dose_gy is None
        assert "no_correction" in {notice.code for notice in found.notices}


def test_holmium_has_no_kernel() -> None:
    holmium = replace(SESSION, device=Device.HOLMIUM)
    options = replace(OPTIONS, energy_j_per_gbq=15.87, compared_engines=(Engine.KERNEL,))
    with pytest.raises(DomainError, match=r"session '1': there is a dose kernel of Y-90 alone.*local_deposition"):
        case_dose("P", [ImagedSessions(blurred(true_activity()), (holmium,), 26.8)], SEGMENTS, options=options)
