"""The table of dose-effect relations: what is shipped, and what a table of one's own may say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ytterby.dosimetry.effect import DoseQuantity, EffectKind, EffectModel, effect_probability, effect_row
from ytterby.errors import ConfigurationError, MissingMeasurement
from ytterby.files.effecttable import SHIPPED, read_effects
from ytterby.model.treatment import Device

OWN = """\
schema: 1
effects:
  - id: mine
    kind: tcp
    endpoint: complete response
    tissue: neuroendocrine liver metastases
    device: glass
    model: logistic
    dose_quantity: mean_bed
    population: our patients
    source: our own fit
    verified: true
    d50_gy: 200
    slope_per_gy: 0.02
    alpha_beta_gy: 10
"""


def test_the_shipped_table_has_the_published_numbers() -> None:
    rows = {row.effect_id: row for row in read_effects(None)}
    # Dewaraja et al. 2020, abstract: 292 Gy absorbed dose and 441 Gy BED yield 50 % TCP.
    assert rows["dewaraja_2020_dose"].d50_gy == 292
    assert rows["dewaraja_2020_bed"].d50_gy == 441
    assert rows["dewaraja_2020_bed"].dose_quantity is DoseQuantity.MEAN_BED
    # About 250 Gy with glass, about 60 Gy with resin (introduction of doi:10.1186/s13550-022-00911-0).
    assert (rows["hcc_glass_d50"].d50_gy, rows["hcc_resin_d50"].d50_gy) == (250, 60)
    assert (rows["hcc_glass_d50"].device, rows["hcc_resin_d50"].device) == (Device.GLASS, Device.RESIN)
    # EANM guideline 2022, note of table 2: 50 Gy above 1.1 mg/dL of bilirubin, 90 Gy below.
    assert (rows["chiesa_bilirubin_high"].limit_gy, rows["chiesa_bilirubin_low"].limit_gy) == (50, 90)
    assert rows["strigari_2010_liver"].kind is EffectKind.COMPLICATION


def test_what_was_not_verified_says_so_and_nothing_else_does() -> None:
    unverified = [row.effect_id for row in read_effects(None) if "not verified" in row.caution]
    assert unverified == ["strigari_2010_liver"]
    assert all(row.caution.startswith("Research use only.") for row in read_effects(None))


@pytest.mark.parametrize("effect_id", ["dewaraja_2020_dose", "dewaraja_2020_bed", "hcc_glass_d50", "hcc_resin_d50"])
def test_a_relation_without_a_published_slope_gives_no_probability(effect_id: str) -> None:
    row = effect_row(read_effects(None), effect_id)
    assert row.slope_per_gy is None
    with pytest.raises(MissingMeasurement, match="slope_per_gy is not known"):
        effect_probability(row, 292.0)


def test_a_table_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    (row,) = read_effects(tmp_path / "mine.yaml")
    assert (row.model, row.alpha_beta_gy, row.doi, row.note) == (EffectModel.LOGISTIC, 10.0, "", "")
    assert effect_probability(row, 200.0) == 0.5
    assert effect_probability(row, 250.0) == pytest.approx(1 / (1 + math.exp(-1.0)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("d50_gy: 200", "limit_gy: 200", r"effects\.0: a relation of model logistic needs 'd50_gy'"),
        ("slope_per_gy: 0.02", "m_fraction: 0.2", r"effects\.0: a relation of model logistic has no 'm_fraction'"),
        ("model: logistic", "model: limit", r"effects\.0: a relation of model limit needs 'limit_gy'"),
        ("model: logistic", "model: probit", r"effects\.0\.model: must be 'logistic', 'lkb' or 'limit'"),
        ("verified: true", "verified: false", r"effects\.0: parameters that are not verified need a note"),
        ("    verified: true\n", "", r"effects\.0\.verified: is missing"),
        ("    source: our own fit\n", "", r"effects\.0\.source: is missing"),
        ("device: glass", "device: sand", r"effects\.0\.device: 'sand' is no device"),
        ("d50_gy: 200", "d50_gy: 0", r"effects\.0\.d50_gy: lies outside its range \(> 0\)"),
        ("d50_gy: 200", "d50: 200", r"effects\.0\.d50: is not known here\. What to do: write 'd50_gy'"),
        ("verified: true", "verified: true\n    doi: https://doi.org/10.1/x", r"effects\.0\.doi: '.*' is no DOI"),
        ("schema: 1", "schema: 2", r"schema 2 is not read"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert OWN.count(old) == 1
    (tmp_path / "mine.yaml").write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml, " + message if "schema 2" not in message else message):
        read_effects(tmp_path / "mine.yaml")


def test_ids_stand_once(tmp_path: Path) -> None:
    again = OWN + OWN.split("effects:\n")[1]
    (tmp_path / "mine.yaml").write_text(again, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="'mine' stands twice"):
        read_effects(tmp_path / "mine.yaml")


def test_the_shipped_table_can_be_copied_and_read(tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_bytes(SHIPPED.read_bytes())
    assert read_effects(tmp_path / "copy.yaml") == read_effects(None)


def test_the_table_and_the_example_of_the_page_are_those_of_the_program(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "theory" / "radiobiology.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == [row.effect_id for row in read_effects(None)]
    (tmp_path / "ours.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    row = effect_row(read_effects(tmp_path / "ours.yaml"), "our_fit")
    assert f"{effect_probability(row, 300.0):.3f}" == page.split("effect_probability(row, 300.0)  # ")[1][:5]
