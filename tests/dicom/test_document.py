"""Reports as PDF inside DICOM: what goes in comes out, byte by byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from ytterby.dicom.read import read_document
from ytterby.dicom.series import scan
from ytterby.dicom.write import DicomHeader, write_document
from ytterby.errors import DicomError, FileFormatError

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 9 + b"\n%%EOF"


@pytest.fixture
def written(header: DicomHeader, tmp_path: Path) -> Path:
    return write_document(PDF, tmp_path / "report.dcm", header, title="Dosimetry of P1")


@pytest.mark.parametrize("pdf", [PDF, PDF + b"\n", PDF + b"\0"], ids=["odd", "even", "ends-with-zero"])
def test_the_bytes_come_back(pdf: bytes, header: DicomHeader, tmp_path: Path) -> None:
    document = read_document(write_document(pdf, tmp_path / "report.dcm", header, title="Dosimetry of P1"))
    assert document.pdf == pdf
    assert document.title == "Dosimetry of P1"


def test_dciodvfy_finds_no_error(written: Path, dciodvfy: Callable[[Path], list[str]]) -> None:
    assert dciodvfy(written) == []


def test_dcmtk_reads_the_object(written: Path) -> None:
    program = shutil.which("dcmdump")
    if program is None:
        pytest.skip("dcmdump is not installed: apt-get install dcmtk")
    done = subprocess.run([program, "-q", str(written)], capture_output=True, text=True, check=True)
    assert "EncapsulatedPDFStorage" in done.stdout
    assert "[application/pdf]" in done.stdout


def test_it_says_that_it_names_the_patient(written: Path) -> None:
    dataset = pydicom.dcmread(written)
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.EncapsulatedDocumentLength == len(PDF)
    [series] = scan(written).series
    assert (series.kind, series.role, series.problems) == ("document", "none", ())
    assert series.reason == "document (encapsulated PDF): Dosimetry of P1"


def test_the_same_pdf_gives_the_same_bytes(written: Path, header: DicomHeader, tmp_path: Path) -> None:
    again = write_document(PDF, tmp_path / "again.dcm", header, title="Dosimetry of P1")
    assert again.read_bytes() == written.read_bytes()
    other = write_document(PDF + b" ", tmp_path / "other.dcm", header, title="Dosimetry of P1")
    assert pydicom.dcmread(other).SOPInstanceUID != pydicom.dcmread(written).SOPInstanceUID


def test_what_is_no_pdf_is_refused(written: Path, header: DicomHeader, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no PDF"):
        write_document(b"<html>", tmp_path / "report.dcm", header, title="x")
    data = written.read_bytes()
    written.write_bytes(data.replace(b"application/pdf", b"application/xml"))
    with pytest.raises(DicomError, match="no encapsulated PDF but application/xml"):
        read_document(written)
    for length in (0, 200, 700, len(data) - 1000, len(data) - 2):
        written.write_bytes(data[:length])
        with pytest.raises(DicomError):
            read_document(written)
