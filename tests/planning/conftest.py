"""Sessions per GBq made of round numbers: the worked example of the multicompartment model (physics: K 49.67, density 1.03)."""

from __future__ import annotations

import pytest

from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.planning.models import PlannedSession, RegionDosePerGbq

K, DENSITY, SHUNT, RESIDUAL = 49.67, 1.03, 0.05, 0.01
ARRIVED = (1 - SHUNT) * (1 - RESIDUAL)


def made_region(name: str, role: Role, volume_ml: float, *, share: float, given_gy: float = 0.0) -> RegionDosePerGbq:
    """A region with a share of the liver's counts, dosed by K A f / m with a formula of this test's own."""
    mass_kg = volume_ml * DENSITY / 1000
    return RegionDosePerGbq(
        name,
        role,
        volume_ml=volume_ml,
        mass_kg=mass_kg,
        dose_gy_per_gbq=K * ARRIVED * share / mass_kg,
        arrived_fraction=ARRIVED * share,
        given_gy=given_gy,
    )


def made_session(**changes) -> PlannedSession:
    """Counts 400k, 500k, 100k in tumour, perfused normal and unperfused liver of 200, 1000 and 600 mL."""
    values = {
        "session_id": "1",
        "device": Device.GLASS,
        "tumours": (made_region("T1", Role.TUMOUR, 200, share=0.4),),
        "perfused": made_region("perfused", Role.PERFUSED, 1200, share=1.0),
        "perfused_normal": made_region("perfused_normal", Role.PERFUSED_NORMAL, 1000, share=0.5),
        "normal_liver": made_region("normal_liver", Role.NORMAL_LIVER, 1600, share=0.6),
        "energy_j_per_gbq": K,
        "lung_shunt_fraction": SHUNT,
        "residual_fraction": RESIDUAL,
        "lung_mass_kg": 1.0,
        "given_lung_gy": 0.0,
        "liver_ml": 1800.0,
    }
    return PlannedSession(**{**values, **changes})


@pytest.fixture(scope="session")
def region():
    """Maker of a region: name, role, volume_ml, its share of the liver's counts."""
    return made_region


@pytest.fixture(scope="session")
def planned():
    """Maker of the worked example, with changes."""
    return made_session


@pytest.fixture
def session() -> PlannedSession:
    """The worked example."""
    return made_session()
