"""Results of the dosimetry of one case: doses of segments, histograms, the activity balance, warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ytterby.model.notice import Notice
from ytterby.model.segment import Role
from ytterby.model.treatment import LungShunt
from ytterby.model.uncertainty import UncertaintyBudget
from ytterby.model.volume import FloatArray

__all__ = [
    "ActivityBalance",
    "CaseDose",
    "DoseOptions",
    "DoseVolumeHistogram",
    "Engine",
    "ExpectedEffect",
    "LungDose",
    "Notice",
    "Radiobiology",
    "SegmentDose",
    "SingleCompartmentDose",
    "Tissue",
    "TumoursTogether",
    "joint_mean_dose_gy",
]


class Engine(StrEnum):
    """How activity in voxels becomes dose: deposited where it decays, or carried by the beta particles of a kernel."""

    LOCAL_DEPOSITION = "local_deposition"
    KERNEL = "kernel"


@dataclass(frozen=True)
class DoseOptions:
    """Constants and engines of a dose computation; every result repeats them. Without a lung mass no lung dose is given.

    ``energy_j_per_gbq`` is the energy of all decays of 1 GBq; ``engine`` makes the doses that are reported,
    ``compared_engines`` make a second set to be shown beside them. ``lung_mass_source`` says where the lungs' mass comes from.
    """

    energy_j_per_gbq: float
    tissue_density_g_ml: float
    lung_mass_kg: float | None
    engine: Engine = Engine.LOCAL_DEPOSITION
    compared_engines: tuple[Engine, ...] = ()
    lung_mass_source: str = "stated"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine that runs, the reported one first."""
        return (self.engine, *(one for one in self.compared_engines if one is not self.engine))


@dataclass(frozen=True)
class Tissue:
    """Linear-quadratic parameters of a tissue: alpha/beta, the half-time of sublethal repair, and alpha (1/Gy) for the EUD.

    Without ``alpha_per_gy`` no equivalent uniform dose is given.
    """

    alpha_beta_gy: float
    repair_hours: float
    alpha_per_gy: float | None = None


@dataclass(frozen=True)
class Radiobiology:
    """Tissue parameters for BED, as the case states them; None: no BED for that tissue."""

    tumour: Tissue | None = None
    normal: Tissue | None = None


@dataclass(frozen=True)
class SegmentDose:
    """Dose of one segment, one row of doses.csv.

    ``activity_fraction`` is the segment's share of the net activity of all sessions. ``d98_gy`` is the dose that 98 % of the
    volume reaches at least (``d95_gy`` ... alike); ``v100gy_fraction`` the share of the volume with 100 Gy or more.
    ``sd_dose_gy`` is the spread of the dose over the volume. ``bed_mean_gy`` and ``eqd2_mean_gy`` are means over the volume of
    each session's effect, summed; ``eud_gy`` is the equivalent uniform dose. None where a figure was not asked for or cannot
    be had.

    ``mean_dose_uncertainty_gy`` is the standard uncertainty (k = 1) of ``mean_dose_gy``, which is never corrected for partial
    volume; ``corrected_mean_dose_gy`` stands beside it, with its own uncertainty and 95 % interval.
    """

    segment: str
    role: Role
    method: str
    volume_ml: float
    mass_kg: float
    activity_fraction: float
    mean_dose_gy: float
    engine: str
    mean_dose_uncertainty_gy: float | None = None
    min_dose_gy: float | None = None
    max_dose_gy: float | None = None
    d98_gy: float | None = None
    d95_gy: float | None = None
    d90_gy: float | None = None
    d70_gy: float | None = None
    d50_gy: float | None = None
    d2_gy: float | None = None
    v100gy_fraction: float | None = None
    bed_mean_gy: float | None = None
    sd_dose_gy: float | None = None
    eqd2_mean_gy: float | None = None
    eud_gy: float | None = None
    recovery_coefficient: float | None = None
    corrected_mean_dose_gy: float | None = None
    corrected_mean_dose_uncertainty_gy: float | None = None
    corrected_low_gy: float | None = None
    corrected_high_gy: float | None = None


def joint_mean_dose_gy(rows: Sequence[SegmentDose]) -> float | None:
    """Mean dose of several segments together: their energy over their mass; None without rows.

    The MAD of a patient is that of all tumour segments. Segments must not overlap: a voxel in two of them counts twice.
    """
    mass_kg = math.fsum(row.mass_kg for row in rows)
    if not mass_kg > 0:
        return None
    return math.fsum(row.mean_dose_gy * row.mass_kg for row in rows) / mass_kg


