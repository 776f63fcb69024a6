"""Kinds of objects that no rule for attributes can clean: pages, screens, pictures with writing in them."""

from __future__ import annotations

from pydicom.dataset import Dataset

from ytterby.dicom.header import number, text, texts

__all__ = ["notes", "why_not_cleanable"]

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_ULTRASOUND = ("3", "3.1", "6", "6.1", "6.2", "6.3")


def _sop_class(dataset: Dataset) -> str:
    return text(dataset, "SOPClassUID") or text(getattr(dataset, "file_meta", Dataset()), "MediaStorageSOPClassUID")


def _kind(dataset: Dataset) -> str:
    sop_class = _sop_class(dataset)
    return sop_class.removeprefix(_STORAGE) if sop_class.startswith(_STORAGE) else ""


def _is(kind: str, root: str) -> bool:
    return kind == root or kind.startswith(f"{root}.")


def why_not_cleanable(dataset: Dataset) -> str:
    """Why an object may show the identity whatever is done to its attributes; "" where nothing speaks for it."""
    kind = _kind(dataset)
    says_no = text(dataset, "BurnedInAnnotation").upper() == "NO"
    reason = ""
    if not _sop_class(dataset):
        reason = "no kind of object is stated"
    elif not _sop_class(dataset).startswith("1.2.840.10008."):
        reason = "an object of a private kind: nobody but its maker knows what it holds"
    elif not kind:
        reason = "no object of a kind that is stored"
    elif _is(kind, "104"):
        reason = "an encapsulated document: its pages are not cleaned"
    elif kind == "66":
        reason = "raw data: nobody but its maker knows what they hold"
    elif text(dataset, "BurnedInAnnotation").upper() == "YES":
        reason = "annotations are burnt into the pixels (BurnedInAnnotation is YES)"
    elif any("SCREEN" in word.upper() for word in texts(dataset, "ImageType")):
        reason = "a picture of a screen"
    elif _is(kind, "7") and not says_no:
        reason = "a secondary capture that does not say that nothing is burnt into it"
    elif kind in _ULTRASOUND and not says_no:
        reason = "an ultrasound image that does not say that nothing is burnt into it"
    elif _is(kind, "77.1"):
        reason = "a photograph or a film"
    elif any(_in_pixels(dataset, group) for group in range(0x6000, 0x6020, 2)):
        reason = "an overlay lies in unused bits of the pixels, which are not changed"
    return reason


def _in_pixels(dataset: Dataset, group: int) -> bool:
    # Bit position 0 is an overlay of its own (PS3.3 C.9.2).
    position = dataset.get((group, 0x0102))
    return position is not None and (group, 0x3000) not in dataset and position.value not in (None, "", 0)


def notes(dataset: Dataset) -> tuple[str, ...]:
    """What was taken out of an object, or is to be looked at by eye."""
    found = []
    kind = _kind(dataset)
    groups = {tag.group for tag in sorted(dataset.keys())}
    if any(group & 0xFFE1 == 0x6000 for group in groups):
        found.append("overlays were removed")
    if any(group & 0xFFE1 == 0x5000 for group in groups):
        found.append("curves were removed")
    if _is(kind, "88"):
        found.append("a structured report: free text was replaced, codes, numbers and references are kept")
    if _is(kind, "11"):
        found.append("a presentation state: text in its graphics was replaced")
    if _is(kind, "7") or kind in _ULTRASOUND:
        found.append("look at the pixels: such images often hold writing")
    if _is(kind, "481.3"):
        found.append("names of structures are kept")
    if _is(kind, "66.4") or _is(kind, "66.7"):
        found.append("labels of segments are kept")
    if number(dataset, "BitsAllocated") == 8 and text(dataset, "PhotometricInterpretation") == "RGB":
        found.append("a colour image: look at the pixels")
    return tuple(found)
