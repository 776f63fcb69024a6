"""Virtual cohort: the plan of all patients, and each patient built when asked for, the same whatever the order or the process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from ytterby.model.patient import Patient
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume
from ytterby.virtual import targets
from ytterby.virtual.activity import TrueActivity, maa_distribution, relative_uptake, true_activity
from ytterby.virtual.anatomy import LEFT, RIGHT, VirtualAnatomy, anatomy, ct_image
from ytterby.virtual.outcomes import follow_up, laboratory
from ytterby.virtual.plan import CohortPlan, Imaging, PatientPlan, cohort_plan
from ytterby.virtual.response import TrueResponse, baseline_hu, lesions
from ytterby.virtual.scanner import expected_image, poisson_image
from ytterby.virtual.treatment import between, log_normal, sessions
from ytterby.virtual.truth import PatientTruth, patient_truth

__all__ = ["VirtualCohort", "VirtualPatient", "virtual_cohort", "virtual_patient"]

_PATIENTS = 1  # spawn key of the patients' seeds; 0 is the plan's


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """A virtual patient: the model's patient, the images and segments that a clinic would have, and the truth behind them."""

    plan: PatientPlan
    patient: Patient
    anatomy: VirtualAnatomy = field(repr=False)
    activity: TrueActivity = field(repr=False)
    ct: Volume = field(repr=False)
    spect: Volume = field(repr=False)
    truth: PatientTruth
    responses: tuple[TrueResponse, ...]
    toxicity_grades: MappingProxyType[str, int]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Truth masks on the CT's grid."""
        return self.anatomy.segments


@dataclass(frozen=True)
class VirtualCohort:
    """A planned cohort whose patients are built one at a time, so that memory holds one."""

    plan: CohortPlan

    def __len__(self) -> int:
        return len(self.plan.enrolled)

    def __iter__(self) -> Iterator[VirtualPatient]:
        return (self.patient(index) for index in range(len(self)))

    def patient(self, index: int) -> VirtualPatient:
        """The enrolled patient at ``index``, built anew."""
        return virtual_patient(self.plan.enrolled[index], seed=self.plan.seed)


def virtual_cohort(patients: int = targets.ENROLLED, *, seed: int = 1) -> VirtualCohort:
    """A cohort of ``patients`` enrolled virtual patients, in the proportions of the published one (``targets``).

    Raises
    ------
    DomainError
        ``patients`` lies outside 1 to 10000, or ``seed`` is negative.
    """
    return VirtualCohort(cohort_plan(patients, seed=seed))


def virtual_patient(plan: PatientPlan, *, seed: int) -> VirtualPatient:
    """The patient of a plan. Random numbers depend on ``seed`` and the patient's index alone, one stream for each part."""
    streams = np.random.SeedSequence(seed, spawn_key=(_PATIENTS, plan.index)).spawn(6)
    shape, treat, spread, scan, ct_noise, course = (np.random.default_rng(stream) for stream in streams)
    subject = _anatomy(plan, shape)
    ratios = _tumour_to_normal(len(subject.tumours), spread)
    territories = [territory.name for territory in subject.territories]
    volumes_ml = [territory.volume_ml for territory in subject.territories] or [subject.liver.volume_ml]
    given = sessions(plan, treat, perfused_ml=volumes_ml, territories=territories)
    uptake = relative_uptake(subject, spread, tumour_to_normal=ratios)
    activity = true_activity(subject, uptake, given)
    truth = patient_truth(subject, activity, given, tumour_to_normal=ratios)
    net_gbq = sum(session.net_activity_gbq for session in given)
    seen = maa_distribution(
        subject,
        uptake,
        lung_shunt_fraction=sum(session.lung_activity_gbq for session in given) / net_gbq,
        extrahepatic_fraction=float(scan.uniform(0.005, 0.03)),
        territory_weights=scan.uniform(0.8, 1.25, size=max(1, len(territories))).tolist(),
    )
    hu = baseline_hu(course, len(subject.tumours))
    with_follow_up = plan.imaging is not Imaging.NO_FOLLOW_UP_IMAGING
    measured, responses = lesions(truth.lesions, hu, course, with_follow_up=with_follow_up)
    dates = follow_up(plan, course, mad_gy=truth.mad_gy, last_session_on=given[-1].administered_at.date())
    labs, grades = laboratory(
        plan, course, normal_liver_gy=truth.normal_liver_gy, last_contact_on=dates.last_contact_on
    )
    return VirtualPatient(
        plan=plan,
        patient=Patient(
            plan.patient_id,
            MappingProxyType({**plan.attributes, "extent": plan.extent}),
            sessions=given,
            lesions=measured,
            labs=labs,
            follow_up=dates,
        ),
        anatomy=subject,
        activity=activity,
        ct=ct_image(subject, ct_noise, tumour_hu=hu),
        spect=replace(poisson_image(expected_image(seen, subject.grid), scan), source="simulated"),
        truth=truth,
        responses=responses,
        toxicity_grades=MappingProxyType(grades),
    )


def _anatomy(plan: PatientPlan, rng: np.random.Generator) -> VirtualAnatomy:
    """Liver, lobes as the extent of the treatment asks for, and lesions."""
    if plan.extent == "whole":
        right_fraction = between(rng, targets.TREATMENT["right_share"])
        lobes: tuple[str, ...] = () if plan.n_sessions == 1 else (RIGHT, LEFT)
    else:
        right_fraction = between(rng, targets.TREATMENT[f"{plan.extent}_share"])
        lobes = (RIGHT,)
    return anatomy(
        rng,
        liver_volume_ml=log_normal(rng, targets.TREATMENT["liver_volume_ml"], 0.32),
        right_fraction=right_fraction,
        lobes=lobes,
        large_lesions=plan.large_lesions,
        small_lesions=plan.small_lesions,
    )


def _tumour_to_normal(number: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Uptake ratio of each lesion: log-normal, patients differ more than the lesions of one."""
    least, median, greatest = targets.TREATMENT["tumour_to_normal"]
    middle = median * float(np.exp(0.40 * rng.standard_normal()))
    ratios = np.clip(middle * np.exp(0.25 * rng.standard_normal(number)), least, greatest)
    return tuple(float(ratio) for ratio in ratios)
