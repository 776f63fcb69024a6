"""The key ``verify`` of CASE.yaml: what it takes, and what it refuses with field and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ytterby.errors import ConfigurationError
from ytterby.files.verifyrequest import read_verification
from ytterby.planning.gamma import GammaCriterion
from ytterby.planning.verify import Limits

HEAD = "schema: 1\npatient_id: P1\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "CASE.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_two_folders_are_enough_and_no_limit_has_a_default(tmp_path: Path) -> None:
    found = read_verification(written(tmp_path, "verify: {predicted: maa, delivered: pet}\n"))
    assert found.patient_id == "P1"
    assert found.simulated is False
    # Beside the file; whether they are there is asked later, for a case may be run before.
    assert found.verify.predicted == tmp_path / "maa"
    assert found.verify.limits.to_limits() == Limits()
    assert found.verify.limits.to_limits().recovered_range == (0.8, 1.2)


def test_everything_stated(tmp_path: Path) -> None:
    text = """simulated: true
verify:
  predicted: results/maa
  delivered: results/pet
  predicted_fwhm_mm: 12
  delivered_fwhm_mm: 6.5
  registered_by: A. Physicist
  limits:
    mean_dose_fraction: 0.20
    d70_fraction: 0.25
    tumour_to_normal_fraction: 0.3
    recovered_fraction: [0.9, 1.1]
    gamma: {dose_fraction: 0.1, distance_mm: 5, passing_fraction: 0.9}
"""
    found = read_verification(written(tmp_path, text))
    assert found.simulated is True
    assert (found.verify.predicted_fwhm_mm, found.verify.delivered_fwhm_mm) == (12.0, 6.5)
    assert found.verify.registered_by == "A. Physicist"
    assert found.verify.limits.to_limits() == Limits(0.2, 0.25, 0.3, (0.9, 1.1), GammaCriterion(0.1, 5.0), 0.9)


def test_keys_of_other_commands_are_not_looked_at(tmp_path: Path) -> None:
    text = "image: {path: nowhere}\nplan: 3\nverify: {predicted: maa, delivered: pet}\n"
    assert read_verification(written(tmp_path, text)).verify.delivered == tmp_path / "pet"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"CASE\.yaml, verify: the file names no results"),
        ("verify: {predicted: maa}\n", r"CASE\.yaml, verify\.delivered: is missing"),
        ("verify: maa\n", r"CASE\.yaml, verify: is no mapping"),
        ("verify: {predicted: maa, delivered: ./maa}\n", "predicted and delivered are one folder"),
        ("verify: {predicted: maa, delivered: 3}\n", r"verify\.delivered: is no path"),
        ('verify: {predicted: maa, delivered: " "}\n', r"verify\.delivered: is no path"),
        ("verify: {predicted: maa, delivered: pet, predicted_fwhm_mm: 12}\n", "one resolution alone matches nothing"),
        (
            "verify: {predicted: maa, delivered: pet, predicted_fwhm_mm: 12, delivered_fwhm_mm: 0}\n",
            r"verify\.delivered_fwhm_mm: lies outside its range \(> 0\)",
        ),
        ("verify: {predicted: maa, delivered: pet, predicted_fwhm: 12}\n", "write 'predicted_fwhm_mm'"),
        (
            "verify: {predicted: maa, delivered: pet, limits: {mean_dose: 0.2}}\n",
            r"verify\.limits\.mean_dose: is not known here.*write 'mean_dose_fraction'",
        ),
        (
            "verify: {predicted: maa, delivered: pet, limits: {mean_dose_fraction: -0.2}}\n",
            r"limits\.mean_dose_fraction: lies outside its range",
        ),
        (
            "verify: {predicted: maa, delivered: pet, limits: {recovered_fraction: [1.2, 0.8]}}\n",
            "the first limit is above the second",
        ),
        (
            "verify: {predicted: maa, delivered: pet, limits: {gamma: {dose_fraction: 0.1}}}\n",
            r"limits\.gamma\.distance_mm: is missing",
        ),
        (
            "verify: {predicted: maa, delivered: pet, limits: {gamma: {dose_fraction: 10, distance_mm: 4}}}\n",
            r"gamma\.dose_fraction: lies outside its range",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_verification(written(tmp_path, text))


def test_the_schema_and_the_patient_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "CASE.yaml"
    path.write_text("schema: 2\nverify: {predicted: a, delivered: b}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"schema 2 is not read(.|\n)*patient_id: is missing"):
        read_verification(path)
