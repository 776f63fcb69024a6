"""The report of one case: one HTML file that needs nothing beside it. Numbers are rounded here, and only here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ytterby.dosimetry.planar import PlanarScan
from ytterby.model.dose import ActivityBalance, CaseDose, SegmentDose, SingleCompartmentDose, joint_mean_dose_gy
from ytterby.model.segment import Role, Segment
from ytterby.model.treatment import Session
from ytterby.model.volume import Quantity, Volume
from ytterby.report.case_facts import CaseFacts
from ytterby.report.case_figures import (
    ISODOSES_GY,
    WASH_FROM_FRACTION,
    histogram_figure,
    planes_figure,
    png_bytes,
    svg_bytes,
)
from ytterby.report.case_marks import Mark, marks
from ytterby.report.case_sections import (
    ENGINE_NAMES,
    budget_table,
    correction_rows,
    effect_rows,
    engine_rows,
    expectation_rows,
    parameter_rows,
)
from ytterby.report.numbers import NOT_AVAILABLE, fixed
from ytterby.report.planar_figure import planar_figure
from ytterby.report.single_page import data_url, page_template

__all__ = ["case_facts", "page_html", "write_case_page"]

_ROLE_NAMES = {
    Role.LIVER: "Liver",
    Role.TUMOUR: "Tumour",
    Role.PERFUSED: "Perfused volume",
    Role.LUNGS: "Lungs",
    Role.NORMAL_LIVER: "Whole normal liver",
    Role.PERFUSED_NORMAL: "Perfused normal liver",
    Role.OTHER: "Other",
}
_QUANTITY_NAMES = {
    Quantity.HU: "Hounsfield units",
    Quantity.COUNTS: "counts",
    Quantity.CONCENTRATION: "activity concentration, Bq/mL",
    Quantity.DOSE: "absorbed dose, Gy",
}


@dataclass(frozen=True)
class _Figure:
    """A headline number: what it is, its value with unit, and a line that explains it."""

    name: str
    value: str
    unit: str
    note: str


def write_case_page(
    path: Path,
    *,
    dose: CaseDose,
    dose_map: Volume,
    image: Volume,
    ct: Volume | None,
    segments: Sequence[Segment],
    sessions: Sequence[Session],
    simulated: bool,
    software: str,
    title: str = "",
    parameters: Mapping[str, Any] | None = None,
    planar: PlanarScan | None = None,
) -> CaseFacts:
    """Write the report of a case to ``path``: one file, images inside, the same bytes for the same input; returns what it shows.

    ``image`` is what the dose was computed from, ``ct`` what it is shown on (None: the image carries the contours);
    ``segments`` may lie on grids of their own. ``software`` names program and version; ``planar`` is the
    scan in which the lung shunt was counted.
    """
    facts = case_facts(
        dose=dose,
        dose_map=dose_map,
        image=image,
        ct=ct,
        segments=segments,
        sessions=sessions,
        simulated=simulated,
        software=software,
        title=title,
        parameters=parameters,
        planar=planar,
    )
    path.write_bytes(page_html(facts).encode("utf-8"))
    return facts


def page_html(facts: CaseFacts) -> str:
    """The page as text."""
    return page_template("case.html").render(
        **facts.values,
        planes=data_url("image/png", facts.planes_png),
        histogram=None if facts.histogram_svg is None else data_url("image/svg+xml", facts.histogram_svg),
    )


def case_facts(
    *,
    dose: CaseDose,
    dose_map: Volume,
    image: Volume,
    ct: Volume | None,
    segments: Sequence[Segment],
    sessions: Sequence[Session],
    simulated: bool,
    software: str,
    title: str = "",
    parameters: Mapping[str, Any] | None = None,
    planar: PlanarScan | None = None,
) -> CaseFacts:
    """What the report of a case shows, page or PDF, rounded for people."""
    shown = marks(dose, segments)
    planes = planes_figure(dose, dose_map, image=image, ct=ct, segments=segments, simulated=simulated)
    histogram = histogram_figure(dose, segments=segments, simulated=simulated) if dose.histograms else None
    values = {
        "title": title or f"Dosimetry of {dose.patient_id}",
        "patient_id": dose.patient_id,
        "simulated": simulated,
        "software": software,
        "notices": dose.notices,
        "headline": _headline(dose),
        "all_tumours": _together([row for row in dose.doses if row.role is Role.TUMOUR]),
        "tumours": [_dose_row(row, shown) for row in dose.doses if row.role is Role.TUMOUR],
        "tissues": [_dose_row(row, shown) for row in dose.doses if row.role is not Role.TUMOUR],
        "has_uncertainty": any(_is_number(row.mean_dose_uncertainty_gy) for row in dose.doses),
        "has_bed": any(_is_number(row.bed_mean_gy) for row in dose.doses),
        "effects": effect_rows(dose),
        "expectations": expectation_rows(dose),
        "corrections": correction_rows(dose),
        "budget": budget_table(dose),
        "compartments": [_compartment_row(row) for row in dose.single_compartment],
        "lungs": [
            {
                "session": row.session_id,
                "shunt": _percent(row.lung_shunt_fraction),
                "mass": fixed(row.lung_mass_kg, 2),
                "mean": fixed(row.mean_dose_gy, 1),
                "cumulative": fixed(row.cumulative_gy, 1),
            }
            for row in dose.lungs
        ],
        "measured_shunt": None
        if dose.measured_lung_shunt is None
        else f"{_percent(dose.measured_lung_shunt.lung_shunt_fraction)} % ({dose.measured_lung_shunt.method})",
        "engines": engine_rows(dose),
        "sessions": [_session_row(session) for session in sessions],
        "balance": _balance(dose.balance),
        "shares": _shares(dose.balance),
        "options": _options(dose),
        "parameters": parameter_rows(parameters or {}),
        "images": [_image_row(name, volume) for name, volume in (("Image", image), ("Dose map", dose_map), ("CT", ct))],
        "planar": None
        if planar is None
        else data_url("image/png", png_bytes(planar_figure(planar, simulated=simulated))),
        "has_ct": ct is not None,
        "focus": _focus(segments),
        "isodoses": ", ".join(f"{level:g}" for level in ISODOSES_GY),
        "wash_percent": f"{100 * WASH_FROM_FRACTION:g}",
    }
    return CaseFacts(values, png_bytes(planes), None if histogram is None else svg_bytes(histogram))


def _headline(dose: CaseDose) -> list[_Figure]:
    """What a reader looks for first."""
    found = []
    for role, name, note in (
        (Role.TUMOUR, "Tumours (MAD)", "mean absorbed dose, energy over mass of all"),
        (Role.PERFUSED_NORMAL, "Perfused normal liver", "perfused volume without tumours"),
        (Role.NORMAL_LIVER, "Whole normal liver", "liver without tumours"),
    ):
        rows = [row for row in dose.doses if row.role is role]
        volume = f"{fixed(math.fsum(row.volume_ml for row in rows), 1)}\u00a0mL"
        what = f"{len(rows)} tumours, {volume}" if role is Role.TUMOUR else volume
        if len(rows) == 1:
            what = what.replace("tumours", "tumour")
        text = f"{note}; {what}" if rows else "no such segment"
        found.append(_Figure(name, fixed(joint_mean_dose_gy(rows), 1), "Gy", text))
    found.append(_lung_figure(dose))
    single = [row.mean_dose_gy for row in dose.single_compartment]
    note = "; ".join(f"{row.target}, {fixed(row.volume_ml, 1)}\u00a0mL" for row in dose.single_compartment)
    value = " / ".join(fixed(value, 1) for value in single) or NOT_AVAILABLE
    found.append(_Figure("Single compartment (MIRD)", value, "Gy", note or "not computed"))
    return found


def _focus(segments: Sequence[Segment]) -> str:
    """What the planes go through, in words."""
    roles = {segment.role for segment in segments if not segment.is_empty}
    if Role.TUMOUR in roles:
        return "the hottest tumour"
    return "the liver" if Role.LIVER in roles else "the highest dose"


def _lung_figure(dose: CaseDose) -> _Figure:
    """Lung dose of all sessions together; from a segment where no session has one."""
    if dose.lungs:
        total_gy = math.fsum(row.mean_dose_gy for row in dose.lungs)
        many = f"sum of {len(dose.lungs)} sessions; " if len(dose.lungs) > 1 else ""
        masses = sorted({fixed(row.lung_mass_kg, 2) for row in dose.lungs})
        return _Figure("Lungs", fixed(total_gy, 1), "Gy", f"{many}from the lung shunt, {' / '.join(masses)} kg")
    rows = [row for row in dose.doses if row.role is Role.LUNGS]
    return _Figure("Lungs", fixed(joint_mean_dose_gy(rows), 1), "Gy", "from the image" if rows else "not computed")


def _dose_row(row: SegmentDose, shown: dict[str, Mark]) -> dict[str, Any]:
    mark = shown[row.segment]
    return {
        "colour": mark.colour,
        "number": mark.number,
        "name": row.segment,
        "role": _ROLE_NAMES[row.role],
        "method": row.method,
        "volume": fixed(row.volume_ml, 1),
        "share": _percent(row.activity_fraction),
        "mean": fixed(row.mean_dose_gy, 1),
        "uncertainty": fixed(row.mean_dose_uncertainty_gy, 1),
        "bed": fixed(row.bed_mean_gy, 1),
        "points": [
            fixed(value, 1)
            for value in (
                row.min_dose_gy,
                row.d98_gy,
                row.d95_gy,
                row.d90_gy,
                row.d70_gy,
                row.d50_gy,
                row.d2_gy,
                row.max_dose_gy,
            )
        ],
        "v100": _percent(row.v100gy_fraction),
    }


def _together(rows: Sequence[SegmentDose]) -> dict[str, str] | None:
    """Volume, share and mean of several segments; None where one row says it already."""
    if len(rows) < 2:
        return None
    return {
        "volume": fixed(math.fsum(row.volume_ml for row in rows), 1),
        "share": _percent(math.fsum(row.activity_fraction for row in rows)),
        "mean": fixed(joint_mean_dose_gy(rows), 1),
    }


def _compartment_row(row: SingleCompartmentDose) -> dict[str, str]:
    return {
        "session": row.session_id,
        "target": row.target,
        "volume": fixed(row.volume_ml, 1),
        "mass": fixed(row.mass_kg, 3),
        "activity": fixed(row.activity_gbq, 3),
        "mean": fixed(row.mean_dose_gy, 1),
    }


def _session_row(session: Session) -> dict[str, str]:
    vial = session.vial
    return {
        "session": session.session_id,
        "device": session.device.value,
        "vial": f"{fixed(vial.calibrated_activity_gbq, 3)} GBq, {_moment(vial.calibrated_at)}"
        if vial
        else NOT_AVAILABLE,
        "administered": fixed(session.administered_activity_gbq, 3),
        "when": _moment(session.administered_at),
        "residual": _percent(session.residual_fraction),
        "net": fixed(session.net_activity_gbq, 3),
        "shunt": _percent(session.lung_shunt_fraction),
        "perfused": ", ".join(session.perfused) or "whole liver",
    }


def _moment(when: datetime) -> str:
    """A moment to the minute with its offset from UTC, as it was written."""
    return when.isoformat(sep=" ", timespec="minutes")


def _balance(balance: ActivityBalance) -> dict[str, Any]:
    parts = (
        ("Liver", balance.liver_gbq),
        ("Lungs", balance.lung_gbq),
        ("Elsewhere", balance.outside_gbq),
        ("Residual in vial and tubing", balance.residual_gbq),
    )
    total = balance.administered_gbq
    checks = (
        ("Counts of the image outside liver and lungs", balance.counts_outside_fraction),
        ("Counts of the image in the lungs", balance.counts_in_lungs_fraction),
        ("Counts of the liver outside all perfused volumes", balance.counts_outside_territories_fraction),
        ("Activity recovered in the image, of the net administered", balance.recovered_fraction),
    )
    return {
        "administered": fixed(total, 3),
        "parts": [
            {"name": name, "value": fixed(value, 3), "percent": _percent(value / total)} for name, value in parts
        ],
        "closure": _signed_percent(balance.closure_fraction),
        "checks": [{"name": name, "percent": _percent(value)} for name, value in checks if _is_number(value)],
    }


def _signed_percent(fraction: float) -> str:
    """Percent with two decimals and a sign, save where it rounds to nothing."""
    percent = round(100.0 * fraction, 2)
    return f"{percent:+.2f}".replace("-", "\u2212") if percent else "0.00"


def _shares(balance: ActivityBalance) -> list[dict[str, str]]:
    """Lengths of the bar's parts, in percent of the sum of what was found."""
    parts = (
        ("liver", balance.liver_gbq),
        ("lungs", balance.lung_gbq),
        ("elsewhere", balance.outside_gbq),
        ("residual", balance.residual_gbq),
    )
    found = math.fsum(max(value, 0.0) for _, value in parts)
    if not found > 0:
        return []
    return [{"name": name, "width": f"{100 * value / found:.3f}"} for name, value in parts if value > 0]


def _options(dose: CaseDose) -> list[tuple[str, str]]:
    options = dose.options
    return [
        ("Dose engine", ENGINE_NAMES.get(options.engine, options.engine)),
        ("Energy of all decays of 1 GBq (K)", f"{options.energy_j_per_gbq:.6g} J/GBq"),
        ("Density of liver and tumours", f"{options.tissue_density_g_ml:g} g/mL"),
        (
            "Mass of the lungs",
            "not stated"
            if options.lung_mass_kg is None
            else f"{options.lung_mass_kg:.3g} kg ({options.lung_mass_source})",
        ),
    ]


def _image_row(name: str, volume: Volume | None) -> dict[str, str]:
    if volume is None:
        return {"name": name, "quantity": "none given", "matrix": NOT_AVAILABLE, "voxel": NOT_AVAILABLE}
    return {
        "name": name,
        "quantity": _QUANTITY_NAMES.get(volume.quantity, "unit not stated"),
        "matrix": " × ".join(str(n) for n in volume.grid.shape),
        "voxel": " × ".join(f"{side:.2f}" for side in volume.grid.spacing_mm) + " mm",
    }


def _percent(fraction: float | None) -> str:
    return fixed(None if fraction is None else 100.0 * fraction, 1)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
