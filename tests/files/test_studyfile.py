from __future__ import annotations

from pathlib import Path

import pytest

from ytterby.errors import ConfigurationError
from ytterby.files.studyfile import StudyFile, read_study
from ytterby.model.segment import Role

STUDY = """\
schema: 1
name: Liver NEN 2007-2022
simulated: false
time_zone: Europe/Berlin            # for DICOM times that carry no offset
device: glass
options:   {energy_j_per_gbq: 49.67, tissue_density_g_ml: 1.03, lung_mass_kg: 1.0, engine: local_deposition}
image:     {kind: maa_spect, unit: counts}
roles:     {liver: [Liver, liver], tumour: ["Tumor *", "L*"], perfused: ["Perfused*"], lungs: ["Lung*"]}
response:  {criterion: choi, minimum_diameter_mm: 20, maximum_lesions: 10}
toxicity:  {tests: [ast, alt, bilirubin, albumin], grade: 3, window_months: 12}
"""


def study(folder: Path, text: str = STUDY) -> StudyFile:
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return read_study(folder)


def test_the_study_as_a_person_writes_it(tmp_path: Path) -> None:
    read_in = study(tmp_path)
    assert (read_in.name, read_in.simulated, read_in.device, read_in.analysis) == (
        "Liver NEN 2007-2022",
        False,
        "glass",
        None,
    )
    assert read_in.options.dose_options().energy_j_per_gbq == 49.67
    assert (read_in.response.minimum_diameter_mm, read_in.response.maximum_lesions) == (20, 10)
    assert read_in.toxicity is not None
    assert read_in.toxicity.tests == ("ast", "alt", "bilirubin", "albumin")


def test_the_analysis_plan_is_found_beside_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"study\.yaml, analysis: there is no file or folder 'analysis\.yaml'"):
        study(tmp_path, STUDY + "analysis: analysis.yaml\n")
    (tmp_path / "analysis.yaml").touch()
    assert study(tmp_path, STUDY + "analysis: analysis.yaml\n").analysis == tmp_path / "analysis.yaml"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Liver", Role.LIVER),
        ("liver", Role.LIVER),
        ("LIVER", Role.TUMOUR),  # case counts: only L* fits
        ("Tumor 1", Role.TUMOUR),
        ("L12", Role.TUMOUR),
        ("Lung left", Role.LUNGS),  # Lung* spells out more than L*
        ("Perfused right", Role.PERFUSED),
        ("spleen", Role.OTHER),
    ],
)
def test_roles_by_the_pattern_that_fits_best(tmp_path: Path, name: str, role: Role) -> None:
    assert study(tmp_path).role_of(name) is role


def test_two_roles_that_fit_equally_well_are_refused(tmp_path: Path) -> None:
    longer = study(tmp_path, STUDY.replace('"Tumor *"', '"*ed 1"').replace('"Perfused*"', '"Per*"'))
    assert longer.role_of("Pered 1") is Role.TUMOUR
    equal = study(tmp_path, STUDY.replace('"Tumor *"', '"*d 1"').replace('"Perfused*"', '"Per*"'))
    message = r"study\.yaml, roles: the segment 'Pered 1' has the roles tumour \('\*d 1'\) and perfused \('Per\*'\)"
    with pytest.raises(ConfigurationError, match=message):
        equal.role_of("Pered 1")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema: 1", "schema: 7", r"study\.yaml, schema: schema 7"),
        ("simulated: false", "simulated: no", r"study\.yaml, simulated: is neither true nor false"),
        ("simulated: false\n", "", r"study\.yaml, simulated: is missing"),
        ("device: glass\n", "", r"study\.yaml, device: is missing"),
        ("device: glass", "device: lead", r"study\.yaml, device: 'lead'"),
        ("Europe/Berlin ", "Mars/Olympus ", r"study\.yaml, time_zone: 'Mars/Olympus' is no time zone"),
        ("criterion: choi", "criterion: recist", r"study\.yaml, response\.criterion: must be 'choi'"),
        ("maximum_lesions: 10", "maximum_lesions: 0", r"response\.maximum_lesions: lies outside"),
        ("[ast, alt,", "[ast, ck,", r"toxicity\.tests\.1: must be 'ast', 'alt', 'bilirubin' or 'albumin'"),
        ("liver: [Liver, liver], ", "", "counts images need segments of role liver"),
        ("lungs:", "lung:", r"study\.yaml, roles\.lung: is not known here\. What to do: write 'lungs'"),
        ("tissue_density_g_ml: 1.03, ", "", r"study\.yaml, options\.tissue_density_g_ml: is missing"),
        ("kind: maa_spect", "kind: ho166_spect", "cannot show glass microspheres"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in STUDY
    with pytest.raises(ConfigurationError, match=message):
        study(tmp_path, STUDY.replace(old, new))


def test_what_is_no_study_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the folder holds no study\.yaml"):
        read_study(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no such folder"):
        read_study(tmp_path / "none")