@dataclass(frozen=True)
class ExpectedEffect:
    """What a published dose-effect relation expects of one segment; ``caution`` has to be told beside it.

    ``kind`` is tcp or ntcp; ``probability`` is None where the relation has no curve or the case no dose of its kind.
    """

    effect_id: str
    kind: str
    endpoint: str
    segment: str
    dose_quantity: str
    dose_gy: float | None
    probability: float | None
    source: str
    caution: str


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """Cumulative dose-volume histogram: share of the volume (``volume_fraction``) that gets at least ``dose_gy``.

    ``total_volume_ml`` turns shares into millilitres.
    """

    segment: str
    role: Role
    dose_gy: FloatArray = field(repr=False)
    volume_fraction: FloatArray = field(repr=False)
    total_volume_ml: float = math.nan


@dataclass(frozen=True)
class SingleCompartmentDose:
    """Single-compartment (MIRD) dose of one session, or of the whole treatment, to its perfused volume."""

    session_id: str
    target: str
    volume_ml: float
    mass_kg: float
    activity_gbq: float
    mean_dose_gy: float
    mean_dose_uncertainty_gy: float | None = None


@dataclass(frozen=True)
class LungDose:
    """Mean lung dose of one session, from its lung shunt; ``cumulative_gy`` adds the sessions before it."""

    session_id: str
    lung_shunt_fraction: float
    lung_mass_kg: float
    mean_dose_gy: float
    cumulative_gy: float
    mean_dose_uncertainty_gy: float | None = None


@dataclass(frozen=True)
class ActivityBalance:
    """Where the administered activity went, over all sessions; the liver's part is summed over its segments.

    For a relatively calibrated image (counts) ``outside_gbq`` is 0 by definition; ``counts_outside_fraction`` says what share
    of the image's counts lie outside liver and lungs.
    """

    administered_gbq: float
    residual_gbq: float
    liver_gbq: float
    lung_gbq: float
    outside_gbq: float
    counts_outside_fraction: float | None = None
    counts_in_lungs_fraction: float | None = None
    counts_outside_territories_fraction: float | None = None
    recovered_fraction: float | None = None

    @property
    def closure_fraction(self) -> float:
        """(residual + liver + lung + outside) / administered - 1; 0 when every becquerel is accounted for."""
        found = self.residual_gbq + self.liver_gbq + self.lung_gbq + self.outside_gbq
        return found / self.administered_gbq - 1.0


@dataclass(frozen=True)
class TumoursTogether:
    """What is known beside the mean dose of all tumours together: its standard uncertainty, and the same corrected.

    None where the case states no uncertainty, or not every tumour could be corrected.
    """

    mean_dose_uncertainty_gy: float | None = None
    corrected_mean_dose_gy: float | None = None
    corrected_mean_dose_uncertainty_gy: float | None = None


@dataclass(frozen=True, eq=False)
class CaseDose:
    """Everything that the dosimetry of one case found.

    ``compared`` are the rows of the engines that run beside the reported one; ``measured_lung_shunt`` is what the case's own
    images or counts gave, which need not be the one that was used. ``budgets`` are the uncertainties of the uncorrected mean
    doses, ``corrected_budgets`` those of the corrected ones.
    """

    patient_id: str
    options: DoseOptions
    doses: tuple[SegmentDose, ...]
    histograms: tuple[DoseVolumeHistogram, ...]
    balance: ActivityBalance
    single_compartment: tuple[SingleCompartmentDose, ...]
    lungs: tuple[LungDose, ...]
    notices: tuple[Notice, ...] = ()
    compared: tuple[SegmentDose, ...] = ()
    effects: tuple[ExpectedEffect, ...] = ()
    measured_lung_shunt: LungShunt | None = None
    budgets: tuple[UncertaintyBudget, ...] = ()
    corrected_budgets: tuple[UncertaintyBudget, ...] = ()
    tumours: TumoursTogether = field(default_factory=TumoursTogether)

    @property
    def tumour_mean_dose_gy(self) -> float | None:
        """MAD of the patient: energy to all tumour segments over their mass, all sessions; None without a tumour."""
        return joint_mean_dose_gy([row for row in self.doses if row.role is Role.TUMOUR])

    def of(self, segment: str) -> SegmentDose:
        """Dose of the segment of that name; KeyError when there is none."""
        for dose in self.doses:
            if dose.segment == segment:
                return dose
        raise KeyError(segment)
