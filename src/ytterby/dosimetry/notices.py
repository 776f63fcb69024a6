"""What has to be said beside the doses of a case: segments outside liver or image, overlaps, constants that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ytterby.dosimetry.segments import SegmentResult
from ytterby.errors import CalibrationError, SegmentError
from ytterby.imaging.sample import sample_linear
from ytterby.model.dose import DoseOptions, Notice
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Session
from ytterby.model.volume import Volume
from ytterby.physics.devices import MICROSPHERES
from ytterby.physics.nuclides import energy_j_per_gbq

__all__ = [
    "energy_notices",
    "liver_in_view_notices",
    "outside_liver_notices",
    "overlap_notices",
    "require_tumours_in",
    "view_notices",
]

# House rules. A rim this wide is disagreement of contours; more of a tumour or territory outside the liver is told.
_TOLERATED_OUTSIDE_FRACTION = 0.01
_MOST_OUTSIDE_FRACTION = 0.5
_LIVER_CUT_FRACTION = 0.01
# The constants in use differ by 1.2 % among each other (docs/theory/compartments.md).
_ENERGY_TOLERANCE = 0.03
_ENERGY_REFUSED = 0.10


def require_tumours_in(liver: Segment, segments: Sequence[Segment]) -> None:
    """Nothing, where every tumour lies for the most part in the liver, whose counts are the whole that is shared out.

    A liver that leaves out its tumours makes every dose too high, and counts the tumours' activity twice.

    Raises
    ------
    SegmentError
        More than half of a tumour lies outside the liver.
    """
    for segment in segments:
        if segment.role is Role.TUMOUR:
            outside = segment.difference(liver).volume_ml / segment.volume_ml
            if outside > _MOST_OUTSIDE_FRACTION:
                raise SegmentError(
                    f"{outside:.0%} of the tumour lies outside the liver, whose counts are the whole that is shared out",
                    where=f"segment '{segment.name}'",
                    remedy="use a liver segment that contains its tumours; give a lesion outside the liver the role 'other'",
                )


def outside_liver_notices(segments: Sequence[Segment], liver: Segment | None) -> list[Notice]:
    """Tumours and perfused volumes that reach beyond the liver, with the share that does."""
    if liver is None:
        return []
    notices = []
    for segment in segments:
        if segment.role in (Role.TUMOUR, Role.PERFUSED):
            outside = segment.difference(liver).volume_ml / segment.volume_ml
            if outside > _TOLERATED_OUTSIDE_FRACTION:
                text = f"{outside:.1%} of '{segment.name}' ({segment.role.value}) lies outside the liver segment."
                notices.append(Notice(f"{segment.role.value}_outside_liver", text))
    return notices


def overlap_notices(segments: Sequence[Segment]) -> list[Notice]:
    """Pairs of tumours that share voxels."""
    tumours = [segment for segment in segments if segment.role is Role.TUMOUR]
    notices = []
    for n, one in enumerate(tumours):
        for other in tumours[n + 1 :]:
            shared = one.intersection(other)
            if not shared.is_empty:
                text = f"'{one.name}' and '{other.name}' share {shared.volume_ml:.1f} mL; each counts it."
                notices.append(Notice("tumours_overlap", text))
    return notices


def liver_in_view_notices(image: Volume, liver: Segment, sessions: Sequence[Session]) -> list[Notice]:
    """A liver that the image does not hold whole: what is shared out among the rest makes all doses too high."""
    outside = sample_linear(image, liver.points(grids=[image.grid])).outside_fraction
    if outside <= _LIVER_CUT_FRACTION:
        return []
    which = ", ".join(session.session_id for session in sessions)
    text = (
        f"{outside:.1%} of the liver lies outside the image of session {which}: its whole activity is shared out among the "
        "rest, so that every dose of this image is too high."
    )
    return [Notice("liver_cut", text)]


def view_notices(results: Sequence[SegmentResult], sessions: Sequence[str]) -> list[Notice]:
    """Segments that reach beyond an image; ``sessions`` says of each image whose it is."""
    return [
        Notice(
            "outside_image",
            f"{outside:.1%} of '{result.dose.segment}' lies outside the image of session {whose}, which gives no activity there.",
        )
        for result in results
        for outside, whose in zip(result.out_of_view_fractions, sessions, strict=True)
        if outside > np.finfo(float).eps
    ]


def energy_notices(sessions: Sequence[Session], options: DoseOptions) -> list[Notice]:
    """An energy constant that is not that of the nuclide in the microspheres."""
    notices = []
    for device in dict.fromkeys(session.device for session in sessions):
        nuclide = MICROSPHERES[device].nuclide
        expected = energy_j_per_gbq(nuclide)
        if abs(options.energy_j_per_gbq / expected - 1.0) > _ENERGY_REFUSED:
            raise CalibrationError(
                f"energy_j_per_gbq is {options.energy_j_per_gbq:g}, and {device.value} microspheres carry {nuclide.name}, whose "
                f"decays release {expected:.4g} J/GBq",
                where="options.energy_j_per_gbq",
                remedy="state the energy of all decays of 1 GBq in joule (90Y: 49.38 to 50)",
            )
        if abs(options.energy_j_per_gbq / expected - 1.0) > _ENERGY_TOLERANCE:
            text = (
                f"energy_j_per_gbq is {options.energy_j_per_gbq:g}, but {device.value} microspheres carry {nuclide.name}, whose "
                f"decays release {expected:.4g} J/GBq."
            )
            notices.append(Notice("energy_constant", text))
    return notices
