from __future__ import annotations

import numpy as np

from ytterby.virtual.cohort import VirtualCohort, VirtualPatient, virtual_cohort


def _same(one: VirtualPatient, other: VirtualPatient) -> bool:
    return (
        one.truth == other.truth
        and one.patient == other.patient
        and one.responses == other.responses
        and np.array_equal(one.ct.array, other.ct.array)
        and np.array_equal(one.spect.array, other.spect.array)
        and all(np.array_equal(a.mask, b.mask) for a, b in zip(one.segments, other.segments, strict=True))
    )


def test_a_patient_is_the_same_whatever_was_built_before(cohort: VirtualCohort) -> None:
    alone = virtual_cohort(43, seed=1).patient(7)
    cohort.patient(3)
    assert _same(cohort.patient(7), alone)


def test_patients_and_seeds_differ(cohort: VirtualCohort) -> None:
    assert not np.array_equal(cohort.patient(3).spect.array, cohort.patient(7).spect.array)
    assert not np.array_equal(virtual_cohort(43, seed=2).patient(7).spect.array, cohort.patient(7).spect.array)


def test_the_cohort_is_iterated_in_order() -> None:
    small = virtual_cohort(2, seed=3)
    assert [subject.patient.patient_id for subject in small] == ["V001", "V002"]
    assert len(small) == 2


def test_doses_of_the_default_cohort_are_clinical(cohort: VirtualCohort) -> None:
    truths = [cohort.patient(index).truth for index in range(0, 43, 6)]
    assert all(40 < truth.mad_gy < 1000 for truth in truths)
    assert all(30 < truth.normal_liver_gy < truth.mad_gy for truth in truths)
    assert all(truth.lung_gy < 60 for truth in truths)
