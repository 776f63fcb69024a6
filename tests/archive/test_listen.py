"""The listener, with dcmtk's programs as independent peers, and with strangers who mean no good."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, _config
from pynetdicom.sop_class import CTImageStorage, Verification

from ytterby.dicom.network.calling import echo
from ytterby.dicom.network.peer import Archive, PeerRule, TlsFiles
from ytterby.errors import NetworkError
from ytterby.workflow.inspect import inspect
from ytterby.workflow.transfer import ship, shipment


def store(dcmtk, port: int, *words: object, to: str = "YTTERBY") -> subprocess.CompletedProcess[str]:
    return dcmtk("storescu", "-aec", to, "+sd", "127.0.0.1", port, *words)


def altered(source: Path, target: Path, **values: object) -> Path:
    dataset = pydicom.dcmread(source)
    for keyword, value in values.items():
        dataset[keyword].value = value
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(target)
    return target


def test_a_study_appears_whole_and_as_it_was_sent(ear, dcmtk, small, until, dataset_bytes) -> None:
    one = ear()
    assert dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0
    done = store(dcmtk, one.port, small)
    assert done.returncode == 0, done.stderr
    until(lambda: one.told, "the study")
    (study,) = one.told
    assert (study.sender, study.objects, study.whole) == ("STORESCU", 11, True)
    sent = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in small.iterdir()}
    assert {path.stem for path in one.objects} == set(sent)
    for path in one.objects:
        assert dataset_bytes(path) == dataset_bytes(sent[path.stem])
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert path.relative_to(one.out).parts == (
            header.PatientID,
            header.StudyInstanceUID,
            header.SeriesInstanceUID,
            f"{header.SOPInstanceUID}.dcm",
        )
        assert header.file_meta.TransferSyntaxUID == pydicom.dcmread(sent[path.stem]).file_meta.TransferSyntaxUID
    assert not list((one.out / ".arriving" / "spool").iterdir())


def test_what_is_compressed_is_stored_compressed(ear, dcmtk, small, tmp_path, until, dataset_bytes) -> None:
    packed = tmp_path / "packed.dcm"
    assert dcmtk("dcmcjpeg", "+e1", small / "0001.dcm", packed).returncode == 0
    one = ear()
    assert dcmtk("storescu", "-aec", "YTTERBY", "-xs", "127.0.0.1", one.port, packed).returncode == 0
    until(lambda: one.told, "the study")
    (path,) = one.objects
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    assert dataset_bytes(path) == dataset_bytes(packed)


def test_one_study_in_several_associations_appears_once(ear, dcmtk, small, until) -> None:
    one = ear(quiet_seconds=1.5)
    for path in sorted(small.iterdir())[:4]:
        assert store(dcmtk, one.port, path).returncode == 0
        assert not one.objects
    until(lambda: one.told, "the study")
    assert [study.objects for study in one.told] == [4]
    assert store(dcmtk, one.port, small).returncode == 0
    until(lambda: len(one.told) == 2, "the rest of it")
    assert [study.objects for study in one.told] == [4, 7]
    assert len(one.objects) == 11


def test_the_same_again_is_welcome_and_other_bytes_are_refused(ear, dcmtk, small, tmp_path, until) -> None:
    one = ear()
    assert store(dcmtk, one.port, small / "0001.dcm").returncode == 0
    until(lambda: one.told, "the study")
    (kept,) = one.objects
    before = kept.read_bytes()
    assert store(dcmtk, one.port, small / "0001.dcm").returncode == 0
    other = altered(small / "0001.dcm", tmp_path / "other.dcm", SeriesDescription="another")
    refused = dcmtk("storescu", "-v", "-aec", "YTTERBY", "127.0.0.1", one.port, other)
    assert "CannotUnderstand" in refused.stdout + refused.stderr
    assert one.objects == [kept]
    assert kept.read_bytes() == before


def test_the_request_has_to_name_the_object_that_comes(ear, small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    dataset = pydicom.dcmread(small / "0001.dcm")
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.save_as(tmp_path / "lie.dcm")
    one = ear()
    entity = AE("LIAR")
    entity.add_requested_context(CTImageStorage)
    association = entity.associate("127.0.0.1", one.port, ae_title="YTTERBY")
    assert association.is_established
    assert association.send_c_store(tmp_path / "lie.dcm").Status == 0xA900
    association.release()
    assert not one.objects


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyInstanceUID", "../../escaped"), ("SeriesInstanceUID", "/escaped"), ("StudyInstanceUID", "")],
)
def test_no_uid_leads_out_of_the_folder(ear, dcmtk, small, tmp_path, keyword, value) -> None:
    bad = tmp_path / "bad.dcm"
    with pytest.warns(UserWarning, match="UI") if value else pytest.MonkeyPatch.context():
        altered(small / "0001.dcm", bad, **{keyword: value})
    one = ear()
    assert "CannotUnderstand" in store(dcmtk, one.port, "-v", bad).stderr
    assert not one.objects
    assert sorted(path.name for path in one.out.iterdir()) == [".arriving"]


def test_no_patient_id_leads_out_of_the_folder(ear, dcmtk, small, tmp_path, until) -> None:
    one = ear()
    assert (
        store(dcmtk, one.port, altered(small / "0001.dcm", tmp_path / "bad.dcm", PatientID="../../up")).returncode == 0
    )
    until(lambda: one.told, "the study")
    (path,) = one.objects
    assert path.resolve().is_relative_to(one.out.resolve())
    assert path.relative_to(one.out).parts[0].startswith("up-") or "up" in path.relative_to(one.out).parts[0]
    assert len(path.relative_to(one.out).parts) == 4


def test_strangers_are_refused(ear, dcmtk, small) -> None:
    one = ear(peers=(PeerRule.parsed("SCANNER@127.0.0.1"),))
    assert "Called AE Title Not Recognized" in store(dcmtk, one.port, small, "-aet", "SCANNER", to="OTHER").stderr
    assert "Calling AE Title Not Recognized" in store(dcmtk, one.port, small).stderr
    assert dcmtk("echoscu", "-aet", "SCANNER", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0
    assert not one.objects


def test_other_addresses_are_not_let_in(ear, dcmtk) -> None:
    one = ear(peers=(PeerRule.parsed("@10.0.0.0/8"),))
    assert dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode != 0


def test_an_object_that_is_too_large_is_refused(ear, dcmtk, small, until) -> None:
    size = (small / "spect.dcm").stat().st_size
    assert size > 4 * (small / "0001.dcm").stat().st_size
    one = ear(limits={"object_bytes": size // 2})
    assert (
        "OutOfResources"
        in dcmtk("storescu", "-v", "-aec", "YTTERBY", "127.0.0.1", one.port, small / "spect.dcm").stderr
    )
    assert store(dcmtk, one.port, small / "0001.dcm").returncode == 0
    until(lambda: one.told, "the small one")
    assert len(one.objects) == 1


def test_a_full_disk_is_told(ear, dcmtk, small) -> None:
    one = ear(limits={"free_bytes": 2**60})
    assert "OutOfResources" in store(dcmtk, one.port, "-v", small / "0001.dcm").stderr
    assert not one.objects


def test_there_are_only_so_many_associations(ear, dcmtk) -> None:
    one = ear(limits={"associations": 1})
    entity = AE("HOLDER")
    entity.add_requested_context(Verification)
    held = entity.associate("127.0.0.1", one.port, ae_title="YTTERBY")
    assert held.is_established
    refused = dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port)
    assert "Local Limit Exceeded" in refused.stderr
    held.release()
    time.sleep(0.2)
    assert dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0


def association_request(called: bytes = b"YTTERBY", *, length: int | None = None) -> bytes:
    """A-ASSOCIATE-RQ for CT (PS3.8 section 9.3.2), written by hand."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    application = item(0x10, b"1.2.840.10008.3.1.1.1")
    syntaxes = item(0x30, b"1.2.840.10008.5.1.4.1.1.2") + item(0x40, b"1.2.840.10008.1.2.1")
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    titles = called.ljust(16) + b"STRANGER".ljust(16)
    body = (
        struct.pack(">HH", 1, 0) + titles + bytes(32) + application + item(0x20, bytes([1, 0, 0, 0]) + syntaxes) + user
    )
    return struct.pack(">BBI", 1, 0, len(body) if length is None else length) + body


