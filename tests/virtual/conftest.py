"""Virtual patients that several tests look at, each built once."""

from __future__ import annotations

import pytest

from ytterby.virtual.cohort import VirtualCohort, VirtualPatient, virtual_cohort


@pytest.fixture(scope="session")
def cohort() -> VirtualCohort:
    return virtual_cohort(43, seed=1)


def _first(cohort: VirtualCohort, extent: str, n_sessions: int) -> VirtualPatient:
    return cohort.patient(
        next(
            plan.index
            for plan in cohort.plan.enrolled
            if (plan.extent, plan.n_sessions) == (extent, n_sessions) and plan.large_lesions >= 2
        )
    )


@pytest.fixture(scope="session")
def whole(cohort: VirtualCohort) -> VirtualPatient:
    """Whole liver, one session."""
    return _first(cohort, "whole", 1)


@pytest.fixture(scope="session")
def two_sessions(cohort: VirtualCohort) -> VirtualPatient:
    """Whole liver, right and left lobe in sessions of their own."""
    return _first(cohort, "whole", 2)


@pytest.fixture(scope="session")
def partial(cohort: VirtualCohort) -> VirtualPatient:
    """Right lobe alone."""
    return _first(cohort, "right", 1)


@pytest.fixture(scope="session")
def some(
    whole: VirtualPatient, two_sessions: VirtualPatient, partial: VirtualPatient
) -> tuple[VirtualPatient, VirtualPatient, VirtualPatient]:
    """One of each."""
    return whole, two_sessions, partial
