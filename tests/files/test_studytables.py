from __future__ import annotations

import pickle
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ytterby.files.studyfile import StudyFile, read_study
from ytterby.files.studytables import StudyTables, read_study_tables
from ytterby.model.outcome import LesionMeasurement
from ytterby.model.treatment import Device

STUDY = """\
schema: 1
name: study
simulated: true
time_zone: Europe/Berlin
device: glass
options:   {energy_j_per_gbq: 49.67, tissue_density_g_ml: 1.03, lung_mass_kg: 1.0, engine: local_deposition}
image:     {kind: maa_spect, unit: counts}
roles:     {liver: [liver], tumour: ["T*"]}
response:  {criterion: choi, minimum_diameter_mm: 20, maximum_lesions: 10}
toxicity:  {tests: [ast], grade: 3, window_months: 12}
"""
HALF_LIFE_HOURS = {Device.GLASS: 64.1, Device.RESIN: 64.1, Device.HOLMIUM: 26.8}
TABLES = {
    "patients.csv": """\
patient_id,sex,age_years,origin,grade,exclusion_reason,liver_cirrhosis,centre,ecog,code
P1,M,61.5,pancreas,2,,0,Würzburg,1,007
P2,F,48,gastrointestinal,1,,,Aachen,,010
P3,F,,,,no 99mTc-MAA SPECT,,,,
""",
    "sessions.csv": """\
patient_id,session_id,device,territory,calibrated_at,calibrated_activity_gbq,administered_at,administered_activity_gbq,\
residual_fraction,lung_shunt_fraction,image
P1,2,,left; segment 4,,,2024-05-08T10:00:00,1.9,0,0.03,1.2.3
P1,1,resin,right,2024-03-06T11:00:00+01:00,4.0,2024-03-08T11:00:00,2.381,0.01,0.029,
P2,1,,,,,2024-03-08T11:00:00Z,3.9,0.01,0.029,
""",
    "lesions.csv": """\
patient_id,lesion_id,segment,baseline_diameter_mm,baseline_hu,follow_up_diameter_mm,follow_up_hu,new_lesion,site
P1,L1,T1,42,88,30,61,0,VII
P1,L2,T2,25,90,,,,VIII
P2,L1,T1,33,,0,,1,
""",
    "labs.csv": """\
patient_id,date,test,value,unit,lower_limit,upper_limit
P1,2024-04-02,ast,44,U/L,,35
P1,2024-03-01,ast,30,U/L,10,35
""",
    "follow_up.csv": """\
patient_id,treated_on,hepatic_progression_on,global_progression_on,died_on,last_contact_on
P1,2024-03-08,2024-12-01,2024-10-01,,2025-03-01
P2,2024-03-08,,,2025-01-05,2025-01-05
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def study_of(folder: Path) -> StudyFile:
    return read_study(folder)


def read(folder: Path) -> StudyTables:
    return read_study_tables(folder, study_of(folder), half_life_hours=HALF_LIFE_HOURS)


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"'{old}' must stand once in {file}"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def test_patients_with_everything(folder: Path) -> None:
    tables = read(folder)
    assert tables.problems == ()
    assert (tables.blocked, tables.is_readable, tables.cohort.simulated) == ((), True, True)
    first, second, third = tables.cohort.patients
    assert dict(first.attributes) == {
        "sex": "M",
        "age_years": 61.5,
        "origin": "pancreas",
        "grade": 2,
        "liver_cirrhosis": 0,
        "centre": "Würzburg",
        "ecog": 1,
        "code": "007",
    }
    assert tables.attribute_columns == tuple(first.attributes)
    assert second.attributes["ecog"] is None
    assert (third.is_included, third.exclusion_reason) == (False, "no 99mTc-MAA SPECT")
    assert tables.cohort.included == (first, second)


def test_sessions_stand_in_the_order_of_administration(folder: Path) -> None:
    tables = read(folder)
    one, two = tables.cohort.patients[0].sessions
    assert (one.session_id, one.device, one.perfused) == ("1", Device.RESIN, ("right",))
    assert (two.session_id, two.device, two.perfused) == ("2", Device.GLASS, ("left", "segment 4"))
    assert one.administered_at == datetime(2024, 3, 8, 10, tzinfo=UTC)  # winter time in Berlin
    assert two.administered_at == datetime(2024, 5, 8, 8, tzinfo=UTC)  # summer time
    assert one.vial is not None
    assert one.vial.calibrated_activity_gbq == 4.0
    assert tables.images == {("P1", "1"): "", ("P1", "2"): "1.2.3", ("P2", "1"): ""}


def test_lesions_labs_and_follow_up(folder: Path) -> None:
    first, second, _ = read(folder).cohort.patients
    assert first.lesions[0].baseline == LesionMeasurement(42, 88)
    assert (first.lesions[1].follow_up, first.lesions[1].new_lesion) == (None, False)
    assert second.lesions[0].follow_up == LesionMeasurement(0, None)
    assert second.lesions[0].new_lesion
    assert [(lab.day, lab.value, lab.upper_limit) for lab in first.labs] == [
        (date(2024, 3, 1), 30, 35),
        (date(2024, 4, 2), 44, 35),
    ]
    assert second.follow_up is not None
    assert second.follow_up.died_on == date(2025, 1, 5)


def test_patients_can_be_sent_to_another_process(folder: Path) -> None:
    tables = read(folder)
    assert pickle.loads(pickle.dumps(tables)).cohort.patients == tables.cohort.patients


@pytest.mark.parametrize(
    ("file", "old", "new", "patient", "message"),
    [
        ("patients.csv", "61.5", "old", "P1", r"patients\.csv, row 2, column age_years: 'old' is no number"),
        (
            "patients.csv",
            "P2,F,48,gastrointestinal,1",
            "P2,F,48,gastrointestinal,4",
            "P2",
            r"patients\.csv, row 3, column grade: 4 lies outside",
        ),
        (
            "patients.csv",
            "P2,F,48,gastrointestinal,1",
            "P2,F,48,colon,1",
            "P2",
            r"row 3, column origin: 'colon' is not known here",
        ),
        (
            "patients.csv",
            "pancreas,2",
            "pancreas,",
            "P1",
            r"patients\.csv, row 2, column grade: the cell is empty.*or an exclusion",
        ),
        (
            "patients.csv",
            "P2,F",
            "P1,F",
            "P1",
            r"patients\.csv, row 3, column patient_id: patient_id P1 stands in row 2 already",
        ),
        (
            "sessions.csv",
            "2024-05-08T10:00:00",
            "8.5.2024",
            "P1",
            r"sessions\.csv, row 2, column administered_at: '8\.5\.2024' is no date",
        ),
        (
            "sessions.csv",
            "2024-05-08T10:00:00",
            "2024-10-27T02:30:00",
            "P1",
            "row 2, column administered_at: .*the clocks were changed",
        ),
        (
            "sessions.csv",
            "0.03,1.2.3",
            "3,1.2.3",
            "P1",
            r"sessions\.csv, row 2, column lung_shunt_fraction: 3 lies outside",
        ),
        ("sessions.csv", "1.9,0,", "1.9,,", "P1", r"sessions\.csv, row 2, column residual_fraction: the cell is empty"),
        (
            "sessions.csv",
            "P1,1,resin",
            "P1,1,lead",
            "P1",
            r"sessions\.csv, row 3, column device: 'lead'.*glass, resin, holmium",
        ),
        (
            "sessions.csv",
            "4.0,2024",
            ",2024",
            "P1",
            r"row 3, column calibrated_at: calibrated_at and calibrated_activity_gbq belong",
        ),
        (
            "sessions.csv",
            "P1,1,resin",
            "P1,2,resin",
            "P1",
            r"sessions\.csv, row 3, column session_id: .* stands in row 2 already",
        ),
        (
            "sessions.csv",
            "2024-03-06T11",
            "2004-03-06T11",
            "P1",
            "row 3, column calibrated_at: calibration and administration lie more than 50 half-lives apart",
        ),
        (
            "sessions.csv",
            "P2,1,,,,,2024",
            "P3,1,,,,,2024",
            "P2",
            r"sessions\.csv: the patient 'P2' has no session",
        ),
        (
            "lesions.csv",
            "33,,0,,1",
            "33,,0,,",
            "P2",
            r"lesions\.csv, row 4, column new_lesion: the lesion has a follow-up, but",
        ),
        (
            "lesions.csv",
            "33,,0,,1",
            ",,0,,1",
            "P2",
            r"lesions\.csv, row 4, column baseline_diameter_mm: the lesion has a follow-up but no",
        ),
        (
            "lesions.csv",
            "25,90,,,",
            "25,90,,77,",
            "P1",
            r"lesions\.csv, row 3, column follow_up_diameter_mm: follow_up_hu stands without",
        ),
        (
            "lesions.csv",
            "P1,L2,T2",
            "P1,L1,T2",
            "P1",
            r"lesions\.csv, row 3, column lesion_id: patient_id P1, lesion_id L1 stands in row 2",
        ),
        ("lesions.csv", "P1,L2,T2", "P1,L2,", "P1", r"lesions\.csv, row 3, column segment: the cell is empty"),
        ("labs.csv", "10,35", "40,35", "P1", r"labs\.csv, row 3, column lower_limit: the lower limit 40 is not below"),
        ("labs.csv", "30,U/L", "low,U/L", "P1", r"labs\.csv, row 3, column value: 'low' is no number"),
        (
            "follow_up.csv",
            "2024-12-01",
            "2026-12-01",
            "P1",
            r"follow_up\.csv, row 2, column hepatic_progression_on: .* lies outside treatment",
        ),
        (
            "follow_up.csv",
            "2024-12-01",
            "1.12.24",
            "P1",
            r"follow_up\.csv, row 2, column hepatic_progression_on: '1\.12\.24' is no date",
        ),
        (
            "follow_up.csv",
            "P2,2024-03-08,,,2025-01-05,2025-01-05\n",
            "",
            "P2",
            r"follow_up\.csv: the patient 'P2' has no row",
        ),
    ],
)
def test_what_is_wrong_stops_its_patient_alone(
    folder: Path, file: str, old: str, new: str, patient: str, message: str
) -> None:
    edit(folder, file, old, new)
    tables = read(folder)
    assert tables.blocked[:1] == (patient,)
    assert any(re.search(message, str(problem)) for problem in tables.by_patient[patient]), tables.problems
    assert tables.is_readable
    others = {"P1", "P2"} - {patient}
    if (file, new) != ("patients.csv", "P1,F"):  # there, P2 lost its row
        assert not others & set(tables.blocked)
        assert tables.general == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "sessions.csv",
            ",2.381,",
            ",2.6,",
            r"sessions\.csv, row 3, column administered_activity_gbq: 2\.6 GBq is \+9\.2 % from .* \(2\.380 GBq\)",
        ),
        (
            "lesions.csv",
            "P1,L2,T2",
            "P1,L2,T1",
            r"lesions\.csv, row 3, column segment: the segment 'T1' carries the lesion of row 2",
        ),
        (
            "follow_up.csv",
            "2024-10-01",
            "",
            r"follow_up\.csv, row 2, column global_progression_on: the liver progressed",
        ),
        (
            "follow_up.csv",
            "P1,2024-03-08",
            "P1,2024-03-07",
            r"treated_on: the patient 'P1' was treated on 2024-03-07 by this table",
        ),
    ],
)
def test_what_is_odd_is_a_warning(folder: Path, file: str, old: str, new: str, message: str) -> None:
    edit(folder, file, old, new)
    tables = read(folder)
    (problem,) = tables.problems
    assert problem.level == "amber"
    assert re.search(message, str(problem))
    assert tables.by_patient == {"P1": (problem,)}
    assert tables.blocked == ()


def test_the_calibrated_activity_decays_by_the_half_life_of_the_device(folder: Path) -> None:
    edit(folder, "sessions.csv", "P1,1,resin", "P1,1,holmium")
    (problem,) = read(folder).problems
    expected_gbq = 4.0 * 2 ** (-48 / 26.8)
    assert f"({expected_gbq:.3f} GBq)" in problem.message


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("sessions.csv", "P9,1,,,,,2024-03-08T11:00:00Z,3.9,0.01,0.029,"),
        ("lesions.csv", "P9,L1,T1,33,,,,,"),
        ("labs.csv", "P9,2024-04-02,ast,44,U/L,,35"),
        ("follow_up.csv", "P9,2024-03-08,,,,2025-01-05"),
    ],
)
def test_rows_of_an_unknown_patient(folder: Path, file: str, row: str) -> None:
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    tables = read(folder)
    (problem,) = tables.problems
    line = len(path.read_text(encoding="utf-8").splitlines())
    assert str(problem).startswith(f"{file}, row {line}, column patient_id: the patient 'P9' is not in patients.csv")
    assert (tables.general, tables.blocked, tables.is_readable) == ((problem,), (), True)


@pytest.mark.parametrize("file", sorted(TABLES))
def test_a_table_that_cannot_be_read_concerns_everybody(folder: Path, file: str) -> None:
    (folder / file).unlink()
    tables = read(folder)
    (problem,) = tables.problems
    assert str(problem) == f"{file}: the file is missing. What to do: add it to the folder"
    assert (tables.general, tables.is_readable) == ((problem,), False)


def test_laboratory_values_are_needed_only_for_toxicity(folder: Path) -> None:
    (folder / "labs.csv").unlink()
    edit(folder, "study.yaml", "toxicity:  {tests: [ast], grade: 3, window_months: 12}\n", "")
    assert read(folder).problems == ()


def test_sessions_on_one_image_must_name_their_territories(folder: Path) -> None:
    edit(folder, "sessions.csv", "0.03,1.2.3", "0.03,")
    assert read(folder).problems == ()
    edit(folder, "sessions.csv", ",left; segment 4,", ",,")
    (problem,) = read(folder).problems
    assert problem.place == "sessions.csv, row 2, column territory"


def test_a_moment_without_offset_needs_the_study_s_zone(folder: Path) -> None:
    edit(folder, "study.yaml", "time_zone: Europe/Berlin\n", "")
    tables = read(folder)
    assert tables.blocked == ("P1",)
    assert [problem.place for problem in tables.problems][:2] == [
        "sessions.csv, row 2, column administered_at",
        "sessions.csv, row 3, column administered_at",
    ]


def test_measurements_are_checked_where_they_are(folder: Path) -> None:
    header = "patient_id,lesion_id,date,modality,diameter_mm,short_axis_mm,hu,status\n"
    (folder / "measurements.csv").write_text(header + "P1,L1,2024-03-01,CT,42,30,88,present\n", encoding="utf-8")
    assert read(folder).problems == ()
    (folder / "measurements.csv").write_text(header + "P1,L1,March,CT,wide,,,\n", encoding="utf-8")
    assert [problem.column for problem in read(folder).by_patient["P1"]] == ["date", "diameter_mm"]
