"""The columns of a study folder's tables."""

from __future__ import annotations

from ytterby.files.cells import Column, Kind
from ytterby.model.treatment import Device

__all__ = [
    "CHARACTERISTICS",
    "FOLLOW_UP",
    "LABS",
    "LESIONS",
    "MEASUREMENTS",
    "PATIENTS",
    "SESSIONS",
]

ORIGIN = Column(
    "origin", Kind.CATEGORY, "origin of the primary tumour", categories=("pancreas", "gastrointestinal", "unknown")
)
GRADE = Column("grade", Kind.INTEGER, "grade of the tumour (WHO)", minimum=1, maximum=3)


def _flag(name: str, meaning: str) -> Column:
    return Column(name, Kind.FLAG, meaning, required=False, filled=False)


CHARACTERISTICS = (
    Column("sex", Kind.CATEGORY, "sex", required=False, filled=False, categories=("M", "F", "X")),
    Column("age_years", Kind.NUMBER, "age at treatment", "years", False, False, minimum=0, maximum=120),
    _flag("endocrine_syndrome", "syndrome by the tumour's hormones"),
    _flag("liver_cirrhosis", "cirrhosis of the liver"),
    _flag("extrahepatic_disease", "tumour outside the liver"),
    _flag("site_lymph_node", "tumour in lymph nodes"),
    _flag("site_thyroid", "tumour in the thyroid"),
    _flag("site_lung", "tumour in the lung"),
    _flag("site_adrenal", "tumour in an adrenal gland"),
    _flag("site_peritoneum", "tumour in the peritoneum"),
    _flag("site_ovary", "tumour in an ovary"),
    _flag("site_bone", "tumour in bone"),
    Column(
        "prior_therapies", Kind.INTEGER, "number of kinds of therapy before", "", False, False, minimum=0, maximum=99
    ),
    Column(
        "later_therapies", Kind.INTEGER, "number of kinds of therapy after", "", False, False, minimum=0, maximum=99
    ),
    _flag("additional_sirt", "a further radioembolization later"),
)
"""What is known of a patient, in patients.csv and in analysis_patients.csv alike; each may be absent."""

# An excluded patient may lack origin and grade; for the others the reader of the study asks for them.
PATIENTS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("origin", Kind.CATEGORY, ORIGIN.meaning, filled=False, categories=ORIGIN.categories),
    Column("grade", Kind.INTEGER, GRADE.meaning, filled=False, minimum=1, maximum=3),
    Column("exclusion_reason", Kind.TEXT, "why the patient is not analysed; empty for those who are", filled=False),
    *CHARACTERISTICS,
)

SESSIONS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("session_id", Kind.IDENTIFIER, "the session"),
    Column(
        "device",
        Kind.CATEGORY,
        "kind of microsphere; empty: the study's",
        required=False,
        filled=False,
        categories=tuple(Device),
    ),
    Column("territory", Kind.TEXT, "perfused segments, separated by ';'; empty: the whole liver", "", False, False),
    Column("calibrated_at", Kind.TEXT, "moment of calibration of the vial", "ISO 8601", False, False),
    Column(
        "calibrated_activity_gbq", Kind.NUMBER, "activity of the vial then", "GBq", False, False, above=0, below=100
    ),
    Column("administered_at", Kind.TEXT, "moment of administration", "ISO 8601"),
    Column("administered_activity_gbq", Kind.NUMBER, "the vial's activity then", "GBq", above=0, below=100),
    Column("residual_fraction", Kind.NUMBER, "share that stayed in vial and lines", minimum=0, below=1),
    Column("lung_shunt_fraction", Kind.NUMBER, "share that passes to the lungs", minimum=0, below=1),
    Column("image", Kind.TEXT, "series UID or file of the session's image", "", False, False),
)


def _diameter(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, Kind.NUMBER, meaning, "mm", required, filled=False, minimum=0, maximum=1000)


def _attenuation(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, Kind.NUMBER, meaning, "HU", required, filled=False, minimum=-1100, maximum=4000)


LESIONS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("lesion_id", Kind.IDENTIFIER, "the lesion"),
    Column("segment", Kind.TEXT, "tumour segment that carries the lesion's dose"),
    Column("baseline_diameter_mm", Kind.NUMBER, "longest diameter before", "mm", filled=False, above=0, maximum=1000),
    _attenuation("baseline_hu", "portal-venous attenuation before"),
    _diameter("follow_up_diameter_mm", "longest diameter after; 0: the lesion is gone"),
    _attenuation("follow_up_hu", "portal-venous attenuation after"),
    Column("new_lesion", Kind.FLAG, "a lesion appeared that was not there before", filled=False),
)

MEASUREMENTS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("lesion_id", Kind.IDENTIFIER, "the lesion"),
    Column("date", Kind.DATE, "day of the visit"),
    Column("modality", Kind.TEXT, "CT, MR, ..."),
    _diameter("diameter_mm", "longest diameter"),
    _diameter("short_axis_mm", "short axis", required=False),
    _attenuation("hu", "portal-venous attenuation", required=False),
    Column("status", Kind.TEXT, "present, absent, ...", "", False, False),
)

LABS = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("date", Kind.DATE, "day of the sample"),
    Column("test", Kind.TEXT, "ast, alt, bilirubin, albumin, or another"),
    Column("value", Kind.NUMBER, "the value", "as column unit", minimum=0),
    Column("unit", Kind.TEXT, "unit as the laboratory prints it"),
    Column("lower_limit", Kind.NUMBER, "lower limit of normal", "as column unit", filled=False, minimum=0),
    Column("upper_limit", Kind.NUMBER, "upper limit of normal", "as column unit", filled=False, above=0),
)

FOLLOW_UP = (
    Column("patient_id", Kind.IDENTIFIER, "the patient"),
    Column("treated_on", Kind.DATE, "day of the first administration"),
    Column("hepatic_progression_on", Kind.DATE, "progression in the liver; empty: not seen", filled=False),
    Column("global_progression_on", Kind.DATE, "progression anywhere; empty: not seen", filled=False),
    Column("died_on", Kind.DATE, "death; empty: not seen", filled=False),
    Column("last_contact_on", Kind.DATE, "last day on which the patient's state is known"),
)
