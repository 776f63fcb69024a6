"""A report as PDF inside a DICOM object (Encapsulated PDF)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom.sequence import Sequence as DicomSequence

from ytterby.dicom.layout.content import Code
from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.content import coded
from ytterby.dicom.write.identity import DicomHeader, image_object, save
from ytterby.errors import FileFormatError

__all__ = ["write_document"]

_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_CONCEPT = Code("18748-4", "LN", "Diagnostic imaging study")


def write_document(pdf: bytes, path: Path, header: DicomHeader, *, title: str) -> Path:
    """Write a PDF as Encapsulated PDF, byte by byte as it is; returns the path (DICOM PS3.3 A.45.1).

    ``title`` is the Document Title. Who is named in the pages cannot be known here: BurnedInAnnotation is YES.

    Raises
    ------
    FileFormatError
        The bytes are no PDF.
    """
    if not pdf.startswith(b"%PDF-"):
        raise FileFormatError("the bytes are no PDF", where=str(path), remedy="give the PDF as it was made")
    series_uid = content_uid(
        header.uid_seed, "document series", header.series_description, title, hashlib.sha256(pdf).hexdigest()
    )
    dataset = image_object(
        header,
        sop_class=_ENCAPSULATED_PDF,
        modality="DOC",
        series_uid=series_uid,
        instance_uid=content_uid(series_uid, "instance"),
    )
    for keyword in ("ImageComments", "BodyPartExamined"):
        if keyword in dataset:
            delattr(dataset, keyword)  # said of images alone
    dataset.InstanceNumber, dataset.ConversionType = 1, "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = DicomSequence([coded(_CONCEPT)])
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return save(dataset, path)
