"""There and back: a virtual patient is sent to Orthanc, found, fetched and run; its results are sent and read."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from pathlib import Path

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.question import Question
from ytterby.dicom.network.retrieve import ReturnAddress
from ytterby.dicom.network.web import Credentials, WebArchive
from ytterby.dicom.read import read_segments, read_volume
from ytterby.errors import ConfigurationError, DicomError, NetworkError
from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.transfer import fetch, search, ship, shipment

LIMITS = Limits(free_bytes=1)


def by_uid(folder: Path) -> dict[str, Path]:
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in folder.rglob("*.dcm")}


@pytest.fixture
def dimse(orthanc) -> Archive:
    return Archive("127.0.0.1", orthanc.port, "ORTHANC", answer_seconds=20.0)


@pytest.fixture(scope="module")
def filled(orthanc, patient) -> str:
    """Study UID of the patient, who has been sent to the archive."""
    parcel = shipment([patient])
    archive = Archive("127.0.0.1", orthanc.port, "ORTHANC", answer_seconds=20.0)
    sent = ship(archive, parcel.files, lambda _: None)
    assert [one.outcome for one in sent] == ["sent"] * 102
    assert parcel.skipped == 3  # CASE.yaml, README.txt, truth.json
    return str(pydicom.dcmread(patient / "spect.dcm").StudyInstanceUID)


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_what_was_sent_is_found_and_fetched_to_the_byte(
    way, orthanc, dimse, filled, patient, tmp_path, dataset_bytes
) -> None:
    archive = WebArchive(orthanc.web) if way == "web" else dimse
    home = ReturnAddress("127.0.0.1", orthanc.home_port) if way == "move" else None
    for question in (Question(patient_id="V*", modality="SEG"), Question(date="20000101-")):
        found, more = search(archive, question)
        assert [(one.study_uid, one.instances, one.modality) for one in found] == [(filled, 102, "CT/NM/SEG")]
        assert not more
    assert not search(archive, Question(patient_id="NOBODY"))[0]
    assert len(search(archive, Question(study_uid=filled, series=True))[0]) == 3
    two, more = search(archive, Question(study_uid=filled, series=True, limit=2))
    assert (len(two), more) == (2, True)
    steps = []
    whole = fetch(
        archive, tmp_path / "study", filled, limits=LIMITS, home=home, progress=lambda *step: steps.append(step)
    )
    assert (whole.series, whole.objects) == (3, 102)
    assert steps[-1][:2] == (102, 102)
    sent, came = by_uid(patient), by_uid(whole.folder)
    assert sent.keys() == came.keys()
    for uid, path in sent.items():
        assert dataset_bytes(came[uid]) == dataset_bytes(path)
        one, other = pydicom.dcmread(path, stop_before_pixels=True), pydicom.dcmread(came[uid], stop_before_pixels=True)
        assert one.file_meta.TransferSyntaxUID == other.file_meta.TransferSyntaxUID
        assert came[uid].parent.name == one.SeriesInstanceUID
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study"]


def test_a_fetched_study_is_run_and_its_results_come_back(
    orthanc, dimse, filled, patient, tmp_path, dataset_bytes
) -> None:
    folder = fetch(dimse, tmp_path / "study", filled, limits=LIMITS).folder
    came = by_uid(folder)
    case = tmp_path / "case"
    case.mkdir()
    for name in ("spect.dcm", "segments.dcm"):
        shutil.copy(came[str(pydicom.dcmread(patient / name).SOPInstanceUID)], case / name)
    ct = {path.parent for path in came.values() if pydicom.dcmread(path, stop_before_pixels=True).Modality == "CT"}
    assert len(ct) == 1
    shutil.copytree(ct.pop(), case / "CT")
    shutil.copy(patient / "CASE.yaml", case)
    run_case(load_case(case / "CASE.yaml"), tmp_path / "results")
    run_case(load_case(patient / "CASE.yaml"), tmp_path / "direct")
    # What was computed from the fetched files is what is computed from those that were never sent.
    assert (tmp_path / "results" / "doses.csv").read_bytes() == (tmp_path / "direct" / "doses.csv").read_bytes()
    parcel = shipment([tmp_path / "results"])
    results = by_uid(tmp_path / "results")
    assert len(parcel.files) == len(results) >= 2
    web = WebArchive(orthanc.web)
    assert {one.outcome for one in ship(dimse, parcel.files, lambda _: None)} == {"sent"}
    assert {one.outcome for one in ship(web, parcel.files, lambda _: None)} <= {"sent", "warned"}
    study = str(pydicom.dcmread(tmp_path / "results" / "dose.dcm").StudyInstanceUID)
    again = fetch(web, tmp_path / "again", study, limits=LIMITS)
    back = by_uid(again.folder)
    assert results.keys() <= back.keys()
    for uid, path in results.items():
        assert dataset_bytes(back[uid]) == dataset_bytes(path)
    dose = str(pydicom.dcmread(tmp_path / "results" / "dose.dcm").SOPInstanceUID)
    segments = str(pydicom.dcmread(tmp_path / "results" / "segments.dcm").SOPInstanceUID)
    wanted, found = read_volume(tmp_path / "results" / "dose.dcm"), read_volume(back[dose])
    assert (wanted.array == found.array).all()
    names = [segment.name for segment in read_segments(tmp_path / "results" / "segments.dcm")]
    assert [segment.name for segment in read_segments(back[segments])] == names
    # An independent client of DICOMweb sees the same.
    other = DICOMwebClient(url=orthanc.web).retrieve_instance(
        study, str(pydicom.dcmread(back[dose]).SeriesInstanceUID), dose
    )
    assert other.DoseGridScaling == pydicom.dcmread(tmp_path / "results" / "dose.dcm").DoseGridScaling
    # They joined the study of the image. The other tests want it as it was.
    assert study == filled
    assert again.objects == 102 + len(results)
    rest = orthanc.web.removesuffix("/dicom-web")
    for uid in results:
        (entry,) = requests.post(f"{rest}/tools/lookup", data=uid, timeout=20).json()
        assert requests.delete(f"{rest}{entry['Path']}", timeout=20).ok


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_one_series_is_fetched_alone(way, orthanc, dimse, filled, patient, tmp_path) -> None:
    series = str(pydicom.dcmread(patient / "spect.dcm").SeriesInstanceUID)
    archive = WebArchive(orthanc.web) if way == "web" else dimse
    home = ReturnAddress("127.0.0.1", orthanc.home_port) if way == "move" else None
    one = fetch(archive, tmp_path / "series", filled, series, limits=LIMITS, home=home)
    assert (one.series, one.objects) == (1, 1)


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_what_is_not_whole_is_not_there(way, orthanc, dimse, filled, patient, tmp_path) -> None:
    archive = WebArchive(orthanc.web) if way == "web" else dimse
    home = ReturnAddress("127.0.0.1", orthanc.home_port) if way == "move" else None
    small = Limits(object_bytes=(patient / "spect.dcm").stat().st_size // 2, free_bytes=1)
    with pytest.raises(NetworkError, match=r"did not come|more than") as caught:
        fetch(archive, tmp_path / "study", filled, limits=small, home=home)
    if way != "web":
        assert str(pydicom.dcmread(patient / "spect.dcm").SOPInstanceUID) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_commands(orthanc, filled, ytterby, tmp_path, small) -> None:
    found = ytterby("find", orthanc.name, "--patient", "V*", "--json")
    assert found.returncode == 0, found.stderr
    assert [one["study_uid"] for one in json.loads(found.stdout)["found"]].count(filled) == 1
    assert filled in ytterby("find", orthanc.web, "--web").stdout.replace("\n", "")
    got = ytterby("fetch", orthanc.name, filled, "--out", tmp_path / "study", "--min-free", 1, "--json")
    assert got.returncode == 0, got.stderr
    assert json.loads(got.stdout)["objects"] >= 102
    assert "fetching: " in got.stderr
    sent = ytterby("send", orthanc.name, small, "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["sent"] == 11
    full = ytterby("fetch", orthanc.name, filled, "--out", tmp_path / "study")
    assert full.returncode == 2
    assert "the folder holds something" in full.stderr


def test_what_cannot_be_is_told(orthanc, dimse, filled, tmp_path) -> None:
    with pytest.raises(NetworkError, match="knows no such study"):
        fetch(dimse, tmp_path / "study", "1.2.3.4", limits=LIMITS)
    with pytest.raises(NetworkError, match=r"knows no such study|no such thing"):
        fetch(WebArchive(orthanc.web), tmp_path / "study", "1.2.3.4", limits=LIMITS)
    with pytest.raises(NetworkError, match="another AE title"):
        search(Archive("127.0.0.1", orthanc.port, "OTHER"), Question())
    with pytest.raises(NetworkError, match="no such thing"):
        search(WebArchive(orthanc.web + "/nowhere"), Question())
    stranger = Archive("127.0.0.1", orthanc.port, "ORTHANC", own_title="NOBODY", answer_seconds=20.0)
    # Neither a title that the archive does not know nor a port where it finds nobody keeps us waiting or guessing.
    for archive, title in ((stranger, "NOBODY"), (dimse, "YTTERBY")):
        with pytest.raises(NetworkError, match="C-MOVE") as caught:
            fetch(archive, tmp_path / "study", filled, limits=LIMITS, home=ReturnAddress("127.0.0.1", 0))
        assert re.search(
            rf"register our title, address and port \({title}, 127\.0\.0\.1, [1-9][0-9]+\)", str(caught.value)
        )
        assert "20 s" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# pynetdicom leaves a socket that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_unreachable_archive_is_told(tmp_path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens
        with pytest.raises(NetworkError, match="no connection"):
            search(Archive("127.0.0.1", port, "ANY"), Question())
        with pytest.raises(NetworkError, match=r"the connection failed \(Connection refused\)"):
            search(WebArchive(f"http://127.0.0.1:{port}"), Question())
        taken.listen()  # connects, and never says a word
        with pytest.raises(NetworkError, match="did not answer in time"):
            search(Archive("127.0.0.1", port, "ANY", connect_seconds=1.0, answer_seconds=0.5), Question())
        with pytest.raises(NetworkError, match="no answer in time"):
            search(WebArchive(f"http://127.0.0.1:{port}", answer_seconds=0.5), Question())
    with pytest.raises(NetworkError, match="the connection failed") as caught:
        search(WebArchive("http://archive.invalid"), Question())
    assert "Connection(" not in str(caught.value)
    with pytest.raises(NetworkError, match="no machine of this name"):
        search(Archive("archive.invalid", 104, "ANY"), Question())


@pytest.mark.parametrize(
    "written",
    ["20111332", "20110229", "00000101", "20110101-20111332", "20110102-20110101", "-", "2011", "20110101-2-3"],
)
def test_what_is_no_date_is_not_asked(written) -> None:
    with pytest.raises(ConfigurationError, match=r"is no date|ends before it begins"):
        Question(date=written)


@pytest.mark.parametrize("written", ["20120229", "20110101-20110101", "20110101-", "-20110101"])
def test_a_day_or_a_range_may_be_asked(written) -> None:
    assert Question(date=written).date == written


def test_a_web_address_without_the_option_is_told(ytterby) -> None:
    done = ytterby("find", "http://127.0.0.1:1/dicom-web")
    assert done.returncode == 2
    assert "add --web" in done.stderr


def answering(response: bytes) -> tuple[int, threading.Thread]:
    """A web server that gives one answer, whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(response)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n", "another machine"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "who asks"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no list"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[", "failed|broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"[" * 20000, "no JSON"),
        (b"nonsense\r\n\r\n", "the connection failed"),
    ],
    ids=["redirect", "unauthorised", "text", "object", "short", "deep", "nonsense"],
)
def test_a_hostile_web_server_is_told(response, told) -> None:
    port, thread = answering(response)
    with WebArchive(f"http://127.0.0.1:{port}", answer_seconds=5.0) as archive, pytest.raises(NetworkError, match=told):
        search(archive, Question())
    thread.join(10)


