"""Doses and plans of radiotherapy: what is written comes back, refers to what is there, and is valid; and doses of others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ytterby.dicom.read import read_volume
from ytterby.dicom.series import scan
from ytterby.dicom.write import (
    DicomHeader,
    content_uid,
    write_dose,
    write_effective_dose,
    write_plan,
    write_structures,
)
from ytterby.errors import CalibrationError, DomainError, GeometryError
from ytterby.model.segment import Segment
from ytterby.model.treatment import Device, Session
from ytterby.model.volume import Grid, Quantity, Volume

FRAME = content_uid("tests", "frame of reference")


@pytest.fixture
def session() -> Session:
    when = datetime(2024, 3, 8, 11, tzinfo=ZoneInfo("Europe/Berlin"))
    return Session("1", Device.GLASS, 3.9, when, 0.01, 0.029, perfused=("right lobe", "left lobe"))


@pytest.fixture
def bed(dose: Volume) -> Volume:
    return replace(dose, array=dose.array * 2.5, quantity=Quantity.OTHER)


def affine_of(axes: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...], turn: float) -> np.ndarray:
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turned @ (np.eye(3)[:, axes] * np.array(signs)) * np.array(spacing)
    affine[:3, 3] = [-204.75, 31.5, -1302.375]
    return affine


grids = st.builds(
    Grid,
    st.tuples(*[st.integers(2, 6)] * 3),
    st.builds(
        affine_of,
        st.permutations([0, 1, 2]),
        st.tuples(*[st.sampled_from([-1, 1])] * 3),
        st.tuples(*[st.floats(0.5, 9.9)] * 3),
        st.sampled_from([0.0, 0.05, 0.7, 1.3]),
    ),
)


@given(grid=grids, highest=st.sampled_from([1e-4, 1.0, 333.25, 9e4]))
def test_a_dose_comes_back(grid: Grid, highest: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    header = DicomHeader("P1", "T", "", content_uid("study"), "20240301", "101500", "t", FRAME)
    array = np.random.default_rng(1).random(grid.shape) * highest
    folder = tmp_path_factory.mktemp("dose")
    read = read_volume(write_dose(Volume(array, grid, Quantity.DOSE), folder / "d.dcm", header))
    # DICOM's frames run along row x column: where the grid's do not, they come back the other way round.
    index = np.argwhere(np.ones(grid.shape, dtype=bool))
    there = read.grid.indices(grid.positions_mm(index))
    np.testing.assert_allclose(there, np.rint(there), atol=1e-4)
    found = read.array[tuple(np.rint(there).astype(int).T)].reshape(grid.shape)
    assert np.abs(found - array).max() <= 1e-6 * array.max()
    image = sitk.ReadImage(str(folder / "d.dcm"))
    for corner in (index[0], index[-1]):
        place = read.grid.positions_mm(corner)[0]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(corner.tolist()), place, atol=1e-3)


def test_plan_dose_and_structures_refer_to_each_other(
    session: Session,
    dose: Volume,
    bed: Volume,
    segments: tuple[Segment, ...],
    header: DicomHeader,
    dciodvfy: Callable[[Path], list[str]],
    tmp_path: Path,
) -> None:
    structures = write_structures(segments, tmp_path / "structures.dcm", header)
    plan = write_plan(session, tmp_path / "plan.dcm", header, structures=structures)
    alone = write_plan(session, tmp_path / "alone.dcm", header)
    comment = "BED; tumour a/b 10 Gy, 1.5 h; normal a/b 2.5 Gy, 2.5 h"
    physical = write_dose(dose, tmp_path / "dose.dcm", header, plans=[plan])
    effective = write_effective_dose(bed, tmp_path / "bed.dcm", header, comment=comment, plans=[plan])
    other = write_plan(replace(session, session_id="2"), tmp_path / "plan_2.dcm", header, structures=structures)
    several = write_dose(dose, tmp_path / "sum.dcm", header, plans=[plan, other])
    for path in (plan, alone, other):
        assert dciodvfy(path) == [], path.name
    for path in (physical, effective, several):
        # dciodvfy breaks down at pixels of 32 bits.
        assert dciodvfy(in_16_bits(Path(shutil.copy(path, tmp_path / "copy.dcm")))) == [], path.name
    planned, read = pydicom.dcmread(plan), pydicom.dcmread(physical)
    assert (
        planned.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == pydicom.dcmread(structures).SOPInstanceUID
    )
    assert (planned.RTPlanGeometry, pydicom.dcmread(alone).RTPlanGeometry) == ("PATIENT", "TREATMENT_DEVICE")
    assert (planned.BrachyTreatmentTechnique, planned.SourceSequence[0].SourceIsotopeName) == ("PERMANENT", "Y-90")
    assert "glass microspheres, Y-90: 3.9 GBq at 2024-03-08T11:00:00+01:00, residual 0.01" in planned.RTPlanDescription
    assert "target: right lobe, left lobe. Simulated: no patient." in planned.RTPlanDescription
    days = float(planned.SourceSequence[0].SourceIsotopeHalfLife)
    seconds = float(planned.ApplicationSetupSequence[0].ChannelSequence[0].ChannelTotalTime)
    assert (days, seconds) == (pytest.approx(2.67, abs=0.01), pytest.approx(days * 86400 / np.log(2)))
    assert [item.ReferencedSOPInstanceUID for item in read.ReferencedRTPlanSequence] == [planned.SOPInstanceUID]
    assert (read.DoseType, read.DoseSummationType, read.DoseUnits) == ("PHYSICAL", "PLAN", "GY")
    summed = pydicom.dcmread(several)
    assert summed.DoseSummationType == "MULTI_PLAN"
    assert [item.ReferencedSOPInstanceUID for item in summed.ReferencedRTPlanSequence] == [
        planned.SOPInstanceUID,
        pydicom.dcmread(other).SOPInstanceUID,
    ]
    biological = pydicom.dcmread(effective)
    assert (biological.DoseType, biological.DoseComment) == ("EFFECTIVE", comment)
    volume = read_volume(effective)
    assert volume.quantity is Quantity.OTHER
    np.testing.assert_allclose(volume.array, bed.array, atol=1e-6 * bed.array.max())
    uids = {
        pydicom.dcmread(path).SOPInstanceUID for path in (plan, alone, other, physical, effective, several, structures)
    }
    assert len(uids) == 7
    again = write_plan(session, tmp_path / "again.dcm", header, structures=structures)
    assert again.read_bytes() == plan.read_bytes()
    assert [one.reason for one in scan(plan).series] == ["radiotherapy plan (RTPLAN)"]


def test_what_is_no_effective_dose_is_refused(dose: Volume, bed: Volume, header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="is no BED"):
        write_effective_dose(dose, tmp_path / "x.dcm", header, comment="BED")
    with pytest.raises(DomainError, match="must say its model"):
        write_effective_dose(bed, tmp_path / "x.dcm", header, comment="")
    with pytest.raises(DomainError, match="a comment of 65 characters"):
        write_effective_dose(bed, tmp_path / "x.dcm", header, comment="B" * 65)


# ------------------------------------------------------------------------------------------------ of others


def in_16_bits(path: Path, change: Callable[[Dataset], None] | None = None) -> Path:
    """A dose as many planning systems write it: 16 bits."""
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array.astype(np.float64) * float(dataset.DoseGridScaling)
    dataset.DoseGridScaling = f"{values.max() / 65535 * (1 + 1e-9):.10g}"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelData = np.rint(values / float(dataset.DoseGridScaling)).astype("<u2").tobytes()
    if change is not None:
        change(dataset)
    dataset.save_as(path)
    return path


@pytest.fixture
def axial() -> Volume:
    grid = Grid.axis_aligned((5, 4, 6), (2.0, 2.5, 3.0), origin_mm=(-10.0, 20.0, -300.0))
    return Volume(np.random.default_rng(8).random(grid.shape) * 80, grid, Quantity.DOSE, frame_of_reference=FRAME)


def offsets(values: list[float], *, z: float | None = None) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.GridFrameOffsetVector = [f"{value:g}" for value in values]
        if z is not None:
            dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], f"{z:g}"]

    return change


def test_sixteen_bits_and_offsets_of_both_kinds(axial: Volume, header: DicomHeader, tmp_path: Path) -> None:
    z = [-300.0 + 3 * k for k in range(6)]

    def written(change: Callable[[Dataset], None] | None) -> Volume:
        return read_volume(in_16_bits(write_dose(axial, tmp_path / "d.dcm", header), change))

    assert np.abs(written(None).array - axial.array).max() < 80 / 65535
    for change in (None, offsets(z)):
        assert written(change).grid.same_as(axial.grid)
    down = Grid(axial.grid.shape, axial.grid.affine @ np.diag([1.0, 1, -1, 1]) + np.array([[0, 0, 0, 0]] * 4))
    for change in (offsets([-3.0 * k for k in range(6)]), offsets([-300.0 - 3 * k for k in range(6)])):
        found = written(change)
        assert found.grid.same_as(down)
        assert found.grid.positions_mm([0, 0, 5])[0][2] == pytest.approx(-315)


def test_positions_are_along_z_though_rows_run_the_other_way(
    axial: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    def prone(dataset: Dataset) -> None:
        # Rows run to the right and columns to the front: still across z, towards the head.
        dataset.ImageOrientationPatient = ["-1", "0", "0", "0", "-1", "0"]
        offsets([-300.0 + 3 * k for k in range(6)])(dataset)

    def feet_first(dataset: Dataset) -> None:
        # Row x column runs to the feet, positions to the head.
        dataset.ImageOrientationPatient = ["1", "0", "0", "0", "-1", "0"]
        offsets([-300.0 + 3 * k for k in range(6)])(dataset)

    for change in (prone, feet_first):
        found = read_volume(in_16_bits(write_dose(axial, tmp_path / "d.dcm", header), change))
        assert found.grid.positions_mm([0, 0, 5])[0][2] == pytest.approx(-285)


def test_doses_that_cannot_be_placed_or_are_no_gray_are_refused(
    axial: Volume, dose: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    def refused(
        change: Callable[[Dataset], None], error: type[Exception], message: str, volume: Volume = axial
    ) -> None:
        path = in_16_bits(write_dose(volume, tmp_path / "d.dcm", header), change)
        with pytest.raises(error, match=message):
            read_volume(path)
        assert scan(path).series[0].problems[0].level == "red"

    def single(dataset: Dataset) -> None:
        dataset.PixelData = dataset.PixelData[: dataset.Rows * dataset.Columns * 2]
        del dataset.NumberOfFrames, dataset.GridFrameOffsetVector

    refused(offsets([-290.0 + 3 * k for k in range(6)]), GeometryError, "begins with -290, which is neither 0")
    refused(offsets([5.0 + 3 * k for k in range(5)]), GeometryError, "neither 0 nor the first frame's place", dose)
    refused(offsets([0.0] * 6), GeometryError, "unevenly spaced")
    refused(offsets([0.0, 3, 6, 9, 12, 16]), GeometryError, "unevenly spaced")
    refused(single, GeometryError, "0 values for 1 frames")
    refused(lambda dataset: setattr(dataset, "DoseUnits", "RELATIVE"), CalibrationError, "DoseUnits is not GY")
    refused(lambda dataset: delattr(dataset, "DoseGridScaling"), CalibrationError, "DoseGridScaling is missing")


@pytest.mark.parametrize("kind", ["EFFECTIVE", "ERROR", ""])
def test_only_a_physical_dose_is_an_absorbed_dose(
    kind: str, axial: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    path = in_16_bits(write_dose(axial, tmp_path / "d.dcm", header), lambda dataset: setattr(dataset, "DoseType", kind))
    assert read_volume(path).quantity is Quantity.OTHER
