"""Truth of a virtual patient: mass, activity and dose of every lesion and tissue, straight from the known activity.

Nothing here comes from the program's own dosimetry: what agrees with this truth agrees with the activity that was put in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ytterby.model.segment import BoolArray
from ytterby.model.treatment import Session
from ytterby.virtual.activity import TrueActivity
from ytterby.virtual.anatomy import VirtualAnatomy
from ytterby.virtual.treatment import CONSTANTS

__all__ = ["LesionTruth", "PatientTruth", "patient_truth"]


@dataclass(frozen=True)
class LesionTruth:
    """One lesion: ``mad_gy`` is the energy of all decays in it over its mass (local deposition)."""

    lesion_id: str
    segment: str
    longest_diameter_mm: float
    volume_ml: float
    mass_kg: float
    tumour_to_normal: float
    activity_gbq: float
    mad_gy: float


@dataclass(frozen=True)
class PatientTruth:
    """One patient, all sessions together.

    ``normal_liver`` is the liver without tumours, ``perfused_normal`` the treated part of it.
    """

    liver_volume_ml: float
    perfused_volume_ml: float
    tumour_volume_ml: float
    net_activity_gbq: float
    liver_activity_gbq: float
    tumour_activity_gbq: float
    lung_activity_gbq: float
    mad_gy: float
    normal_liver_gy: float
    perfused_normal_gy: float
    perfused_gy: float
    lung_gy: float
    lesions: tuple[LesionTruth, ...]


def patient_truth(
    subject: VirtualAnatomy,
    activity: TrueActivity,
    sessions: Sequence[Session],
    *,
    tumour_to_normal: Sequence[float],
) -> PatientTruth:
    """True doses of a patient: D = K A / m, with the activity summed over the voxels of each mask."""
    lesions = []
    for tumour, shape, ratio in zip(subject.tumours, subject.shapes, tumour_to_normal, strict=True):
        inside_gbq = activity.in_mask_gbq(tumour.mask)
        lesions.append(
            LesionTruth(
                lesion_id=tumour.name,
                segment=tumour.name,
                longest_diameter_mm=shape.longest_diameter_mm,
                volume_ml=tumour.volume_ml,
                mass_kg=CONSTANTS.mass_kg(tumour.volume_ml),
                tumour_to_normal=ratio,
                activity_gbq=inside_gbq,
                mad_gy=_dose_gy(inside_gbq, tumour.volume_ml),
            )
        )
    voxel_ml = subject.grid.voxel_volume_ml

    def dose_gy(mask: BoolArray) -> float:
        return _dose_gy(activity.in_mask_gbq(mask), int(np.count_nonzero(mask)) * voxel_ml)

    tumours, perfused = subject.tumour, subject.perfused
    lung_gbq = float(activity.lungs_gbq.sum(dtype=np.float64))
    return PatientTruth(
        liver_volume_ml=subject.liver.volume_ml,
        perfused_volume_ml=int(np.count_nonzero(perfused)) * voxel_ml,
        tumour_volume_ml=int(np.count_nonzero(tumours)) * voxel_ml,
        net_activity_gbq=sum(session.net_activity_gbq for session in sessions),
        liver_activity_gbq=float(activity.liver_gbq.sum(dtype=np.float64)),
        tumour_activity_gbq=activity.in_mask_gbq(tumours),
        lung_activity_gbq=lung_gbq,
        mad_gy=dose_gy(tumours),
        normal_liver_gy=dose_gy(subject.liver.mask & ~tumours),
        perfused_normal_gy=dose_gy(perfused & ~tumours),
        perfused_gy=dose_gy(perfused),
        lung_gy=CONSTANTS.energy_j_per_gbq * lung_gbq / CONSTANTS.lung_mass_kg,
        lesions=tuple(lesions),
    )


def _dose_gy(activity_gbq: float, volume_ml: float) -> float:
    return CONSTANTS.energy_j_per_gbq * activity_gbq / CONSTANTS.mass_kg(volume_ml)
