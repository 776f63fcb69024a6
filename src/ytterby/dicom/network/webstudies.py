"""Studies by DICOMweb: QIDO-RS asks, WADO-RS fetches, STOW-RS sends (DICOM PS3.18 section 10)."""

from __future__ import annotations

import io
import itertools
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from ytterby.dicom.header import UNFINISHED
from ytterby.dicom.network.guard import Limits
from ytterby.dicom.network.inbox import Inbox
from ytterby.dicom.network.multipart import boundary_of, parts
from ytterby.dicom.network.place import is_uid
from ytterby.dicom.network.query import checked
from ytterby.dicom.network.question import MOST_INSTANCES, Expected, Found, Question, cleaned
from ytterby.dicom.network.store import Outgoing, Sent
from ytterby.dicom.network.web import WebArchive
from ytterby.errors import DicomError, NetworkError

__all__ = ["fetch_by_web", "find_by_web", "send_by_web", "web_expected"]

_JSON = "application/dicom+json"
_OBJECTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def find_by_web(archive: WebArchive, question: Question) -> tuple[tuple[Found, ...], bool]:
    """Studies or series that match, in the order of their dates and UIDs; and whether there are more than the limit.

    Raises
    ------
    NetworkError
        The archive cannot be reached, refuses, or answers with something else than a list.
    """
    keys = {
        "PatientID": question.patient_id,
        "PatientName": question.patient_name,
        "StudyDate": question.date,
        "AccessionNumber": question.accession,
        "Modality" if question.series else "ModalitiesInStudy": question.modality,
    }
    fields = "00081030,00081060,00080061" if not question.series else "0008103E,00080060,00201209"
    parameters = {
        **{key: value for key, value in keys.items() if value},
        **({} if question.series else {"StudyInstanceUID": question.study_uid} if question.study_uid else {}),
        "limit": str(question.limit + 1),
        "includefield": fields,
    }
    path = f"studies/{question.study_uid}/series" if question.series else "studies"
    answers = _listed(archive, archive.answer_json(path, _JSON, parameters))
    found = [_found(answer, question) for answer in answers[: question.limit]]
    kept = [one for one in found if is_uid(one.study_uid) and (is_uid(one.series_uid) or not question.series)]
    ordered = sorted(kept, key=lambda one: (one.date, one.study_uid, one.series_uid))
    return tuple(ordered), len(answers) > question.limit


def web_expected(archive: WebArchive, study_uid: str, series_uid: str = "") -> tuple[Expected, ...]:
    """Every object that the archive says belongs to a study, or to one series of it; NetworkError as ``query.expected``."""
    path = f"studies/{study_uid}/series/{series_uid}/instances" if series_uid else f"studies/{study_uid}/instances"
    answers = _listed(archive, archive.answer_json(path, _JSON, {"includefield": "00080016"}))
    objects = [
        Expected(series_uid or _value(answer, "0020000E"), _value(answer, "00080018"), _value(answer, "00080016"))
        for answer in answers[:MOST_INSTANCES]
    ]
    return checked(objects, str(archive))


def fetch_by_web(archive: WebArchive, study_uid: str, wanted: Sequence[Expected], inbox: Inbox, limits: Limits) -> None:
    """Fill the inbox by WADO-RS, series by series; every object in the transfer syntax that it is stored in.

    Raises
    ------
    NetworkError
        The archive cannot be reached or refuses, its answer breaks off, is too large, or holds what was not asked for.
    """
    numbers = itertools.count(1)

    def opened() -> BinaryIO:
        return cast(BinaryIO, (inbox.spool / f"{os.getpid()}-{next(numbers)}{UNFINISHED}").open("xb"))

    for series_uid in sorted({one.series_uid for one in wanted}):
        most = sum(one.series_uid == series_uid for one in wanted)
        with archive.response(f"studies/{study_uid}/series/{series_uid}", _OBJECTS) as response:
            boundary = boundary_of(response.headers.get("Content-Type", ""), str(archive))
            pieces = archive.pieces(response)
            for file in parts(
                pieces, boundary, opened, most_parts=most, most_bytes=limits.object_bytes, where=str(archive)
            ):
                path = Path(file.name)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                try:
                    inbox.take(path)
                except DicomError as error:
                    raise NetworkError(f"it sends an object that is none: {error.what}", where=str(archive)) from error
                finally:
                    path.unlink(missing_ok=True)


