"""Covariates of a plan as columns of a model, under the names that results carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ytterby.cohort.columns import levels, numbers, texts
from ytterby.cohort.plan import Covariate, CovariateKind
from ytterby.errors import ConfigurationError, EstimationError

__all__ = ["HUNDRED_GY", "CodedCovariate", "coded"]

FloatArray = NDArray[np.float64]

HUNDRED_GY = 100.0
"""A dose also stands per 100 Gy, because a hazard ratio per Gy shows nothing after three decimals."""

# Suffix of a column -> the unit as terms name it.
_UNITS = {
    "_gy": "gy",
    "_gbq": "gbq",
    "_ml": "ml",
    "_mm": "mm",
    "_kg": "kg",
    "_years": "year",
    "_months": "month",
    "_days": "day",
    "_hours": "hour",
}


@dataclass(frozen=True, eq=False)
class CodedCovariate:
    """Columns of one covariate: ``matrix`` (n, terms) with NaN rows where the value is missing.

    ``rescaled`` names the twin of a dose's term (per 100 Gy); empty for all others.
    """

    name: str
    terms: tuple[str, ...]
    matrix: FloatArray
    rescaled: str = ""

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows without a missing value."""
        return np.asarray(~np.isnan(self.matrix).any(axis=1), dtype=np.bool_)


def coded(table: pd.DataFrame, covariate: Covariate) -> CodedCovariate:
    """A covariate as dummies (factor), one level against all others (contrast) or a number (linear).

    Raises
    ------
    ConfigurationError
        The table has no such column, or a factor has no reference, or a contrast no level.
    EstimationError
        A level that the plan names does not occur, or a factor has no other level than its reference.
    """
    name = covariate.name
    if name not in table.columns:
        raise ConfigurationError(
            f"the covariate '{name}' is not a column of the patients' table",
            where="covariates",
            remedy="add the column, or leave the covariate out of the plan",
        )
    if covariate.kind is CovariateKind.LINEAR:
        return _linear(name, numbers(table, name))
    values = texts(table, name)
    present = levels(values)
    missing = np.array([value == "" for value in values], dtype=np.bool_)
    if covariate.kind is CovariateKind.CONTRAST:
        level = _stated(covariate.level, name, "level")
        if level not in present:
            raise EstimationError(f"no patient has {name} {level}", where=name, remedy="check the plan's level")
        return CodedCovariate(name, (f"{name} {level} vs other",), _dummies(values, [level], missing))
    reference = _stated(covariate.reference, name, "reference")
    if reference not in present:
        raise EstimationError(
            f"no patient has {name} {reference}, the reference level", where=name, remedy="choose another reference"
        )
    others = [level for level in present if level != reference]
    if not others:
        raise EstimationError(f"all patients have {name} {reference}", where=name, remedy="leave it out")
    return CodedCovariate(
        name, tuple(f"{name} {level} vs {reference}" for level in others), _dummies(values, others, missing)
    )


def _stated(level: str, name: str, field: str) -> str:
    if not level:
        raise ConfigurationError(
            f"the covariate '{name}' has no {field}", where="covariates", remedy=f"give its {field} in the plan"
        )
    return level


def _dummies(values: list[str], columns: list[str], missing: NDArray[np.bool_]) -> FloatArray:
    matrix = np.array([[float(value == level) for level in columns] for value in values], dtype=np.float64)
    matrix = matrix.reshape(len(values), len(columns))
    matrix[missing] = np.nan
    return matrix


def _linear(name: str, values: FloatArray) -> CodedCovariate:
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            base = name.removesuffix(suffix)
            twin = f"{base} per 100 gy" if unit == "gy" else ""
            return CodedCovariate(name, (f"{base} per {unit}",), values[:, None], twin)
    return CodedCovariate(name, (f"{name} per unit",), values[:, None])
