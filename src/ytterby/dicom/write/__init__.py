"""Writers of DICOM objects, gathered: images, SEG, RTSTRUCT, RTPLAN, RTDOSE, REG, structured reports.

The same input gives the same bytes: dates come from the DicomHeader, UIDs from content.
"""

from __future__ import annotations

from ytterby.dicom.uids import content_uid
from ytterby.dicom.write.ct import write_ct
from ytterby.dicom.write.document import write_document
from ytterby.dicom.write.dose import write_dose, write_effective_dose
from ytterby.dicom.write.dosereport import write_dose_report
from ytterby.dicom.write.identity import DicomHeader
from ytterby.dicom.write.measurements import write_measurements
from ytterby.dicom.write.nuclear import write_nm_recon_tomo, write_pet
from ytterby.dicom.write.plan import write_plan
from ytterby.dicom.write.planar import write_nm_planar
from ytterby.dicom.write.registration import write_registration
from ytterby.dicom.write.segmentation import write_segmentation
from ytterby.dicom.write.structures import write_structures

__all__ = [
    "DicomHeader",
    "content_uid",
    "write_ct",
    "write_document",
    "write_dose",
    "write_dose_report",
    "write_effective_dose",
    "write_measurements",
    "write_nm_planar",
    "write_nm_recon_tomo",
    "write_pet",
    "write_plan",
    "write_registration",
    "write_segmentation",
    "write_structures",
]
