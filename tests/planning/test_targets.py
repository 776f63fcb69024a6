"""Guidelines as aims: conditions have to be decided, what the case states goes first."""

from __future__ import annotations

import pytest

from ytterby.errors import ConfigurationError
from ytterby.model.treatment import Device
from ytterby.planning.sessionplan import plan_aims, session_models, territory_notices
from ytterby.planning.targets import (
    STATED,
    Aim,
    Amount,
    Disagreement,
    Guideline,
    GuidelineRow,
    GuidelineSource,
    GuidelineTable,
    PlanQuantity,
    guideline_aims,
)

Q = PlanQuantity
ROWS = (
    GuidelineRow("a", Q.TUMOUR, Amount(205, "Gy"), None),
    GuidelineRow("b", Q.PERFUSED, Amount(80, "Gy"), Amount(150, "Gy")),
    GuidelineRow("c", Q.NORMAL_LIVER, None, Amount(50, "Gy"), condition="bilirubin above 1.1 mg/dL"),
    GuidelineRow("d", Q.NORMAL_LIVER, None, Amount(90, "Gy"), condition="bilirubin below 1.1 mg/dL"),
)
GUIDE = Guideline("guide", "Guide", Device.GLASS, "any", "any", GuidelineSource("somebody"), ROWS)
TABLE = GuidelineTable(
    "table.yaml", (GUIDE,), (Disagreement("one", ("c",), "what", "do"), Disagreement("two", ("x",), "", ""))
)


def aims(session, targets=(), limits=(), *, presets=("guide",), conditions=("d",)):
    return plan_aims(targets, limits, session=session, table=TABLE, presets=presets, conditions=conditions)


def test_a_condition_has_to_be_decided():
    with pytest.raises(ConfigurationError, match=r"c: bilirubin above 1\.1 mg/dL; d: bilirubin below"):
        guideline_aims(GUIDE, Device.GLASS, conditions=None)
    none = guideline_aims(GUIDE, Device.GLASS, conditions=())
    assert [aim.quantity for aim in none.limits] == [Q.PERFUSED]
    assert [row.row_id for row, _ in none.left_out] == ["c", "d"]
    chosen = guideline_aims(GUIDE, Device.GLASS, conditions=("d",))
    assert chosen.limits[-1] == Aim(Q.NORMAL_LIVER, 90, "guide, row d")
    assert "condition" in chosen.left_out[0][1]


def test_a_range_is_a_target_and_a_limit():
    found = guideline_aims(GUIDE, Device.GLASS, conditions=())
    assert Aim(Q.PERFUSED, 80, "guide, row b") in found.targets
    assert Aim(Q.PERFUSED, 150, "guide, row b") in found.limits


def test_what_the_case_states_goes_first(session):
    found = aims(session, [Aim(Q.TUMOUR, 150)], [Aim(Q.NORMAL_LIVER, 60)], conditions=None)
    assert [(aim.value, aim.origin) for aim in found.targets if aim.quantity is Q.TUMOUR] == [(150, STATED)]
    assert [(aim.value, aim.origin) for aim in found.limits if aim.quantity is Q.NORMAL_LIVER] == [(60, STATED)]
    # Nobody has to decide on conditions of a quantity that the case limits itself.
    assert [row.row_id for row, _ in found.guidelines[0].aims.left_out] == ["a", "c", "d"]
    # A stated limit of a range's quantity leaves its target in place.
    half = aims(session, [], [Aim(Q.PERFUSED, 100)])
    assert Aim(Q.PERFUSED, 80, "guide, row b") in half.targets
    assert [aim.value for aim in half.limits if aim.quantity is Q.PERFUSED] == [100]


def test_disagreements_that_concern_the_preset(session):
    assert [one.disagreement_id for one in aims(session).guidelines[0].disagreements] == ["one"]


def test_presets_that_do_not_fit_are_refused(session, planned):
    with pytest.raises(ConfigurationError, match="no preset 'other'"):
        aims(session, presets=("other",))
    with pytest.raises(ConfigurationError, match="one for glass microspheres, and the session uses resin"):
        aims(planned(device=Device.RESIN))
    with pytest.raises(ConfigurationError, match="'e' is no row with a condition"):
        aims(session, conditions=("e",))
    with pytest.raises(ConfigurationError, match="'a' is no row with a condition"):
        aims(session, conditions=("a",))


def test_aims_that_do_not_fit_the_session_are_refused(session, planned):
    with pytest.raises(ConfigurationError, match=r"treats no lesion 'T9'.*T1"):
        aims(session, [Aim(Q.LESION, 205, region="T9")])
    with pytest.raises(ConfigurationError, match="needs a lung mass"):
        aims(planned(lung_mass_kg=None), [], [Aim(Q.LUNG, 30)])
    with pytest.raises(ConfigurationError, match="other sessions is not known"):
        aims(planned(given_lung_gy=None), [], [Aim(Q.LUNG_CUMULATIVE, 50)])
    only = GuidelineTable("t", (Guideline("g", "", Device.GLASS, "", "", GuidelineSource(""), ROWS[2:]),))
    with pytest.raises(ConfigurationError, match="no target and no limit is left"):
        plan_aims((), (), session=session, table=only, presets=("g",), conditions=())


def test_what_is_told_of_a_plan(session, planned):
    def codes(session, limits=(), untreated=()):
        found = plan_aims([Aim(Q.ACTIVITY, 5)], limits, session=session, table=TABLE, presets=(), conditions=None)
        assert len(session_models(session, found)) == 5
        return {notice.code for notice in territory_notices(session, found, untreated=untreated)}

    assert codes(session) == {"no_liver_limit", "no_lung_limit"}
    assert codes(session, [Aim(Q.LUNG_ACTIVITY, 0.61), Aim(Q.NORMAL_LIVER, 50)]) == set()
    assert "untreated_tumours" in codes(session, untreated=("T2",))
    assert {"no_tumour", "no_perfused_normal"} <= codes(planned(tumours=(), perfused_normal=None))
    assert "no_shunt" in codes(planned(lung_shunt_fraction=0.0))
    assert "high_shunt" in codes(planned(lung_shunt_fraction=0.21))
