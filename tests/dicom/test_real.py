"""Real files: a gamma camera phantom, a contrast CT, a PET in SUV, and a segmentation with its NRRD."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ytterby.dicom.layout.planes import slice_direction
from ytterby.dicom.read import read_volume
from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.series import scan, total_counts
from ytterby.errors import CalibrationError
from ytterby.model.volume import Quantity

pytestmark = pytest.mark.external


def test_jaszczak_phantom(external_data: Path) -> None:
    path = external_data / "nm_spect_planar" / "Jaszack.dcm"
    series = scan(path).series[0]
    assert (series.kind, series.role, series.reason) == ("nm_recon_tomo", "maa_spect", "NM RECON TOMO, 99mTc")
    assert series.shape == (128, 128, 45)
    assert series.spacing_mm == pytest.approx((4.13, 4.13, 4.13), abs=1e-6)
    assert total_counts(series) == 124_591_663
    volume = read_volume(path)
    assert volume.quantity is Quantity.COUNTS
    assert volume.array.dtype == np.uint16
    assert int(volume.array.sum()) == 124_591_663
    # SpacingBetweenSlices is -4.13: from the first slice towards the feet.
    assert slice_direction(volume.grid) == "towards the feet"
    np.testing.assert_allclose(volume.grid.positions_mm([0, 0, 0])[0], [0, -264.319977, -165.199986])
    np.testing.assert_allclose(volume.grid.positions_mm([0, 0, 44])[0], [0, -264.319977, -165.199986 - 44 * 4.12999964])
    np.testing.assert_array_equal(volume.array.T, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


def test_planar_images_are_planar(external_data: Path) -> None:
    found = {series.path.name: series for series in scan(external_data / "nm_spect_planar").series}
    assert {name: (one.kind, one.role) for name, one in found.items()} == {
        "Jaszack.dcm": ("nm_recon_tomo", "maa_spect"),
        "NM1_JPLL": ("nm_whole_body", "planar"),
        "Spatial_Resol_X.dcm": ("nm_static", "planar"),
        "UNIFORMIDAD_1.dcm": ("nm_static", "planar"),
    }
    assert total_counts(found["UNIFORMIDAD_1.dcm"]) == 16_000_045
    # JPEG lossless, as dcmtk decodes it.
    assert not [one for one in found["NM1_JPLL"].problems if one.level == "red"]
    assert total_counts(found["NM1_JPLL"]) == 3_596_452


def test_jpeg_2000_ct_has_the_spacing_of_its_positions(external_data: Path, tmp_path: Path) -> None:
    folder = external_data / "ct_liver_totalseg" / "dicom_ce20"
    series = scan(folder).series[0]
    assert (series.kind, series.role, len(series.files)) == ("ct", "diagnostic", 20)
    assert series.shape == (512, 512, 20)
    assert series.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert any("SliceThickness says 3 mm" in problem.message for problem in series.problems)
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(path, tmp_path / f"{number:02d}")
    volume = read_volume(tmp_path)
    assert volume.array.dtype == np.int16
    image = sitk.ReadImage(
        sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)) or sorted(map(str, folder.iterdir()))
    )
    # The oracle may stack the slices the other way: compare by place.
    other = sitk.GetArrayFromImage(image).T
    for index in ((256, 256, 0), (100, 300, 7), (400, 250, 19)):
        there = image.TransformPhysicalPointToIndex(volume.grid.positions_mm(index)[0].tolist())
        assert volume.array[index] == other[there]
    assert sorted(volume.array.sum(axis=(0, 1), dtype=np.int64)) == sorted(other.sum(axis=(0, 1), dtype=np.int64))


def test_segmentation_equals_its_nrrd(external_data: Path) -> None:
    folder = external_data / "dcmqi_liver_seg"
    (liver,) = read_segments(folder / "liver.dcm")
    assert liver.name == "Liver"
    assert liver.method == "imported, semiautomatic SlicerEditor"
    image = sitk.ReadImage(str(folder / "liver_seg.nrrd"))
    mask = sitk.GetArrayFromImage(image).T > 0
    places = np.array([image.TransformIndexToPhysicalPoint([int(n) for n in index]) for index in np.argwhere(mask)])
    index = np.rint(liver.grid.indices(places)).astype(int)
    assert np.abs(liver.grid.indices(places) - index).max() < 0.01
    assert liver.mask[tuple(index.T)].all()
    assert np.count_nonzero(liver.mask) == np.count_nonzero(mask) > 1000
    ct = read_volume(folder / "ct-3slice")
    assert ct.grid.same_as(liver.grid, tolerance_mm=0.01)
    assert ct.frame_of_reference == liver.frame_of_reference


def test_standardised_uptake_values_are_refused(external_data: Path) -> None:
    folder = external_data / "ibsi_STS_001" / "PET" / "image"
    with pytest.raises(CalibrationError, match=r"GML.*no activity"):
        read_volume(folder)
    series = scan(folder).series[0]
    assert (series.kind, series.role, series.unit) == ("pt", "none", "GML")
    assert "refused for dosimetry" in next(one.message for one in series.problems if one.level == "red")
    kinds = sorted(one.kind for one in scan(external_data / "ibsi_STS_001").series)
    assert kinds == ["ct", "pt", "rtstruct", "rtstruct"]
