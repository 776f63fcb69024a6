"""A whole patient with the results of a case: every reference leads where it led, doses are the same, objects stay valid."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from ytterby.dicom.deidentify import deidentify_folder
from ytterby.dicom.deidentify.keyfile import read_key
from ytterby.dicom.read import read_segments, read_volume
from ytterby.dicom.write import DicomHeader, content_uid, write_dose_report, write_registration, write_segmentation
from ytterby.model.administration import DoseRecord, MeasuredActivity
from ytterby.model.transform import Transform
from ytterby.workflow.case import load_case, run_case_file
from ytterby.workflow.simulate import simulate_patient

BIOLOGY = {
    "tumour": {"alpha_beta_gy": 10.0, "repair_hours": 1.5},
    "normal": {"alpha_beta_gy": 2.5, "repair_hours": 2.5},
}
STANDARD = "1.2.840.10008."
OTHER = content_uid("tests", "another frame")
KINDS = {
    "1.2.840.10008.5.1.4.1.1.2": "CT", "1.2.840.10008.5.1.4.1.1.20": "NM", "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.1": "REG", "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE", "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN", "1.2.840.10008.5.1.4.1.1.88.33": "measurements",
    "1.2.840.10008.5.1.4.1.1.88.34": "measurements", "1.2.840.10008.5.1.4.1.1.88.68": "dose report",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """An object before and after."""

    kind: str
    before: Path
    after: Path


@dataclass(frozen=True)
class Scene:
    """Folders of originals and results, the case beside the originals, and the pairs of objects."""

    source: Path
    case: Path
    pseudonym: str
    pairs: tuple[Pair, ...]

    def after(self, path: Path) -> Path:
        """The object that an original became."""
        return next(pair.after for pair in self.pairs if pair.before == path)


def write_case(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def complete_case(source: Path) -> Path:
    """A simulated patient whose segments lie in another frame, with registration and dose report, in ``source``."""
    case = simulate_patient(source / "patient", seed=3)
    data = yaml.safe_load(case.read_text(encoding="utf-8"))
    session = data["sessions"][0]
    start = datetime.fromisoformat(session["administered_at"])
    vial, left = session["administered_activity_gbq"], session["residual_fraction"]
    record = DoseRecord(
        agent="",
        radionuclide="90Y",
        half_life_hours=64.1,
        started_at=start,
        administered_activity_gbq=vial * (1 - left),
        before=MeasuredActivity(vial, start),
        after=MeasuredActivity(vial * left, start),
        patient_id=data["patient_id"],
    )
    header = DicomHeader(
        patient_id=data["patient_id"],
        patient_name="Simulated",
        patient_sex="F",
        study_uid=content_uid("tests", "reports"),
        study_date="20160502",
        study_time="110000",
        uid_seed="tests",
        simulated=True,
    )
    write_dose_report(record, case.parent / "report.dcm", header)
    segments = read_segments(case.parent / data["segments"]["path"])
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec([0.05, -0.1, 0.3]).as_matrix()
    matrix[:3, 3] = (13.0, -40.5, 7.25)
    back = Transform(OTHER, segments[0].frame_of_reference, matrix)
    write_segmentation([back.inverse.carried(segment) for segment in segments], case.parent / "moved.dcm", header)
    write_registration([back], case.parent / "reg.dcm", header)
    for key in ("administered_activity_gbq", "administered_at", "residual_fraction"):
        del session[key]
    session["dose_report"] = "report.dcm"
    data["segments"]["path"] = "moved.dcm"
    data["registration"] = {"path": "reg.dcm", "accepted_by": "A. Physicist"}
    data["radiobiology"] = BIOLOGY
    data["options"]["engine"] = "local_deposition"
    for key in ("partial_volume", "uncertainty"):
        del data[key]
    return write_case(case.parent / "complete.yaml", data)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("references")
    case = complete_case(folder / "src")
    run_case_file(case, folder / "src" / "results")
    outcome = deidentify_folder(folder / "src", folder / "dst", key_file=folder / "key.json")
    left_out = {file.path for file in outcome.record.left_out if file.path.suffix == ".dcm"}
    # Its pages name the patient.
    assert left_out == {folder / "src" / "results" / "report_pdf.dcm"}
    key = read_key(folder / "key.json")
    assert key is not None
    [pseudonym] = outcome.record.written
    made = {instance(path): path for path in sorted((folder / "dst").rglob("*.dcm"))}
    originals = [path for path in sorted((folder / "src").rglob("*.dcm")) if path not in left_out]
    pairs = tuple(
        Pair(KINDS[header_of(path).SOPClassUID], path, made[key.secret.uid(instance(path))]) for path in originals
    )
    assert len(pairs) == len(made)
    return Scene(folder / "src", case, pseudonym, pairs)


def header_of(path: Path) -> Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def instance(path: Path) -> str:
    return str(header_of(path).SOPInstanceUID)


def uids(dataset: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Every UID of an object with the keywords that lead to it, in the order of the file."""
    for element in dataset:
        here = f"{path}/{element.keyword or element.tag}"
        if element.VR == "SQ":
            for item in element.value:
                yield from uids(item, here)
        elif element.VR == "UI" and not element.is_empty:
            values = [element.value] if isinstance(element.value, str) else element.value
            yield from ((here, str(value)) for value in values)


