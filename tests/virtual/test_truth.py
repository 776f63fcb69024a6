from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ytterby.virtual.activity import maa_distribution
from ytterby.virtual.cohort import VirtualPatient

K, DENSITY = 49.67, 1.03


def test_activity_is_conserved(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        truth = subject.truth
        net = sum(s.administered_activity_gbq * (1 - s.residual_fraction) for s in subject.patient.sessions)
        assert truth.net_activity_gbq == pytest.approx(net, rel=1e-12)
        assert truth.liver_activity_gbq + truth.lung_activity_gbq == pytest.approx(net, rel=1e-12)
        assert subject.activity.liver_gbq.sum() + subject.activity.lungs_gbq.sum() == pytest.approx(net, rel=1e-12)
        assert sum(lesion.activity_gbq for lesion in truth.lesions) == pytest.approx(
            truth.tumour_activity_gbq, rel=1e-12
        )


def test_the_energy_of_all_decays_is_found_in_tissue(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        truth = subject.truth
        tumour_kg = truth.tumour_volume_ml * DENSITY / 1000
        normal_kg = truth.liver_volume_ml * DENSITY / 1000 - tumour_kg
        absorbed_j = truth.mad_gy * tumour_kg + truth.normal_liver_gy * normal_kg + truth.lung_gy * 1.0
        assert absorbed_j == pytest.approx(K * truth.net_activity_gbq, rel=1e-12)
        weighted = sum(lesion.mad_gy * lesion.mass_kg for lesion in truth.lesions) / tumour_kg
        assert truth.mad_gy == pytest.approx(weighted, rel=1e-12)


def test_each_session_stays_in_its_territory(two_sessions: VirtualPatient) -> None:
    for session, territory in zip(two_sessions.patient.sessions, two_sessions.anatomy.territories, strict=True):
        assert session.perfused == (territory.name,)
        inside = two_sessions.activity.in_mask_gbq(territory.mask)
        liver = session.administered_activity_gbq * (1 - session.residual_fraction) * (1 - session.lung_shunt_fraction)
        assert inside == pytest.approx(liver, rel=1e-12)


def test_tumours_take_up_their_ratio_to_the_normal_liver(whole: VirtualPatient) -> None:
    subject, activity = whole.anatomy, whole.activity.liver_gbq
    normal = activity[subject.liver.mask & ~subject.tumour].mean()
    for tumour, lesion in zip(subject.tumours, whole.truth.lesions, strict=True):
        assert activity[tumour.mask].mean() / normal == pytest.approx(lesion.tumour_to_normal, rel=1e-9)
        assert 1.5 <= lesion.tumour_to_normal <= 8.0
    assert 0.1 < activity[subject.liver.mask & ~subject.tumour].std() / normal < 0.3


def test_prescription_vial_and_time_fit(some: tuple[VirtualPatient, ...]) -> None:
    for subject in some:
        volumes_ml = [t.volume_ml for t in subject.anatomy.territories] or [subject.anatomy.liver.volume_ml]
        plan = subject.plan
        for session, volume_ml, days in zip(subject.patient.sessions, volumes_ml, plan.calibration_days, strict=True):
            activity = session.administered_activity_gbq
            dose_gy = K * activity * (1 - session.lung_shunt_fraction) / (volume_ml * DENSITY / 1000)
            assert 79 < dose_gy < 151
            assert 0.007 <= session.lung_shunt_fraction <= 0.15
            assert 0.0 <= session.residual_fraction <= 0.03
            assert session.vial is not None
            assert session.vial.calibrated_at.hour == 12
            assert (session.administered_at.date() - session.vial.calibrated_at.date()).days == days
            hours = (session.administered_at.timestamp() - session.vial.calibrated_at.timestamp()) / 3600
            decayed = session.vial.calibrated_activity_gbq * 2 ** (-hours / 64.1)
            assert activity == pytest.approx(decayed, abs=0.0006)
            assert session.administered_at.tzinfo == ZoneInfo("Europe/Berlin")
        assert subject.patient.sessions[0].administered_at.date() == plan.treated_on


def test_a_second_session_follows_after_four_to_six_weeks(two_sessions: VirtualPatient) -> None:
    first, second = two_sessions.patient.sessions
    assert 26 <= (second.administered_at - first.administered_at).days <= 43


def test_the_maa_is_shared_out_whole(whole: VirtualPatient) -> None:
    share = maa_distribution(
        whole.anatomy,
        whole.activity.liver_gbq,
        lung_shunt_fraction=0.1,
        extrahepatic_fraction=0.02,
        territory_weights=[1.0],
    )
    assert share.sum() == pytest.approx(1.0, rel=1e-12)
    assert share[whole.anatomy.liver.mask].sum() == pytest.approx(0.98 * 0.9, rel=1e-12)
    # The lungs hold the shunt, and a little of what is all over the body.
    assert 0.98 * 0.1 <= share[whole.anatomy.lungs.mask].sum() < 0.98 * 0.1 + 0.01
    assert share[~whole.anatomy.body].max() == 0.0
    assert np.all(share >= 0)
