"""Questions to an archive by C-FIND."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND  # type: ignore[attr-defined]  # noqa: N814

from ytterby.dicom.header import number, quiet, text, texts
from ytterby.dicom.network.calling import associated, context, status_of
from ytterby.dicom.network.peer import Archive
from ytterby.dicom.network.place import is_uid
from ytterby.dicom.network.question import MOST_ANSWERS, MOST_INSTANCES, Expected, Found, Question, cleaned
from ytterby.errors import InputError, NetworkError

__all__ = ["checked", "expected", "find"]

_PENDING = (0xFF00, 0xFF01)


def find(archive: Archive, question: Question) -> tuple[tuple[Found, ...], bool]:
    """Studies or series that match, in the order of their dates and UIDs; and whether there are more than the limit.

    Raises
    ------
    NetworkError
        The archive cannot be reached, refuses, or answers with a failure.
    """
    with associated(archive, [context(FIND)]) as association:
        answers: list[Dataset] = []
        more = False
        for answer in _answers(archive, association, _identifier(question), question.limit + 1):
            if len(answers) == question.limit:
                more = True
            else:
                answers.append(answer)
        found = [_found(answer, series=question.series) for answer in answers]
    kept = [one for one in found if is_uid(one.study_uid) and (is_uid(one.series_uid) or not question.series)]
    return tuple(sorted(kept, key=lambda one: (one.date, one.study_uid, one.series_uid))), more


def expected(archive: Archive, study_uid: str, series_uid: str = "") -> tuple[Expected, ...]:
    """Every object that the archive says belongs to a study, or to one series of it.

    Raises
    ------
    NetworkError
        It knows no such study, describes it in a way that cannot be, or cannot be asked.
    """
    with associated(archive, [context(FIND)]) as association:
        series = [series_uid] if series_uid else _series_of(archive, association, study_uid)
        objects = []
        for uid in series:
            asked = Dataset()
            asked.QueryRetrieveLevel = "IMAGE"
            asked.StudyInstanceUID, asked.SeriesInstanceUID = study_uid, uid
            asked.SOPInstanceUID = asked.SOPClassUID = ""
            for answer in _answers(archive, association, asked, MOST_INSTANCES):
                objects.append(Expected(uid, text(answer, "SOPInstanceUID"), text(answer, "SOPClassUID")))
    return checked(objects, str(archive))


def checked(objects: list[Expected], where: str) -> tuple[Expected, ...]:
    """The objects, sorted, each once; NetworkError when there is none, there are too many, or UIDs are none."""
    if not objects:
        raise NetworkError("it knows no such study or series", where=where, remedy="look for it with ytterby find")
    if len(objects) >= MOST_INSTANCES:
        raise NetworkError(f"it lists more than {MOST_INSTANCES} objects", where=where, remedy="fetch series by series")
    if not all(is_uid(one.series_uid) and is_uid(one.sop_uid) for one in objects):
        raise NetworkError(
            "it lists objects by UIDs that are none", where=where, remedy="report it to those who run it"
        )
    return tuple(sorted(set(objects), key=lambda one: (one.series_uid, one.sop_uid)))


def _series_of(archive: Archive, association: Association, study_uid: str) -> list[str]:
    asked = Dataset()
    asked.QueryRetrieveLevel = "SERIES"
    asked.StudyInstanceUID = study_uid
    asked.SeriesInstanceUID = ""
    answers = _answers(archive, association, asked, MOST_ANSWERS)
    return sorted({uid for uid in (text(answer, "SeriesInstanceUID") for answer in answers) if is_uid(uid)})


@quiet()
def _identifier(question: Question) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = "SERIES" if question.series else "STUDY"
    asked.SpecificCharacterSet = "ISO_IR 192"
    asked.PatientID = question.patient_id
    asked.PatientName = question.patient_name
    asked.StudyDate = question.date
    asked.AccessionNumber = question.accession
    asked.StudyInstanceUID = question.study_uid
    if question.series:
        asked.Modality = question.modality
        asked.SeriesInstanceUID = asked.SeriesDescription = ""
        asked.NumberOfSeriesRelatedInstances = None
    else:
        asked.ModalitiesInStudy = question.modality
        asked.StudyDescription = ""
        asked.NumberOfStudyRelatedInstances = None
    return asked


def _answers(archive: Archive, association: Association, asked: Dataset, most: int) -> Iterator[Dataset]:
    """Answers, at most so many: then the question is withdrawn, and what still comes is let go by."""
    count = 0
    for status, answer in association.send_c_find(asked, FIND, msg_id=1):
        code = status_of(archive, status, "C-FIND")
        if code in _PENDING:
            count += 1
            if count == most:
                association.send_c_cancel(1, query_model=FIND)
            if count > 2 * MOST_INSTANCES:
                raise NetworkError("its answers do not end", where=str(archive), remedy="narrow the search")
            if answer is not None and count <= most:
                yield answer
        elif code not in (0x0000, 0xFE00):
            comment = cleaned(str(getattr(status, "ErrorComment", "") or ""))
            raise NetworkError(
                f"it cannot answer (status 0x{code:04X}{', ' + comment if comment else ''})",
                where=str(archive),
                remedy="ask for less, or look into its log",
            )


@quiet()
def _found(answer: Dataset, *, series: bool) -> Found:
    def word(keyword: str) -> str:
        return cleaned(
            "/".join(sorted(texts(answer, keyword))) if keyword == "ModalitiesInStudy" else text(answer, keyword)
        )

    try:
        count = number(answer, "NumberOfSeriesRelatedInstances" if series else "NumberOfStudyRelatedInstances")
        return Found(
            patient_id=word("PatientID"),
            patient_name=word("PatientName"),
            date=word("StudyDate"),
            modality=word("Modality" if series else "ModalitiesInStudy"),
            accession=word("AccessionNumber"),
            description=word("SeriesDescription" if series else "StudyDescription"),
            study_uid=word("StudyInstanceUID"),
            series_uid=word("SeriesInstanceUID") if series else "",
            instances=int(count) if count is not None and 0 <= count <= 2**31 else None,
        )
    except InputError as error:
        raise NetworkError(
            f"its answer is damaged: {error.what}", where="C-FIND", remedy="look into its log"
        ) from error