def test_every_kind_of_object_is_there(scene: Scene) -> None:
    assert {pair.kind for pair in scene.pairs} == set(KINDS.values())


def test_references_are_the_same_graph(scene: Scene) -> None:
    forth: dict[str, str] = {}
    back: dict[str, str] = {}
    for pair in scene.pairs:
        before, after = list(uids(header_of(pair.before))), list(uids(header_of(pair.after)))
        # The same attributes hold UIDs, in the same order: no reference went, and none came.
        assert [path for path, _ in after] == [path for path, _ in before], pair.kind
        for (path, old), (_, new) in zip(before, after, strict=True):
            if old.startswith(STANDARD) or path.endswith("CodingSchemeUID"):
                assert new == old, path
                continue
            assert new.startswith("2.25."), path
            assert new != old
            # One new UID for an old one, in all objects, and the other way round.
            assert forth.setdefault(old, new) == new, path
            assert back.setdefault(new, old) == old, path
    assert len(forth) > 100


def ends(paths: list[Path]) -> dict[str, set[str]]:
    """What a folder holds that a reference can lead to, by the attribute that names it."""
    found: dict[str, set[str]] = {}
    for path in paths:
        dataset = header_of(path)
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
            if keyword in dataset:
                found.setdefault(keyword, set()).add(str(dataset[keyword].value))
        for item in dataset.get("SegmentSequence", ()):
            if "TrackingUID" in item:
                found.setdefault("TrackingUID", set()).add(str(item.TrackingUID))
    return found


def test_references_lead_to_objects_that_are_there(scene: Scene) -> None:
    counts = []
    for paths in ([pair.before for pair in scene.pairs], [pair.after for pair in scene.pairs]):
        places = ends(paths)
        led: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        for pair, path in zip(scene.pairs, paths, strict=True):
            for name, uid in uids(header_of(path)):
                led[pair.kind, name, tuple(sorted(kind for kind, found in places.items() if uid in found))] += 1
        counts.append(led)
    assert counts[1] == counts[0]
    reached = {(kind, name.rsplit("/", 1)[-1], place) for (kind, name, found) in counts[1] for place in found}
    for kind, name, place in (
        ("RTDOSE", "ReferencedSOPInstanceUID", "SOPInstanceUID"),
        ("RTPLAN", "ReferencedSOPInstanceUID", "SOPInstanceUID"),
        ("RTSTRUCT", "ReferencedFrameOfReferenceUID", "FrameOfReferenceUID"),
        ("RTSTRUCT", "ReferencedSOPInstanceUID", "StudyInstanceUID"),
        ("SEG", "SeriesInstanceUID", "SeriesInstanceUID"),
        ("measurements", "ReferencedSOPInstanceUID", "SOPInstanceUID"),
        ("measurements", "UID", "SeriesInstanceUID"),
        ("REG", "FrameOfReferenceUID", "FrameOfReferenceUID"),
    ):
        assert (kind, name, place) in reached


