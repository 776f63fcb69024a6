"""What a plan aims at: quantities, targets and limits with where they come from, and guidelines made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ytterby.errors import ConfigurationError
from ytterby.model.treatment import Device
from ytterby.units import positive

__all__ = [
    "STATED",
    "Aim",
    "Amount",
    "Disagreement",
    "Guideline",
    "GuidelineAims",
    "GuidelineRow",
    "GuidelineSource",
    "GuidelineTable",
    "PlanQuantity",
    "guideline_aims",
]

STATED = "stated in the case"
"""Origin of an aim that the case itself states."""


class PlanQuantity(StrEnum):
    """What a target or a limit is about.

    ``tumour`` is the mean dose of all tumours that the session treats, ``lesion`` that of one of them, ``perfused`` the
    single-compartment dose of the session's perfused volume, ``lung`` the lung dose of the session, ``lung_cumulative`` that
    of all sessions, ``lung_activity`` the activity that passes to the lungs, ``activity`` the administered activity.
    """

    TUMOUR = "tumour"
    LESION = "lesion"
    PERFUSED = "perfused"
    PERFUSED_NORMAL = "perfused_normal"
    NORMAL_LIVER = "normal_liver"
    LUNG = "lung"
    LUNG_CUMULATIVE = "lung_cumulative"
    LUNG_ACTIVITY = "lung_activity"
    ACTIVITY = "activity"

    @property
    def unit(self) -> str:
        """Gy, or GBq for the two activities."""
        return "GBq" if self in (PlanQuantity.LUNG_ACTIVITY, PlanQuantity.ACTIVITY) else "Gy"


@dataclass(frozen=True)
class Amount:
    """A number with its unit, Gy or GBq."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:.4g} {self.unit}"


@dataclass(frozen=True)
class Aim:
    """A value that a quantity should reach (a target) or must not pass (a limit), in the quantity's unit, and its origin.

    ``region`` is the lesion's name where the quantity is ``lesion``.

    Raises
    ------
    DomainError
        The value is not above 0.
    """

    quantity: PlanQuantity
    value: float
    origin: str = STATED
    region: str = ""

    def __post_init__(self) -> None:
        positive(self.value, f"{self.quantity}, {self.origin}")

    @property
    def amount(self) -> Amount:
        """The value with its unit."""
        return Amount(self.value, self.quantity.unit)


@dataclass(frozen=True)
class GuidelineSource:
    """Where a guideline was published; ``doi_verified`` is False where the DOI could not be looked up."""

    citation: str
    doi: str = ""
    doi_verified: bool = False


@dataclass(frozen=True)
class GuidelineRow:
    """One line of a guideline: a quantity that should be at least ``least`` or must be at most ``most``, or both.

    ``condition`` is text: whoever plans decides whether it holds. ``verified`` is False where the value was not read in the
    source itself.
    """

    row_id: str
    quantity: PlanQuantity
    least: Amount | None
    most: Amount | None
    condition: str = ""
    verified: bool = True
    note: str = ""


@dataclass(frozen=True)
class Guideline:
    """A preset: what one source asks for, for a device, a disease and an intent."""

    guideline_id: str
    title: str
    device: Device
    disease: str
    intent: str
    source: GuidelineSource
    rows: tuple[GuidelineRow, ...]
    note: str = ""


@dataclass(frozen=True)
class Disagreement:
    """Where guidelines contradict each other, or say nothing: the rows or guidelines concerned, what, and what to do."""

    disagreement_id: str
    concerns: tuple[str, ...]
    what: str
    what_to_do: str


@dataclass(frozen=True)
class GuidelineTable:
    """Guidelines and their disagreements, as one table under a name."""

    name: str
    guidelines: tuple[Guideline, ...]
    disagreements: tuple[Disagreement, ...] = ()

    def of(self, guideline_id: str) -> Guideline:
        """The guideline of that id.

        Raises
        ------
        ConfigurationError
            There is none.
        """
        for guideline in self.guidelines:
            if guideline.guideline_id == guideline_id:
                return guideline
        raise ConfigurationError(
            f"there is no preset '{guideline_id}'",
            where=f"plan: preset; {self.name}",
            remedy="use one of: " + ", ".join(guideline.guideline_id for guideline in self.guidelines),
        )

    def disagreements_about(self, guideline: Guideline) -> tuple[Disagreement, ...]:
        """The disagreements that name the guideline or one of its rows."""
        own = {guideline.guideline_id, *(row.row_id for row in guideline.rows)}
        return tuple(one for one in self.disagreements if own & set(one.concerns))


@dataclass(frozen=True)
class GuidelineAims:
    """Targets and limits of a guideline, and its rows that were left out, each with the reason."""

    targets: tuple[Aim, ...]
    limits: tuple[Aim, ...]
    left_out: tuple[tuple[GuidelineRow, str], ...]


def guideline_aims(
    guideline: Guideline,
    device: Device,
    *,
    conditions: Sequence[str] | None,
    stated_targets: Sequence[Aim] = (),
    stated_limits: Sequence[Aim] = (),
) -> GuidelineAims:
    """Targets and limits that a guideline gives for a patient.

    A row with a condition holds only where ``conditions`` names its id. What the case states itself goes before the guideline's
    rows on the same quantity. ``conditions`` None means that nobody has looked at them.

    Raises
    ------
    ConfigurationError
        The guideline is one for another device, or rows with a condition are left undecided.
    """
    if guideline.device is not device:
        raise ConfigurationError(
            f"the preset '{guideline.guideline_id}' is one for {guideline.device} microspheres, and the session uses {device}",
            where="plan: preset",
            remedy="choose a preset of the session's device",
        )
    own_targets = {aim.quantity for aim in stated_targets}
    own_limits = {aim.quantity for aim in stated_limits}
    targets: list[Aim] = []
    limits: list[Aim] = []
    left_out: list[tuple[GuidelineRow, str]] = []
    undecided: list[GuidelineRow] = []
    for row in guideline.rows:
        origin = f"{guideline.guideline_id}, row {row.row_id}"
        overridden = (row.least is None or row.quantity in own_targets) and (
            row.most is None or row.quantity in own_limits
        )
        if overridden:
            left_out.append((row, "the case states its own value"))
            continue
        if row.condition and row.row_id not in (conditions or ()):
            if conditions is None:
                undecided.append(row)
            else:
                left_out.append((row, "its condition was not said to hold"))
            continue
        if row.least is not None and row.quantity not in own_targets:
            targets.append(Aim(row.quantity, row.least.value, origin))
        if row.most is not None and row.quantity not in own_limits:
            limits.append(Aim(row.quantity, row.most.value, origin))
    if undecided:
        listed = "; ".join(f"{row.row_id}: {row.condition}" for row in undecided)
        raise ConfigurationError(
            f"rows of the preset '{guideline.guideline_id}' hold under a condition, and the case does not say which do "
            f"({listed})",
            where="plan: conditions",
            remedy="name those that hold for this patient (conditions: [...]), or write conditions: [] for none",
        )
    return GuidelineAims(tuple(targets), tuple(limits), tuple(left_out))
