"""What the virtual cohort imitates: counts of a published study, and the coefficients of the simulation.

The counts are those of Figure 1, Table 1 and the results of Watanabe et al., J Nucl Med 2024, doi:10.2967/jnumed.124.267774
(43 patients with liver metastases of neuroendocrine neoplasms, 90Y glass microspheres). They shape simulated patients only; no
analysis reads them. A cohort of another size keeps their proportions.

The coefficients below the counts are assumptions of the simulation, not estimates: a simulated study is known to follow them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

__all__ = [
    "AGE_YEARS",
    "CALIBRATION_DAYS",
    "CLOSED_ON",
    "ENROLLED",
    "EVALUABLE",
    "EXCLUDED",
    "EXTENT",
    "FIRST_TREATMENT",
    "GRADE",
    "HAZARDS",
    "LABORATORY_COMPLETE",
    "LAST_TREATMENT",
    "LATER_THERAPIES",
    "LATER_THERAPY_NUMBER",
    "LESIONS_PER_EVALUABLE",
    "LESION_RESPONSE",
    "NO_FOLLOW_UP_IMAGING",
    "ONLY_SMALL_LESIONS",
    "ORIGIN",
    "PRIOR_THERAPIES",
    "PRIOR_THERAPY_NUMBER",
    "SEX",
    "SITES",
    "SITE_NUMBER",
    "TOXICITY",
    "TREATMENT",
    "YES",
]

# ---------------------------------------------------------------- Figure 1
ENROLLED = 43
EVALUABLE = 28
ONLY_SMALL_LESIONS = 8
NO_FOLLOW_UP_IMAGING = 7
LESIONS_PER_EVALUABLE = 126 / 28
"""Lesions of at least 20 mm for each patient in the response analysis."""

EXCLUDED: Mapping[str, int] = MappingProxyType(
    {
        "insufficient data for dosimetry": 36,
        "untreated liver lesions": 7,
        "tumour histology": 9,
        "insufficient data for survival analysis": 4,
    }
)

# ---------------------------------------------------------------- Table 1
AGE_YEARS = (35, 60, 77)  # least, median, greatest
SEX: Mapping[str, int] = MappingProxyType({"M": 24, "F": 19})
ORIGIN: Mapping[str, int] = MappingProxyType({"pancreas": 11, "gastrointestinal": 30, "unknown": 2})
GRADE: Mapping[int, int] = MappingProxyType({1: 14, 2: 26, 3: 3})
YES: Mapping[str, int] = MappingProxyType({"endocrine_syndrome": 12, "liver_cirrhosis": 1, "portal_vein_thrombosis": 1})
EXTENT: Mapping[tuple[str, int], int] = MappingProxyType(
    {("whole", 1): 29, ("whole", 2): 8, ("right", 1): 4, ("right_plus_4", 1): 2}
)
"""Treated part of the liver and number of sessions."""

SITE_NUMBER: Mapping[int, int] = MappingProxyType({0: 24, 1: 12, 2: 4, 3: 2, 4: 1})
SITES: Mapping[str, int] = MappingProxyType(
    {
        "site_lymph_node": 14,
        "site_thyroid": 1,
        "site_lung": 3,
        "site_adrenal": 1,
        "site_peritoneum": 5,
        "site_ovary": 2,
        "site_bone": 4,
    }
)
PRIOR_THERAPY_NUMBER: Mapping[int, int] = MappingProxyType({0: 3, 1: 9, 2: 11, 3: 11, 4: 4, 5: 5})
PRIOR_THERAPIES: Mapping[str, int] = MappingProxyType(
    {
        "prior_resection_primary": 34,
        "prior_resection_metastasis": 8,
        "prior_tace": 5,
        "prior_rfa": 3,
        "prior_radiotherapy": 1,
        "prior_somatostatin": 29,
        "prior_prrt": 12,
        "prior_systemic": 13,
    }
)
LATER_THERAPY_NUMBER: Mapping[int, int] = MappingProxyType({0: 5, 1: 17, 2: 14, 3: 4, 4: 2, 5: 1})
LATER_THERAPIES: Mapping[str, int] = MappingProxyType(
    {
        "additional_sirt": 3,
        "later_resection_primary": 1,
        "later_resection_metastasis": 2,
        "later_tace": 2,
        "later_rfa": 0,
        "later_radiotherapy": 0,
        "later_somatostatin": 28,
        "later_prrt": 16,
        "later_systemic": 18,
    }
)

# ---------------------------------------------------------------- methods and results in the text
CALIBRATION_DAYS: Mapping[int, int] = MappingProxyType({2: 8, 3: 9, 4: 12, 5: 6, 6: 4, 7: 4, 8: 3, 9: 2, 10: 2, 11: 1})
"""Days from calibration to treatment over 51 sessions: median 4, range 2 to 11, 43 within 7 days (the text gives no more)."""

LABORATORY_COMPLETE = 29 / 43
FIRST_TREATMENT = date(2007, 6, 1)
LAST_TREATMENT = date(2022, 4, 29)
CLOSED_ON = date(2023, 8, 31)

# ---------------------------------------------------------------- assumptions of the simulation
TREATMENT: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "target_gy": (80.0, 105.0, 150.0),  # least, mode, greatest of the single-compartment target
        "lung_shunt_fraction": (0.007, 0.029, 0.15),  # least, median, greatest
        "residual_fraction": (0.0, 0.006, 0.03),
        "liver_volume_ml": (800.0, 1750.0, 3500.0),
        "tumour_to_normal": (1.5, 2.4, 8.0),
        "right_share": (0.60, 0.67, 0.73),
        "right_plus_4_share": (0.78, 0.86, 0.93),
    }
)

LESION_RESPONSE: Mapping[str, float] = MappingProxyType(
    {
        "d50_gy": 140.0,  # dose at which half of the lesions respond
        "slope": 2.8,  # logit per unit of ln(dose)
        "patient_sd": 0.5,  # random effect shared by a patient's lesions, logit
        "lesion_sd": 0.4,  # random effect of each lesion, logit
        "complete_share": 0.08,  # complete among responses
        "progressive_share": 14 / 41,  # progressive among non-responses
        "new_lesion": 0.07,  # patients with a new liver lesion at follow-up
    }
)

HAZARDS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        # monthly hazard of a grade 1 patient of other origin at 220 Gy, and hazard ratios (MAD: per Gy)
        "hepatic": {"base": 0.010, "grade_2": 3.0, "grade_3": 4.5, "pancreas": 2.5, "mad_gy": 0.9985},
        "extrahepatic": {"base": 0.010, "grade_2": 2.0, "grade_3": 20.0, "pancreas": 3.0, "mad_gy": 0.997},
        "death": {"base": 0.013, "grade_2": 1.8, "grade_3": 3.5, "pancreas": 1.7, "mad_gy": 0.998},
    }
)

TOXICITY: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        # chance of grade 1, 2 and 3 or more at 95 Gy to the normal liver; it rises with the dose
        "ast": (26 / 29, 3 / 29, 1 / 29),
        "alt": (19 / 29, 2 / 29, 1 / 29),
        "bilirubin": (12 / 29, 8 / 29, 1 / 29),
        "albumin": (1 / 29, 0.8 / 29, 0.6 / 29),
    }
)
