"""Radiotherapy objects of a case: its segments as SEG and RTSTRUCT, its sessions as plans, its dose and BED as RTDOSE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ytterby.dicom.write import write_dose, write_effective_dose, write_plan, write_segmentation, write_structures
from ytterby.dicom.write.identity import DicomHeader
from ytterby.dosimetry.bedmap import bed_map
from ytterby.dosimetry.case import DosedCase
from ytterby.errors import GeometryError
from ytterby.model.dose import Notice, Radiobiology
from ytterby.model.segment import Segment
from ytterby.model.volume import Volume

__all__ = ["DICOM_FILES", "write_radiotherapy"]

DICOM_FILES = ("segments.dcm", "structures.dcm", "plan.dcm", "dose.dcm", "bed.dcm")
"""What ``write_radiotherapy`` writes; of several sessions plan_1.dcm, plan_2.dcm, ... in the place of plan.dcm."""

_COMMENT_LENGTH = 64


def write_radiotherapy(
    folder: Path,
    header: DicomHeader,
    found: DosedCase,
    *,
    dose: Volume,
    segments: Sequence[Segment],
    source: Sequence[Path],
    radiobiology: Radiobiology | None,
) -> tuple[Notice, ...]:
    """Write ``segments``, a plan of each session that refers to them, and the ``dose`` that refers to the plans; all or nothing.

    With parameters for every tissue, the BED too. ``source``: files of the image slices that the segments lie on. Returns what
    is to be told.

    Raises
    ------
    GeometryError
        DICOM cannot hold a grid; nothing of it is left in ``folder``.
    """
    several = len(found.sessions) > 1
    names = [f"plan_{number}.dcm" if several else "plan.dcm" for number in range(1, len(found.sessions) + 1)]
    bed = None if radiobiology is None else bed_map(found, radiobiology, dose.grid)
    try:
        write_segmentation(segments, folder / "segments.dcm", header, source=source)
        structures = write_structures(segments, folder / "structures.dcm", header, source=source)
        plans = [
            write_plan(session, folder / name, header, structures=structures)
            for session, name in zip(found.sessions, names, strict=True)
        ]
        write_dose(dose, folder / "dose.dcm", header, plans=plans)
        if bed is not None and radiobiology is not None:
            write_effective_dose(bed, folder / "bed.dcm", header, comment=bed_comment(radiobiology), plans=plans)
    except GeometryError:
        for name in (*DICOM_FILES, *names):
            (folder / name).unlink(missing_ok=True)
        raise
    if radiobiology is None or bed is not None:
        return ()
    text = "bed.dcm was not written: radiobiology states no parameters for one of the tissues (tumour, normal)."
    return (Notice("no_bed_map", text),)


def bed_comment(radiobiology: Radiobiology) -> str:
    """Model and parameters of a BED in the 64 characters of a DoseComment: alpha/beta and half-time of repair by tissue."""
    stated = [
        f"{name} a/b {tissue.alpha_beta_gy:.4g} Gy, {tissue.repair_hours:.4g} h"
        for name, tissue in (("tumour", radiobiology.tumour), ("normal", radiobiology.normal))
        if tissue is not None
    ]
    return f"BED: {'; '.join(stated)}"[:_COMMENT_LENGTH]
