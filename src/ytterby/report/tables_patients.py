"""Table 1: the patients' characteristics in the layout of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ytterby.report.numbers import NOT_AVAILABLE, fixed, interval, plain, range_text
from ytterby.report.tables import Row, Table

__all__ = ["patient_table"]

_Records = Mapping[str, list[Mapping[str, Any]]]

# Variable -> (label, factor for the printed unit, decimals; None: as few as it takes).
_NUMBERS: dict[str, tuple[str, float, int | None]] = {
    "age_years": ("Age (y)", 1.0, None),
    "treated_volume_ml": ("Treated volume (mL)", 1.0, 1),
    "treated_fraction": ("Treated fraction (%)", 100.0, None),
    "administered_activity_gbq": ("Administered activity (GBq)", 1.0, 1),
    "mird_gy": ("MIRD dose (Gy)", 1.0, 1),
    "mad_gy": ("MAD (Gy)", 1.0, 1),
    "ntl_perfused_gy": ("Perfused volume normal-tissue AD (Gy)", 1.0, 1),
    "ntl_whole_gy": ("Whole-liver normal-tissue AD (Gy)", 1.0, 1),
    "lung_shunt_fraction": ("Lung shunt fraction (%)", 100.0, 1),
}

# Variable -> label with all its levels behind it.
_CATEGORIES: dict[str, str] = {
    "origin": "Origin of tumour: {levels} (n)",
    "grade": "NEN grade: {levels} (n)",
    "endocrine_syndrome": "Endocrine syndrome: {levels} (n)",
    "liver_cirrhosis": "Liver cirrhosis: {levels} (n)",
    "extrahepatic_disease": "Extrahepatic lesions: {levels} (n)",
    "involved_regions": "Number of involved regions: {levels} (n)*",
    "n_sessions_whole_liver": "Sessions for whole-liver SIRT: {levels} (n)",
    "n_sessions": "Sessions: {levels} (n)",
    "portal_vein_thrombosis": "PV thrombosis: {levels} (n)",
    "prior_therapies": "Number of therapies: {levels} (n)†",
    "later_therapies": "Number of therapies: {levels} (n)†",
}

# Several 0/1 variables in one row: their positives.
_FLAGS: dict[str, tuple[tuple[str, str], ...]] = {
    "regions_1": (("site_lymph_node", "Lymph node"), ("site_thyroid", "thyroid gland"), ("site_lung", "lung")),
    "regions_2": (
        ("site_adrenal", "Adrenal gland"),
        ("site_peritoneum", "peritoneum"),
        ("site_ovary", "ovary"),
        ("site_bone", "bone"),
    ),
}
_THERAPY_FLAGS = (
    (("resection_primary", "Tumour resection: primary"), ("resection_metastasis", "liver metastasis")),
    (("tace", "TACE"), ("rfa", "RFA"), ("radiotherapy", "radiotherapy")),
    (("somatostatin", "Somatostatin"), ("prrt", "PRRT"), ("systemic", "systemic therapy")),
)
_SEX = {"M": "Male", "F": "female"}
# What a label says -> its footnote.
_FOOTNOTES = (
    ("*", "*Number of involved regions per patient"),
    ("†", "†Number of therapies per patient"),
    ("NEN", "NEN = neuroendocrine neoplasm"),
    ("MIRD", "MIRD dose = single-compartment dose"),
    ("MAD (", "MAD = mean absorbed dose to tumours"),
    (" AD (", "AD = absorbed dose"),
    ("SIRT", "SIRT = selective internal radiation therapy"),
    ("PV", "PV = portal vein"),
    ("TACE", "TACE = transarterial chemoembolization"),
    ("RFA", "RFA = radiofrequency ablation"),
    ("PRRT", "PRRT = peptide receptor radionuclide therapy"),
)


def patient_table(results: Mapping[str, Any]) -> Table:
    """Table 1 of the variables that results.json has, each in one row."""
    records: dict[str, list[Mapping[str, Any]]] = {}
    for record in results["table1"]:
        records.setdefault(record["variable"], []).append(record)
    rows: list[Row] = []
    used: set[str] = set()

    def add(label: str, value: str, *names: str, level: int = 0) -> None:
        used.update(names)
        missing = max((records[name][0]["missing"] for name in names), default=0)
        rows.append(Row((label, f"{value}; missing, {missing}" if missing else value), level=level))

    for name in records:
        if name in used:
            continue
        if name in _NUMBERS:
            label, factor, decimals = _NUMBERS[name]
            add(label, _median(records[name][0], factor, decimals), name)
        elif name == "sex":
            add(f"{_joined(_SEX.get(r['level'], r['level']) for r in records[name])} (n)", _counts(records[name]), name)
        elif name == "extent":
            _extent(add, records[name])
        elif name in ("prior_therapy", "later_therapy"):
            add(
                "Prior therapy (n)" if name == "prior_therapy" else "Therapy after SIRT (n)",
                _positive(records[name]),
                name,
            )
        elif name in _CATEGORIES:
            level = 1 if name.endswith("_therapies") or name == "involved_regions" else 0
            levels = _joined(record["level"] for record in records[name])
            add(_CATEGORIES[name].format(levels=levels), _counts(records[name]), name, level=level)
        elif (parts := _group(name, records)) is not None:
            add(
                f"{_joined(label for _, label in parts)} (n)",
                _joined(_positive(records[n]) for n, _ in parts),
                *(n for n, _ in parts),
                level=1,
            )
        elif name == "additional_sirt":
            add("Additional SIRT (n)", _positive(records[name]), name)
        elif records[name][0]["level"] is None:
            add(name, _median(records[name][0], 1.0, None), name)
        else:
            add(f"{name}: {_joined(r['level'] for r in records[name])} (n)", _counts(records[name]), name)
    return Table(
        name="table1",
        title=f"Patient characteristics (n = {results['cohort']['analysed']})",
        header=("Clinical variable", "Value"),
        rows=tuple(rows),
        notes=("; ".join(note for mark, note in _FOOTNOTES if any(mark in row.cells[0] for row in rows)) + ".",),
        numeric=(False, False),
    )


def _joined(parts: Any) -> str:
    return "/".join(str(part) for part in parts)


def _counts(records: Sequence[Mapping[str, Any]]) -> str:
    return _joined(record["n"] for record in records)


def _positive(records: Sequence[Mapping[str, Any]]) -> str:
    return str(next((record["n"] for record in records if record["level"] == "positive"), NOT_AVAILABLE))


def _median(record: Mapping[str, Any], factor: float, decimals: int | None) -> str:
    if record["median"] is None:
        return NOT_AVAILABLE
    median, bounds = factor * record["median"], [factor * bound for bound in record["range"]]
    if decimals is None:
        return f"Median, {plain(median)}; range, {range_text(bounds)}"
    return f"Median, {fixed(median, decimals)}; range, {interval(bounds, decimals)}"


def _group(name: str, records: _Records) -> list[tuple[str, str]] | None:
    """The variables, with labels, that share a row with this one."""
    for parts in _FLAGS.values():
        if name in dict(parts):
            return [(part, label) for part, label in parts if part in records]
    for when in ("prior", "later"):
        for therapies in _THERAPY_FLAGS:
            named = {f"{when}_{therapy}": label for therapy, label in therapies}
            if name in named:
                return [(part, label) for part, label in named.items() if part in records]
    return None


def _extent(add: Any, records: Sequence[Mapping[str, Any]]) -> None:
    counts = {record["level"]: record["n"] for record in records}
    whole = counts.pop("whole", 0)
    parts = ", ".join(f"{level.replace('_', ' ')} {n}" for level, n in counts.items() if n)
    value = f"{sum(counts.values())}/{whole}"
    add("Partial-liver/whole-liver SIRT (n)", f"{value} (partial: {parts})" if parts else value, "extent")