def pdv(data: bytes, context: int = 1) -> bytes:
    value = struct.pack(">IB", len(data) + 1, context) + data
    return struct.pack(">BBI", 4, 0, len(value)) + value


NOISE = random.Random(19)
HOSTILE = {
    "noise": [NOISE.randbytes(5000)],
    "http": [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "announced 4 GiB": [b"\x01\x00\xff\xff\xff\xff" + bytes(1000)],
    "data before asking": [pdv(b"\x03" + bytes(50))],
    "items beyond the end": [association_request()[:-10] + b"\xff" * 10],
    "cut off": [association_request()[:60]],
    "empty data value": [association_request(), struct.pack(">BBI", 4, 0, 6) + struct.pack(">IB", 1, 1) + b"\x00"],
    "no data value": [association_request(), struct.pack(">BBI", 4, 0, 0)],
    "length below": [association_request(), struct.pack(">BBI", 4, 0, 4) + struct.pack(">I", 0)],
    "unknown command": [association_request(), pdv(b"\x03" + bytes.fromhex("00000001020000009999"))],
    "noise as command": [association_request(), pdv(b"\x03" + NOISE.randbytes(400))],
    "data without command": [association_request(), pdv(b"\x02" + NOISE.randbytes(400))],
    "endless command": [association_request(), *[pdv(b"\x01" + bytes(16000))] * 10],
    "unknown context": [association_request(), pdv(b"\x03" + bytes(30), context=99)],
    "announced 1 GiB of data": [association_request(), b"\x04\x00\x40\x00\x00\x00" + bytes(100)],
    "twice": [association_request(), association_request()],
    "deep nonsense": [association_request(), bytes([7, 0, 0, 0, 0, 4]) + bytes(4), NOISE.randbytes(100)],
}


def test_whatever_comes_the_listener_goes_on(ear, dcmtk, small, until) -> None:
    one = ear(limits={"idle_seconds": 1.0, "opening_seconds": 1.0})
    for messages in HOSTILE.values():
        with socket.create_connection(("127.0.0.1", one.port), timeout=10) as stranger:
            try:
                for message in messages:
                    stranger.sendall(message)
                    time.sleep(0.02)
            except OSError:
                continue
    assert dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", one.port), timeout=10) as stranger:
            try:
                stranger.sendall(association_request()[: NOISE.randrange(6, 200)] + NOISE.randbytes(200))
            except OSError:
                continue
    until(lambda: dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0, "an answer")
    assert store(dcmtk, one.port, small / "0001.dcm").returncode == 0
    until(lambda: one.told, "the study")


def test_slow_strangers_are_let_go(ear, dcmtk) -> None:
    one = ear(limits={"opening_seconds": 0.6, "idle_seconds": 0.6})
    silent = socket.create_connection(("127.0.0.1", one.port), timeout=10)
    slow = socket.create_connection(("127.0.0.1", one.port), timeout=10)
    begun = time.monotonic()
    with silent, slow:

        def drip() -> None:
            for byte in association_request():
                slow.send(bytes([byte]))
                time.sleep(0.1)

        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            drip()
        assert time.monotonic() - begun < 4
        assert silent.recv(100) == b""
        assert time.monotonic() - begun < 5
    assert dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0


def test_a_flood_of_connections_is_bounded(ear, dcmtk, until) -> None:
    one = ear(limits={"associations": 2, "opening_seconds": 20.0})
    flood = [socket.create_connection(("127.0.0.1", one.port), timeout=10) for _ in range(60)]
    closed: set[int] = set()

    def turned_away() -> bool:
        for number, connection in enumerate(flood):
            connection.setblocking(False)
            try:
                if connection.recv(10) == b"":
                    closed.add(number)
            except ConnectionResetError:
                closed.add(number)
            except BlockingIOError:
                pass
        return len(closed) >= 60 - (4 * 2 + 8)

    until(turned_away, "the bound", 15.0)
    for connection in flood:
        connection.close()
    until(lambda: dcmtk("echoscu", "-aec", "YTTERBY", "127.0.0.1", one.port).returncode == 0, "room")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, TlsFiles]:
    """Certificates of a listener and a caller, signed by themselves, and one of a stranger (openssl makes them)."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("listener", "caller", "stranger"):
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)
    trusts = {"listener": "caller", "caller": "listener", "stranger": "listener"}
    return {
        name: TlsFiles(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{other}.pem")
        for name, other in trusts.items()
    }


def test_tls_asks_for_the_certificate_of_the_caller(ear, dcmtk, small, certificates, until) -> None:
    one = ear(tls=certificates["listener"], limits={"opening_seconds": 1.0, "idle_seconds": 2.0})

    def echoed(name: str) -> int:
        files = certificates[name]
        words = ["+tls", files.key, files.certificate, "+cf", files.trusted]
        return dcmtk("echoscu", *words, "-aec", "YTTERBY", "127.0.0.1", one.port).returncode

    with socket.create_connection(("127.0.0.1", one.port)):  # says nothing: no other waits for it
        assert echoed("caller") == 0
    assert echoed("stranger") != 0
    assert dcmtk("echoscu", "-to", 2, "-ta", 2, "-td", 2, "-aec", "YTTERBY", "127.0.0.1", one.port).returncode != 0
    context = ssl.create_default_context(cafile=certificates["caller"].trusted)

    def nameless() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", one.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            wrapped.sendall(association_request())
            return wrapped.recv(100)

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        nameless()
    files = certificates["caller"]
    done = store(dcmtk, one.port, "+tls", files.key, files.certificate, "+cf", files.trusted, small / "0001.dcm")
    assert done.returncode == 0, done.stderr
    until(lambda: one.told, "the study")


def test_our_own_caller_speaks_tls_and_checks_who_answers(ear, certificates, small, until) -> None:
    one = ear(tls=certificates["listener"], limits={"opening_seconds": 2.0, "idle_seconds": 2.0})

    def archive(files: TlsFiles | None) -> Archive:
        return Archive("127.0.0.1", one.port, "YTTERBY", tls=files, connect_seconds=3.0, answer_seconds=3.0)

    files = certificates["caller"]
    echo(archive(files))
    with pytest.raises(NetworkError, match="certificate is not trusted"):
        echo(archive(TlsFiles(files.certificate, files.key, certificates["stranger"].certificate)))
    with pytest.raises(NetworkError):
        echo(archive(None))
    with pytest.raises(NetworkError):
        echo(archive(TlsFiles(trusted=files.trusted)))  # the listener wants to know who calls
    sent = ship(archive(files), shipment([small / "0001.dcm"]).files, lambda _: None)
    assert [result.outcome for result in sent] == ["sent"]
    until(lambda: one.told, "the study")


# ---- killed in the middle


def parts_of(out: Path) -> int:
    return len(list(out.glob(".arriving/*@*/**/*.dcm.part")))


def storing(port: int, folder: Path) -> subprocess.Popen[str]:
    command = ["storescu", "-aec", "YTTERBY", "+sd", "127.0.0.1", str(port), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)


def test_a_sender_killed_in_the_middle_leaves_no_half_study(ear, dcmtk, patient, until) -> None:
    one = ear()
    sender = storing(one.port, patient / "CT")
    until(lambda: parts_of(one.out) >= 10, "some objects")
    sender.kill()
    sender.wait()
    until(lambda: one.told, "what happens to them")
    (half,) = one.told
    assert not half.whole
    assert 10 <= half.objects < 100
    assert not one.objects
    assert not inspect(one.out).series
    assert any("did not end well" in file.reason for file in inspect(one.out).skipped)
    note = (half.folder / "incomplete.json").read_text()
    assert "STORESCU" in note
    assert half.study_uid in note
    # The sender comes again and brings the rest; what was acknowledged need not be sent again.
    left = [
        p for p in (patient / "CT").iterdir() if not list(half.folder.rglob(f"{pydicom.dcmread(p).SOPInstanceUID}*"))
    ]
    assert len(left) + half.objects == 100
    assert store(dcmtk, one.port, *left).returncode == 0
    until(lambda: one.whole, "the whole study")
    assert one.whole[0].objects == 100
    assert len(one.objects) == 100
    assert not list((one.out / "incomplete").iterdir())


def test_a_listener_killed_in_the_middle_leaves_no_half_study(
    listening, dcmtk, patient, tmp_path, until, dataset_bytes
) -> None:
    out = tmp_path / "received"
    with listening(out) as first:
        sender = storing(first.port, patient / "CT")
        until(lambda: parts_of(out) >= 10, "some objects")
        first.kill()
        sender.wait(timeout=30)
    assert sender.returncode != 0
    assert not list(out.rglob("*.dcm"))
    assert not inspect(out).series
    with listening(out) as second:
        assert [study["whole"] for study in second.studies] == [False]
        assert second.studies[0]["reason"] == "the receiver was stopped in the middle of it"
        assert not second.objects
        assert not list((out / ".arriving" / "spool").iterdir())
        assert store(dcmtk, second.port, patient / "CT").returncode == 0
        until(lambda: len(second.studies) == 2, "the whole study")
        assert second.studies[1]["whole"]
        assert len(second.objects) == 100
        assert not list((out / "incomplete").iterdir())
        assert second.stop() == 0
    assert len(inspect(out).series) == 1
    sent = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in (patient / "CT").iterdir()}
    assert all(dataset_bytes(path) == dataset_bytes(sent[path.stem]) for path in out.rglob("*.dcm"))


def test_a_whole_study_that_waits_for_quiet_appears_at_the_end(listening, dcmtk, small, tmp_path, ytterby) -> None:
    out = tmp_path / "received"
    with listening(out, "--quiet-seconds", 60) as one:
        assert store(dcmtk, one.port, small).returncode == 0
        second = ytterby("listen", "--out", out, "--port", 0)
        assert second.returncode == 2
        assert "another process receives into this folder" in second.stderr
        assert not one.objects
        assert one.stop() == 0
        assert len(one.objects) == 11


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=["term", "hangup", "interrupt"])
def test_an_orderly_end_leaves_studies_alone(number, listening, dcmtk, small, tmp_path) -> None:
    out = tmp_path / "received"
    for objects in (["0001.dcm"], ["0001.dcm", "0002.dcm"]):
        with listening(out, "--quiet-seconds", 60) as one:
            (out / "incomplete").mkdir()
            assert store(dcmtk, one.port, *(small / name for name in objects)).returncode == 0
            one.process.send_signal(number)
            assert one.process.wait(timeout=20) == 0
            assert len(one.objects) == len(objects)
            assert not [path.name for path in out.iterdir() if path.name in (".arriving", "incomplete")]


def test_a_whole_study_of_a_killed_listener_appears_at_the_next_start(listening, dcmtk, small, tmp_path) -> None:
    out = tmp_path / "received"
    with listening(out, "--quiet-seconds", 60) as one:
        assert store(dcmtk, one.port, small).returncode == 0
        time.sleep(0.3)
        one.kill()
    assert not list(out.rglob("*.dcm"))
    with listening(out, "--quiet-seconds", 60) as second:
        assert [study["whole"] for study in second.studies] == [True]
        assert len(second.objects) == 11


def test_the_world_is_not_listened_to_by_default(ytterby, tmp_path) -> None:
    done = ytterby("listen", "--out", tmp_path / "received", "--bind", "0.0.0.0")
    assert done.returncode == 2
    assert "--peer" in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = ytterby("listen", "--out", tmp_path / "received", "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "cannot listen there" in done.stderr
    done = ytterby("listen", "--out", tmp_path / "none", "--port", 99999)
    assert done.returncode == 2
    assert "99999 is no port" in done.stderr
    assert not (tmp_path / "none").exists()
