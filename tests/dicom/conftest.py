"""Synthetic images and headers for the DICOM tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ytterby.dicom.write import DicomHeader, content_uid
from ytterby.model.segment import Role, Segment
from ytterby.model.volume import Grid, Quantity, Volume

FRAME = content_uid("tests", "frame of reference")


@pytest.fixture
def header() -> DicomHeader:
    return DicomHeader(
        patient_id="P1",
        patient_name="Test^One",
        patient_sex="F",
        study_uid=content_uid("tests", "study"),
        study_date="20240301",
        study_time="101500",
        uid_seed="tests",
        frame_of_reference_uid=FRAME,
        series_description="made for a test",
        timezone_offset="+0100",
        simulated=True,
    )


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rotation matrix (Rodrigues)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


@pytest.fixture
def oblique_grid() -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = rotation((1, 2, 3), 25) @ np.diag([1.5, 2.0, 3.0])
    affine[:3, 3] = [-20.0, 11.5, -300.25]
    return Grid((7, 6, 5), affine)


@pytest.fixture
def hu(oblique_grid: Grid) -> Volume:
    array = np.random.default_rng(1).integers(-1000, 1500, size=oblique_grid.shape).astype(np.int16)
    return Volume(array, oblique_grid, Quantity.HU)


@pytest.fixture
def counts(oblique_grid: Grid) -> Volume:
    array = np.random.default_rng(2).poisson(40, size=oblique_grid.shape).astype(np.float32)
    return Volume(array, oblique_grid, Quantity.COUNTS)


@pytest.fixture
def concentration(oblique_grid: Grid) -> Volume:
    array = np.random.default_rng(3).uniform(0, 2e6, size=oblique_grid.shape)
    # Slices of very different height, so that each needs its own rescale slope.
    array *= np.logspace(-3, 0, oblique_grid.shape[2])
    when = datetime(2024, 3, 2, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    return Volume(array, oblique_grid, Quantity.CONCENTRATION, reference_time=when)


@pytest.fixture
def dose(oblique_grid: Grid) -> Volume:
    return Volume(np.random.default_rng(4).gamma(2, 60, size=oblique_grid.shape), oblique_grid, Quantity.DOSE)


@pytest.fixture
def segments(oblique_grid: Grid) -> tuple[Segment, ...]:
    liver = np.ones(oblique_grid.shape, dtype=bool)
    liver[0], liver[:, :, -1] = False, False
    tumour = np.zeros(oblique_grid.shape, dtype=bool)
    tumour[2:4, 1:3, 2] = True
    one = Segment("Liver", Role.LIVER, liver, oblique_grid, method="ellipsoid", frame_of_reference=FRAME)
    return one, replace(one, name="Tumor 1", role=Role.TUMOUR, mask=tumour, method="imported, manual")


@pytest.fixture(scope="session")
def dcmtk() -> Callable[..., None]:
    """A run of one of dcmtk's programs (Debian: dcmtk)."""
    if shutil.which("dcmcjpeg") is None or shutil.which("dcmcrle") is None:
        reason = "dcmtk is not installed: apt-get install dcmtk"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI must have it: {reason}", pytrace=False)
        pytest.skip(reason)

    def run(program: str, *arguments: object) -> None:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run
