"""PDFs inside DICOM objects (Encapsulated PDF), taken out byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ytterby.dicom.header import number, open_whole, quiet, text
from ytterby.errors import DicomError

__all__ = ["Document", "read_document"]


@dataclass(frozen=True)
class Document:
    """A PDF with its title."""

    title: str
    pdf: bytes = field(repr=False)


@quiet()
def read_document(path: Path | str) -> Document:
    """The PDF of an Encapsulated PDF object; the padding to an even length is taken off where the object says its length.

    Raises
    ------
    DicomError
        The file holds no PDF, is damaged, or ends too early.
    """
    path = Path(path)
    dataset = open_whole(path)
    pdf = dataset.get("EncapsulatedDocument")
    kind = text(dataset, "MIMETypeOfEncapsulatedDocument").lower()
    if kind != "application/pdf" or not isinstance(pdf, bytes) or not pdf.startswith(b"%PDF-"):
        raise DicomError(
            f"this is no encapsulated PDF but {kind or text(dataset, 'Modality') or 'of no modality'}",
            where=str(path),
            remedy="give an Encapsulated PDF object",
        )
    length = number(dataset, "EncapsulatedDocumentLength")
    if length is not None and not 0 < length <= len(pdf):
        raise DicomError(
            f"the document has {len(pdf)} of {length:.0f} bytes",
            where=str(path),
            remedy="copy it again from the archive",
        )
    return Document(text(dataset, "DocumentTitle"), pdf if length is None else pdf[: int(length)])
