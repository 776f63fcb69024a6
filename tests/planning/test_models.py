"""Doses per GBq of the five models, against worked numbers and each other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dosimetry.compartment import partition_doses, single_compartment_dose_gy
from ytterby.errors import DomainError
from ytterby.model.segment import Role
from ytterby.model.treatment import Device
from ytterby.planning.models import BodySize, PlanLine, PlanModel, joined, plan_models
from ytterby.planning.targets import PlanQuantity

Q = PlanQuantity


def of(session, model):
    [found] = [one for one in plan_models(session) if one.model is model]
    return found


def gy(session, model, quantity, activity_gbq, region=""):
    return of(session, model).line(quantity, region).at(activity_gbq).value


def test_worked_multicompartment(session):
    # Published worked example: 3 GBq, LSF 0.05, R 0.01 give 272.12, 68.03 and 51.02 Gy.
    model = PlanModel.MULTICOMPARTMENT
    assert round(gy(session, model, Q.TUMOUR, 3), 2) == 272.12
    assert round(gy(session, model, Q.PERFUSED_NORMAL, 3), 2) == 68.03
    assert round(gy(session, model, Q.NORMAL_LIVER, 3), 2) == 51.02
    assert gy(session, model, Q.LESION, 3, "T1") == gy(session, model, Q.TUMOUR, 3)


def test_worked_lung_dose(planned):
    session = planned(residual_fraction=0.0)
    assert round(gy(session, PlanModel.MULTICOMPARTMENT, Q.LUNG, 3), 4) == 7.4505
    assert gy(session, PlanModel.MULTICOMPARTMENT, Q.LUNG_ACTIVITY, 3) == pytest.approx(0.15)


def test_single_compartment_is_that_of_dosimetry(session):
    expected = single_compartment_dose_gy(
        3, 1.236, energy_j_per_gbq=49.67, lung_shunt_fraction=0.05, residual_fraction=0.01
    )
    for model in PlanModel:
        assert gy(session, model, Q.PERFUSED, 3) == pytest.approx(expected, rel=1e-12)
    assert of(session, PlanModel.SINGLE_COMPARTMENT).line(Q.TUMOUR) is None


def test_partition_is_that_of_dosimetry(session):
    # T/N of the counts: (400 / 200 mL) over (500 / 1000 mL).
    expected = partition_doses(
        3,
        4.0,
        tumour_mass_kg=0.206,
        normal_mass_kg=1.03,
        energy_j_per_gbq=49.67,
        lung_shunt_fraction=0.05,
        residual_fraction=0.01,
    )
    assert gy(session, PlanModel.PARTITION, Q.TUMOUR, 3) == pytest.approx(expected.tumour_dose_gy, rel=1e-12)
    assert gy(session, PlanModel.PARTITION, Q.PERFUSED_NORMAL, 3) == pytest.approx(expected.normal_dose_gy, rel=1e-12)


def test_partition_is_the_multicompartment_model_where_everything_is_perfused(planned, region):
    session = planned(
        perfused_normal=region("n", Role.PERFUSED_NORMAL, 1000, share=0.6),
        normal_liver=region("n", Role.NORMAL_LIVER, 1000, share=0.6),
    )
    for quantity in (Q.TUMOUR, Q.PERFUSED_NORMAL, Q.NORMAL_LIVER):
        assert gy(session, PlanModel.PARTITION, quantity, 2) == pytest.approx(
            gy(session, PlanModel.MULTICOMPARTMENT, quantity, 2), rel=1e-12
        )


@given(st.lists(st.tuples(st.floats(5, 500), st.floats(0, 5)), min_size=1, max_size=6), st.floats(0.5, 20))
def test_multi_tumour_partition_conserves_energy(planned, region, tumours, activity_gbq):
    parts = tuple(region(f"T{n}", Role.TUMOUR, volume_ml, share=share) for n, (volume_ml, share) in enumerate(tumours))
    session = planned(tumours=parts)
    if not sum(share for _, share in tumours) > 0:
        assert "no counts in the tumours" in of(session, PlanModel.MULTI_TUMOUR_PARTITION).absent
        return
    model = of(session, PlanModel.MULTI_TUMOUR_PARTITION)
    energy = sum(model.line(Q.LESION, one.name).at(activity_gbq).value * one.mass_kg for one in parts)
    energy += model.line(Q.PERFUSED_NORMAL).at(activity_gbq).value * session.perfused_normal.mass_kg
    assert energy == pytest.approx(49.67 * activity_gbq * 0.95 * 0.99, rel=1e-9)
    # All tumours as one have the same normal dose: their T/N is that of their counts over their mass.
    one = of(session, PlanModel.PARTITION).line(Q.PERFUSED_NORMAL).at(activity_gbq).value
    assert model.line(Q.PERFUSED_NORMAL).at(activity_gbq).value == pytest.approx(one, rel=1e-9)


def test_models_without_their_tissue_say_why(planned, region):
    no_tumour = planned(tumours=())
    assert "no tumour" in of(no_tumour, PlanModel.PARTITION).absent
    assert of(no_tumour, PlanModel.MULTICOMPARTMENT).line(Q.TUMOUR) is None
    all_tumour = planned(perfused_normal=None)
    assert "no normal liver" in of(all_tumour, PlanModel.MULTI_TUMOUR_PARTITION).absent
    assert of(all_tumour, PlanModel.MULTICOMPARTMENT).line(Q.PERFUSED_NORMAL) is None
    cold = planned(perfused_normal=region("n", Role.PERFUSED_NORMAL, 1000, share=0.0))
    assert "no counts" in of(cold, PlanModel.PARTITION).absent


def test_bsa_is_for_resin_with_height_and_weight(planned, region):
    assert "resin" in of(planned(body=BodySize(1.75, 70)), PlanModel.BSA).absent
    resin = planned(device=Device.RESIN)
    assert "height and weight" in of(resin, PlanModel.BSA).absent
    # Worked for the whole liver: 1.84812 - 0.2 + 300 / 1800.
    whole = {
        "tumours": (region("T1", Role.TUMOUR, 300, share=0.4),),
        "perfused": region("p", Role.PERFUSED, 1800, share=1),
        "body": BodySize(1.75, 70),
    }
    assert round(of(replace(resin, **whole), PlanModel.BSA).activity_gbq, 5) == 1.81479
    # 200 mL of tumour in 1200 of 1800 mL: (1.64812 + 200 / 1200) x 1200 / 1800; a shunt of 12 % takes a fifth off.
    lobe = replace(resin, body=BodySize(1.75, 70))
    assert round(of(lobe, PlanModel.BSA).activity_gbq, 4) == 1.2099
    assert round(of(replace(lobe, lung_shunt_fraction=0.12), PlanModel.BSA).activity_gbq, 4) == 0.9679
    assert "contraindicated" in of(replace(lobe, lung_shunt_fraction=0.21), PlanModel.BSA).absent


def test_worked_multi_tumour_partition(planned, region):
    # T/N 5 in 0.2 kg and 3 in 0.1 kg beside 1.2 kg: 3 GBq x 50 / (1.2 + 1 + 0.3) = 60 Gy, 300 Gy and 180 Gy.
    density = 1.03
    parts = [("n", 1.2, 1.2), ("a", 0.2, 1.0), ("b", 0.1, 0.3)]
    made = [region(name, Role.TUMOUR, mass_kg / density * 1000, share=weight / 2.5) for name, mass_kg, weight in parts]
    session = planned(
        tumours=tuple(made[1:]),
        perfused_normal=made[0],
        energy_j_per_gbq=50.0,
        lung_shunt_fraction=0.0,
        residual_fraction=0.0,
    )
    model = PlanModel.MULTI_TUMOUR_PARTITION
    assert gy(session, model, Q.PERFUSED_NORMAL, 3) == pytest.approx(60)
    assert gy(session, model, Q.LESION, 3, "a") == pytest.approx(300)
    assert gy(session, model, Q.LESION, 3, "b") == pytest.approx(180)


def test_a_cold_tumour_takes_no_activity(planned, region):
    warm = region("warm", Role.TUMOUR, 100, share=0.3)
    session = planned(tumours=(warm, region("cold", Role.TUMOUR, 50, share=0.0)))
    model = of(session, PlanModel.MULTI_TUMOUR_PARTITION)
    assert model.line(Q.LESION, "cold").value_per_gbq == 0.0
    alone = of(planned(tumours=(warm,)), PlanModel.MULTI_TUMOUR_PARTITION)
    assert model.line(Q.LESION, "warm") == alone.line(Q.LESION, "warm")


def test_no_lung_mass_gives_no_lung_dose_but_the_activity(planned):
    session = planned(lung_mass_kg=None)
    assert of(session, PlanModel.MULTICOMPARTMENT).line(Q.LUNG) is None
    assert of(session, PlanModel.MULTICOMPARTMENT).line(Q.LUNG_ACTIVITY) is not None


def test_what_others_gave_is_added(planned, session):
    tumour = replace(session.tumours[0], given_gy=30.0)
    given = planned(tumours=(tumour,), given_lung_gy=12.0)
    model = PlanModel.MULTICOMPARTMENT
    assert gy(given, model, Q.TUMOUR, 3) == pytest.approx(gy(session, model, Q.TUMOUR, 3) + 30)
    assert gy(given, model, Q.LUNG_CUMULATIVE, 3) == pytest.approx(gy(session, model, Q.LUNG, 3) + 12)
    assert gy(given, model, Q.LUNG, 3) == gy(session, model, Q.LUNG, 3)


def test_joined_regions_have_energy_over_mass(region):
    parts = (
        region("a", Role.TUMOUR, 100, share=0.2),
        region("b", Role.TUMOUR, 300, share=0.1, given_gy=40),
    )
    whole = joined(parts, "both")
    assert whole.mass_kg == pytest.approx(0.412)
    assert whole.dose_gy_per_gbq == pytest.approx(49.67 * 0.95 * 0.99 * 0.3 / 0.412, rel=1e-12)
    assert whole.given_gy == pytest.approx(30.0)
    assert joined((), "none") is None


@given(st.floats(0, 500), st.floats(1e-3, 1e3), st.floats(0, 100))
def test_a_line_and_its_inverse(value, per_gbq, activity_gbq):
    line = PlanLine(Q.TUMOUR, value, per_gbq)
    assert line.activity_gbq(line.at(activity_gbq).value) == pytest.approx(
        activity_gbq, abs=1e-9 + 1e-12 * value / per_gbq
    )


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_regions_out_of_range_are_refused(session, bad):
    with pytest.raises(DomainError):
        replace(session.tumours[0], dose_gy_per_gbq=bad)
    with pytest.raises(DomainError):
        replace(session.tumours[0], mass_kg=bad)
