"""Partial-volume correction of a case's tumours: image by image, session by session, with the activity conserved.

A correction never takes the place of the dose that was measured; it stands beside it. Theory: docs/theory/partial-volume.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ytterby.dosimetry.case import DosedCase
from ytterby.dosimetry.recovery import RecoveryTable, corrected_mean_gy, equivalent_diameter_mm
from ytterby.dosimetry.transfer import Transfer, TumourShare, table_share, transfer_matrix
from ytterby.errors import DomainError
from ytterby.imaging.quantify import ActivityLayer
from ytterby.model.dose import Notice, joint_mean_dose_gy
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Quantity
from ytterby.units import positive

__all__ = ["Correction", "gaussian_corrections", "table_corrections"]

# A tumour belongs to a territory that holds this much of it; one that lies in two is not corrected.
_OWN_FRACTION = 0.95


@dataclass(frozen=True, eq=False)
class Correction:
    """Corrected mean dose of a tumour, its recovery coefficient, and what an uncertainty needs; else why there is none.

    With several images ``share`` is that of the image that gave most of the dose.
    """

    segment: str
    corrected_gy: float | None
    recovery_fraction: float | None
    share: TumourShare | None = field(default=None, repr=False)
    refused: str = ""


def gaussian_corrections(found: DosedCase, *, fwhm_mm: float) -> tuple[tuple[Correction, ...], tuple[Notice, ...]]:
    """Corrections of all tumours by the geometric transfer matrix of an image whose resolution is ``fwhm_mm``.

    Source: Rousset, Ma, Evans, J Nucl Med 1998;39:904; from true means to dose: docs/theory/partial-volume.md.

    Raises
    ------
    GeometryError
        A region lies outside an image.
    """
    tumours = [segment for segment in found.segments if segment.role is Role.TUMOUR]
    normal = next((segment for segment in found.segments if segment.role is Role.NORMAL_LIVER), None)
    if not tumours or normal is None:
        return (), _without_normal_liver(found)
    parts = [_layer_corrections(found, layer, tumours, normal, fwhm_mm=fwhm_mm) for layer in found.activity.layers]
    corrections = tuple(_summed([part[n] for part in parts]) for n in range(len(tumours)))
    return corrections, tuple(
        Notice("no_correction", f"'{one.segment}' is not corrected for partial volume: {one.refused}.")
        for one in corrections
        if one.refused
    )


def table_corrections(found: DosedCase, table: RecoveryTable) -> tuple[tuple[Correction, ...], tuple[Notice, ...]]:
    """Corrections of all tumours by measured recovery coefficients, with normal tissue as what surrounds them.

    The diameter is that of the sphere of the tumour's volume. Counts that are given back to a tumour lie round it in the image,
    so that the liver's whole does not change. T = (M - (1 - RC) B) / RC, derived in docs/theory/partial-volume.md. A tumour for
    which the table has no coefficient is not corrected, and told.
    """
    background_gy = _background_gy(found)
    if background_gy is None:
        return (), _without_normal_liver(found)
    corrections: list[Correction] = []
    for row in found.dose.doses:
        if row.role is not Role.TUMOUR:
            continue
        try:
            recovery = table.recovery_at(equivalent_diameter_mm(row.volume_ml))
            true_gy = corrected_mean_gy(row.mean_dose_gy, background_gy, recovery_fraction=recovery)
        except DomainError as error:
            corrections.append(Correction(row.segment, None, None, refused=error.what))
            continue
        share = None
        if true_gy > 0:
            share = table_share(
                row.segment, mean_gy=row.mean_dose_gy, background_gy=background_gy, recovery_fraction=recovery
            )
        corrections.append(Correction(row.segment, true_gy, recovery, share))
    return tuple(corrections), tuple(
        Notice("no_correction", f"'{one.segment}' is not corrected for partial volume: {one.refused}.")
        for one in corrections
        if one.refused
    )


def _without_normal_liver(found: DosedCase) -> tuple[Notice, ...]:
    """Why no tumour is corrected where nothing is known of what surrounds them."""
    if all(row.role is not Role.TUMOUR for row in found.dose.doses):
        return ()
    text = "Partial volume is not corrected: no normal liver surrounds the tumours (role liver)."
    return (Notice("no_correction", text),)


def _background_gy(found: DosedCase) -> float | None:
    """Mean dose of what surrounds the tumours: perfused normal liver, else normal liver; None where neither is known."""
    for role in (Role.PERFUSED_NORMAL, Role.NORMAL_LIVER):
        mean_gy = joint_mean_dose_gy([row for row in found.dose.doses if row.role is role])
        if mean_gy is not None:
            return max(mean_gy, 0.0)
    return None


def _layer_corrections(
    found: DosedCase, layer: ActivityLayer, tumours: Sequence[Segment], normal: Segment, *, fwhm_mm: float
) -> list[Correction]:
    """What the sessions of one image gave each tumour, corrected."""
    territories = [gain.territory for gain in layer.gains if gain.territory is not None]
    if not territories:
        territories = [segment for segment in found.segments if segment.role is Role.PERFUSED]
    tissues = _tissues(territories, normal)
    transfer = transfer_matrix(layer.image, tumours, tissues, fwhm_mm=fwhm_mm)
    return [_corrected(found, layer, transfer, tumour, tumours, tissues) for tumour in tumours]


def _tissues(territories: Sequence[Segment], normal: Segment) -> list[Segment]:
    """Normal liver in parts that are uniform each: within each territory, and outside them all."""
    parts = []
    rest = normal
    for n, territory in enumerate(territories, start=1):
        inside = rest.intersection(territory)
        rest = rest.difference(territory)
        parts.append(inside.relabelled(f"normal tissue of territory {n}", Role.OTHER, "normal liver in a territory"))
    parts.append(rest.relabelled("normal tissue elsewhere", Role.OTHER, "normal liver outside territories"))
    return [part for part in parts if not part.is_empty]


def _corrected(
    found: DosedCase,
    layer: ActivityLayer,
    transfer: Transfer,
    tumour: Segment,
    tumours: Sequence[Segment],
    tissues: Sequence[Segment],
) -> Correction:
    if tumour.name in transfer.refused:
        return Correction(tumour.name, None, None, refused=transfer.refused[tumour.name])
    row = transfer.names.index(tumour.name)
    recovery = float(transfer.recovery_coefficients[row])
    options = found.dose.options
    if layer.image.quantity is not Quantity.COUNTS:
        density_kg_ml = positive(options.tissue_density_g_ml, "tissue_density_g_ml") / 1000.0
        factor = sum(gain.gbq_ml_per_unit for gain in layer.gains) * options.energy_j_per_gbq / density_kg_ml
        return Correction(
            tumour.name,
            float(transfer.corrected[row]) * factor,
            recovery,
            transfer.share_of(tumour.name),
        )
    sessions = {session.session_id: session for session in found.sessions}
    total_gy = 0.0
    share = None
    for gain in layer.gains:
        names = _denominator(gain.territory, tumours, tissues)
        if gain.territory is not None:
            inside = tumour.intersection(gain.territory).volume_ml / tumour.volume_ml
            if 1.0 - _OWN_FRACTION < inside < _OWN_FRACTION:
                return Correction(tumour.name, None, None, refused="it lies in more than one territory")
            if inside < _OWN_FRACTION:
                continue
        energy_gy_kg = options.energy_j_per_gbq * sessions[gain.session_id].liver_activity_gbq
        dose_gy = transfer.corrected_dose_gy(
            tumour.name, denominator=names, energy_gy_kg=energy_gy_kg, density_g_ml=options.tissue_density_g_ml
        )
        assert dose_gy is not None  # refused tumours have left above
        total_gy += dose_gy
        share = transfer.share_of(tumour.name)
    return Correction(tumour.name, total_gy, recovery, share)


def _denominator(territory: Segment | None, tumours: Sequence[Segment], tissues: Sequence[Segment]) -> tuple[str, ...]:
    """Regions whose counts together share out a session's activity: those of its territory, else all of the liver."""
    parts = (*tumours, *tissues)
    if territory is None:
        return tuple(part.name for part in parts)
    return tuple(
        part.name
        for part in parts
        if not part.is_apart(territory) and part.intersection(territory).volume_ml > 0.5 * part.volume_ml
    )


def _summed(parts: Sequence[Correction]) -> Correction:
    """Corrections of one tumour over several images."""
    refused = next((part for part in parts if part.corrected_gy is None), None)
    if refused is not None:
        return refused
    most = max(parts, key=lambda part: part.corrected_gy or 0.0)
    total_gy = math.fsum(part.corrected_gy or 0.0 for part in parts)
    return replace(most, corrected_gy=total_gy)
