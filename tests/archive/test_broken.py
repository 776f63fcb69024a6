"""Transfers that are broken off: ourselves killed, the archive killed, the connection lost again and again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.retrieve import ReturnAddress
from ytterby.dicom.network.web import WebArchive
from ytterby.errors import NetworkError
from ytterby.workflow.inspect import inspect
from ytterby.workflow.transfer import fetch, ship, shipment

LIMITS = Limits(free_bytes=1)

# A fetch that kills itself while the third object comes: at the same place each time, and without a chance to tidy up.
KILLED = """
import os, signal, sys
from pathlib import Path
from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.web import WebArchive
from ytterby.workflow.transfer import fetch

way, port, web, study, out = sys.argv[1:]
archive = WebArchive(web) if way == "web" else Archive("127.0.0.1", int(port), "ORTHANC")
step = lambda count, *_: os.kill(os.getpid(), signal.SIGKILL) if count == 3 else None
fetch(archive, Path(out), study, limits=Limits(free_bytes=1), progress=step)
"""


def of(one, way: str) -> tuple[Archive | WebArchive, ReturnAddress | None]:
    archive = WebArchive(one.web, answer_seconds=20.0) if way == "web" else None
    home = ReturnAddress("127.0.0.1", one.home_port) if way == "move" else None
    return archive or Archive("127.0.0.1", one.port, "ORTHANC", answer_seconds=20.0), home


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture(scope="module")
def study(small) -> str:
    return str(pydicom.dcmread(small / "spect.dcm", stop_before_pixels=True).StudyInstanceUID)


@pytest.fixture(scope="module")
def storage(running, small, tmp_path_factory) -> Path:
    """Folder of an archive that holds the small study, and does not run."""
    folder = tmp_path_factory.mktemp("storage")
    with running(folder) as one:
        assert {sent.outcome for sent in ship(of(one, "get")[0], shipment([small]).files, lambda _: None)} == {"sent"}
    return folder


def test_a_fetch_that_was_killed_is_tidied_up_by_the_next(running, storage, study, tmp_path) -> None:
    with running(storage) as one:
        for way in ("get", "web"):
            words = [sys.executable, "-c", KILLED, way, str(one.port), one.web, study, str(tmp_path / "study")]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == -signal.SIGKILL, done.stderr
            (left,) = tmp_path.iterdir()
            assert left.name.startswith(".study.")
            assert len(list(left.rglob("*.dcm.part"))) == 3
            assert not list(left.rglob("*.dcm"))
            assert not inspect(tmp_path).series
            # What is not ours stays: another program's folder, a file, a link, and one that a running case writes.
            (tmp_path / ".other.abcd1234.unfinished").mkdir()
            (tmp_path / ".file.abcd1234.fetching").touch()
            (tmp_path / ".link.abcd1234.fetching").symlink_to(tmp_path / ".other.abcd1234.unfinished")
            stay = [name for name in entries(tmp_path) if name != left.name]
            whole = fetch(of(one, way)[0], tmp_path / "another", study, limits=LIMITS)  # whatever its name is
            assert whole.objects == 11
            assert entries(tmp_path) == sorted([*stay, "another"])
            for name in stay:
                (tmp_path / name).rmdir() if name.startswith(".other") else (tmp_path / name).unlink()
            (tmp_path / "another").rename(tmp_path.with_name(f"{tmp_path.name}-{way}"))

        # A fetch that runs is left alone by others.
        def beside(count: int, *_: object) -> None:
            if count == 3:
                fetch(of(one, "web")[0], tmp_path / "second", study, limits=LIMITS)

        assert fetch(of(one, "get")[0], tmp_path / "first", study, limits=LIMITS, progress=beside).objects == 11
        assert entries(tmp_path) == ["first", "second"]
        (storage / "plain").mkdir()
        assert oct((tmp_path / "first").stat().st_mode) == oct((storage / "plain").stat().st_mode)


@pytest.mark.parametrize("way", ["get", "move", "web"])
def test_an_archive_that_is_killed_is_told_and_nothing_is_kept(way, running, storage, study, tmp_path) -> None:
    with running(storage) as one:
        archive, home = of(one, way)

        def killing(count: int, *_: object) -> None:
            if count == 3:
                one.kill()

        with pytest.raises(NetworkError, match=r"no answer to C-|did not come|connection failed|breaks off") as caught:
            fetch(archive, tmp_path / "study", study, limits=LIMITS, home=home, progress=killing)
        assert one.processes[-1].returncode == -signal.SIGKILL
        assert caught.value.remedy
    assert entries(tmp_path) == []


# ---- a receiver that loses the connection


@contextmanager
def receiver(answer: Callable[[evt.Event], int], asked: list[int] | None = None) -> Iterator[Archive]:
    """A receiver of pynetdicom; ``asked`` gets the number of contexts of each association."""
    entity = AE("RECEIVER")
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), SYNTAXES)

    def accepted(event: evt.Event) -> None:
        if asked is not None:
            asked.append(len(event.assoc.accepted_contexts))

    handlers = [(evt.EVT_C_STORE, answer), (evt.EVT_ACCEPTED, accepted)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield Archive("127.0.0.1", server.server_address[1], "RECEIVER", answer_seconds=10.0)
    finally:
        server.shutdown()


SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_what_was_lost_with_its_connection_is_sent_again(retries, small) -> None:
    came: list[str] = []

    def answer(event: evt.Event) -> int:
        came.append(str(event.request.AffectedSOPInstanceUID))
        if len(came) in (4, 9):  # breaks off in the middle of the first association, and of the second
            event.assoc.abort()
        return 0x0000

    files = shipment([small]).files
    told: list[str] = []
    asked: list[int] = []
    with receiver(answer, asked) as archive:
        results = ship(archive, files, lambda sent: told.append(sent.sop_uid), retries=retries)
    assert [one.sop_uid for one in results] == [file.sop_uid for file in files]
    assert sorted(told) == sorted(file.sop_uid for file in files)  # each is told once
    assert len(asked) == min(retries, 2) + 1
    sent = [one for one in results if one.outcome == "sent"]
    assert len(sent) == {0: 3, 1: 7, 3: 11}[retries]
    assert {one.sop_uid for one in sent} <= set(came)
    for one in results:
        if not one.taken:
            assert "the connection" in one.reason
            assert not one.again
    # Nothing that was acknowledged is sent again: the two at which it broke off, at most.
    assert len(came) <= len(set(came)) + 2


def test_a_receiver_that_always_breaks_off_is_given_up(small) -> None:
    def answer(event: evt.Event) -> int:
        event.assoc.abort()
        return 0x0000

    with receiver(answer) as archive:
        results = ship(archive, shipment([small]).files, lambda _: None, retries=2)
    assert {one.outcome for one in results} == {"failed"}
    assert all("the connection" in one.reason for one in results)


def test_more_kinds_than_one_association_carries_go_in_two(small, tmp_path) -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:70]]
    dataset = pydicom.dcmread(small / "0001.dcm")
    dataset.PixelData = bytes(8)
    dataset.Rows = dataset.Columns = 2
    for number, sop_class in enumerate(classes):
        for syntax in SYNTAXES:
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
            uid = f"1.2.3.{number}.{SYNTAXES.index(syntax)}"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.file_meta.TransferSyntaxUID = syntax
            implicit = syntax == SYNTAXES[0]
            pydicom.dcmwrite(
                tmp_path / f"{uid}.dcm", dataset, implicit_vr=implicit, little_endian=True, force_encoding=True
            )
    came: list[tuple[str, str, str]] = []

    def answer(event: evt.Event) -> int:
        request = event.request
        came.append((request.AffectedSOPInstanceUID, request.AffectedSOPClassUID, event.context.transfer_syntax))
        return 0x0000

    asked: list[int] = []
    files = shipment([tmp_path]).files
    with receiver(answer, asked) as archive:
        results = ship(archive, files, lambda _: None)
    assert {one.outcome for one in results} == {"sent"}
    assert asked == [128, 12]
    assert sorted(came) == sorted((file.sop_uid, file.sop_class, file.transfer_syntax) for file in files)
    assert len(came) == 140
