"""Real CT series beside dcm2niix, a third reader: the same voxels at the same places in the patient."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ytterby.dicom.read import read_volume

pytestmark = pytest.mark.external

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "folder", ["ct_liver_totalseg/dicom_ce20", "ibsi_STS_001/CT/image", "dcmqi_liver_seg/ct-3slice"]
)
def test_ct_is_what_dcm2niix_makes_of_it(folder: str, external_data: Path, tmp_path: Path) -> None:
    program = shutil.which("dcm2niix")
    if program is None:
        pytest.skip("dcm2niix is not installed: apt-get install dcm2niix")
    done = subprocess.run(
        [program, "-z", "n", "-b", "n", "-m", "y", "-f", "ct", "-o", str(tmp_path), str(external_data / folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    made = sorted(tmp_path.glob("*.nii"))
    if not made and "JPEG" in done.stdout + done.stderr:
        pytest.skip("this dcm2niix was built without JPEG 2000")
    assert len(made) == 1, done.stdout
    image = nib.load(made[0])
    theirs = np.asarray(image.dataobj)
    volume = read_volume(external_data / folder)
    to_theirs = np.linalg.inv(image.affine) @ LPS_TO_RAS @ volume.grid.affine
    whole = np.rint(to_theirs)
    last = np.array([*volume.grid.shape, 2.0]) - 1
    assert np.abs((to_theirs - whole) @ last).max() < 0.02  # voxels, at the far corner
    index = np.stack(np.meshgrid(*[np.arange(n) for n in volume.grid.shape], indexing="ij"), axis=-1)
    there = (index @ whole[:3, :3].T + whole[:3, 3]).astype(int)
    found = theirs[there[..., 0], there[..., 1], there[..., 2]]
    # Padding is raw there, and air here.
    np.testing.assert_array_equal(volume.array, np.where(found < -1024, -1024, found))
