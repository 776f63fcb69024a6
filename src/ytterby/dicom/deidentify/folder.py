"""A folder of originals to a folder without identities: gathered, cleaned, searched again, and delivered whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydicom

from ytterby.dicom.deidentify.clean import Patient, clean
from ytterby.dicom.deidentify.elements import is_cut_off
from ytterby.dicom.deidentify.identity import Finder, Identity, patient_key
from ytterby.dicom.deidentify.keyfile import Key, read_key, write_key
from ytterby.dicom.deidentify.objects import notes, why_not_cleanable
from ytterby.dicom.deidentify.profile import Choices
from ytterby.dicom.deidentify.pseudonyms import pseudonyms
from ytterby.dicom.deidentify.report import LeftOut, Record, write_report
from ytterby.dicom.deidentify.secret import Secret
from ytterby.dicom.header import DAMAGE, NOT_DICOM, number, open_until_pixels, open_whole, quiet, text
from ytterby.dicom.series.scan import files_below
from ytterby.errors import ConfigurationError, DicomError

__all__ = ["Outcome", "deidentify_folder"]

_DAMAGED = "damaged or incomplete"
_OTHER = "no DICOM file"
_BEYOND_PIXELS = 0x7FE00011


@dataclass(frozen=True, eq=False)
class Outcome:
    """The folder that was written, and the record of it."""

    folder: Path
    record: Record


@dataclass(frozen=True, order=True)
class _Original:
    """A file to be cleaned, with what its place in the new folder follows from."""

    patient: str
    series_number: int
    series: str
    instance_number: int
    path: Path
    number: int


@quiet()
def deidentify_folder(
    source: Path,
    folder: Path,
    *,
    choices: Choices | None = None,
    given: Mapping[str, str] | None = None,
    key_file: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Outcome:
    """Every DICOM object of ``source`` without identity, as ``folder``/pseudonym/series/number.dcm, with a record of it.

    ``given`` maps patient IDs to pseudonyms. ``key_file`` is read where it exists, and written: the same originals get the same
    pseudonyms, dates and UIDs again; without it the secret is random, and forgotten. ``progress`` is called with (done,
    total, name).

    Raises
    ------
    ConfigurationError
        ``folder`` holds something, lies in ``source`` or the other way round; the key file lies in one of them, or is none;
        pseudonyms are wrong.
    DicomError
        ``source`` is no folder, or holds no DICOM object that can be written.
    """
    choices = choices or Choices()
    source, folder = Path(source).resolve(), Path(folder).resolve()
    _check_places(source, folder, key_file)
    record = Record(choices)
    originals, identity = _gathered(source, record, progress)
    if not originals:
        raise _nothing(source, record)
    finder = identity.finder()
    record.too_short = identity.too_short
    key = (read_key(key_file) if key_file else None) or Key(Secret.random())
    key = Key(key.secret, pseudonyms({one.patient for one in originals}, key, given=given, finder=finder))
    with _whole_or_nothing(folder) as making:
        _write_all(sorted(originals), making, key, finder, record, progress)
        if not record.written:
            raise _nothing(source, record)
        _remove_empty_folders(making)
        write_report(record, making)
        if key_file:
            write_key(key_file, key)
    return Outcome(folder, record)


def _check_places(source: Path, folder: Path, key_file: Path | None) -> None:
    if not source.is_dir():
        raise DicomError("there is no such folder", where=str(source), remedy="name a folder with DICOM files")
    if folder.is_relative_to(source) or source.is_relative_to(folder):
        raise ConfigurationError(
            "source and destination lie in each other", where=str(folder), remedy="name a folder elsewhere"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            "the destination exists and is not empty", where=str(folder), remedy="name a new folder, or empty it"
        )
    if key_file is not None:
        place = Path(key_file).resolve()
        if place.is_relative_to(folder) or place.is_relative_to(source):
            raise ConfigurationError(
                "the key file lies with the images: whoever gets them could tell the patients",
                where=str(key_file),
                remedy="name a place elsewhere",
            )
        if not place.parent.is_dir():
            raise ConfigurationError("there is no such folder", where=str(place.parent), remedy="make it first")


def _nothing(source: Path, record: Record) -> DicomError:
    reasons = Counter(file.reason for file in record.left_out)
    told = "; ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
    return DicomError(
        f"no file could be de-identified ({told or 'the folder is empty'})",
        where=str(source),
        remedy="name a folder with DICOM files, or see the options --keep-documents and --keep-matches",
    )


def _gathered(
    source: Path, record: Record, progress: Callable[[int, int, str], None] | None
) -> tuple[list[_Original], Identity]:
    files = list(files_below(source))
    record.n_files = len(files)
    originals: list[_Original] = []
    identity = Identity()
    for index, (path, reason) in enumerate(files, start=1):
        if reason:
            record.left_out.append(LeftOut(index, reason.split(":")[0], path))
        else:
            try:
                originals.append(_looked_at(path, index, record.choices, identity))
            except _Refused as refused:
                record.left_out.append(LeftOut(index, refused.what, path))
            except DicomError as error:
                damaged = error.what != NOT_DICOM
                reason, detail = (_DAMAGED, error.what) if damaged else (_OTHER, "")
                record.left_out.append(LeftOut(index, reason, path, detail, is_dicom=damaged))
        if progress:
            progress(index, 2 * len(files), "headers")
    return originals, identity


class _Refused(DicomError):  # noqa: N818 - nothing is wrong with the file
    """An object that cannot be cleaned; ``what`` tells no original value."""


def _looked_at(path: Path, index: int, choices: Choices, identity: Identity) -> _Original:
    dataset = open_until_pixels(path)
    with _told_as_damage(path):
        # Also of objects that are left out: they may name the patient of the others in full.
        identity.add(dataset)
        reason = why_not_cleanable(dataset)
        if reason and not choices.documents:
            raise _Refused(reason, where=str(path), remedy="see --keep-documents")
        return _Original(
            patient=patient_key(dataset),
            series_number=int(number(dataset, "SeriesNumber") or 0),
            series=text(dataset, "SeriesInstanceUID") or f"folder {path.parent}",
            instance_number=int(number(dataset, "InstanceNumber") or 0),
            path=path,
            number=index,
        )


@contextmanager
def _told_as_damage(path: Path) -> Iterator[None]:
    """Context in which what pydicom raises of damaged values becomes DicomError."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, DicomError) or (isinstance(error, OSError) and error.errno is not None):
            # A full disk is no damage of the file.
            raise
        raise DicomError(
            f"the object is damaged ({type(error).__name__})", where=str(path), remedy="export it again"
        ) from error


