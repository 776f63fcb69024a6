"""Every real series, voxel by voxel in the patient: what SimpleITK reads there is what is read here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ytterby.dicom.read import read_volume
from ytterby.dicom.series import Series, scan
from ytterby.errors import CalibrationError
from ytterby.files.nifti import read_nifti
from ytterby.files.nrrd import read_nrrd
from ytterby.model.volume import FloatArray, Grid

pytestmark = pytest.mark.external

DICOM = {
    # folder or file: kind, shape, spacing (mm), where the slices run to
    "ct_liver_totalseg/dicom_ce20": ("ct", (512, 512, 20), (0.9765625, 0.9765625, 2.0)),
    "ibsi_STS_001/CT/image": ("ct", None, None),
    "ibsi_STS_001/PET/image": ("pt", None, None),
    "dcmqi_liver_seg/ct-3slice": ("ct", None, None),
    "nm_spect_planar/Jaszack.dcm": ("nm_recon_tomo", (128, 128, 45), (4.13, 4.13, 4.13)),
}
IMAGES = {
    "maa_spect_patient2/patient_2_SPECT.nrrd": ((128, 128, 160), (4.418, 4.418, 2.5)),
    "ct_liver_totalseg/example_ct.nii.gz": (None, (3.0, 3.0, 3.0)),
    "ct_liver_totalseg/example_mr_sm.nii.gz": (None, (None, None, None)),
    "ct_liver_totalseg/example_seg_dicom.nii.gz": ((512, 512, 20), (0.9765625, 0.9765625, 2.0)),
}


def itk_series(series: Series) -> sitk.Image:
    """The image by another program, from the same files: sorted by GDCM, one file a slice."""
    names = [str(path) for path in series.files]
    if len(names) == 1:
        return sitk.ReadImage(names[0])
    ordered = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series.path), series.uid)
    assert sorted(ordered) == sorted(names)
    return sitk.ReadImage(ordered)


def same_places(grid: Grid, image: sitk.Image) -> tuple[FloatArray, FloatArray]:
    """Matrix and shift (whole numbers) from an index of ``grid`` to the index of ``image`` at the same place."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    to_other = np.linalg.inv(affine) @ grid.affine
    whole = np.rint(to_other)
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners[:, :3] *= np.array(grid.shape) - 1
    assert np.abs(corners @ (to_other - whole).T).max() < 0.02  # voxels
    return whole[:3, :3], whole[:3, 3]


def as_other(array: FloatArray, matrix: FloatArray) -> FloatArray:
    """The array with its axes in the order and direction of the other program."""
    axes = [int(np.flatnonzero(row)[0]) for row in matrix]
    turned = np.transpose(array, axes)
    flips = tuple(slice(None, None, -1 if row[axis] < 0 else 1) for row, axis in zip(matrix, axes, strict=True))
    return np.asarray(turned[flips])


@pytest.mark.parametrize("name", DICOM)
def test_dicom(name: str, external_data: Path) -> None:
    kind, shape, spacing = DICOM[name]
    (series,) = scan(external_data / name).series
    assert series.kind == kind
    assert series.grid is not None
    image = itk_series(series)
    matrix, _ = same_places(series.grid, image)
    if shape is not None and spacing is not None:
        assert series.grid.shape == shape
        np.testing.assert_allclose(series.grid.spacing_mm, spacing, atol=1e-5)
    if kind == "pt":
        with pytest.raises(CalibrationError, match="GML"):
            read_volume(series)
        return
    volume = read_volume(series)
    assert volume.grid.same_as(series.grid)
    theirs = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    if series.kind == "ct":
        # Padding (-2000 stored) is -3024 to the other program; air here.
        theirs = np.where(theirs == -3024, -1024, theirs)
    np.testing.assert_array_equal(as_other(volume.array, matrix), theirs)


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_other_formats(name: str, external_data: Path) -> None:
    shape, spacing = IMAGES[name]
    path = external_data / name
    volume = read_nrrd(path) if path.suffix == ".nrrd" else read_nifti(path)
    image = sitk.ReadImage(str(path))
    matrix, _ = same_places(volume.grid, image)
    if shape is not None:
        assert volume.grid.shape == shape
    for found, wanted in zip(volume.grid.spacing_mm, spacing, strict=True):
        assert wanted is None or found == pytest.approx(wanted, abs=1e-3)
    np.testing.assert_array_equal(as_other(volume.array, matrix), sitk.GetArrayFromImage(image).transpose(2, 1, 0))
