"""The two engines as functions of place: one activity, the same energy, the same interior, sessions kept apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from ytterby.dosimetry.case import ImagedSessions, case_dose
from ytterby.dosimetry.field import KernelField, LocalDepositionField, dose_field, session_activity
from ytterby.dosimetry.radiobiology import bed_gy
from ytterby.imaging.quantify import ActivityField, absolute_layer, relative_layer
from ytterby.model.dose import DoseOptions, Engine, Radiobiology, Tissue
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import FloatArray, Grid, Quantity, Volume
from ytterby.physics.kernels import voxel_kernel

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
BOTH = DoseOptions(49.67, 1.03, 1.0, Engine.LOCAL_DEPOSITION, (Engine.KERNEL,))
SPECT = Grid.axis_aligned((40, 38, 36), (4.42, 4.42, 4.42))
CT = Grid.axis_aligned((90, 86, 60), (1.9, 1.9, 2.5), origin_mm=(-85.1, -81.0, -74.0))
SESSION = Session("1", Device.GLASS, 3.0, NOON, residual_fraction=0.01, lung_shunt_fraction=0.05)


def ball(grid: Grid, radius_mm: float, centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> FloatArray:
    positions = grid.positions_mm(np.indices(grid.shape).reshape(3, -1).T) - np.array(centre_mm)
    return (np.linalg.norm(positions, axis=1) < radius_mm).reshape(grid.shape)


LIVER = Segment("liver", Role.LIVER, ball(CT, 60), CT)
TUMOUR = Segment("Tumour 1", Role.TUMOUR, ball(CT, 15, (20.0, 5.0, 0.0)), CT)


def image(tumour_to_normal: float = 5.0) -> Volume:
    counts = np.where(ball(SPECT, 66), 100.0, 0.0)
    counts[ball(SPECT, 15, (20.0, 5.0, 0.0))] *= tumour_to_normal
    return Volume(counts, SPECT, Quantity.COUNTS)


def activity(*sessions: Session, territories: tuple[Segment | None, ...] = (None,)) -> ActivityField:
    return ActivityField((relative_layer(image(), sessions or (SESSION,), liver=LIVER, territories=territories),))


def test_both_engines_start_from_the_activity_that_stayed_in_the_liver() -> None:
    field = activity()
    (layer,) = field.layers
    concentration, fine = session_activity(layer, layer.gains[0])
    assert max(fine.spacing_mm) < 2.5
    held_gbq = concentration.sum() * fine.voxel_volume_ml
    assert held_gbq == pytest.approx(SESSION.liver_activity_gbq, rel=1e-9)
    kernel_map = KernelField(field, BOTH).map_on(SPECT)
    joule = float(kernel_map.array.sum(dtype=np.float64)) * SPECT.voxel_volume_ml * 1.03e-3
    # Voxels of the image hold the mean of their parts, and the field of view reaches beyond all energy.
    assert joule == pytest.approx(49.67 * SESSION.liver_activity_gbq, rel=1e-4)


def test_one_hot_voxel_spreads_as_the_kernel_of_the_images_own_voxels() -> None:
    counts = np.zeros(SPECT.shape)
    counts[20, 19, 18] = 1000.0
    noon = replace(SESSION, session_id="1")
    image = Volume(counts * 1e6, SPECT, Quantity.CONCENTRATION, reference_time=NOON)
    field = ActivityField((absolute_layer(image, noon, half_life_hours=64.1),))
    found = KernelField(field, BOTH).map_on(SPECT).array
    shares = voxel_kernel(SPECT.spacing_mm, density_g_ml=1.03).shares
    around = found[17:24, 16:23, 15:22]
    assert shares.shape == (7, 7, 7)
    np.testing.assert_allclose(around / around.sum(), shares, atol=1e-6)
    in_tissue = Segment("liver", Role.LIVER, counts >= 0, SPECT)
    halved = relative_layer(Volume(counts, SPECT, Quantity.COUNTS), (noon,), liver=in_tissue, territories=(None,))
    again = KernelField(ActivityField((halved,)), BOTH).map_on(SPECT).array[17:24, 16:23, 15:22]
    # Halved voxels: at the centre of a whole one stands the mean of its eight parts, the same kernel.
    np.testing.assert_allclose(again / again.sum(), shares, atol=2e-4)


def test_a_kernel_moves_dose_out_of_the_liver_and_out_of_a_hot_tumour() -> None:
    found = case_dose("P", [ImagedSessions(image(), (SESSION,), 64.1)], [LIVER, TUMOUR], options=BOTH)
    compared = {row.segment: row for row in found.dose.compared}
    assert {row.engine for row in found.dose.doses} == {"local_deposition"}
    assert {row.engine for row in found.dose.compared} == {"kernel"}
    for name, least, most in (("liver", 0.945, 0.97), ("Tumour 1", 0.9, 0.98), ("normal_liver", 0.94, 0.98)):
        ratio = compared[name].mean_dose_gy / found.dose.of(name).mean_dose_gy
        assert least < ratio < most, (name, ratio)
        # Where the activity lies does not depend on the engine.
        assert compared[name].activity_fraction == found.dose.of(name).activity_fraction
        assert compared[name].volume_ml == found.dose.of(name).volume_ml


def test_far_from_any_edge_the_engines_agree() -> None:
    uniform = Volume(np.where(ball(SPECT, 72), 100.0, 0.0), SPECT, Quantity.COUNTS)
    liver = replace(LIVER, mask=ball(CT, 70))
    core = Segment("core", Role.OTHER, ball(CT, 40), CT)
    found = case_dose("P", [ImagedSessions(uniform, (SESSION,), 64.1)], [liver, core], options=BOTH)
    (kernel,) = (row for row in found.dose.compared if row.segment == "core")
    assert kernel.mean_dose_gy == pytest.approx(found.dose.of("core").mean_dose_gy, rel=4e-3)


def test_the_kernel_can_be_the_reported_engine() -> None:
    options = replace(BOTH, engine=Engine.KERNEL, compared_engines=(Engine.LOCAL_DEPOSITION,))
    turned = case_dose("P", [ImagedSessions(image(), (SESSION,), 64.1)], [LIVER, TUMOUR], options=options)
    straight = case_dose("P", [ImagedSessions(image(), (SESSION,), 64.1)], [LIVER, TUMOUR], options=BOTH)
    assert [row.mean_dose_gy for row in turned.dose.doses] == [row.mean_dose_gy for row in straight.dose.compared]
    assert [row.mean_dose_gy for row in turned.dose.compared] == [row.mean_dose_gy for row in straight.dose.doses]
    assert isinstance(dose_field(Engine.LOCAL_DEPOSITION, activity(), BOTH), LocalDepositionField)
    # Its map shows the dose that left the liver.
    shown = turned.map_on(SPECT).array
    near, far = (float(shown[~ball(SPECT, r) & ball(SPECT, r + 3)].mean()) for r in (61, 66))
    assert near > far > 0.0


def test_sessions_are_kept_apart_and_bed_is_summed_over_them() -> None:
    right = Segment("right", Role.PERFUSED, LIVER.mask & (np.arange(90)[:, None, None] < 45), CT)
    left = Segment("left", Role.PERFUSED, LIVER.mask & (np.arange(90)[:, None, None] >= 45), CT)
    first = replace(SESSION, session_id="1", perfused=("right",))
    second = replace(SESSION, session_id="2", perfused=("left",), administered_activity_gbq=1.5)
    tissue = Tissue(2.5, 2.5)
    parts = [
        ImagedSessions(image(1.0), (SESSION,), 64.1),
        ImagedSessions(image(1.0), (replace(SESSION, session_id="2"),), 64.1),
    ]
    twice = case_dose("P", parts, [LIVER], options=BOTH, radiobiology=Radiobiology(normal=tissue))
    once = case_dose("P", parts[:1], [LIVER], options=BOTH, radiobiology=Radiobiology(normal=tissue))
    assert twice.dose.of("liver").mean_dose_gy == pytest.approx(2 * once.dose.of("liver").mean_dose_gy)
    bed = once.dose.of("liver").bed_mean_gy
    assert bed is not None
    assert twice.dose.of("liver").bed_mean_gy == pytest.approx(2 * bed)
    of_the_sum = bed_gy(
        twice.dose.of("liver").mean_dose_gy, alpha_beta_gy=2.5, repair_half_life_hours=2.5, half_life_hours=64.1
    )
    assert 2 * bed < of_the_sum
    assert once.dose.of("liver").eqd2_mean_gy == pytest.approx(bed / (1 + 2 / 2.5))
    shared = case_dose(
        "P", [ImagedSessions(image(), (first, second), 64.1)], [LIVER, TUMOUR, right, left], options=BOTH
    )
    kernel = {row.segment: row.mean_dose_gy for row in shared.dose.compared}
    # At the border between two territories of different activity the kernel evens out a little.
    assert kernel["right"] == pytest.approx(shared.dose.of("right").mean_dose_gy, rel=0.09)


def test_lung_doses_add_up_in_the_order_of_time() -> None:
    later = replace(SESSION, session_id="2", administered_at=NOON.replace(month=6), lung_shunt_fraction=0.1)
    parts = [ImagedSessions(image(), (later,), 64.1), ImagedSessions(image(), (SESSION,), 64.1)]
    lungs = case_dose("P", parts, [LIVER], options=BOTH).dose.lungs
    assert [row.session_id for row in lungs] == ["1", "2"]
    assert lungs[1].cumulative_gy == pytest.approx(lungs[0].mean_dose_gy + lungs[1].mean_dose_gy)
    assert lungs[1].cumulative_gy == pytest.approx(49.67 * 3.0 * 0.99 * 0.15)
