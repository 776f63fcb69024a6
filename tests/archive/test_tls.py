"""TLS against a real Orthanc: the right certificate works, a wrong one or another name is told."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.peer import Archive, TlsFiles
from ytterby.dicom.network.question import Question
from ytterby.dicom.network.web import Credentials, WebArchive
from ytterby.errors import NetworkError
from ytterby.workflow.transfer import fetch, search, ship, shipment

LIMITS = Limits(free_bytes=1)
USER = Credentials.basic("reader:not a secret")


@pytest.fixture(scope="module")
def issued(tmp_path_factory) -> Path:
    """Folder with two authorities (ours, other), and certificates of ours for the archive (127.0.0.1 alone) and for us."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("issued")

    def openssl(*words: str) -> None:
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)

    request = ["req", "-newkey", "rsa:2048", "-nodes"]
    for name in ("ours", "other"):
        openssl(
            *request, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("archive", "caller"):
        openssl(*request, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial"]
        openssl(*signing, "-days", "2", "-extfile", "names", "-out", f"{name}.pem")
    # Orthanc wants certificate and key of its web server in one file.
    (folder / "web.pem").write_text((folder / "archive.key").read_text() + (folder / "archive.pem").read_text())
    return folder


@pytest.fixture
def secured(running, issued, tmp_path) -> Iterator[object]:
    """An archive of each test's own: Orthanc 1.10 stops listening for DICOM after a handshake that fails."""
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(issued / "archive.pem"),
        "DicomTlsPrivateKey": str(issued / "archive.key"),
        "DicomTlsTrustedCertificates": str(issued / "ours.pem"),
        "SslEnabled": True,
        "SslCertificate": str(issued / "web.pem"),
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"reader": "not a secret"},
    }
    (tmp_path / "archive").mkdir()
    with running(tmp_path / "archive", **settings) as archive:
        yield archive


def files(issued: Path, trusted: str = "ours") -> TlsFiles:
    return TlsFiles(issued / "caller.pem", issued / "caller.key", issued / f"{trusted}.pem")


def test_a_series_goes_there_and_comes_back_by_tls(secured, issued, small, tmp_path, dataset_bytes) -> None:
    archive = Archive("127.0.0.1", secured.port, "ORTHANC", tls=files(issued), answer_seconds=20.0)
    assert {one.outcome for one in ship(archive, shipment([small / "spect.dcm"]).files, lambda _: None)} == {"sent"}
    header = pydicom.dcmread(small / "spect.dcm", stop_before_pixels=True)
    found, _ = search(archive, Question(study_uid=header.StudyInstanceUID))
    assert [one.instances for one in found] == [1]
    whole = fetch(archive, tmp_path / "study", header.StudyInstanceUID, header.SeriesInstanceUID, limits=LIMITS)
    (came,) = whole.folder.rglob("*.dcm")
    assert dataset_bytes(came) == dataset_bytes(small / "spect.dcm")


# pynetdicom leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("host", "trusted", "told"),
    [("127.0.0.1", "other", "certificate"), ("localhost", "ours", "[Hh]ostname mismatch|not valid for|doesn't match")],
    ids=["issuer", "name"],
)
def test_a_wrong_issuer_and_a_wrong_name_are_told(host, trusted, told, secured, issued) -> None:
    archive = Archive(host, secured.port, "ORTHANC", tls=files(issued, trusted), answer_seconds=5.0)
    web = WebArchive(
        f"https://{host}:{secured.http}/dicom-web", credentials=USER, tls=TlsFiles(trusted=issued / f"{trusted}.pem")
    )
    for way in (archive, web):
        with pytest.raises(NetworkError, match=told) as caught:
            search(way, Question())
        assert "--tls-trusted" in str(caught.value)
        assert "Connection" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_caller_without_a_certificate_is_told(secured, issued) -> None:
    nameless = TlsFiles(trusted=issued / "ours.pem")
    with pytest.raises(NetworkError, match=r"asks for our certificate|TLS failed"):
        search(Archive("127.0.0.1", secured.port, "ORTHANC", tls=nameless, answer_seconds=5.0), Question())
