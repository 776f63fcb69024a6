"""The numbers of the tutorial are those of the patient that the reader simulates."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ytterby.workflow.case import load_case, run_case
from ytterby.workflow.simulate import simulate_patient

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "one-patient.md"


def test_the_tutorial_shows_what_the_reader_sees(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    dose = run_case(load_case(simulate_patient(tmp_path / "P", seed=1)), tmp_path / "P-results")
    for row in dose.doses:
        further = (row.d70_gy, row.mean_dose_uncertainty_gy, row.corrected_mean_dose_gy)
        d70, spread, corrected = ("" if value is None else f"{value:.1f}" for value in further)
        shown = (
            f"│ {row.segment:12} │ {row.role.value:12} │ {row.volume_ml:9.1f} │ {row.mean_dose_gy:7.1f} │ {d70:>6} "
            f"│ {spread:>4} │ {corrected:>12} │"
        )
        assert shown in page
    assert f"{dose.single_compartment[0].mean_dose_gy:.1f} Gy" in page
    truth = json.loads((tmp_path / "P" / "truth.json").read_text(encoding="utf-8"))
    assert f"{truth['lesions'][0]['mad_gy']:.1f} Gy.\n" in page
    small = dose.of("L03")
    told = (small.corrected_mean_dose_gy or 0.0, small.corrected_mean_dose_uncertainty_gy or 0.0)
    assert f"{told[0]:.0f} Gy with a standard uncertainty of {told[1]:.0f} Gy" in page
    assert f"it was given {truth['lesions'][2]['mad_gy']:.0f} Gy" in page


def test_the_sums_of_the_tutorial_are_right() -> None:
    plain = PAGE.read_text(encoding="utf-8").replace("×", "*").replace("−", "-")
    plain = re.sub(r" (GBq|L|kg/L|kg|Gy)\b", "", plain)
    sums = re.findall(r"([\d.(][\d.() */\-]+[\d.)]) = ([\d.]+\d)", plain)
    assert len(sums) == 5
    for terms, shown in sums:
        unit_in_last_place = 10.0 ** -len(shown.partition(".")[2])
        assert abs(eval(terms) - float(shown)) <= unit_in_last_place  # digits and signs alone: see the pattern
