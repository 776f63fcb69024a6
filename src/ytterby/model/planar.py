"""Planar images: two-dimensional views of the patient from the front and from the back, and regions drawn on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ytterby.errors import GeometryError
from ytterby.model.segment import BoolArray
from ytterby.model.volume import read_only

__all__ = ["PlanarPair", "PlanarView", "ViewDirection"]


class ViewDirection(StrEnum):
    """The side of the patient that a view shows."""

    ANTERIOR = "anterior"
    POSTERIOR = "posterior"


@dataclass(frozen=True, eq=False)
class PlanarView:
    """One view: counts of shape (rows, columns), read-only, as they are stored.

    ``direction`` is None where the file does not say from where the camera looked, or contradicts itself; ``direction_source``
    says in words how it is known, or why it is not. ``spacing_mm`` is (rows, columns), None where the file has none.
    ``columns_towards`` is the side of the patient ("left", "right") to which the columns run, "" where the file does not say.
    ``frame`` is the frame's number in ``source``, from 1.

    A posterior view is mirrored relative to an anterior one: seen from the back, the patient's left lies on the left.
    """

    array: npt.NDArray[Any] = field(repr=False)
    direction: ViewDirection | None
    direction_source: str
    energy_window: str
    energy_ranges_kev: tuple[tuple[float, float], ...]
    spacing_mm: tuple[float, float] | None
    duration_seconds: float | None
    columns_towards: str
    source: str
    frame: int

    def __post_init__(self) -> None:
        if self.array.ndim != 2:
            raise GeometryError(f"a planar view has two axes, not {self.array.ndim}", where=self.source)
        object.__setattr__(self, "array", read_only(self.array))

    @property
    def title(self) -> str:
        """Which view it is, in words."""
        window = f", energy window {self.energy_window}" if self.energy_window else ""
        return f"frame {self.frame} of {self.source}: {self.direction or 'direction not known'}{window}"

    def counts_in(self, mask: BoolArray) -> float:
        """Sum of the counts in a region (shape of the view)."""
        return float(np.sum(self.array[mask], dtype=np.float64))


@dataclass(frozen=True, eq=False)
class PlanarPair:
    """An anterior and a posterior view of one scan, pixel upon pixel.

    Regions are drawn on the anterior view. ``is_mirrored`` says that column c of the anterior view looks along the same line as
    column N - 1 - c of the posterior one, as two cameras that face each other see it: ``on_posterior`` carries a region over.

    Raises
    ------
    GeometryError
        The views differ in size or in pixel spacing.
    """

    anterior: PlanarView
    posterior: PlanarView

    def __post_init__(self) -> None:
        one, other = self.anterior, self.posterior
        if one.array.shape != other.array.shape:
            raise GeometryError(
                f"the views differ in size: {one.array.shape} against {other.array.shape} (rows, columns)",
                where=f"{one.source}, {other.source}",
                remedy="give two views of one scan",
            )
        if one.spacing_mm and other.spacing_mm and not np.allclose(one.spacing_mm, other.spacing_mm, rtol=1e-3):
            raise GeometryError(
                f"the views differ in pixel spacing: {one.spacing_mm} against {other.spacing_mm} mm",
                where=f"{one.source}, {other.source}",
                remedy="give two views of one scan",
            )

    @property
    def is_mirrored(self) -> bool:
        """False only where both files say that their columns run to the same side of the patient."""
        towards = self.anterior.columns_towards
        return not (towards and towards == self.posterior.columns_towards)

    def on_posterior(self, mask: BoolArray) -> BoolArray:
        """A region of the anterior view where the posterior view has it."""
        return mask[:, ::-1] if self.is_mirrored else mask