def test_pixels_and_numbers_of_contours_are_the_same_bytes(scene: Scene) -> None:
    for pair in scene.pairs:
        if pair.kind == "CT" and not pair.before.name.endswith("1.dcm"):
            continue
        before, after = pydicom.dcmread(pair.before), pydicom.dcmread(pair.after)
        assert after.get("PixelData") == before.get("PixelData")
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        for one, other in zip(before.get("ROIContourSequence", ()), after.get("ROIContourSequence", ()), strict=True):
            assert [contour.ContourData for contour in one.ContourSequence] == [
                contour.ContourData for contour in other.ContourSequence
            ]


def test_a_case_on_the_new_files_gives_the_same_tables_and_maps(scene: Scene, tmp_path: Path) -> None:
    data = yaml.safe_load(scene.case.read_text(encoding="utf-8"))
    beside = scene.case.parent
    data["image"]["path"] = str(scene.after(beside / "spect.dcm"))
    data["ct"]["path"] = str(scene.after(next((beside / "CT").iterdir())).parent)
    data["segments"]["path"] = str(scene.after(beside / "moved.dcm"))
    data["registration"]["path"] = str(scene.after(beside / "reg.dcm"))
    data["sessions"][0]["dose_report"] = str(scene.after(beside / "report.dcm"))
    data["patient_id"] = scene.pseudonym
    shift = shift_of(scene)
    for session in data["sessions"]:
        if "administered_at" in session:
            session["administered_at"] = (datetime.fromisoformat(session["administered_at"]) + shift).isoformat()
    run_case_file(write_case(tmp_path / "case.yaml", data), tmp_path / "out")
    results = scene.source / "results"
    before, after = rows(results / "doses.csv"), rows(tmp_path / "out" / "doses.csv")
    assert len(before) > 4
    assert after == [{**row, "patient_id": scene.pseudonym} if "patient_id" in row else row for row in before]
    for name in ("dose.dcm", "bed.dcm"):
        one, other = read_volume(results / name), read_volume(tmp_path / "out" / name)
        np.testing.assert_array_equal(other.array, one.array)
    one, other = read_volume(results / "dose.dcm"), read_volume(scene.after(results / "dose.dcm"))
    np.testing.assert_array_equal(other.array, one.array)
    np.testing.assert_array_equal(other.grid.affine, one.grid.affine)
    assert load_case(tmp_path / "case.yaml").sessions[0].administered_activity_gbq == pytest.approx(
        load_case(scene.case).sessions[0].administered_activity_gbq, rel=1e-12
    )


def shift_of(scene: Scene) -> Any:
    pair = next(pair for pair in scene.pairs if pair.kind == "NM")
    days = [datetime.strptime(header_of(path).StudyDate, "%Y%m%d") for path in (pair.after, pair.before)]
    return days[0] - days[1]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def checkable(path: Path, folder: Path) -> Path:
    """The file, or a copy with samples of 16 bits: dciodvfy breaks down at 32."""
    dataset = pydicom.dcmread(path)
    if dataset.get("BitsAllocated") != 32:
        return path
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    dataset.save_as(folder / "checkable.dcm")
    return folder / "checkable.dcm"


def test_no_kind_of_object_gets_new_errors(scene: Scene, dciodvfy: Callable[[Path], list[str]], tmp_path: Path) -> None:
    looked_at: Counter[str] = Counter()
    for pair in scene.pairs:
        looked_at[pair.kind] += 1
        if looked_at[pair.kind] <= 2:
            before = {line.split("<2.")[0].split("<1.")[0] for line in dciodvfy(checkable(pair.before, tmp_path))}
            new = [line for line in dciodvfy(checkable(pair.after, tmp_path)) if line.split("<2.")[0] not in before]
            assert new == [], pair.kind
    assert set(looked_at) == set(KINDS.values())
