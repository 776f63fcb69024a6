"""Sections of a case's report that stand there only where the case asked for them: engines side by side, biological effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ytterby.model.dose import CaseDose, SegmentDose
from ytterby.model.segment import Role
from ytterby.report.numbers import NOT_AVAILABLE, fixed

__all__ = [
    "ENGINE_NAMES",
    "budget_table",
    "correction_rows",
    "effect_rows",
    "engine_rows",
    "expectation_rows",
    "parameter_rows",
]

ENGINE_NAMES = {
    "local_deposition": "local deposition (D = K c / density)",
    "kernel": "dose kernel (beta particles of 90Y in uniform tissue)",
    "lung_mass": "activity over lung mass",
}
"""Engines as a reader knows them."""


def engine_rows(dose: CaseDose) -> list[dict[str, str | list[str]]]:
    """For each segment that several engines dosed: a row an engine, the reported one first."""
    rows: list[dict[str, str | list[str]]] = []
    for reported in dose.doses:
        others = [row for row in dose.compared if row.segment == reported.segment]
        for row in (reported, *others) if others else ():
            rows.append(
                {
                    "name": row.segment if row is reported else "",
                    "engine": ENGINE_NAMES.get(row.engine, row.engine).partition(" (")[0],
                    "mean": fixed(row.mean_dose_gy, 1),
                    "ratio": "reported" if row is reported else _difference(row, reported),
                    "points": [
                        fixed(value, 1) for value in (row.sd_dose_gy, row.d98_gy, row.d70_gy, row.d50_gy, row.d2_gy)
                    ],
                }
            )
    return rows


def effect_rows(dose: CaseDose) -> list[dict[str, str]]:
    """BED, EQD2 and equivalent uniform dose of the segments for which the case states parameters."""
    return [
        {
            "name": row.segment,
            "mean": fixed(row.mean_dose_gy, 1),
            "bed": fixed(row.bed_mean_gy, 1),
            "eqd2": fixed(row.eqd2_mean_gy, 1),
            "eud": fixed(row.eud_gy, 1),
        }
        for row in dose.doses
        if row.bed_mean_gy is not None
    ]


def expectation_rows(dose: CaseDose) -> list[dict[str, str]]:
    """What published dose-effect relations expect, with what has to be told beside it."""
    return [
        {
            "relation": row.effect_id,
            "kind": row.kind.upper(),
            "endpoint": row.endpoint,
            "name": row.segment,
            "dose": fixed(row.dose_gy, 1),
            "quantity": row.dose_quantity.replace("_", " "),
            "probability": fixed(None if row.probability is None else 100 * row.probability, 0),
            "caution": f"{row.source}. {row.caution}",
        }
        for row in dose.effects
    ]


def correction_rows(dose: CaseDose) -> list[dict[str, str]]:
    """Tumours measured and corrected for partial volume, side by side; all of them together last."""
    tumours = [row for row in dose.doses if row.role is Role.TUMOUR]
    if all(row.corrected_mean_dose_gy is None for row in tumours):
        return []
    rows = [
        {
            "name": row.segment,
            "volume": fixed(row.volume_ml, 1),
            "measured": _with_sd(row.mean_dose_gy, row.mean_dose_uncertainty_gy),
            "recovery": fixed(row.recovery_coefficient, 2),
            "corrected": _with_sd(row.corrected_mean_dose_gy, row.corrected_mean_dose_uncertainty_gy),
            "interval": NOT_AVAILABLE
            if row.corrected_low_gy is None
            else f"{fixed(row.corrected_low_gy, 1)} to {fixed(row.corrected_high_gy, 1)}",
        }
        for row in tumours
    ]
    together = dose.tumours
    rows.append(
        {
            "name": "All tumours (energy over mass)",
            "volume": fixed(sum(row.volume_ml for row in tumours), 1),
            "measured": _with_sd(dose.tumour_mean_dose_gy, together.mean_dose_uncertainty_gy),
            "recovery": "",
            "corrected": _with_sd(together.corrected_mean_dose_gy, together.corrected_mean_dose_uncertainty_gy),
            "interval": "",
        }
    )
    return rows


def budget_table(dose: CaseDose) -> dict[str, list[str] | list[list[str]]] | None:
    """Uncertainty budgets, a row a dose and a column a term, in percent of the dose (k = 1); None without budgets."""
    budgets = [("", one) for one in dose.budgets] + [("corrected", one) for one in dose.corrected_budgets]
    if not budgets:
        return None
    names = list(dict.fromkeys(term.name for _, one in budgets for term in one.terms if not term.part_of))
    rows = []
    for kind, one in budgets:
        by_name = {term.name: 100 * term.standard_fraction for term in one.terms}
        cells = [fixed(by_name.get(name), 1) for name in names]
        title = f"{one.segment}, {kind}" if kind else one.segment
        rows.append([title, fixed(one.mean_dose_gy, 1), *cells, fixed(100 * one.combined_fraction, 1)])
    return {"names": [name.replace("_", " ") for name in names], "rows": rows}


def parameter_rows(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the case stated beside its options, in words: a row a group, nothing where it stated nothing."""
    rows = []
    for group, stated in parameters.items():
        parts = _flat(stated) if isinstance(stated, Mapping) else []
        if isinstance(stated, list | tuple) and stated:
            parts = [", ".join(str(one) for one in stated)]
        if parts:
            rows.append((group.replace("_", " ").capitalize(), "; ".join(parts)))
    return rows


_UNITS = {"mm": "mm", "gy": "Gy", "gbq": "GBq", "kg": "kg", "ml": "mL", "hours": "h", "kev": "keV"}
_ABBREVIATIONS = {"fwhm": "FWHM", "ct": "CT", "id": "ID", "sd": "SD"}


def _flat(stated: Mapping[str, Any], before: str = "") -> list[str]:
    parts: list[str] = []
    for name, value in stated.items():
        words = name.split("_")
        unit = _UNITS.get(words[-1], "") if len(words) > 1 else ""
        title = before + " ".join(_ABBREVIATIONS.get(word, word) for word in (words[:-1] if unit else words))
        after = f" {unit}" if unit else ""
        if isinstance(value, Mapping):
            parts += _flat(value, f"{title}: ")
        elif isinstance(value, list | tuple):
            parts.append(f"{title} {', '.join(f'{one:g}' for one in value)}{after}")
        elif value is not None:
            parts.append(f"{title} {value:g}{after}" if isinstance(value, float) else f"{title} {value}{after}")
    return parts


def _with_sd(value_gy: float | None, sd_gy: float | None) -> str:
    """A dose with its standard uncertainty, where there is one."""
    if value_gy is None or sd_gy is None:
        return fixed(value_gy, 1)
    return f"{fixed(value_gy, 1)} ± {fixed(sd_gy, 1)}"


def _difference(row: SegmentDose, reported: SegmentDose) -> str:
    if not reported.mean_dose_gy > 0:
        return fixed(None, 1)
    return f"{100 * (row.mean_dose_gy / reported.mean_dose_gy - 1):+.1f} %".replace("-", "\u2212")
