"""Whether a partial likelihood has a finite maximum: an exact test for monotone likelihood by linear programming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ytterby.stats.samples import FloatArray

__all__ = ["separated_terms"]

# Relative sizes below which the program's answer counts as zero; its own feasibility tolerance is 1e-7.
NO_GAIN = 1e-6
NO_PART = 1e-6


def separated_terms(time: FloatArray, event: NDArray[np.bool_], z: FloatArray, gradient: FloatArray) -> tuple[int, ...]:
    """Columns that take part in a direction along which the partial likelihood grows without end; empty if there is none.

    Parameters
    ----------
    time, event, z
        Rows sorted by falling time; ``z`` (n, p) in units of about one standard deviation.
    gradient
        Gradient of the log likelihood at zero.

    Notes
    -----
    The likelihood is monotone if and only if some direction b is such that each subject with an event has the greatest
    z.b of all at risk then, and not all are equal (Bryson and Johnson 1981, Technometrics 23:381; Heinze and Schemper 2001,
    doi:10.1111/j.0006-341X.2001.00114.x). With one variable for the greatest z.b of each event time, this is a linear
    program of about n constraints: maximise gradient.b over |b| <= 1.
    """
    # Only needed where a fit fails; the import is slow.
    from scipy.optimize import linprog
    from scipy.sparse import bmat, csr_matrix

    p = z.shape[1]
    event_times = np.unique(time[event])
    k = event_times.size
    # Each row counts from the last event time that it was at risk for; rows that left before the first count nowhere.
    slot = np.searchsorted(event_times, time, side="right") - 1
    at_risk = slot >= 0
    rows, slots = np.flatnonzero(at_risk), slot[at_risk]
    has_event = np.flatnonzero(event)

    def selector(columns: NDArray[np.int64]) -> csr_matrix:
        return csr_matrix((np.ones(columns.size), (np.arange(columns.size), columns)), shape=(columns.size, k))

    later = np.arange(1, k)
    constraints = bmat(
        [
            [csr_matrix(z[rows]), -selector(slots)],
            [csr_matrix(-z[has_event]), selector(slot[has_event])],
            [None, selector(later) - selector(later - 1)] if k > 1 else [csr_matrix((1, p)), csr_matrix((1, k))],
        ],
        format="csr",
    )
    answer = linprog(  # type: ignore[call-overload]  # the stubs lack sparse constraints, which the method takes
        c=np.concatenate((-gradient, np.zeros(k))),
        A_ub=constraints,
        b_ub=np.zeros(constraints.shape[0]),
        bounds=[(-1.0, 1.0)] * p + [(None, None)] * k,
        method="highs",
    )
    if answer.status != 0 or -answer.fun <= NO_GAIN * has_event.size:
        return ()
    direction = np.abs(answer.x[:p])
    return tuple(int(term) for term in np.flatnonzero(direction > NO_PART * direction.max()))
