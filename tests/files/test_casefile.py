from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import ConfigurationError
from ytterby.files.casefile import CaseFile, read_case
from ytterby.files.treatmentfields import ImageKind, ImageUnit
from ytterby.model.dose import DoseOptions, Engine
from ytterby.model.segment import Role
from ytterby.model.treatment import Device


def case() -> dict[str, Any]:
    return {
        "schema": 1,
        "patient_id": "P1",
        "image": {"path": "spect.nrrd", "kind": "maa_spect", "unit": "counts"},
        "segments": {
            "path": "seg.nrrd",
            "roles": {"liver": "liver", "tumour": ["Tumor 1", "Tumor 2"], "perfused": ["perfused volume"], "lungs": []},
        },
        "sessions": [
            {
                "device": "glass",
                "administered_activity_gbq": 3.9,
                "administered_at": "2024-03-08T11:00:00+01:00",
                "residual_fraction": 0.01,
                "lung_shunt_fraction": 0.029,
                "perfused": "perfused volume",
            }
        ],
        "options": {
            "energy_j_per_gbq": 49.67,
            "tissue_density_g_ml": 1.03,
            "lung_mass_kg": 1.0,
            "engine": "local_deposition",
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("spect.nrrd", "spect2.nrrd", "seg.nrrd"):
        (tmp_path / name).touch()
    (tmp_path / "ct").mkdir()
    return tmp_path


def read(folder: Path, data: dict[str, Any]) -> CaseFile:
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return read_case(path)


def changed(place: str, value: Any) -> dict[str, Any]:
    """The case with the value at a dotted place replaced (or removed, for None)."""
    data = case()
    here: Any = data
    *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    for step in steps:
        here = here[step]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return data


def test_a_whole_case(folder: Path) -> None:
    read_in = read(folder, case())
    (session,) = read_in.to_sessions()
    assert (session.session_id, session.device) == ("1", Device.GLASS)
    assert (session.administered_activity_gbq, session.residual_fraction, session.lung_shunt_fraction) == (
        3.9,
        0.01,
        0.029,
    )
    assert session.administered_at == datetime(2024, 3, 8, 10, tzinfo=UTC)
    assert session.perfused == ("perfused volume",)
    assert read_in.image.path == folder / "spect.nrrd"
    assert read_in.segments is not None
    assert read_in.segments.roles.pairs() == (
        ("liver", Role.LIVER),
        ("Tumor 1", Role.TUMOUR),
        ("Tumor 2", Role.TUMOUR),
        ("perfused volume", Role.PERFUSED),
    )
    assert read_in.options.dose_options() == DoseOptions(49.67, 1.03, 1.0, "local_deposition")
    assert read_in.input_paths() == (folder / "spect.nrrd", folder / "seg.nrrd")
    assert read_in.notices == ()


def test_the_case_as_a_person_writes_it(folder: Path) -> None:
    (folder / "case.yaml").write_text(
        """
schema: 1
patient_id: P1
time_zone: Europe/Berlin
image:      {path: spect.nrrd, kind: y90_pet, unit: bq_ml, reference_time: 2024-03-08T12:00:00}
ct:         {path: ct/}
diagnostic: {path: ct/}
segments:   {path: seg.nrrd, labels: {1: liver, 2: Tumor 1}, roles: {liver: liver, tumour: [Tumor 1]}}
sessions:   [{device: glass, administered_activity_gbq: 3900 MBq, administered_at: 2024-07-08T11:00:00,
              residual_fraction: 0, lung_shunt_fraction: 0.029, calibrated_activity_gbq: 4.1 GBq,
              calibrated_at: 2024-07-07T12:00:00}]
derived:    [{name: perfused, role: perfused, inside: liver, method: percent_of_max, percent: 5}]
options:    {energy_j_per_gbq: 49.67, tissue_density_g_ml: 1.03, lung_mass_kg: 1, engine: local_deposition}
radiobiology: {tumour: {alpha_beta_gy: 10, repair_hours: 1.5}, normal: {alpha_beta_gy: 2.5, repair_hours: 2.5}}
""",
        encoding="utf-8",
    )
    read_in = read_case(folder / "case.yaml")
    (session,) = read_in.to_sessions()
    assert session.administered_activity_gbq == pytest.approx(3.9)
    assert session.administered_at == datetime(2024, 7, 8, 9, tzinfo=UTC)  # summer time
    assert session.vial is not None
    assert session.vial.calibrated_activity_gbq == 4.1
    assert read_in.image.reference_time == datetime(2024, 3, 8, 11, tzinfo=UTC)
    assert read_in.segments is not None
    assert read_in.segments.labels == {1: "liver", 2: "Tumor 1"}
    assert read_in.derived[0].segment_role is Role.PERFUSED
    assert read_in.radiobiology is not None
    assert read_in.radiobiology.normal.alpha_beta_gy == 2.5
    (notice,) = read_in.notices
    assert notice.code == "diagnostic_unused"


@pytest.mark.parametrize(
    "place",
    [
        "schema",
        "patient_id",
        "image",
        "image.path",
        "image.kind",
        "sessions",
        "sessions.0.device",
        "sessions.0.administered_activity_gbq",
        "sessions.0.administered_at",
        "sessions.0.residual_fraction",
        "sessions.0.lung_shunt_fraction",
        "options",
        "options.energy_j_per_gbq",
        "options.tissue_density_g_ml",
        "segments.path",
        "segments.roles",
    ],
)
def test_no_clinical_quantity_has_a_default(folder: Path, place: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"case\.yaml, {re.escape(place)}: is missing\. What to do: state it"):
        read(folder, changed(place, None))


def test_a_reference_time_of_counts_plays_no_part_and_that_is_told(folder: Path) -> None:
    case = read(folder, changed("image.reference_time", "2024-03-08T11:00:00Z"))
    assert [notice.code for notice in case.notices] == ["reference_time_unused"]


def test_without_a_lung_mass_there_is_none_and_the_engine_is_the_published_one(folder: Path) -> None:
    assert read(folder, changed("options.lung_mass_kg", None)).options.dose_options().lung_mass_kg is None
    assert read(folder, changed("options.engine", None)).options.engine == (Engine.LOCAL_DEPOSITION,)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("schema", 2, r"case\.yaml, schema: schema 2 is not read by this version"),
        ("patient_id", 12, r"case\.yaml, patient_id: is no text\. What to do: put it in quotes"),
        ("patient_id", "../P1", r"patient_id: '../P1' cannot name a patient"),
        ("patient_id", "", "patient_id: is empty"),
        ("time_zone", "Berlin", r"case\.yaml, time_zone: 'Berlin' is no time zone.*Europe/Berlin"),
        (
            "sessions.0.administered_at",
            "2024-03-08T11:00:00",
            r"sessions\.0\.administered_at: .* has no time zone.*time_zone",
        ),
        (
            "sessions.0.administered_at",
            "8.3.2024",
            r"sessions\.0\.administered_at: '8\.3\.2024' is no date with a time",
        ),
        ("sessions.0.administered_at", 2024, r"sessions\.0\.administered_at: is no date with a time"),
        (
            "sessions.0.lung_shunt_fraction",
            2.9,
            r"case\.yaml, sessions\.0\.lung_shunt_fraction: lies outside.*2\.9 % is written 0\.029",
        ),
        ("sessions.0.residual_fraction", "0.01", r"sessions\.0\.residual_fraction: is no number"),
        ("sessions.0.residual_fraction", float("nan"), r"sessions\.0\.residual_fraction: is no finite number"),
        ("sessions.0.residual_fraction", True, r"sessions\.0\.residual_fraction: is no number"),
        ("sessions.0.administered_activity_gbq", 0, r"administered_activity_gbq: lies outside its range \(> 0\)"),
        (
            "sessions.0.administered_activity_gbq",
            "3.9 Gy",
            r"administered_activity_gbq: 'Gy' is not a unit that fits.*GBq",
        ),
        (
            "sessions.0.administered_activity_gbq",
            "much",
            r"administered_activity_gbq: 'much' is not a number with a unit",
        ),
        ("sessions.0.device", "plastic", r"sessions\.0\.device: 'plastic' is no device.*glass, resin, holmium"),
        ("sessions.0.perfused", "left lobe", r"perfused names 'left lobe', which is none of perfused volume"),
        (
            "sessions.0.residual",
            0.1,
            r"sessions\.0\.residual: is not known here\. What to do: write 'residual_fraction'",
        ),
        (
            "sessions.0.calibrated_at",
            "2024-03-08T11:00:00Z",
            r"sessions\.0: calibrated_activity_gbq and calibrated_at belong",
        ),
        ("sessions", [], r"case\.yaml, sessions: "),
        ("imge", {}, r"case\.yaml, imge: is not known here\. What to do: write 'image'"),
        ("image.path", "nowhere.nrrd", r"case\.yaml, image\.path: there is no file or folder 'nowhere\.nrrd'"),
        ("image.path", "a\x00b", r"image\.path"),
        ("image.kind", "spect", r"image\.kind: must be 'maa_spect', 'y90_pet', 'y90_spect' or 'ho166_spect'"),
        ("image.unit", "bq_ml", r"image: an image of kind maa_spect shows 99mTc"),
        ("image.unit", "GBq", r"image\.unit: must be 'counts' or 'bq_ml'"),
        ("image.kind", "ho166_spect", "cannot show glass microspheres"),
        ("options.engine", ["kernel", "kernel"], r"options\.engine: an engine is named twice"),
        ("options.engine", "monte_carlo", r"options\.engine\.0: 'monte_carlo' is no engine"),
        ("options.lung_mass_kg", "from_ct", r"from_ct needs a CT and a segment of role lungs"),
        ("lung_shunt", {"method": "spect_ct"}, r"spect_ct needs segments of the roles liver and lungs"),
        ("lung_shunt", {"method": "planar", "anterior_lung_counts": 2e4}, r"a planar lung shunt needs four counts"),
        ("partial_volume", {"method": "gaussian"}, r"needs the resolution of the image"),
        ("partial_volume", {"method": "table"}, r"no table of recovery coefficients"),
        ("options.tissue_density_g_ml", 1030, r"options\.tissue_density_g_ml: lies outside"),
        ("options.lung_mass_kg", 1000, r"options\.lung_mass_kg"),
        ("sessions.0.administered_activity_gbq", 2000, r"2000 GBq is more than any vial holds.*check the unit"),
        ("options.tissue_density_g_ml", -1, r"options\.tissue_density_g_ml: lies outside"),
        ("segments.roles.liver", [], "a counts image needs a segment of role liver"),
        ("segments.roles.liver", "Tumor 1", r"segments\.roles: 'Tumor 1' is named more than once"),
        (
            "segments.roles.tumor",
            ["Tumor 1"],
            r"segments\.roles\.tumor: is not known here\. What to do: write 'tumour'",
        ),
        ("segments.roles.tumour", [1], r"segments\.roles\.tumour\.0: is no text"),
        ("segments.labels", {0: "liver"}, r"segments\.labels\.0"),
        (
            "tumours",
            {"method": "percent_of_max", "percent": 41, "region": "liver", "minimum_diameter_mm": 20},
            "exclude each other",
        ),
        (
            "derived",
            [{"name": "x", "role": "perfused", "inside": "spleen", "method": "percent_of_max", "percent": 5}],
            "inside names 'spleen', which is none of",
        ),
        (
            "derived",
            [{"name": "liver", "role": "perfused", "inside": "liver", "method": "percent_of_max", "percent": 5}],
            "the name 'liver' is taken",
        ),
    ],
)
def test_wrong_fields_are_named(folder: Path, place: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(folder, changed(place, value))


def test_a_surrogate_image_needs_a_liver_whatever_its_unit(folder: Path) -> None:
    data = changed("segments.roles.liver", None)
    del data["image"]["unit"]
    with pytest.raises(ConfigurationError, match="a counts image needs a segment of role liver"):
        read(folder, data)
    data["image"]["kind"] = "y90_pet"  # an absolute image is dosed without one
    assert read(folder, data).image.unit is None


def test_every_wrong_field_is_listed(folder: Path) -> None:
    data = changed("sessions.0.lung_shunt_fraction", 2.9)
    data["options"]["engine"] = 7
    del data["image"]["kind"]
    with pytest.raises(ConfigurationError) as caught:
        read(folder, data)
    text = str(caught.value)
    assert text.startswith("case.yaml: 3 fields cannot be used:")
    for place in (
        "image.kind: is missing",
        "sessions.0.lung_shunt_fraction: lies outside",
        "options.engine.0: '7' is no engine",
    ):
        assert f"\n  - case.yaml, {place}" in text


def test_a_registration_is_a_file(folder: Path) -> None:
    registration = read(
        folder, {**case(), "registration": {"path": "seg.nrrd", "accepted_by": "A. Physicist"}}
    ).registration
    assert registration is not None
    assert (registration.path.name, registration.accepted_by) == ("seg.nrrd", "A. Physicist")
    with pytest.raises(ConfigurationError, match=r"registration\.method: is not known here"):
        read(folder, {**case(), "registration": {"path": "seg.nrrd", "method": "rigid"}})


def test_a_dose_report_stands_for_activity_moment_and_residual(folder: Path) -> None:
    data = case()
    for key in ("administered_activity_gbq", "administered_at", "residual_fraction"):
        del data["sessions"][0][key]
    with pytest.raises(ConfigurationError, match="3 fields cannot be used"):
        read(folder, data)
    data["sessions"][0]["dose_report"] = "seg.nrrd"
    assert folder / "seg.nrrd" in read(folder, data).input_paths()


def test_tumours_by_threshold_instead_of_masks(folder: Path) -> None:
    data = changed("segments.roles.tumour", None)
    data["tumours"] = {"method": "percent_of_max", "percent": 41, "region": "liver", "minimum_diameter_mm": 20}
    tumours = read(folder, data).tumours
    assert tumours is not None
    assert (tumours.percent, tumours.region, tumours.minimum_diameter_mm) == (41, "liver", 20)


def two_sessions(**second: Any) -> dict[str, Any]:
    data = case()
    data["segments"]["roles"]["perfused"] = ["right", "left"]
    first = {**data["sessions"][0], "perfused": "right"}
    data["sessions"] = [first, {**first, "perfused": "left", **second}]
    return data


def test_sessions_with_images_of_their_own(folder: Path) -> None:
    read_in = read(folder, two_sessions(image="spect2.nrrd"))
    assert [read_in.image_of(n).path.name for n in range(2)] == ["spect.nrrd", "spect2.nrrd"]
    assert (read_in.image_of(1).kind, read_in.image_of(1).unit) == (ImageKind.MAA_SPECT, ImageUnit.COUNTS)
    assert read_in.input_paths()[-1] == folder / "spect2.nrrd"
    other = read(folder, two_sessions(image={"path": "spect2.nrrd", "kind": "y90_spect"}))
    assert other.image_of(1).kind is ImageKind.Y90_SPECT


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"perfused": []}, "sessions that share an image must each say which territory"),
        ({"session_id": "1"}, "two sessions share a session_id"),
        ({"image": "none.nrrd"}, r"sessions\.1\.image\.path: there is no file or folder 'none\.nrrd'"),
        ({"image": {"path": "spect2.nrrd", "kind": "ho166_spect"}}, "cannot show glass microspheres"),
    ],
)
def test_sessions_that_contradict_each_other(folder: Path, second: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(folder, two_sessions(**second))


def test_two_sessions_need_two_absolute_images(folder: Path) -> None:
    data = two_sessions()
    data["image"] = {"path": "spect.nrrd", "kind": "y90_pet", "unit": "bq_ml"}
    with pytest.raises(ConfigurationError, match="two sessions share an image in bq_ml"):
        read(folder, data)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))


@given(
    place=st.sampled_from(
        ["image", "image.path", "segments", "segments.roles", "sessions", "sessions.0", "options", "derived"]
    ),
    value=st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_any_value_is_taken_or_refused_by_an_error_of_ours(place: str, value: Any, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("c")
    for name in ("spect.nrrd", "seg.nrrd"):
        (folder / name).touch()
    try:
        message = type(
            read(folder, changed(place, value) if value is not None or place != "derived" else case())
        ).__name__
    except ConfigurationError as error:
        message = str(error)
    assert "case.yaml" in message or message == "CaseFile"
