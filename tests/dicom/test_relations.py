"""Series in company: whose CT it is, and what is not overlaid without a registration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ytterby.dicom.series import Series, scan
from ytterby.dicom.series.relations import related
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write import DicomHeader, write_ct, write_nm_recon_tomo, write_segmentation
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume

OTHER = content_uid("tests", "another frame of reference")


def said(series: Series) -> str:
    return " ".join(problem.message for problem in series.problems if problem.level == "amber")


def test_the_ct_of_the_spect_and_the_diagnostic_ct_are_told_apart(
    hu: Volume, counts: Volume, segments: tuple[Segment, ...], header: DicomHeader, tmp_path: Path
) -> None:
    elsewhere = replace(header, frame_of_reference_uid=OTHER, series_description="portal venous")
    write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    write_ct(hu, tmp_path / "ct", header)
    write_ct(hu, tmp_path / "cect", elsewhere)
    moved = [replace(segment, frame_of_reference=OTHER) for segment in segments]
    write_segmentation(moved, tmp_path / "seg.dcm", elsewhere)
    found = {series.path.name: series for series in scan(tmp_path).series}
    assert {name: one.role for name, one in found.items()} == {
        "nm.dcm": "maa_spect",
        "ct": "ct",
        "cect": "diagnostic",
        "seg.dcm": "segmentation",
    }
    assert found["ct"].reason == "CT, no contrast agent stated, in one space with NM RECON TOMO, 99mTc"
    assert "another examination" in found["cect"].reason
    for name in ("cect", "seg.dcm"):
        assert "it is not overlaid without a registration" in said(found[name])
    assert said(found["ct"]) == said(found["nm.dcm"]) == ""


def test_a_contrast_ct_of_the_spect_serves_where_there_is_no_other(
    hu: Volume, counts: Volume, header: DicomHeader, tmp_path: Path
) -> None:
    write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    write_ct(hu, tmp_path / "cect", header, contrast_agent="iomeprol")
    assert [series.role for series in scan(tmp_path).series] == ["ct", "maa_spect"]
    write_ct(hu, tmp_path / "plain", replace(header, series_description="plain"))
    assert [series.role for series in scan(tmp_path).series] == ["diagnostic", "maa_spect", "ct"]


def test_a_spect_without_its_ct_is_flagged(hu: Volume, counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    assert said(scan(tmp_path).series[0]) == ""  # alone, nothing is compared
    write_ct(hu, tmp_path / "ct", replace(header, frame_of_reference_uid=OTHER))
    ct, spect = scan(tmp_path).series
    assert "no CT lies in its frame of reference" in said(spect)
    assert (ct.role, "not overlaid" in said(ct)) == ("ct", True)


def test_patients_are_not_mixed(hu: Volume, counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    write_ct(hu, tmp_path / "ct", replace(header, frame_of_reference_uid=OTHER, patient_id="P2"))
    assert [said(series) for series in scan(tmp_path).series] == ["", ""]


def test_the_order_is_kept(counts: Volume, header: DicomHeader, tmp_path: Path) -> None:
    write_nm_recon_tomo(counts, tmp_path / "nm.dcm", header)
    one = scan(tmp_path).series[0]
    many = [replace(one, patient_id=str(number % 2), description=str(number)) for number in range(5)]
    assert [series.description for series in related(many)] == ["0", "1", "2", "3", "4"]
