"""AnalysisPlan: what is analysed and how, declared before the data are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AnalysisPlan", "Covariate", "CovariateKind", "Deaths", "Entry", "TimeZero"]


class CovariateKind(StrEnum):
    """How a column enters a model: one dummy per level, one level against all others, or as a number."""

    FACTOR = "factor"
    CONTRAST = "contrast"
    LINEAR = "linear"


class Entry(StrEnum):
    """Which covariates enter the multivariate model.

    PAPER: a covariate with any univariate P below ``entry_p`` enters whole (all its dummies). BY_TERM: only the dummies below
    ``entry_p``. ALL_PRESPECIFIED: every covariate. PENALISED: every covariate, with Firth's penalty.
    """

    PAPER = "paper"
    BY_TERM = "by_term"
    ALL_PRESPECIFIED = "all_prespecified"
    PENALISED = "penalised"


class Deaths(StrEnum):
    """What a death without progression does to a progression-free survival: censor it, or count as its event."""

    CENSOR_PROGRESSION = "censor_progression"
    EVENT = "event"


class TimeZero(StrEnum):
    """Where follow-up starts."""

    FIRST_ADMINISTRATION = "first_administration"
    LAST_ADMINISTRATION = "last_administration"


@dataclass(frozen=True)
class Covariate:
    """A column of the patients' table and how it enters; ``reference`` is a factor's, ``level`` a contrast's."""

    name: str
    kind: CovariateKind
    reference: str = ""
    level: str = ""


@dataclass(frozen=True)
class AnalysisPlan:
    """The declared analysis; the fields are those of analysis.yaml."""

    endpoints: tuple[str, ...]
    time_zero: TimeZero
    deaths: Deaths
    covariates: tuple[Covariate, ...]
    ties: str
    entry: Entry
    entry_p: float
    cutoff_convention: str
    fixed_cutoffs_gy: Mapping[str, tuple[float, ...]]
    auc_ci: str
    proportions: str
    predictive_values: str
    kaplan_meier: str
    bootstrap_resamples: int
    bootstrap_unit: str
    seed: int
    name: str = "analysis plan"