def test_secrets_do_not_travel_in_the_clear() -> None:
    with pytest.raises(ConfigurationError, match="in the clear"):
        WebArchive("http://archive.example/dicom-web", credentials=Credentials.bearer("secret"))
    with pytest.raises(ConfigurationError, match="holds a password"):
        WebArchive("https://user:secret@archive.example/dicom-web")
    assert "secret" not in repr(Credentials.basic("user:secret"))


# ---- sending, against dcmtk's own receiver


def test_files_that_are_not_taken_are_told_and_nothing_is_converted(dcmtk, ear, small, tmp_path, ytterby) -> None:
    packed = tmp_path / "send" / "packed.dcm"
    packed.parent.mkdir()
    shutil.copy(small / "0001.dcm", packed.parent)
    (packed.parent / "note.txt").write_text("no image")
    assert dcmtk("dcmcjpeg", "+e1", small / "0002.dcm", packed).returncode == 0
    one = ear(limits={"object_bytes": (small / "0001.dcm").stat().st_size // 2})
    done = ytterby("send", f"YTTERBY@127.0.0.1:{one.port}", packed.parent, "--json")
    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert (record["sent"], record["failed"], record["skipped"]) == (1, 1, 1)
    (failed,) = [file for file in record["files"] if file["outcome"] == "failed"]
    assert "0xA700" in failed["reason"]
    assert "larger than" in failed["reason"]


def test_a_truncated_file_is_not_sent_and_the_others_go(ear, small, tmp_path, ytterby, until) -> None:
    folder = tmp_path / "send"
    folder.mkdir()
    shutil.copy(small / "0001.dcm", folder)
    (folder / "0002.dcm").write_bytes((small / "0002.dcm").read_bytes()[:-1000])
    one = ear()
    for paths in ([folder], [folder / "0001.dcm", folder / "0002.dcm"]):
        done = ytterby("send", f"YTTERBY@127.0.0.1:{one.port}", *paths, "--json")
        assert done.returncode == 1, done.stderr
        record = json.loads(done.stdout)
        assert (record["sent"], record["failed"]) == (1, 1)
        (failed,) = [file for file in record["files"] if file["outcome"] == "failed"]
        assert Path(failed["path"]).name == "0002.dcm"
        assert "1000 bytes are missing" in failed["reason"]
    until(lambda: one.told, "the study")
    assert len(one.objects) == 1


def test_files_of_which_none_can_be_sent_are_listed(small, tmp_path, ytterby) -> None:
    for path in sorted(small.iterdir())[:2]:
        made = pydicom.dcmread(path)
        made.SOPInstanceUID = ""
        made.save_as(tmp_path / path.name)
    done = ytterby("send", "ANY@127.0.0.1:1", tmp_path)  # nobody is called
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("UID is missing") == 2
    assert "0 sent, 2 failed" in done.stdout


def test_there_has_to_be_something_to_send(tmp_path, small) -> None:
    (tmp_path / "note.txt").write_text("no image")
    with pytest.raises(DicomError, match="nothing to send"):
        shipment([tmp_path])
    with pytest.raises(DicomError, match="not a DICOM file"):
        shipment([small / "0001.dcm", tmp_path / "note.txt"])
    with pytest.raises(DicomError, match="no such file"):
        shipment([tmp_path / "absent.dcm"])
