from __future__ import annotations

from collections import Counter
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from ytterby.errors import DomainError
from ytterby.virtual.apportion import apportion, deal, dealt
from ytterby.virtual.plan import Imaging, cohort_plan

# Watanabe et al. 2024, doi:10.2967/jnumed.124.267774: Figure 1, Table 1 and text.
TABLE_1 = {
    "sex": {"M": 24, "F": 19},
    "origin": {"pancreas": 11, "gastrointestinal": 30, "unknown": 2},
    "grade": {1: 14, 2: 26, 3: 3},
    "endocrine_syndrome": {1: 12, 0: 31},
    "liver_cirrhosis": {1: 1, 0: 42},
    "portal_vein_thrombosis": {1: 1, 0: 42},
    "extrahepatic_disease": {1: 19, 0: 24},
    "prior_therapies": {0: 3, 1: 9, 2: 11, 3: 11, 4: 4, 5: 5},
    "later_therapies": {0: 5, 1: 17, 2: 14, 3: 4, 4: 2, 5: 1},
}
SUMS = {
    "site_lymph_node": 14,
    "site_thyroid": 1,
    "site_lung": 3,
    "site_adrenal": 1,
    "site_peritoneum": 5,
    "site_ovary": 2,
    "site_bone": 4,
    "prior_resection_primary": 34,
    "prior_resection_metastasis": 8,
    "prior_tace": 5,
    "prior_rfa": 3,
    "prior_radiotherapy": 1,
    "prior_somatostatin": 29,
    "prior_prrt": 12,
    "prior_systemic": 13,
    "later_somatostatin": 28,
    "later_prrt": 16,
    "later_systemic": 18,
    "additional_sirt": 3,
}


@pytest.mark.parametrize("seed", [0, 1, 2, 77])
def test_the_default_cohort_has_the_published_flow(seed: int) -> None:
    plan = cohort_plan(43, seed=seed)
    assert plan.screened == 99
    assert Counter(patient.exclusion_reason for patient in plan.excluded) == {
        "insufficient data for dosimetry": 36,
        "untreated liver lesions": 7,
        "tumour histology": 9,
        "insufficient data for survival analysis": 4,
    }
    assert Counter(patient.imaging for patient in plan.enrolled) == {
        Imaging.EVALUABLE: 28,
        Imaging.ONLY_SMALL_LESIONS: 8,
        Imaging.NO_FOLLOW_UP_IMAGING: 7,
    }
    assert plan.evaluable_lesions == 126
    assert all(1 <= patient.large_lesions <= 10 for patient in plan.enrolled if patient.is_evaluable)
    assert all(
        (patient.large_lesions == 0) == (patient.imaging is Imaging.ONLY_SMALL_LESIONS) for patient in plan.enrolled
    )


@pytest.mark.parametrize("seed", [0, 1, 2, 77])
def test_the_default_cohort_has_the_published_table_1(seed: int) -> None:
    enrolled = cohort_plan(43, seed=seed).enrolled
    for name, counts in TABLE_1.items():
        assert Counter(patient.attributes[name] for patient in enrolled) == counts, name
    for name, count in SUMS.items():
        assert sum(int(patient.attributes[name]) for patient in enrolled) == count, name
    ages = [int(patient.attributes["age_years"]) for patient in enrolled]
    assert (min(ages), median(ages), max(ages)) == (35, 60, 77)
    assert not any(patient.attributes["site_ovary"] and patient.attributes["sex"] == "M" for patient in enrolled)
    assert Counter((patient.extent, patient.n_sessions) for patient in enrolled) == {
        ("whole", 1): 29,
        ("whole", 2): 8,
        ("right", 1): 4,
        ("right_plus_4", 1): 2,
    }
    days = [day for patient in enrolled for day in patient.calibration_days]
    assert (len(days), median(days), min(days), max(days), sum(day <= 7 for day in days)) == (51, 4, 2, 11, 43)


@settings(max_examples=25)
@given(patients=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_a_cohort_of_any_size_keeps_the_proportions(patients: int, seed: int) -> None:
    plan = cohort_plan(patients, seed=seed)
    identifiers = [patient.patient_id for patient in (*plan.enrolled, *plan.excluded)]
    assert len(plan.enrolled) == patients
    assert len(set(identifiers)) == len(identifiers) == plan.screened
    assert identifiers == sorted(identifiers)
    evaluable = [patient for patient in plan.enrolled if patient.is_evaluable]
    assert abs(len(evaluable) - 28 / 43 * patients) < 1
    assert plan.evaluable_lesions == round(4.5 * len(evaluable))
    assert all(patient.treated_on.weekday() < 5 for patient in plan.enrolled)
    assert all(patient.large_lesions + patient.small_lesions > 0 for patient in plan.enrolled)


def test_the_plan_depends_on_its_seed_alone() -> None:
    assert cohort_plan(43, seed=5) == cohort_plan(43, seed=5)
    assert cohort_plan(43, seed=5) != cohort_plan(43, seed=6)


@pytest.mark.parametrize(("patients", "seed"), [(0, 1), (-3, 1), (10_001, 1), (43, -1)])
def test_what_cannot_be_planned_is_refused(patients: int, seed: int) -> None:
    with pytest.raises(DomainError, match=r"patients|seed"):
        cohort_plan(patients, seed=seed)


@given(st.integers(0, 500), st.dictionaries(st.integers(), st.integers(1, 50), min_size=1, max_size=8))
def test_apportioned_counts_add_up_and_stay_within_one_of_their_quota(total: int, weights: dict[int, int]) -> None:
    shares = apportion(total, weights)
    assert sum(shares.values()) == total
    for key, weight in weights.items():
        assert abs(shares[key] - total * weight / sum(weights.values())) < 1
    assert Counter(dealt(total, weights, default_rng(1))) == Counter({k: n for k, n in shares.items() if n})


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 1000))
def test_labels_are_dealt_to_fill_each_patients_room(room: list[int], seed: int) -> None:
    # One label for each patient with room for a first, second, ... is always possible.
    wanted = {f"label {n}": sum(space > n for space in room) for n in range(4)}
    labels = deal(room, wanted, default_rng(seed))
    assert [len(some) for some in labels] == room
    assert Counter(label for some in labels for label in some) == Counter({k: n for k, n in wanted.items() if n})