def send_by_web(
    archive: WebArchive, files: Sequence[Outgoing], told: Callable[[Sent], None], *, retries: int = 1
) -> tuple[Sent, ...]:
    """What became of each file, in their order (STOW-RS, one file to a request); NetworkError when the first is not answered."""
    results: dict[Path, Sent] = {}
    for file in files:
        for attempt in range(retries + 1):
            try:
                sent = _stored(archive, file)
            except NetworkError as error:
                if not results and attempt == retries:
                    raise
                sent = Sent(file.path, file.sop_uid, "failed", error.what, again=True)
            if not sent.again:
                break
        results[file.path] = sent
        told(sent)
    return tuple(results[file.path] for file in files)


def _stored(archive: WebArchive, file: Outgoing) -> Sent:
    boundary = uuid.uuid5(uuid.NAMESPACE_OID, file.sop_uid).hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    try:
        stream = file.path.open("rb")
    except OSError as error:
        return Sent(file.path, file.sop_uid, "failed", f"cannot be read ({error.strerror})")
    with stream:
        body = cast(BinaryIO, _Body(head, stream, file.path.stat().st_size, tail))
        with archive.response(
            "studies", _JSON, body=body, content_type=content_type, taken=(400, 409, 413, 415, 503)
        ) as response:
            if response.status_code in (413, 415):
                return Sent(file.path, file.sop_uid, "failed", f"refused (HTTP {response.status_code})")
            if response.status_code == 503:
                return Sent(file.path, file.sop_uid, "failed", "the archive is busy (HTTP 503)", again=True)
            answer = archive.read_json(response)
            return _judged(file, answer if isinstance(answer, dict) else {}, response.status_code)


def _judged(file: Outgoing, answer: dict[str, Any], http: int) -> Sent:
    failed = _items(answer, "00081198")
    for item in failed:
        code = _value(item, "00081197")
        reason = f"status 0x{int(code):04X}" if code.isdigit() else "no reason given"
        return Sent(
            file.path, file.sop_uid, "failed", f"refused ({reason})", again=code.isdigit() and int(code) >> 8 == 0xA7
        )
    stored = [item for item in _items(answer, "00081199") if _value(item, "00081155") == file.sop_uid]
    if not stored:
        return Sent(file.path, file.sop_uid, "failed", f"the archive does not say that it has it (HTTP {http})")
    warning = _value(stored[0], "00081196")
    if warning.isdigit() and int(warning):
        return Sent(file.path, file.sop_uid, "warned", f"status 0x{int(warning):04X}")
    return Sent(file.path, file.sop_uid, "sent")


class _Body(io.RawIOBase):
    """A file between two pieces of text, read as one; its length is known, so that it is sent as it is read."""

    def __init__(self, head: bytes, stream: BinaryIO, size: int, tail: bytes) -> None:
        self._sources: list[BinaryIO] = [io.BytesIO(head), stream, io.BytesIO(tail)]
        self.len = len(head) + size + len(tail)  # requests asks for it

    def __len__(self) -> int:
        return self.len

    def readable(self) -> bool:
        """It can be read, and nothing else."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; all that is left without a ``size``."""
        taken = bytearray()
        while self._sources and (size < 0 or len(taken) < size):
            piece = self._sources[0].read(-1 if size < 0 else size - len(taken))
            if not piece:
                self._sources.pop(0)
            taken += piece
        return bytes(taken)


def _listed(archive: WebArchive, answer: Any) -> list[dict[str, Any]]:
    if answer is None:
        return []
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise NetworkError("it answers with no list", where=str(archive), remedy="check the address of DICOMweb")
    return answer


def _items(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = answer.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _values(answer: dict[str, Any], tag: str) -> list[str]:
    """Values of an element of DICOM JSON (PS3.18 annex F) as texts; a name's alphabetic part."""
    element = answer.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    found = []
    for value in values if isinstance(values, list) else []:
        told = value.get("Alphabetic") if isinstance(value, dict) else value
        if isinstance(told, str | int | float):
            found.append(cleaned(str(told)).strip())
    return found


def _value(answer: dict[str, Any], tag: str) -> str:
    return next(iter(_values(answer, tag)), "")


def _found(answer: dict[str, Any], question: Question) -> Found:
    count = _value(answer, "00201209" if question.series else "00201208")
    return Found(
        patient_id=_value(answer, "00100020"),
        patient_name=_value(answer, "00100010"),
        date=_value(answer, "00080020"),
        modality=_value(answer, "00080060") if question.series else "/".join(sorted(_values(answer, "00080061"))),
        accession=_value(answer, "00080050"),
        description=_value(answer, "0008103E" if question.series else "00081030"),
        study_uid=_value(answer, "0020000D") or (question.study_uid if question.series else ""),
        series_uid=_value(answer, "0020000E") if question.series else "",
        instances=int(count) if count.isdigit() and len(count) < 10 else None,
    )
