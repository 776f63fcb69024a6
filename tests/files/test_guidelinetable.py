"""The shipped guidelines hold what was published, with its source; a table of one's own is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ytterby.errors import ConfigurationError
from ytterby.files.guidelinetable import SHIPPED_GUIDELINES, read_guidelines
from ytterby.model.treatment import Device
from ytterby.planning.targets import PlanQuantity

Q = PlanQuantity


def shipped() -> dict[str, Any]:
    return yaml.safe_load(SHIPPED_GUIDELINES.read_text(encoding="utf-8"))


def written(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


# quantity, at least, at most, has a condition
PUBLISHED = {
    "eanm-2022-glass-hcc-segmentectomy": [(Q.PERFUSED, 400, None, False)],
    "eanm-2022-glass-hcc-lobectomy": [
        (Q.PERFUSED, 140, None, False),
        (Q.PERFUSED, 150, None, True),
        (Q.PERFUSED_NORMAL, 88, None, True),
        (Q.TUMOUR, 205, None, False),
        (Q.TUMOUR, 250, None, True),
        (Q.NORMAL_LIVER, None, 75, True),
        (Q.NORMAL_LIVER, None, 50, True),
        (Q.NORMAL_LIVER, None, 90, True),
    ],
    "eanm-2022-glass-hcc-unilobar": [
        (Q.PERFUSED, 80, 150, False),
        (Q.TUMOUR, 205, None, False),
        (Q.PERFUSED_NORMAL, None, 120, True),
        (Q.NORMAL_LIVER, None, 75, True),
        (Q.NORMAL_LIVER, None, 50, True),
        (Q.NORMAL_LIVER, None, 90, True),
    ],
    "eanm-2022-glass-hcc-bilobar": [
        (Q.PERFUSED, 80, 150, False),
        (Q.TUMOUR, 205, None, False),
        (Q.NORMAL_LIVER, None, 50, True),
        (Q.NORMAL_LIVER, None, 90, True),
    ],
    "eanm-2022-resin-segmentectomy": [(Q.PERFUSED, 150, None, False)],
    "eanm-2022-resin-bilobar": [
        (Q.TUMOUR, 100, None, False),
        (Q.TUMOUR, 120, None, True),
        (Q.NORMAL_LIVER, None, 30, True),
        (Q.NORMAL_LIVER, None, 40, True),
    ],
    "salem-2022-segmentectomy": [(Q.PERFUSED, 400, None, False)],
    "salem-2022-lobectomy": [(Q.PERFUSED, 140, 150, False)],
    "salem-2022-multicompartment": [
        (Q.TUMOUR, 205, None, False),
        (Q.TUMOUR, 250, None, True),
        (Q.PERFUSED_NORMAL, None, 120, True),
    ],
    "dosisphere-01-standard": [(Q.PERFUSED, 100, 140, False)],
    "dosisphere-01-personalised": [
        (Q.TUMOUR, 205, None, False),
        (Q.TUMOUR, 250, None, True),
        (Q.PERFUSED_NORMAL, None, 120, True),
    ],
    "nen-watanabe-2024": [(Q.TUMOUR, 200, None, False)],
    "nen-ebbers-2022": [(Q.TUMOUR, 135, None, False), (Q.TUMOUR, 200, None, True)],
    "glass-lungs": [
        (Q.LUNG_ACTIVITY, None, 0.61, False),
        (Q.LUNG, None, 30, False),
        (Q.LUNG_CUMULATIVE, None, 50, False),
    ],
}


@pytest.mark.parametrize("preset", sorted(PUBLISHED))
def test_the_shipped_rows_are_the_published_ones(preset: str) -> None:
    rows = read_guidelines(None).of(preset).rows
    found = [
        (
            row.quantity,
            None if row.least is None else row.least.value,
            None if row.most is None else row.most.value,
            bool(row.condition),
        )
        for row in rows
    ]
    assert found == PUBLISHED[preset]


def test_every_preset_has_a_source_and_every_unverified_row_a_note() -> None:
    table = read_guidelines(None)
    assert len(table.guidelines) >= 19
    for guideline in table.guidelines:
        assert guideline.source.citation
        for row in guideline.rows:
            assert row.verified or row.note
    dois = {guideline.source.doi for guideline in table.guidelines}
    assert {"10.1007/s00259-021-05600-z", "10.1016/S2468-1253(20)30290-9", "10.2967/jnumed.124.267774"} <= dois
    assert table.of("eanm-2022-resin-unilobar").device is Device.RESIN
    # What could not be looked up says so.
    assert not table.of("salem-2022-lobectomy").source.doi_verified


def test_disagreements_are_named() -> None:
    table = read_guidelines(None)
    names = [one.disagreement_id for one in table.disagreements]
    assert {"hepatic-reserve", "normal-liver-by-bilirubin", "no-eanm-threshold-for-net"} <= set(names)
    unilobar = table.disagreements_about(table.of("eanm-2022-glass-hcc-unilobar"))
    assert {"hepatic-reserve", "normal-liver-by-bilirubin"} <= {one.disagreement_id for one in unilobar}
    assert [one.disagreement_id for one in table.disagreements_about(table.of("nen-watanabe-2024"))] == [
        "no-eanm-threshold-for-net"
    ]
    # There is no EANM threshold for neuroendocrine tumours.
    assert not [one for one in table.guidelines if "eanm" in one.guideline_id and "neuroendocrine" in one.disease]


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    data = shipped()
    data["presets"][0]["rows"][0]["value"] = 390
    table = read_guidelines(written(tmp_path, data))
    assert table.name == "own.yaml"
    assert table.guidelines[0].rows[0].least is not None
    assert table.guidelines[0].rows[0].least.value == 390


def broken(change: str) -> dict[str, Any]:
    data = shipped()
    first = data["presets"][0]
    if change == "id twice":
        data["presets"][1]["id"] = first["id"]
    elif change == "row twice":
        data["presets"][1]["rows"][0]["id"] = first["rows"][0]["id"]
    elif change == "no such source":
        first["source"] = "nobody"
    elif change == "value and range":
        first["rows"][0]["values"] = [1, 2]
    elif change == "range without values":
        first["rows"][0]["relation"] = "range"
    elif change == "falling range":
        del first["rows"][0]["value"]
        first["rows"][0] |= {"relation": "range", "values": [2, 1]}
    elif change == "unverified without note":
        first["rows"][0]["verified"] = False
    elif change == "a lesion":
        first["rows"][0]["quantity"] = "lesion"
    elif change == "concerns nothing":
        data["disagreements"][0]["concerns"] = ["nothing"]
    elif change == "an address":
        data["sources"][0]["doi"] = "https://doi.org/10.1007/x"
    elif change == "unknown key":
        first["rows"][0]["unit"] = "cGy"
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("id twice", "stands twice"),
        ("row twice", "stands twice"),
        ("no such source", "'nobody', which is not in the table"),
        ("value and range", "does not go with"),
        ("range without values", "does not go with"),
        ("falling range", "does not rise"),
        ("unverified without note", "needs a note"),
        ("a lesion", "no quantity of a guideline"),
        ("concerns nothing", "no preset and no row"),
        ("an address", "no DOI"),
        ("unknown key", "not known here"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_guidelines(written(tmp_path, broken(change)))
