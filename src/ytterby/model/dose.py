"""Results of the dosimetry of one case: doses of segments, histograms, the activity balance, warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ytterby.model.segment import Role
from ytterby.model.volume import FloatArray

__all__ = [
    "ActivityBalance",
    "CaseDose",
    "DoseOptions",
    "DoseVolumeHistogram",
    "LungDose",
    "Notice",
    "Radiobiology",
    "SegmentDose",
    "SingleCompartmentDose",
    "Tissue",
    "joint_mean_dose_gy",
]


@dataclass(frozen=True)
class DoseOptions:
    """Constants and engine of a dose computation; every result repeats them. Without a lung mass no lung dose is given.

    ``energy_j_per_gbq`` is the energy of all decays of 1 GBq; ``engine`` names the voxel dose engine.
    """

    energy_j_per_gbq: float
    tissue_density_g_ml: float
    lung_mass_kg: float | None
    engine: str = "local_deposition"


@dataclass(frozen=True)
class Tissue:
    """Linear-quadratic parameters of a tissue: alpha/beta and the half-time of sublethal repair."""

    alpha_beta_gy: float
    repair_hours: float


@dataclass(frozen=True)
class Radiobiology:
    """Tissue parameters for BED, as the case states them; None: no BED for that tissue."""

    tumour: Tissue | None = None
    normal: Tissue | None = None


@dataclass(frozen=True)
class Notice:
    """Something that whoever reads the result has to know: a stable code, and a message in words."""

    code: str
    message: str


@dataclass(frozen=True)
class SegmentDose:
    """Dose of one segment, one row of doses.csv.

    ``activity_fraction`` is the segment's share of the net activity of all sessions. ``d98_gy`` is the dose that 98 % of the
    volume reaches at least (``d95_gy`` ... alike); ``v100gy_fraction`` the share of the volume with 100 Gy or more. None where a
    figure was not asked for or cannot be had.
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


def joint_mean_dose_gy(rows: Sequence[SegmentDose]) -> float | None:
    """Mean dose of several segments together: their energy over their mass; None without rows.

    The MAD of a patient is that of all tumour segments. Segments must not overlap: a voxel in two of them counts twice.
    """
    mass_kg = math.fsum(row.mass_kg for row in rows)
    if not mass_kg > 0:
        return None
    return math.fsum(row.mean_dose_gy * row.mass_kg for row in rows) / mass_kg


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """Cumulative dose-volume histogram: share of the volume (``volume_fraction``) that gets at least ``dose_gy``."""

    segment: str
    role: Role
    dose_gy: FloatArray = field(repr=False)
    volume_fraction: FloatArray = field(repr=False)


@dataclass(frozen=True)
class SingleCompartmentDose:
    """Single-compartment (MIRD) dose of one session, or of the whole treatment, to its perfused volume."""

    session_id: str
    target: str
    volume_ml: float
    mass_kg: float
    activity_gbq: float
    mean_dose_gy: float


@dataclass(frozen=True)
class LungDose:
    """Mean lung dose of one session, from its lung shunt."""

    session_id: str
    lung_shunt_fraction: float
    lung_mass_kg: float
    mean_dose_gy: float


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


@dataclass(frozen=True, eq=False)
class CaseDose:
    """Everything that the dosimetry of one case found."""

    patient_id: str
    options: DoseOptions
    doses: tuple[SegmentDose, ...]
    histograms: tuple[DoseVolumeHistogram, ...]
    balance: ActivityBalance
    single_compartment: tuple[SingleCompartmentDose, ...]
    lungs: tuple[LungDose, ...]
    notices: tuple[Notice, ...] = ()

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
