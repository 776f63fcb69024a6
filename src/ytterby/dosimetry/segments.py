"""Dose of every segment of a case: from samples of the dose field to the rows of doses.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ytterby.dosimetry.compartment import mass_kg, mean_dose_gy
from ytterby.dosimetry.dvh import DoseVolume, dose_volume
from ytterby.dosimetry.field import DoseField
from ytterby.dosimetry.occupancy import divided_points
from ytterby.dosimetry.radiobiology import eqd2_gy, eud_gy, sessions_bed_gy
from ytterby.errors import GeometryError
from ytterby.imaging.cover import Cover, covers
from ytterby.imaging.quantify import ActivityField, LayerSamples
from ytterby.model.dose import DoseOptions, DoseVolumeHistogram, Radiobiology, SegmentDose, Tissue
from ytterby.model.segment import BoolArray, Role, SamplePoints, Segment, union
from ytterby.model.volume import FloatArray

__all__ = ["SegmentResult", "derived_segments", "lung_rows", "segment_results"]

_MOST_DIVIDED = 60_000
"""Samples of a segment up to which its voxels are divided for the histogram."""


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """Row of a segment, its histogram, its activity (GBq), and what share of it lies outside each image's field of view.

    ``session_means_gy`` is the mean dose by the reported engine of each session; ``compared`` are the rows of the other engines.
    """

    segment: Segment = field(repr=False)
    dose: SegmentDose
    histogram: DoseVolumeHistogram
    activity_gbq: float
    out_of_view_fractions: tuple[float, ...]
    session_means_gy: tuple[float, ...]
    compared: tuple[SegmentDose, ...] = ()


@dataclass(frozen=True)
class _Effect:
    """Biological effect of a segment's dose; None where its tissue's parameters are not stated."""

    bed_mean_gy: float | None = None
    eqd2_mean_gy: float | None = None
    eud_gy: float | None = None


def segment_results(
    segments: Sequence[Segment],
    activity: ActivityField,
    fields: Sequence[DoseField],
    *,
    options: DoseOptions,
    net_activity_gbq: float,
    radiobiology: Radiobiology | None = None,
    half_life_hours: Sequence[float],
) -> tuple[SegmentResult, ...]:
    """Dose figures of the segments, in their order, from samples at the segments' own voxel centres.

    The mean absorbed dose is the mean of the samples' doses, which by local deposition is K x activity / mass (multicompartment
    model; Watanabe et al. 2024, doi:10.2967/jnumed.124.267774); figures of the histogram look into the voxels of small segments
    (docs/theory/dvh.md). The first of ``fields`` makes the reported rows, the others
    stand beside them. ``half_life_hours`` is that of each session's nuclide.

    Raises
    ------
    SegmentError
        A segment is empty.
    GeometryError
        A segment lies wholly outside the image.
    """
    found: dict[str, SegmentResult] = {}
    for cover in covers(segments, activity.grids):
        layers, doses = _sampled(cover.points, activity, fields)
        concentration = np.asarray(sum(one for layer in layers for one in layer.concentrations_gbq_ml))
        for segment in cover.segments:
            outside = _outside(cover, segment, [layer.in_view for layer in layers])
            activity_gbq = float(cover.of(segment, concentration).sum(dtype=np.float64)) * cover.points.volume_ml
            session_doses = [[cover.of(segment, dose) for dose in by_engine] for by_engine in doses]
            volumes = _volumes(segment, cover.points.volume_ml, session_doses, activity, fields)
            rows = [
                _row(
                    segment,
                    volume,
                    _effect(own, segment.role, radiobiology, half_life_hours),
                    options,
                    mean_gy=float(np.mean(sum(own))),
                    engine=one.engine,
                    activity_fraction=activity_gbq / net_activity_gbq,
                )
                for one, volume, own in zip(fields, volumes, session_doses, strict=True)
            ]
            found[segment.name] = SegmentResult(
                segment,
                rows[0],
                volumes[0].histogram(segment.name, segment.role),
                activity_gbq,
                outside,
                tuple(float(dose.mean()) for dose in session_doses[0]),
                tuple(rows[1:]),
            )
    return tuple(found[segment.name] for segment in segments)


def _sampled(
    points: SamplePoints, activity: ActivityField, fields: Sequence[DoseField]
) -> tuple[list[LayerSamples], list[tuple[FloatArray, ...]]]:
    """What each image holds at points, and by each engine the dose of each session."""
    layers = [layer.sampled(points) for layer in activity.layers]
    concentrations = [one for layer in layers for one in layer.concentrations_gbq_ml]
    return layers, [one.session_doses_gy(points, concentrations) for one in fields]


def _volumes(
    segment: Segment,
    sample_ml: float,
    session_doses: Sequence[Sequence[FloatArray]],
    activity: ActivityField,
    fields: Sequence[DoseField],
) -> list[DoseVolume]:
    """Dose over volume by each engine, from the samples of the means.

    A small segment that was drawn on another grid than the image's has few samples for a steep dose: its voxels are divided.
    """
    points = segment.points(grids=activity.grids)
    divided = divided_points(points, most_samples=_MOST_DIVIDED)
    if len(divided) > len(points) and not any(segment.grid.same_as(grid) for grid in activity.grids):
        _, session_doses = _sampled(divided, activity, fields)
        sample_ml = divided.volume_ml
    return [dose_volume(np.asarray(sum(own)), sample_ml) for own in session_doses]


def _outside(cover: Cover, segment: Segment, in_view: Sequence[BoolArray]) -> tuple[float, ...]:
    """Share of the segment outside the field of view of each image."""
    outside = tuple(1.0 - float(np.mean(cover.of(segment, inside))) for inside in in_view)
    if min(outside) == 1.0:
        raise GeometryError(
            "the segment lies wholly outside the image",
            where=f"segment '{segment.name}'",
            remedy="check that image and segmentation belong to one frame of reference, or register them",
        )
    return outside


def _row(
    segment: Segment,
    volume: DoseVolume,
    effect: _Effect,
    options: DoseOptions,
    *,
    mean_gy: float,
    engine: str,
    activity_fraction: float,
) -> SegmentDose:
    return SegmentDose(
        segment=segment.name,
        role=segment.role,
        method=segment.method,
        volume_ml=segment.volume_ml,
        mass_kg=mass_kg(segment.volume_ml, density_g_ml=options.tissue_density_g_ml),
        activity_fraction=activity_fraction,
        mean_dose_gy=mean_gy,
        sd_dose_gy=volume.sd_gy,
        min_dose_gy=volume.minimum_gy,
        max_dose_gy=volume.maximum_gy,
        d98_gy=volume.dose_reached_gy(0.98),
        d95_gy=volume.dose_reached_gy(0.95),
        d90_gy=volume.dose_reached_gy(0.90),
        d70_gy=volume.dose_reached_gy(0.70),
        d50_gy=volume.dose_reached_gy(0.50),
        d2_gy=volume.dose_reached_gy(0.02),
        v100gy_fraction=volume.volume_fraction(100.0),
        engine=engine,
        bed_mean_gy=effect.bed_mean_gy,
        eqd2_mean_gy=effect.eqd2_mean_gy,
        eud_gy=effect.eud_gy,
    )


def _effect(
    session_doses_gy: Sequence[FloatArray],
    role: Role,
    radiobiology: Radiobiology | None,
    half_life_hours: Sequence[float],
) -> _Effect:
    """Means over the samples of each session's effect, summed over sessions; none without parameters for the tissue."""
    tissue: Tissue | None = None
    if radiobiology is not None:
        tissue = radiobiology.tumour if role is Role.TUMOUR else radiobiology.normal
    if tissue is None:
        return _Effect()
    # A reconstruction may leave samples below 0, which have no biological effect.
    doses = [np.maximum(dose, 0.0) for dose in session_doses_gy]
    bed = float(
        sessions_bed_gy(
            doses,
            alpha_beta_gy=tissue.alpha_beta_gy,
            repair_half_life_hours=tissue.repair_hours,
            half_life_hours=half_life_hours,
        ).mean()
    )
    uniform = None if tissue.alpha_per_gy is None else eud_gy(np.asarray(sum(doses)), alpha_per_gy=tissue.alpha_per_gy)
    return _Effect(bed, eqd2_gy(bed, tissue.alpha_beta_gy), uniform)


def lung_rows(
    lungs: Sequence[Segment], activity_gbq: float, net_gbq: float, *, options: DoseOptions, lung_mass_kg: float
) -> list[SegmentDose]:
    """Rows of the lungs: one dose, from the activity in both lungs and their stated mass.

    The activity is the lung shunt's where counts were shared out, and the image's own where it is in Bq/mL. Where several
    segments make up the lungs, each has the share of mass and activity that it has of their volume. Source of D = K A / m: Kao et
    al., EJNMMI Res 2014;4:33, doi:10.1186/s13550-014-0033-7.

    Raises
    ------
    DomainError
        The lung mass is not above 0.
    """
    volume_ml = sum(segment.volume_ml for segment in lungs)
    return [
        SegmentDose(
            segment=segment.name,
            role=segment.role,
            method=f"{segment.method}; dose from the activity in both lungs over their mass ({options.lung_mass_source})",
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
