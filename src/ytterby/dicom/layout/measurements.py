"""Names of what a measurement report of Ytterby holds: standard codes where there are any, else those of a scheme of its own."""

from __future__ import annotations

from ytterby.dicom.layout.content import Code

__all__ = [
    "ABSORBED_DOSE",
    "COMMENT",
    "D70",
    "ENGINES",
    "FINDING",
    "MEAN",
    "MEAN_DOSE_UNCERTAINTY",
    "NO",
    "PROCEDURE",
    "REFERENCED_SEGMENT",
    "REPORT",
    "SCHEME",
    "SIMULATED",
    "TRACKING_IDENTIFIER",
    "TRACKING_UID",
    "VOLUME",
    "YES",
]

SCHEME = "99YTTERBY"
"""Private coding scheme; docs/reference/dicom-measurements.md gives the meaning of each of its codes."""

REPORT = Code("126000", "DCM", "Imaging Measurement Report")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
REFERENCED_SEGMENT = Code("121191", "DCM", "Referenced Segment")
COMMENT = Code("121106", "DCM", "Comment")
VOLUME = Code("118565006", "SCT", "Volume")
ABSORBED_DOSE = Code("128513", "DCM", "Absorbed Dose")
MEAN = Code("373098007", "SCT", "Mean")
YES = Code("373066001", "SCT", "Yes")
NO = Code("373067005", "SCT", "No")
MEAN_DOSE_UNCERTAINTY = Code("MEAN_DOSE_U", SCHEME, "Standard uncertainty (k = 1) of the mean absorbed dose")
D70 = Code("D70", SCHEME, "Absorbed dose that 70 % of the volume receives at least")
SIMULATED = Code("SIMULATED", SCHEME, "Simulated data")
PROCEDURE = Code("DOSIMETRY", SCHEME, "Dosimetry of radioembolization")
ENGINES = {
    "local_deposition": Code("LOCAL_DEPOSITION", SCHEME, "Local deposition"),
    "kernel": Code("KERNEL", SCHEME, "Convolution with a dose kernel"),
    "lung_mass": Code("LUNG_MASS", SCHEME, "Activity in the lungs over their mass"),
}
"""How the dose was computed, by the name that doses.csv uses."""
