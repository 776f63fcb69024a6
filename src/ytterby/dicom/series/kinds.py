"""What a DICOM series is, and the role proposed for it, each with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from ytterby.dicom.header import Header, first_item, items, number, text, texts
from ytterby.dicom.layout.content import STRUCTURED_REPORTS
from ytterby.dicom.nuclide import radionuclide
from ytterby.dicom.pet import is_single_photon
from ytterby.physics.nuclides import Y90

__all__ = ["SURROGATES", "Y90_HALF_LIFE_SECONDS", "Proposal", "kind_of", "propose"]

Y90_HALF_LIFE_SECONDS = Y90.half_life_hours * 3600.0
"""Half-life of 90Y; files are compared with it within 1 %."""
SURROGATES = ("86Y", "89Zr", "68Ge", "22Na")
"""Nuclides that scanners without 90Y in their list are set to instead."""

_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.20": "nm",
    "1.2.840.10008.5.1.4.1.1.128": "pt",
    "1.2.840.10008.5.1.4.1.1.128.1": "pt",
    "1.2.840.10008.5.1.4.1.1.130": "pt",
    "1.2.840.10008.5.1.4.1.1.2": "ct",
    "1.2.840.10008.5.1.4.1.1.2.1": "ct",
    "1.2.840.10008.5.1.4.1.1.2.2": "ct",
    "1.2.840.10008.5.1.4.1.1.4": "mr",
    "1.2.840.10008.5.1.4.1.1.4.1": "mr",
    "1.2.840.10008.5.1.4.1.1.4.4": "mr",
    "1.2.840.10008.5.1.4.1.1.66.4": "seg",
    "1.2.840.10008.5.1.4.1.1.66.7": "seg",
    "1.2.840.10008.5.1.4.1.1.481.3": "rtstruct",
    "1.2.840.10008.5.1.4.1.1.481.2": "rtdose",
    "1.2.840.10008.5.1.4.1.1.66.1": "reg",
    "1.2.840.10008.5.1.4.1.1.66.3": "reg",
    "1.2.840.10008.5.1.4.1.1.104.1": "document",
    "1.2.840.10008.5.1.4.1.1.481.5": "rtplan",
}
_MODALITIES = {
    "NM": "nm",
    "PT": "pt",
    "CT": "ct",
    "MR": "mr",
    "SEG": "seg",
    "RTSTRUCT": "rtstruct",
    "RTDOSE": "rtdose",
    "RTPLAN": "rtplan",
    "SR": "sr",
    "REG": "reg",
    "DOC": "document",
}
_NM_IMAGES = {
    "RECON TOMO": "nm_recon_tomo",
    "TOMO": "nm_tomo",
    "STATIC": "nm_static",
    "WHOLE BODY": "nm_whole_body",
}
_MOST_NAMES = 20
_SPECT_ROLES = {"99mTc": "maa_spect", "90Y": "y90_spect", "166Ho": "ho166_spect"}


@dataclass(frozen=True)
class Proposal:
    """A role and the reason for it."""

    role: str
    reason: str


def kind_of(header: Header) -> str:
    """Kind of object.

    nm_recon_tomo, nm_tomo, nm_static, nm_whole_body, pt, ct, mr, seg, rtstruct, rtdose, rtplan, reg, document, sr or other.
    """
    sop_class = header.sop_class
    if sop_class.startswith(STRUCTURED_REPORTS):
        return "sr"
    # Some archives empty the SOP class when they remove identities; the modality still says what it is.
    kind = (
        _SOP_CLASSES.get(sop_class, "other")
        if sop_class
        else _MODALITIES.get(text(header.dataset, "Modality"), "other")
    )
    if kind == "other" and text(header.dataset, "Modality") == "NM":
        # Gamma camera images are also found as Secondary Capture; ImageType says what they are.
        kind = "nm"
    if kind != "nm":
        return kind
    image_type = texts(header.dataset, "ImageType")
    return next((_NM_IMAGES[value] for value in image_type if value in _NM_IMAGES), "other")


def propose(header: Header, kind: str) -> Proposal:
    """Role proposed for a series from the header of its first file, with the reason."""
    dataset = header.dataset
    if kind.startswith("nm_"):
        return _nm(header, kind)
    if kind == "pt":
        return _pt(header)
    if kind == "ct":
        if "LOCALIZER" in texts(dataset, "ImageType"):
            return Proposal("none", "CT localizer")
        agent = text(dataset, "ContrastBolusAgent")
        if agent:
            return Proposal("diagnostic", f"CT with contrast agent ({agent})")
        return Proposal("ct", "CT, no contrast agent stated")
    return {
        "mr": Proposal("diagnostic", "MR"),
        "seg": Proposal(
            "segmentation", "DICOM segmentation (SEG)" + _names(dataset, "SegmentSequence", "SegmentLabel")
        ),
        "rtstruct": Proposal(
            "structure_set",
            "radiotherapy structure set (RTSTRUCT)" + _names(dataset, "StructureSetROISequence", "ROIName"),
        ),
        "rtdose": Proposal("dose", "radiotherapy dose (RTDOSE)"),
        "rtplan": Proposal("none", "radiotherapy plan (RTPLAN)"),
        "sr": Proposal("none", "structured report (SR)"),
        "document": Proposal("none", "document (encapsulated PDF)"),
        "reg": Proposal("registration", "spatial registration (REG)"),
    }.get(kind, Proposal("none", f"{text(dataset, 'Modality') or 'an object'} with no use here"))


def _names(dataset: Dataset, sequence: str, keyword: str) -> str:
    """Names of the first segments or regions of interest, after a colon; "" where there are none."""
    # Number 0 is the background of a label map.
    named = [item for item in items(dataset, sequence) if text(item, "SegmentNumber") != "0"]
    found = [text(item, keyword) or "without a name" for item in named]
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return f": {', '.join(name[:64] for name in found[:_MOST_NAMES])}{more}" if found else ""


def _nm(header: Header, kind: str) -> Proposal:
    nuclide = radionuclide(header.dataset)
    name = "NM " + {code: words for words, code in _NM_IMAGES.items()}[kind]
    said = f"{name}, {nuclide or 'radionuclide not stated'}"
    if kind == "nm_recon_tomo":
        return Proposal(_SPECT_ROLES.get(nuclide, "none") if nuclide else "maa_spect", said)
    if kind == "nm_tomo":
        return Proposal("none", f"{said}: projections, not reconstructed")
    return Proposal("planar" if nuclide in ("", "99mTc") else "none", said)


def _pt(header: Header) -> Proposal:
    nuclide = radionuclide(header.dataset)
    said = f"PT, {nuclide or 'radionuclide not stated'}, units {text(header.dataset, 'Units') or 'not stated'}"
    if is_single_photon(header.dataset):
        return Proposal(_SPECT_ROLES.get(nuclide, "none"), f"{said}: a SPECT that was exported as PT")
    if nuclide in ("90Y", *SURROGATES, ""):
        return Proposal("y90_pet", said)
    half_life = number(first_item(header.dataset, "RadiopharmaceuticalInformationSequence"), "RadionuclideHalfLife")
    if half_life is not None and abs(half_life / Y90_HALF_LIFE_SECONDS - 1) < 0.01:
        return Proposal("y90_pet", f"{said}, half-life of 90Y")
    return Proposal("none", f"{said}: not 90Y")
