"""A PET of 90Y that was taken with another nuclide set on the scanner, as activity of 90Y: on request, never by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset

from ytterby.dicom.header import number, quiet, text
from ytterby.dicom.nuclide import radiopharmaceutical
from ytterby.dicom.read.nuclear import pet_volume, sliced
from ytterby.dicom.read.slices import open_slices
from ytterby.dicom.series import Series
from ytterby.dicom.times import acquisition_starts
from ytterby.errors import CalibrationError, DicomError
from ytterby.model.volume import Quantity, Volume
from ytterby.physics.surrogate import (
    Y90_AS_EMITTER,
    PositronEmitter,
    decay_correction_factor,
    isotope_factor,
)

__all__ = ["RedonePet", "y90_pet_volume"]

_TOLD_FRACTION, _REFUSED_FRACTION = 0.01, 0.10
_ALREADY_FRACTION = 1e-3
_REMEDY = "reconstruct with 90Y, or leave image.isotope_correction out"


@dataclass(frozen=True, eq=False)
class RedonePet:
    """A PET as activity of 90Y, and in words what was done to it."""

    volume: Volume
    done: str


@quiet()
def y90_pet_volume(series: Series, *, time_zone: str | None = None) -> RedonePet:
    """Activity concentration of 90Y of a PET whose scanner was set to another nuclide.

    Half-life and positron fraction of the file are taken for what the scanner used. For each slice its decay factor is the
    file's DecayFactor (0054,1321), or where that is absent follows from acquisition time, frame duration and reference, with
    decay during the frame; with DecayCorrection NONE it is 1. Decay and branching of 90Y are then put in by
    ``physics.surrogate.isotope_factor``. The reference moment stays that of the file; with NONE it is the first acquisition.

    Raises
    ------
    CalibrationError
        The values are no activity; half-life, positron fraction, acquisition time, frame duration or reference is not
        stated; or a stated DecayFactor is more than 10 % from what the times give.
    DicomError
        The series is no PET of single slices, or its pixels cannot be decoded.
    GeometryError
        The slices do not lie on one grid.
    """
    if series.kind != "pt":
        raise DicomError(f"{series.reason}: an isotope correction is for a PET", where=str(series.path), remedy=_REMEDY)
    opened = open_slices(series)
    datasets, where = opened.datasets, opened.where
    # Without a decay correction each slice is of its own moment, and all are brought to the first.
    uncorrected = all(text(dataset, "DecayCorrection").upper() == "NONE" for dataset in datasets)
    volume = pet_volume(opened, time_zone=time_zone, require_reference_time=not uncorrected)
    if volume.quantity is not Quantity.CONCENTRATION:
        raise CalibrationError("counts of a SPECT have no isotope to correct", where=where, remedy=_REMEDY)
    set_to, name = _set_to(datasets, where)
    if _is_y90(set_to):
        return RedonePet(
            volume, f"the file states half-life and positron fraction of 90Y ({name}): no isotope correction was made"
        )
    starts = acquisition_starts(datasets, where=where, time_zone=time_zone)
    reference = min(starts) if uncorrected or volume.reference_time is None else volume.reference_time
    frames = [
        _frame(dataset, start, reference, set_to, opened.names[place], where)
        for place, (dataset, start) in enumerate(zip(datasets, starts, strict=True))
    ]
    factors = [
        isotope_factor(
            set_to,
            start_hours=frame.start_hours,
            duration_hours=frame.duration_hours,
            decay_ratio=frame.decay_ratio,
        )
        for frame in frames
    ]
    array = np.asarray(volume.array * sliced(opened, factors), dtype=np.float32)
    redone = replace(volume, array=array, reference_time=reference)
    return RedonePet(redone, _told(name, set_to, frames, factors, reference, datasets[0]))


@dataclass(frozen=True)
class _Frame:
    """One slice: start after the reference, duration, and the decay factor that the scanner applied.

    ``deviation_fraction`` is how far a stated factor lies from the one that the times give.
    """

    start_hours: float
    duration_hours: float
    decay_ratio: float
    deviation_fraction: float
    is_stated: bool


def _set_to(datasets: Sequence[Dataset], where: str) -> tuple[PositronEmitter, str]:
    """What the scanner was set to, and its name."""
    stated = {
        (found.half_life_hours, found.positron_fraction, found.nuclide) for found in map(radiopharmaceutical, datasets)
    }
    if len(stated) > 1:
        raise CalibrationError("the slices state different radionuclides", where=where, remedy=_REMEDY)
    half_life_hours, positron_fraction, nuclide = stated.pop()
    if half_life_hours is None or positron_fraction is None:
        missing = (
            "RadionuclideHalfLife (0018,1075)"
            if half_life_hours is None
            else "RadionuclidePositronFraction (0018,1076)"
        )
        raise CalibrationError(
            f"{missing} is not stated: what the scanner was set to is not known", where=where, remedy=_REMEDY
        )
    return PositronEmitter(half_life_hours, positron_fraction), nuclide or "radionuclide not named"


def _is_y90(set_to: PositronEmitter) -> bool:
    known = Y90_AS_EMITTER
    return (
        abs(set_to.half_life_hours / known.half_life_hours - 1) < _ALREADY_FRACTION
        and abs(set_to.positron_fraction / known.positron_fraction - 1) < _ALREADY_FRACTION
    )


def _frame(
    dataset: Dataset, start: datetime, reference: datetime, set_to: PositronEmitter, name: str, where: str
) -> _Frame:
    duration_ms = number(dataset, "ActualFrameDuration")
    if duration_ms is None or duration_ms < 0:
        raise CalibrationError(
            "ActualFrameDuration (0018,1242) is not stated: decay during the frame is not known",
            where=f"{where}, {name}",
            remedy=_REMEDY,
        )
    hours, duration_hours = (start - reference).total_seconds() / 3600.0, duration_ms / 3.6e6
    if text(dataset, "DecayCorrection").upper() == "NONE":
        return _Frame(hours, duration_hours, 1.0, 0.0, is_stated=False)
    computed = decay_correction_factor(hours, duration_hours, half_life_hours=set_to.half_life_hours)
    stated = number(dataset, "DecayFactor")
    if stated is None:
        return _Frame(hours, duration_hours, computed, 0.0, is_stated=False)
    if stated <= 0 or abs(stated / computed - 1) > _REFUSED_FRACTION:
        raise CalibrationError(
            f"DecayFactor (0054,1321) is {stated:g}, where half-life, acquisition time and reference give {computed:.6g}",
            where=f"{where}, {name}",
            remedy=_REMEDY,
        )
    return _Frame(hours, duration_hours, stated, stated / computed - 1, is_stated=True)


def _told(
    name: str,
    set_to: PositronEmitter,
    frames: Sequence[_Frame],
    factors: Sequence[float],
    reference: datetime,
    first: Dataset,
) -> str:
    known = Y90_AS_EMITTER
    correction = text(first, "DecayCorrection").upper()
    if correction == "NONE":
        undone = "no decay correction had to be undone (DecayCorrection NONE)"
    else:
        how = (
            "as the file states them (DecayFactor)"
            if frames[0].is_stated
            else (
                "computed from acquisition time and frame duration, with decay during the frame (the file states none)"
            )
        )
        applied = _range([frame.decay_ratio for frame in frames])
        undone = f"decay factors {applied} of DecayCorrection {correction} undone, {how}"
    apart = max(abs(frame.deviation_fraction) for frame in frames)
    doubt = f"; they differ by up to {apart:.1%} from those that the times give" if apart > _TOLD_FRACTION else ""
    return (
        f"isotope correction on request: scanner set to {name} (half-life {set_to.half_life_hours:.6g} h, positron fraction "
        f"{set_to.positron_fraction:.6g}); {undone}{doubt}; branching {set_to.positron_fraction:.6g} / "
        f"{known.positron_fraction:.6g}; decay of 90Y (half-life {known.half_life_hours:g} h) to {reference.isoformat()}, with "
        f"decay during the frame; values multiplied by {_range(factors)}"
    )


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.6g}" if high - low <= 1e-9 * abs(high) else f"{low:.6g} to {high:.6g}"
