"""From picture to activity: where in the patient how much of the net activity lies, as a function of place.

An image is turned into an ``ActivityLayer``: the image, and for each treatment session a gain (GBq/mL per unit of the image) with
the segment in which the gain holds. Layers add up to an ``ActivityField`` that can be sampled at points or put on a grid.

Source: relative calibration of 99mTc-MAA SPECT for 90Y microspheres, Chiesa et al. 2021, EANM dosimetry committee,
doi:10.1186/s40658-021-00394-3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ytterby.errors import CalibrationError, GeometryError, SegmentError
from ytterby.imaging.sample import resample, sample_linear
from ytterby.model.segment import BoolArray, SamplePoints, Segment, union
from ytterby.model.treatment import Session
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume

__all__ = [
    "ActivityField",
    "ActivityLayer",
    "Gain",
    "LayerSamples",
    "absolute_layer",
    "contains",
    "integral_ml",
    "non_negative_counts",
    "relative_layer",
    "require_disjoint",
    "segment_counts",
]


@dataclass(frozen=True, eq=False)
class Gain:
    """Activity concentration per image unit (GBq/mL), for one session; it holds in ``territory`` (None: everywhere)."""

    session_id: str
    gbq_ml_per_unit: float
    territory: Segment | None = None


@dataclass(frozen=True, eq=False)
class LayerSamples:
    """Activity concentration (n,) of each session of a layer at points, in the order of its gains; which points are in view."""

    concentrations_gbq_ml: tuple[FloatArray, ...]
    in_view: BoolArray


@dataclass(frozen=True, eq=False)
class ActivityLayer:
    """One image and the gains that turn it into net activity at the moment of administration.

    ``support`` are the segments in which the activity is known (empty: the whole image); a map on a grid is 0 outside them.
    """

    image: Volume = field(repr=False)
    gains: tuple[Gain, ...]
    support: tuple[Segment, ...] = ()

    def sampled(self, points: SamplePoints) -> LayerSamples:
        """Activity concentration of each of the layer's sessions at points, and which of the points the image shows."""
        samples = sample_linear(self.image, points)
        return LayerSamples(
            tuple(
                np.asarray(
                    samples.values
                    * (part.gbq_ml_per_unit * (1.0 if part.territory is None else contains(part.territory, points)))
                )
                for part in self.gains
            ),
            samples.in_view,
        )

    def concentration_gbq_ml(self, points: SamplePoints) -> FloatArray:
        """Activity concentration (n,) at points, summed over the layer's sessions."""
        return np.asarray(sum(self.sampled(points).concentrations_gbq_ml))

    def map_on(self, grid: Grid) -> FloatArray:
        """Activity concentration at the voxel centres of ``grid``, by the same rule as at any other point.

        It is 0 where the centre lies in none of the supporting segments, so that the map holds the activity that was given.
        """
        if not self.support:
            return np.asarray(resample(self.image, grid).array * sum(part.gbq_ml_per_unit for part in self.gains))
        found = np.zeros(grid.shape, dtype=np.float32)
        known = union(tuple(segment.on_grid(grid) for segment in self.support), "support", self.support[0].role)
        if known.is_empty:
            return found
        # Outside the box of what is known the map is 0: most of a CT's voxels need not be looked at.
        box = known.bounding_box()
        gain = np.zeros([side.stop - side.start for side in box], dtype=np.float64)
        for part in self.gains:
            inside = known.mask[box] if part.territory is None else part.territory.on_grid(grid).mask[box]
            gain[inside] += part.gbq_ml_per_unit
        found[box] = resample(self.image, grid.cropped(box)).array * gain
        return found


@dataclass(frozen=True, eq=False)
class ActivityField:
    """Net activity concentration as a function of place: the sum of its layers."""

    layers: tuple[ActivityLayer, ...]

    def concentration_gbq_ml(self, points: SamplePoints) -> FloatArray:
        """Activity concentration (n,) at points."""
        return np.asarray(sum(layer.concentration_gbq_ml(points) for layer in self.layers))

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Grids of the images: what a segment's sample points must be fine enough for."""
        return tuple(layer.image.grid for layer in self.layers)

    def map_on(self, grid: Grid) -> FloatArray:
        """Activity concentration at the voxel centres of ``grid``."""
        return np.asarray(sum(layer.map_on(grid) for layer in self.layers))


def non_negative_counts(image: Volume) -> tuple[Volume, float]:
    """``image`` with samples below 0 (which reconstruction can leave) set to 0, and the share of all counts that this took."""
    negative = float(-np.minimum(image.array, 0).sum(dtype=np.float64))
    if negative == 0.0:
        return image, 0.0
    total = float(np.maximum(image.array, 0).sum(dtype=np.float64))
    return image.with_array(np.maximum(image.array, 0)), negative / total if total > 0 else 1.0


def integral_ml(image: Volume, points: SamplePoints) -> float:
    """Image unit times millilitres, summed over points (what is outside the field of view counts 0)."""
    return float(sample_linear(image, points).values.sum(dtype=np.float64)) * points.volume_ml


