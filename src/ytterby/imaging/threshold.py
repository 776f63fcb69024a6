"""Segments by threshold: percent of the maximum in a region, and the connected lesions of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from ytterby.errors import DomainError, SegmentError
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Volume

__all__ = ["connected_lesions", "longest_diameter_mm", "percent_of_maximum"]


def percent_of_maximum(volume: Volume, region: Segment, *, percent: float, name: str, role: Role) -> Segment:
    """Voxels of ``region`` that hold at least ``percent`` of the greatest sample in it, on the volume's grid.

    Raises
    ------
    DomainError
        ``percent`` does not lie in (0, 100].
    SegmentError
        The region has no voxel in the image, or holds no counts.

    Notes
    -----
    The tool "Region with % of Max" of clinical systems; the threshold is chosen by eye for each patient (Watanabe et al. 2024,
    doi:10.2967/jnumed.124.267774).
    """
    if not 0.0 < percent <= 100.0:
        raise DomainError(
            f"percent must lie in (0, 100], got {percent}", where=name, remedy="give percent of the maximum"
        )
    inside = region.on_grid(volume.grid).mask
    if not inside.any():
        raise SegmentError(
            "no voxel of the region lies in the image",
            where=f"segment '{region.name}'",
            remedy="check that image and segmentation belong together (frame of reference)",
        )
    maximum = float(volume.array[inside].max())
    if maximum <= 0:
        raise SegmentError(
            "the image holds no counts in the region", where=f"segment '{region.name}'", remedy="check the image"
        )
    mask = inside & (volume.array >= percent / 100.0 * maximum)
    method = f"{percent:g} % of maximum in {region.name}"
    return Segment(name, role, mask, volume.grid, method, volume.frame_of_reference, volume.source)


def connected_lesions(
    segment: Segment, *, minimum_diameter_mm: float = 0.0, prefix: str = "Tumour "
) -> tuple[Segment, ...]:
    """Connected parts (26 neighbours) of ``segment``, the largest first, that reach the minimum longest diameter."""
    labels, count = ndimage.label(segment.mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = sorted(range(count), key=lambda k: (-int(sizes[k]), k))
    lesions: list[Segment] = []
    for k in order:
        part = Segment(
            segment.name,
            segment.role,
            labels == k + 1,
            segment.grid,
            segment.method,
            segment.frame_of_reference,
            segment.source,
        )
        if longest_diameter_mm(part) >= minimum_diameter_mm:
            lesions.append(part.relabelled(f"{prefix}{len(lesions) + 1}", segment.role, segment.method))
    return tuple(lesions)


def longest_diameter_mm(segment: Segment) -> float:
    """Greatest distance between two voxel centres of the segment, plus one mean voxel width (centres end half a voxel early).

    Raises
    ------
    SegmentError
        The segment is empty.
    """
    box = segment.bounding_box()
    index = np.argwhere(segment.mask[box]) + [side.start for side in box]
    points = segment.grid.positions_mm(index)
    if len(points) > 500:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:  # a flat or straight segment has no hull in space
            points = points[:: max(1, len(points) // 2000)]
    width_mm = float(np.mean(segment.grid.spacing_mm))
    return width_mm + (float(pdist(points).max()) if len(points) > 1 else 0.0)
