"""Samples as checked arrays: every public function of this room takes its input through here.

What cannot be read as a sample (lengths, text, NaN, other values than 0 and 1) raises ``DomainError``; a sample that is
well formed but does not carry the estimate (one class only, no event) raises ``EstimationError``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ytterby.errors import DomainError, EstimationError

__all__ = [
    "FloatArray",
    "IntArray",
    "binary_sample",
    "classified_sample",
    "finite_sample",
    "named_option",
    "normal_quantile",
    "read_only",
    "time_to_event_sample",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AnyArray = TypeVar("AnyArray", FloatArray, IntArray)
Option = TypeVar("Option", bound=StrEnum)

# The tolerance of R's survival package (`timefix`): times nearer than this are one time.
TIME_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


def finite_sample(values: ArrayLike, name: str, *, dimensions: int = 1) -> FloatArray:
    """The values as a float array of the given number of dimensions; raises DomainError unless all are finite numbers."""
    try:
        sample = np.asarray(values)
        # Numbers in an object array are welcome; text and dates are not, even where they look like numbers.
        textual = sample.dtype.kind == "O" and any(isinstance(value, str | bytes) for value in sample.flat)
        if textual or sample.dtype.kind in "SUmMc":
            raise TypeError("text, dates or complex numbers")
        sample = sample.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DomainError(f"{name} holds something that is not a number ({error})", where=name) from error
    if sample.ndim != dimensions:
        raise DomainError(f"{name} has {sample.ndim} dimensions where {dimensions} are needed", where=name)
    if sample.shape[0] == 0:
        raise DomainError(f"{name} is empty", where=name, remedy="give at least one value")
    bad = np.flatnonzero(
        ~np.isfinite(sample).all(axis=tuple(range(1, dimensions))) if dimensions > 1 else ~np.isfinite(sample)
    )
    if bad.size:
        raise DomainError(
            f"{name} holds {bad.size} value(s) that are missing or infinite, the first at index {bad[0]}",
            where=name,
            remedy="leave incomplete rows out before the analysis, and count them",
        )
    return sample


def binary_sample(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """The values as booleans; raises DomainError for anything but 0, 1, False and True."""
    sample = finite_sample(values, name)
    bad = np.flatnonzero((sample != 0.0) & (sample != 1.0))
    if bad.size:
        raise DomainError(
            f"{name} holds {sample[bad[0]]:g} at index {bad[0]}", where=name, remedy="use 0 and 1, or False and True"
        )
    return np.asarray(sample == 1.0, dtype=np.bool_)


def same_length(first: NDArray[np.generic], second: NDArray[np.generic], names: str) -> None:
    """Raise DomainError unless both arrays have as many rows."""
    if first.shape[0] != second.shape[0]:
        raise DomainError(f"{names} differ in length: {first.shape[0]} and {second.shape[0]}", where=names)


def classified_sample(score: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Scores and their class; raises EstimationError unless both classes are present."""
    scores = finite_sample(score, "score")
    classes = binary_sample(positive, "positive")
    same_length(scores, classes, "score and positive")
    n_positive = int(classes.sum())
    if n_positive == 0 or n_positive == classes.size:
        lacking = "positive" if n_positive == 0 else "negative"
        raise EstimationError(
            f"all {classes.size} subjects are of one class, none is {lacking}",
            where="positive",
            remedy="a ROC analysis needs both classes",
        )
    return scores, classes


def time_to_event_sample(time: ArrayLike, event: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Times (0 or later) and whether each ended in the event.

    Times that differ by rounding alone become one, as R's survival package does (`aeqSurv`): neighbours among the sorted
    distinct times are one time when their difference, or its ratio to the mean time, is at most 1.5e-8.
    """
    times = finite_sample(time, "time")
    events = binary_sample(event, "event")
    same_length(times, events, "time and event")
    negative = np.flatnonzero(times < 0)
    if negative.size:
        raise DomainError(f"time is {times[negative[0]]:g} at index {negative[0]}", where="time", remedy="count from 0")
    distinct = np.unique(times)
    gap = np.diff(distinct)
    tied = gap <= TIME_TOLERANCE * max(1.0, float(distinct.mean()))
    if tied.any():
        kept = distinct[np.concatenate(([True], ~tied))]
        times = kept[np.searchsorted(kept, times, side="right") - 1]
    return times, events


def normal_quantile(confidence: float) -> float:
    """Half-width of a two-sided normal interval in standard errors (1.96 at 0.95)."""
    if not 0.0 < confidence < 1.0:
        raise DomainError(f"confidence is {confidence:g}", where="confidence", remedy="give a number between 0 and 1")
    return float(-ndtri((1.0 - confidence) / 2.0))


def named_option(kind: type[Option], value: str, name: str) -> Option:
    """The member of an enumeration that the text names; raises DomainError with the names that exist."""
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(member.value for member in kind)
        raise DomainError(f"{name} is {value!r}", where=name, remedy=f"choose one of: {names}") from error


def read_only(array: AnyArray) -> AnyArray:
    """The same array, which can no longer be written to."""
    array.flags.writeable = False
    return array