def relative_layer(
    image: Volume,
    sessions: Sequence[Session],
    *,
    liver: Segment,
    territories: Sequence[Segment | None],
    tumours: Sequence[Segment] = (),
) -> ActivityLayer:
    """Layer of a counts image: each session's liver activity, spread like the counts of its denominator.

    One session: the denominator is the whole liver, and its territory does not change it. Two or more sessions on one image: the
    denominator of each is the counts in its own territory. ``tumours`` belong to the support of the map: one that reaches
    beyond the liver has a dose there too. Gain = A (1 - R)(1 - F) / C (GBq/mL per unit of the image), C the counts of the
    denominator times mL. Source: Chiesa et al. 2021, doi:10.1186/s40658-021-00394-3.

    Raises
    ------
    CalibrationError
        A denominator holds no counts.
    GeometryError
        A denominator lies wholly outside the image.
    SegmentError
        Several sessions share the image, and one has no territory or two territories overlap.
    """
    support = (liver, *(territory for territory in territories if territory is not None), *tumours)
    if len(sessions) == 1:
        total = _counts(image, liver)
        gain = Gain(sessions[0].session_id, sessions[0].liver_activity_gbq / total)
        return ActivityLayer(image, (gain,), support)
    named: list[Segment] = []
    for session, territory in zip(sessions, territories, strict=True):
        if territory is None:
            raise SegmentError(
                "several sessions share one image, and this one names no perfused segment",
                where=f"session '{session.session_id}'",
                remedy="name the segment that each session treated (perfused: ...), or give each session its own image",
            )
        named.append(territory)
    require_disjoint(named)
    gains = tuple(
        Gain(session.session_id, session.liver_activity_gbq / _counts(image, territory), territory)
        for session, territory in zip(sessions, named, strict=True)
    )
    return ActivityLayer(image, gains, support)


def absolute_layer(image: Volume, session: Session, *, half_life_hours: float) -> ActivityLayer:
    """Layer of an image in Bq/mL: decay alone, from the image's reference time to the administration.

    Neither lung shunt nor residual is applied: the image has measured where the activity went. Gain = 1e-9 2^(t / T), t the hours
    from administration to reference time. Theory: docs/theory/multicompartment.md.

    Raises
    ------
    CalibrationError
        The image is not in Bq/mL, or its reference time is not known.
    """
    if image.quantity is not Quantity.CONCENTRATION:
        raise CalibrationError(
            f"the image is in {image.quantity.value}, not Bq/mL", where=image.source, remedy="set image.unit"
        )
    if image.reference_time is None:
        raise CalibrationError(
            "the image has no decay reference time",
            where=image.source,
            remedy="set image.reference_time in the case file",
        )
    hours = (image.reference_time - session.administered_at).total_seconds() / 3600.0
    factor = 2.0 ** (hours / half_life_hours)
    return ActivityLayer(image, (Gain(session.session_id, 1e-9 * factor),))


def contains(segment: Segment, points: SamplePoints) -> BoolArray:
    """Which points (n,) lie in a voxel of ``segment``."""
    index = np.floor(points.index_on(segment.grid) + 0.5).astype(np.int64)
    inside = np.all((index >= 0) & (index < np.array(segment.grid.shape)), axis=1)
    found = np.zeros(len(index), dtype=np.bool_)
    found[inside] = segment.mask[tuple(index[inside].T)]
    return found


def require_disjoint(territories: Sequence[Segment]) -> None:
    """Nothing, where no two territories share voxels; activity there would be counted twice.

    Raises
    ------
    SegmentError
        Two territories overlap; it names them and the volume that they share.
    """
    for n, one in enumerate(territories):
        for other in territories[n + 1 :]:
            shared = one.intersection(other)
            if not shared.is_empty:
                raise SegmentError(
                    f"the territories '{one.name}' and '{other.name}' overlap by {shared.volume_ml:.1f} mL",
                    remedy="sessions that share one image need disjoint territories: take the overlap out of one of them",
                )


def segment_counts(image: Volume, segment: Segment) -> tuple[float, float]:
    """Counts of a segment (image unit times mL), and the share of the segment that the image does not show.

    Raises
    ------
    GeometryError
        The segment lies wholly outside the image.
    """
    points = segment.points(grids=[image.grid])
    samples = sample_linear(image, points)
    if samples.outside_fraction == 1.0:
        raise GeometryError(
            "the segment lies wholly outside the image",
            where=f"segment '{segment.name}'" + (f", image {image.source}" if image.source else ""),
            remedy="check that image and segmentation belong to one frame of reference, or register them",
        )
    return float(samples.values.sum(dtype=np.float64)) * points.volume_ml, samples.outside_fraction


def _counts(image: Volume, segment: Segment) -> float:
    total, _ = segment_counts(image, segment)
    if total <= 0:
        raise CalibrationError(
            "the image holds no counts in the segment, so no activity can be shared out by counts",
            where=f"segment '{segment.name}'",
            remedy="check that the image is the treatment's and that it lies over the liver",
        )
    return total
