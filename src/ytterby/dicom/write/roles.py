"""What a segment's role is in DICOM's words: coded category and type, type of a region of interest, colour."""

from __future__ import annotations

from ytterby.model.segment import Role

__all__ = ["CODES", "COLOURS", "REGION_TYPES"]

_ORGAN = ("91772007", "Organ")
_STRUCTURE = ("123037004", "Anatomical Structure")
_ABNORMAL = ("49755003", "Morphologically Altered Structure")

CODES = {
    Role.LIVER: (_ORGAN, ("10200004", "Liver")),
    Role.NORMAL_LIVER: (_ORGAN, ("10200004", "Liver")),
    Role.PERFUSED: (_ORGAN, ("10200004", "Liver")),
    Role.PERFUSED_NORMAL: (_ORGAN, ("10200004", "Liver")),
    Role.TUMOUR: (_ABNORMAL, ("108369006", "Neoplasm")),
    Role.LUNGS: (_ORGAN, ("39607008", "Lung")),
    Role.OTHER: (_STRUCTURE, ("85756007", "Tissue")),
}
"""Category and type of each role (SNOMED CT)."""

REGION_TYPES = {
    Role.LIVER: "ORGAN",
    Role.NORMAL_LIVER: "ORGAN",
    Role.PERFUSED: "TREATED_VOLUME",
    Role.PERFUSED_NORMAL: "ORGAN",
    Role.TUMOUR: "GTV",
    Role.LUNGS: "ORGAN",
    Role.OTHER: "",
}
"""RTROIInterpretedType of each role (DICOM PS3.3 C.8.8.8.1); empty: not known."""

COLOURS: dict[Role, tuple[tuple[int, int, int], ...]] = {
    Role.LIVER: ((200, 180, 0),),
    Role.NORMAL_LIVER: ((46, 158, 63),),
    Role.PERFUSED: ((0, 184, 212), (0, 216, 184), (90, 200, 250)),
    Role.PERFUSED_NORMAL: ((124, 193, 66), (165, 214, 111), (85, 166, 48)),
    Role.TUMOUR: (
        (230, 25, 75),
        (255, 127, 80),
        (176, 18, 47),
        (255, 95, 162),
        (244, 81, 30),
        (142, 27, 58),
        (255, 154, 162),
        (216, 27, 96),
    ),
    Role.LUNGS: ((59, 125, 216),),
    Role.OTHER: ((208, 92, 227), (166, 74, 201), (240, 98, 146)),
}
"""Red, green and blue of the segments of each role, in turn: those of the report of a case."""
