"""Reports of a case as DICOM: the measurements of its segments (SR), and the printed report (Encapsulated PDF)."""

from __future__ import annotations

from pathlib import Path

from ytterby.dicom.write import DicomHeader, write_document, write_measurements
from ytterby.model.dose import CaseDose

__all__ = ["write_case_reports"]


def write_case_reports(folder: Path, header: DicomHeader, dose: CaseDose, pdf: bytes, *, title: str) -> None:
    """Write report.pdf, report_pdf.dcm and, where segments.dcm and dose.dcm were written, measurements.dcm into ``folder``."""
    (folder / "report.pdf").write_bytes(pdf)
    write_document(pdf, folder / "report_pdf.dcm", header, title=title)
    segmentation, dose_file = folder / "segments.dcm", folder / "dose.dcm"
    if segmentation.exists() and dose_file.exists():
        options = dose.options
        constants = (
            f"Energy of all decays of 1 GBq: {options.energy_j_per_gbq:.6g} J/GBq; density of liver and tumours: "
            f"{options.tissue_density_g_ml:g} g/mL; engine: {options.engine.value}."
        )
        write_measurements(
            dose.doses,
            folder / "measurements.dcm",
            header,
            segmentation=segmentation,
            dose=dose_file,
            comments=(constants, *(notice.message for notice in dose.notices)),
        )
