"""Fixtures shared by all rooms: where real data and other programs are, and what happens where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

# Before numpy is imported: one thread, so that sums end in the same bits everywhere.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("house", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parents[1]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their length: compressed bytes may hold the time, and every worker must collect the same names."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes | bytearray) else None


def missing(reason: str) -> None:
    """Skip with the reason; under CI=true what is missing is a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def external_data() -> Path:
    """Folder of real images and tables (YTTERBY_TEST_DATA, or shared/data beside the checkout)."""
    folder = Path(os.environ.get("YTTERBY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        missing("no real test data: set YTTERBY_TEST_DATA to the data folder")
    return folder


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of reference tables (YTTERBY_TEST_REFERENCE, or shared/reference beside the checkout)."""
    folder = Path(os.environ.get("YTTERBY_TEST_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        missing("no reference tables: set YTTERBY_TEST_REFERENCE to the reference folder")
    return folder


@pytest.fixture(scope="session")
def rscript() -> str:
    """Path of Rscript (Debian: r-base-core r-cran-survival r-cran-proc)."""
    path = shutil.which("Rscript")
    if path is None:
        missing("R is not installed: apt-get install r-base-core r-cran-survival r-cran-proc")
    return str(path)


@pytest.fixture
def dciodvfy() -> Callable[[Path], list[str]]:
    """Errors that dciodvfy (Debian: dicom3tools) finds in a file."""
    program = shutil.which("dciodvfy")
    if program is None:
        missing("dciodvfy is not installed: apt-get install dicom3tools")

    def errors(path: Path) -> list[str]:
        done = subprocess.run([str(program), str(path)], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        assert done.returncode >= 0, f"dciodvfy broke down: {lines}"
        assert lines, "dciodvfy says at least what kind of object it is"
        return [line for line in lines if line.startswith("Error")]

    return errors
