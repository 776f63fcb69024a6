"""Segments of a case: those that it names, each with its role, and those that are made by threshold."""

from __future__ import annotations

from ytterby.errors import SegmentError
from ytterby.files.casefile import CaseFile
from ytterby.imaging.threshold import connected_lesions, percent_of_maximum
from ytterby.model.dose import Notice
from ytterby.model.segment import Role, Segment, union
from ytterby.model.volume import Volume
from ytterby.workflow.loading import load_segments

__all__ = ["assigned_segments", "with_thresholds"]


def assigned_segments(file: CaseFile, ct: Volume | None = None) -> tuple[tuple[Segment, ...], tuple[Notice, ...]]:
    """The segments that the case names, each with its role, and what is to be told of them.

    The labels of a label map exclude each other, so that its liver leaves out the tumours: there they are joined to it, and told.
    """
    if file.segments is None:
        return (), ()
    loaded = load_segments(file.segments.path, labels=file.segments.labels, ct=ct)
    found = loaded.segments
    available = {segment.name: segment for segment in found}
    chosen = []
    for name, role in file.segments.roles.pairs():
        if name not in available:
            raise SegmentError(
                f"there is no segment '{name}'",
                where=f"{file.segments.path.name}, role {role.value}",
                remedy="use one of: " + ", ".join(sorted(available)),
            )
        if sum(segment.name == name for segment in found) > 1:
            raise SegmentError(
                f"several segments are called '{name}'",
                where=file.segments.path.name,
                remedy="give each segment a name of its own in the segmentation",
            )
        segment = available[name]
        chosen.append(segment.relabelled(name, role, segment.method).require_voxels())
    told = loaded.notices({segment.name for segment in chosen})
    if file.segments.labels is None:
        return tuple(chosen), told
    livers = [one for one in chosen if one.role is Role.LIVER]
    tumours = (
        [one for one in chosen if one.role is Role.TUMOUR and one.difference(livers[0]).volume_ml > 0] if livers else []
    )
    if not tumours:
        return tuple(chosen), told
    whole = union((livers[0], *tumours), livers[0].name, Role.LIVER)
    text = (
        f"The labels of a label map exclude each other: {len(tumours)} tumours were joined to the liver '{whole.name}'."
    )
    return tuple(whole if one is livers[0] else one for one in chosen), (*told, Notice("tumours_joined_to_liver", text))


def with_thresholds(file: CaseFile, segments: tuple[Segment, ...], image: Volume) -> tuple[Segment, ...]:
    """``segments`` and those that the case derives by percent of maximum."""
    made = list(segments)

    def region(name: str) -> Segment:
        """The segment of that name, or all segments of that role together."""
        fitting = [one for one in made if one.name == name] or [one for one in made if one.role.value == name]
        if not fitting:
            raise SegmentError(f"there is no segment '{name}'", where="derived", remedy="name one of segments.roles")
        return fitting[0] if len(fitting) == 1 else union(tuple(fitting), name, fitting[0].role)

    for part in file.derived:
        made.append(
            percent_of_maximum(image, region(part.inside), percent=part.percent, name=part.name, role=part.segment_role)
        )
    if file.tumours is not None:
        inside = region(file.tumours.region)
        hot = percent_of_maximum(image, inside, percent=file.tumours.percent, name="tumours", role=Role.TUMOUR)
        found = connected_lesions(hot, minimum_diameter_mm=file.tumours.minimum_diameter_mm)
        if not found:
            raise SegmentError(
                f"no lesion of {file.tumours.minimum_diameter_mm:g} mm or more holds {file.tumours.percent:g} % of the maximum",
                where="tumours",
                remedy="lower tumours.percent or tumours.minimum_diameter_mm",
            )
        made += found
    return tuple(made)