def _write_all(
    originals: list[_Original],
    making: Path,
    key: Key,
    finder: Finder,
    record: Record,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    series: dict[tuple[str, str], int] = {}
    n_series: Counter[str] = Counter()
    n_files: Counter[tuple[str, str]] = Counter()
    for index, original in enumerate(originals, start=1):
        pseudonym = key.pseudonyms[original.patient]
        mine = (original.patient, original.series)
        if mine not in series:
            n_series[original.patient] += 1
            series[mine] = n_series[original.patient]
        name = f"{pseudonym}/{series[mine]:03d}/{n_files[mine] + 1:04d}.dcm"
        try:
            _write_one(original, making / name, name, key, finder, record)
        except _Refused as refused:
            record.left_out.append(LeftOut(original.number, refused.what, original.path, refused.remedy))
        except DicomError as error:
            record.left_out.append(LeftOut(original.number, _DAMAGED, original.path, error.what))
        else:
            n_files[mine] += 1
            record.written[pseudonym] = record.written.get(pseudonym, 0) + 1
        if progress:
            progress(record.n_files + index, record.n_files + len(originals), name)
    record.left_out.sort(key=lambda file: file.number)


def _write_one(original: _Original, place: Path, name: str, key: Key, finder: Finder, record: Record) -> None:
    pseudonym = key.pseudonyms[original.patient]
    patient = Patient(pseudonym, key.secret.shift_days(original.patient))
    choices = record.choices
    dataset = open_whole(original.path)
    if is_cut_off(dataset):
        raise DicomError("the file ends too early", where=str(original.path), remedy="copy it again from the archive")
    place.parent.mkdir(parents=True, exist_ok=True)
    delivered = False
    try:
        with _told_as_damage(original.path):
            told = [*notes(dataset)]
            if reason := why_not_cleanable(dataset):
                told.append(f"kept as asked for: {reason}")
            done = clean(dataset, patient, secret=key.secret, choices=choices, finder=finder)
            pydicom.dcmwrite(place, dataset, enforce_file_format=True)
            # The file is read again: what is searched is what is delivered. Pixels were written as they were read.
            hits = finder.places(open_until_pixels(place), pseudonym=pseudonym)
            hits += finder.places(dataset[_BEYOND_PIXELS:], pseudonym=pseudonym)
        if hits and not choices.matches:
            where = ", ".join(sorted({attribute for attribute, _ in hits}))
            raise _Refused(
                f"a name or an identifier was found in {where}", where=str(original.path), remedy="see --keep-matches"
            )
        delivered = True
    finally:
        if not delivered:
            place.unlink(missing_ok=True)
    told += [f"found a {kind} in {attribute}, kept as asked for" for attribute, kind in hits]
    record.warnings += [(name, message) for message in told]
    record.done += done


def _remove_empty_folders(making: Path) -> None:
    for folder in (*making.glob("*/*"), *making.glob("*")):
        if not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _whole_or_nothing(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when all went well; when not, it is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".unfinished", dir=folder.parent))
    try:
        yield making
        # mkdtemp gives a folder to its owner alone, which is right here too; an empty folder in the place is replaced.
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
