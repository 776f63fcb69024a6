"""Dose of every segment of a case: from the activity field to the rows of doses.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ytterby.dosimetry.compartment import mass_kg, mean_dose_gy
from ytterby.dosimetry.dvh import dose_reached_by_gy, histogram, volume_reaching_fraction
from ytterby.dosimetry.radiobiology import mean_bed_gy
from ytterby.dosimetry.voxel import local_deposition_gy
from ytterby.errors import GeometryError
from ytterby.imaging.quantify import ActivityField
from ytterby.imaging.sample import sample_linear
from ytterby.model.dose import DoseOptions, DoseVolumeHistogram, Radiobiology, SegmentDose
from ytterby.model.segment import Role, Segment, union
from ytterby.model.volume import FloatArray

__all__ = ["SegmentResult", "derived_segments", "lung_rows", "segment_result"]


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """Row of a segment, its histogram, its activity (GBq), and what share of it lies outside each image's field of view."""

    dose: SegmentDose
    histogram: DoseVolumeHistogram
    activity_gbq: float
    out_of_view_fractions: tuple[float, ...]


def segment_result(
    segment: Segment,
    field: ActivityField,
    *,
    options: DoseOptions,
    net_activity_gbq: float,
    radiobiology: Radiobiology | None = None,
    half_life_hours: float,
) -> SegmentResult:
    """Dose figures of one segment, from samples of the activity field at the segment's own voxel centres.

    The mean absorbed dose is K x activity / mass (multicompartment model; Watanabe et al. 2024, doi:10.2967/jnumed.124.267774):
    with equal sample volumes it is the mean of the local doses.

    Raises
    ------
    SegmentError
        The segment is empty.
    GeometryError
        The segment lies wholly outside the image.
    """
    points = segment.points(grids=field.grids)
    outside = tuple(sample_linear(layer.image, points).outside_fraction for layer in field.layers)
    if min(outside) == 1.0:
        raise GeometryError(
            "the segment lies wholly outside the image",
            where=f"segment '{segment.name}'",
            remedy="check that image and segmentation belong to one frame of reference, or register them",
        )
    concentration = field.concentration_gbq_ml(points)
    activity_gbq = float(concentration.sum(dtype=np.float64)) * points.volume_ml
    descending = np.sort(local_deposition_gy(concentration, options))[::-1]
    volume_ml = points.total_volume_ml
    row = SegmentDose(
        segment=segment.name,
        role=segment.role,
        method=segment.method,
        volume_ml=volume_ml,
        mass_kg=mass_kg(volume_ml, density_g_ml=options.tissue_density_g_ml),
        activity_fraction=activity_gbq / net_activity_gbq,
        mean_dose_gy=float(descending.mean(dtype=np.float64)),
        min_dose_gy=float(descending[-1]),
        max_dose_gy=float(descending[0]),
        d98_gy=dose_reached_by_gy(descending, 0.98),
        d95_gy=dose_reached_by_gy(descending, 0.95),
        d90_gy=dose_reached_by_gy(descending, 0.90),
        d70_gy=dose_reached_by_gy(descending, 0.70),
        d50_gy=dose_reached_by_gy(descending, 0.50),
        d2_gy=dose_reached_by_gy(descending, 0.02),
        v100gy_fraction=volume_reaching_fraction(descending, 100.0),
        engine=options.engine,
        bed_mean_gy=_mean_bed_gy(descending, segment.role, radiobiology, half_life_hours),
    )
    return SegmentResult(row, histogram(segment.name, segment.role, descending), activity_gbq, outside)


def _mean_bed_gy(
    dose_gy: FloatArray, role: Role, radiobiology: Radiobiology | None, half_life_hours: float
) -> float | None:
    """Mean of the samples' BED; None where the case states no parameters for the segment's kind of tissue."""
    tissue = None if radiobiology is None else radiobiology.tumour if role is Role.TUMOUR else radiobiology.normal
    if tissue is None:
        return None
    # A reconstruction may leave samples below 0, which have no biological effect.
    return mean_bed_gy(
        np.maximum(dose_gy, 0.0),
        alpha_beta_gy=tissue.alpha_beta_gy,
        repair_half_life_hours=tissue.repair_hours,
        half_life_hours=half_life_hours,
    )


def lung_rows(
    lungs: Sequence[Segment], activity_gbq: float, net_gbq: float, *, options: DoseOptions, lung_mass_kg: float
) -> list[SegmentDose]:
    """Rows of the lungs: one dose, from the activity in both lungs and their stated mass.

    The activity is the lung shunt's where counts were shared out, and the image's own where it is in Bq/mL. Where several
    segments make up the lungs, each has the share of mass and activity that it has of their volume.
    """
    volume_ml = sum(segment.volume_ml for segment in lungs)
    return [
        SegmentDose(
            segment=segment.name,
            role=segment.role,
            method=f"{segment.method}; dose from the activity in both lungs over their stated mass",
            volume_ml=segment.volume_ml,
            mass_kg=lung_mass_kg * segment.volume_ml / volume_ml,
            activity_fraction=activity_gbq / net_gbq * segment.volume_ml / volume_ml,
            mean_dose_gy=mean_dose_gy(activity_gbq, lung_mass_kg, energy_j_per_gbq=options.energy_j_per_gbq),
            engine="lung_mass",
        )
        for segment in lungs
    ]


def derived_segments(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Normal tissue: ``normal_liver`` = liver - tumours, and ``perfused_normal`` = perfused - tumours where one is perfused.

    A derived segment without voxels is left out (a liver that is all tumour has no normal tissue).
    """
    of_role = {role: tuple(segment for segment in segments if segment.role is role) for role in Role}
    derived = []
    for source, name, role in (
        (Role.LIVER, "normal_liver", Role.NORMAL_LIVER),
        (Role.PERFUSED, "perfused_normal", Role.PERFUSED_NORMAL),
    ):
        if not of_role[source]:
            continue
        whole = union(of_role[source], source.value, source)
        for tumour in of_role[Role.TUMOUR]:
            whole = whole.difference(tumour)
        if not whole.is_empty:
            derived.append(whole.relabelled(name, role, f"{source.value} - tumours"))
    return tuple(derived)
