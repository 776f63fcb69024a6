"""The calculator: every worked number that its commands cover, to the digits printed in physics.md."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ytterby.cli.calc import app
from ytterby.errors import ConfigurationError, DomainError, MissingMeasurement, YtterbyError

RUNNER = CliRunner()
WORKED_SESSION = "--activity-gbq 3 --lung-shunt 0.05 --residual 0.01"
SEVERAL = "--activity-gbq 3 --normal-ml 1200 --tumour a:200:5 --tumour b:100:3 --density-g-ml 1 --energy-j-per-gbq 50"
BODY = "--height-m 1.75 --weight-kg 70 --liver-ml 1800"
PARTS = "--compartment tumour:200:400000 --compartment perfused:1000:500000 --compartment unperfused:600:100000"


def run(line):
    result = RUNNER.invoke(app, line.split())
    if result.exception is not None:
        raise result.exception
    return result.stdout


def answer(line):
    record = json.loads(run(f"{line} --json"))
    assert isinstance(record["constants"], dict)
    assert record["source"]
    assert record["formula"]
    return record


@pytest.mark.parametrize(
    ("line", "key", "value", "digits"),
    [
        # section 1, oracles 1a, 1b, 1c
        ("decay --nuclide Y-90 --activity-gbq 1 --hours 24", "activity_gbq", 0.771418, 6),
        ("decay --nuclide Y-90 --activity-gbq 1 --hours 96", "activity_gbq", 0.354127, 6),
        ("decay --nuclide Y-90 --activity-gbq 1 --hours 288", "activity_gbq", 0.044410, 6),
        ("decay --activity-gbq 1 --hours 2.2", "activity_gbq", 0.97649, 5),
        ("decay --nuclide Tc-99m --activity-gbq 1 --hours 1", "activity_gbq", 0.89116, 5),
        ("decay --nuclide Tc-99m --activity-gbq 1 --hours 6", "activity_gbq", 0.50087, 5),
        # section 2.1
        (f"mird {WORKED_SESSION} --volume-ml 1500 --energy-j-per-gbq 50", "mean_dose_gy", 91.3107, 4),
        (
            "mird --dose-gy 120 --volume-ml 1735.4 --lung-shunt 0.029 --residual 0.01 --energy-j-per-gbq 50",
            "activity_gbq",
            4.46266,
            5,
        ),
        ("bsa --height-m 1.75 --weight-kg 70 --tumour-ml 300 --liver-ml 1800", "bsa_m2", 1.84812, 5),
        ("bsa --height-m 1.75 --weight-kg 70 --tumour-ml 300 --liver-ml 1800", "activity_gbq", 1.81479, 5),
        # section 2.2: masses of 0.3 and 1.2 kg are 300 and 1200 mL of density 1
        (
            "partition --activity-gbq 3 --lung-shunt 0.05 --tumour-ml 300 --normal-ml 1200 --tn-ratio 5 --density-g-ml 1",
            "normal_dose_gy",
            52.4294,
            4,
        ),
        (
            "partition --activity-gbq 3 --lung-shunt 0.05 --tumour-ml 300 --normal-ml 1200 --tn-ratio 5 --density-g-ml 1",
            "tumour_dose_gy",
            262.1472,
            4,
        ),
        (
            "partition --activity-gbq 3 --lung-shunt 0.05 --tumour-ml 300 --normal-ml 1200 --tn-ratio 5 --density-g-ml 1 "
            "--energy-j-per-gbq 50",
            "tumour_dose_gy",
            263.8889,
            4,
        ),
        (
            "partition --activity-gbq 3 --lung-shunt 0.05 --tumour-ml 300 --normal-ml 1200 --tn-ratio 5",
            "lung_dose_gy",
            7.4505,
            4,
        ),
        # two tumours, by hand: 50 x 3 / (1.2 + 5 x 0.2 + 3 x 0.1) = 60 Gy, all tumours 260 Gy
        (f"partition {SEVERAL}", "normal_dose_gy", 60.0, 9),
        (f"partition {SEVERAL}", "tumour_dose_gy", 260.0, 9),
        # section 2.1: steps of the lung shunt; ((1.84812 - 0.2) + 300/1200) 1200/1800
        (f"bsa {BODY} --tumour-ml 300 --lung-shunt 0.05", "activity_gbq", 1.81479, 5),
        (f"bsa {BODY} --tumour-ml 300 --lung-shunt 0.12", "activity_gbq", round(0.8 * 1.814787, 5), 5),
        (f"bsa {BODY} --tumour-ml 300 --lung-shunt 0.18", "reduction_fraction", 0.4, 9),
        (f"bsa {BODY} --tumour-ml 300 --lung-shunt 0.18", "unreduced_activity_gbq", 1.81479, 5),
        (f"bsa {BODY} --tumour-ml 300 --lobe-ml 1200", "activity_gbq", 1.26541, 5),
        # section 2.3
        (f"multi {WORKED_SESSION} {PARTS}", "liver_mean_dose_gy", 75.59, 2),
        # section 2.4
        ("lung --activity-gbq 3 --lung-shunt 0.05", "lung_dose_gy", 7.4505, 4),
        ("lung --dose-gy 30 --lung-shunt 0.1", "activity_gbq", 6.0399, 4),
        ("lung --activity-gbq 3 --lung-shunt 0.05 --prior-gy 20", "cumulative_lung_dose_gy", 27.4505, 4),
        ("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 10 --cumulative-gy 50", "activity_gbq", 6.0399, 4),
        ("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 40 --cumulative-gy 50", "activity_gbq", 2.0133, 4),
        ("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 60 --cumulative-gy 50", "activity_gbq", 0.0, 4),
        ("lung --spect 5 95", "lung_shunt_fraction", 0.05, 9),
        # 5.6397 % is printed in section 2.4; its formula gives 5.6391 %
        ("lung --planar 20000 25000 400000 350000", "lung_shunt_fraction", 0.056391, 6),
        # section 3, oracle 3
        ("window --vial-gbq 5 --activity-gbq 4.46266", "from_hours", 1.70, 2),
        ("window --vial-gbq 5 --activity-gbq 4.46266", "to_hours", 20.26, 2),
        ("window --vial-gbq 5 --activity-gbq 4.46266", "nominal_hours", 10.51, 2),
        ("window --vial-gbq 10 --activity-gbq 4.46266 --tolerance 0.1", "from_hours", 65.80, 2),
        ("window --vial-gbq 10 --activity-gbq 4.46266 --tolerance 0.1", "to_hours", 84.36, 2),
        ("window --vial-gbq 3 --activity-gbq 4.46266", "nominal_hours", -36.73, 2),
        # section 3: spheres of a vial, activity of a sphere by day
        ("spheres --device glass --activity-gbq 3 --hours 0", "sphere_count", 1.2e6, 3),
        ("spheres --device glass --activity-gbq 20 --hours 0", "sphere_count", 8e6, 3),
        ("spheres --device glass --activity-gbq 1 --hours 96", "activity_per_sphere_bq", 885.3, 1),
        ("spheres --device glass --activity-gbq 1 --hours 288", "activity_per_sphere_bq", 111.0, 1),
        ("spheres --device glass --activity-gbq 10 --hours 0", "spheres_mass_mg", 104.7, 1),
        ("spheres --device resin --activity-gbq 3 --hours 0", "sphere_count", 60e6, 3),
        # section 2.1: 166Ho, 3780 MBq for 60 Gy in 1 kg
        (
            "mird --dose-gy 60 --volume-ml 1000 --density-g-ml 1 --energy-constant holmium_trial",
            "activity_gbq",
            3.78,
            9,
        ),
        # section 5
        ("bed --dose-gy 100 --alpha-beta-gy 2.5 --repair-hours 2.5", "bed_gy", 250.1502, 4),
        ("bed --dose-gy 40 --alpha-beta-gy 2.5 --repair-hours 2.5", "bed_gy", 64.0240, 4),
        ("bed --dose-gy 120 --alpha-beta-gy 2.5 --repair-hours 2.5 --half-life-hours 64.1", "bed_gy", 336.2162, 4),
        ("bed --dose-gy 200 --alpha-beta-gy 10 --repair-hours 1.5", "bed_gy", 291.4634, 4),
        # BED / (1 + 2 / 2.5) and BED / (1 + 2 / 10)
        ("bed --dose-gy 100 --alpha-beta-gy 2.5 --repair-hours 2.5", "eqd2_gy", 138.9723, 4),
        ("bed --dose-gy 200 --alpha-beta-gy 10 --repair-hours 1.5", "eqd2_gy", 242.8862, 4),
        # section 8
        ("albi --bilirubin-umol-l 20 --albumin-g-l 35", "score", -2.11632, 5),
    ],
)
def test_worked_numbers(line, key, value, digits):
    assert round(answer(line)[key], digits) == value


def test_worked_multicompartment_doses():
    doses = answer(f"multi {WORKED_SESSION} {PARTS}")["doses_gy"]
    # section 2.3
    assert {name: round(dose, 2) for name, dose in doses.items()} == {
        "tumour": 272.12,
        "perfused": 68.03,
        "unperfused": 22.68,
    }
    normal = answer(f"multi {WORKED_SESSION} --compartment t:200:400000 --compartment n:1600:600000")["doses_gy"]["n"]
    assert round(normal, 2) == 51.02


def test_worked_doses_of_several_tumours():
    doses = answer(f"partition {SEVERAL}")["tumour_doses_gy"]
    assert doses == pytest.approx({"a": 300.0, "b": 180.0})
    assert "tumour_doses_gy" not in answer("partition --activity-gbq 3 --tumour-ml 300 --normal-ml 1200 --tn-ratio 5")


def test_which_lung_limit_binds():
    first = answer("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 10 --cumulative-gy 50")
    later = answer("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 40 --cumulative-gy 50")
    assert (first["binding"], first["lung_dose_gy"]) == ("session", 30.0)
    assert (later["binding"], later["lung_dose_gy"]) == ("cumulative", 10.0)
    assert later["constants"]["prior_gy"] == 40.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("instructions_for_use", 50.0), ("partition_model", 49.67), ("aapm", 49.38), ("icrp107", 49.76)],
)
def test_an_energy_constant_by_name(name, value):
    by_name = answer(f"mird --activity-gbq 1 --volume-ml 1000 --density-g-ml 1 --energy-constant {name}")
    assert round(by_name["mean_dose_gy"], 3) == value
    assert round(by_name["constants"]["energy_j_per_gbq"], 3) == value
    assert by_name["constants"]["energy_constant"] == name


def test_a_number_that_has_a_name_is_called_by_it():
    assert answer("mird --activity-gbq 3 --volume-ml 1500")["constants"]["energy_constant"] == "partition_model"
    stated = answer("mird --activity-gbq 3 --volume-ml 1500 --energy-j-per-gbq 48")
    assert stated["constants"]["energy_constant"] == "stated"


def test_activity_of_a_sphere_by_day():
    days = answer("spheres --device glass --activity-gbq 3 --hours 0 --last-day 12")["activity_per_sphere_by_day_bq"]
    assert len(days) == 13
    assert round(days["7"], 1) == 406.4


def test_spheres_by_a_table_of_one_s_own(tmp_path):
    from ytterby.files.devicetable import SHIPPED_DEVICES

    text = SHIPPED_DEVICES.read_text(encoding="utf-8").replace("sphere_bq: 2500", "sphere_bq: 4354")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    found = answer(f"spheres --device glass --activity-gbq 4.354 --hours 0 --devices {tmp_path / 'mine.yaml'}")
    assert found["sphere_count"] == pytest.approx(1e6)
    assert "assumption" in found["source"]


def test_a_compartment_may_have_colons_in_its_name():
    result = RUNNER.invoke(app, ["multi", "--activity-gbq", "3", "--compartment", "seg: 4:200:1e5", "--json"])
    assert list(json.loads(result.stdout)["doses_gy"]) == ["seg: 4"]


@pytest.mark.parametrize(("vial", "feasible"), [(3, False), (5, True), (10, True)])
def test_windows_that_can_be_had(vial, feasible):
    assert answer(f"window --vial-gbq {vial} --activity-gbq 4.46266")["feasible"] is feasible


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("albi --bilirubin-umol-l 10 --albumin-g-l 40", 1),
        ("albi --bilirubin-umol-l 17.1 --albumin-g-l 40", 2),
        ("albi --bilirubin-umol-l 51.3 --albumin-g-l 28", 3),
        ("ctcae --test ast --value 105 --upper-limit 35", 1),
        ("ctcae --test ast --value 105.1 --upper-limit 35", 2),
        ("ctcae --test ast --value 84 --upper-limit 35 --baseline 70", 0),
        ("ctcae --test alt --value 105 --upper-limit 35 --baseline 70", 1),
        ("ctcae --test alt --value 701 --upper-limit 35", 4),
        ("ctcae --test bilirubin --value 3.61 --upper-limit 1.2", 3),
        ("ctcae --test bilirubin --value 34.2 --upper-limit 20 --unit umol/L", 2),
        # Albumin in the unit that its limit speaks of, or in the one that is named.
        ("ctcae --test albumin --value 3.0 --lower-limit 3.5", 1),
        ("ctcae --test albumin --value 2.0 --lower-limit 3.5", 2),
        ("ctcae --test albumin --value 30 --lower-limit 35", 1),
        ("ctcae --test albumin --value 29.9 --lower-limit 35", 2),
        ("ctcae --test albumin --value 1.9 --lower-limit 3.5 --unit g/dL", 3),
    ],
)
def test_grades(line, grade):
    assert answer(line)["grade"] == grade


def test_defaults_are_printed():
    constants = answer("mird --activity-gbq 3 --volume-ml 1500")["constants"]
    assert constants["energy_j_per_gbq"] == 49.67
    assert constants["density_g_ml"] == 1.03
    assert answer("lung --activity-gbq 3 --lung-shunt 0.05")["constants"]["lung_mass_kg"] == 1.0
    assert answer("window --vial-gbq 5 --activity-gbq 4.4")["constants"]["half_life_hours"] == 64.1
    assert "stated by the user" in answer("mird --activity-gbq 3 --volume-ml 1500 --energy-j-per-gbq 48")["source"]


def test_a_person_reads_formula_result_constants_and_source():
    text = run(f"mird {WORKED_SESSION} --volume-ml 1500 --energy-j-per-gbq 50")
    for piece in (
        "D = K A (1 - F)(1 - R) / M",
        "mean_dose_gy = 91.3107",
        "energy_j_per_gbq = 50",
        "doi:",
        "Research use only",
    ):
        assert piece in text
    assert "doses_gy tumour = 272.1" in run(f"multi {WORKED_SESSION} {PARTS}")


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("decay --activity-gbq -1 --hours 2", DomainError, "activity_gbq"),
        ("decay --nuclide Zz-1 --activity-gbq 1 --hours 2", ConfigurationError, "Zz-1"),
        ("decay --activity-gbq 1 --hours nan", DomainError, "hours"),
        ("mird --volume-ml 1500", ConfigurationError, "--dose-gy"),
        ("mird --volume-ml 1500 --activity-gbq 3 --dose-gy 120", ConfigurationError, "exactly one"),
        ("mird --volume-ml 1500 --activity-gbq 3 --lung-shunt 2.9", DomainError, "not percent"),
        ("mird --volume-ml 0 --activity-gbq 3", DomainError, "volume_ml"),
        ("mird --volume-ml 1e-300 --activity-gbq 1e300", DomainError, "mean_dose_gy"),
        ("bsa --height-m 175 --weight-kg 70 --tumour-ml 0 --liver-ml 1800", DomainError, "height_m"),
        ("mird --volume-ml 1 --activity-gbq 3 --energy-constant kernel", DomainError, "partition_model"),
        (
            "mird --volume-ml 1 --activity-gbq 3 --energy-constant aapm --energy-j-per-gbq 50",
            ConfigurationError,
            "exactly one",
        ),
        (f"bsa {BODY} --tumour-ml 300 --lung-shunt 0.21", DomainError, "contraindicated"),
        (f"bsa {BODY} --tumour-ml 300 --lobe-ml 1900", DomainError, "lobe_ml"),
        ("partition --activity-gbq 3 --normal-ml 1200", ConfigurationError, "--tumour"),
        ("partition --activity-gbq 3 --normal-ml 1200 --tumour-ml 300", ConfigurationError, "--tn-ratio"),
        ("partition --activity-gbq 3 --normal-ml 1200 --tumour a:200", ConfigurationError, "NAME:VOLUME_ML:TN"),
        ("partition --activity-gbq 3 --normal-ml 1200 --tumour a:9:5 --tn-ratio 5", ConfigurationError, "--tn-ratio"),
        ("partition --activity-gbq 3 --normal-ml 1200 --tumour a:9:5 --tumour a:9:5", DomainError, "one name each"),
        ("spheres --device wax --activity-gbq 3 --hours 0", ConfigurationError, "glass"),
        ("spheres --device glass --activity-gbq -3 --hours 0", DomainError, "activity_gbq"),
        ("spheres --device glass --activity-gbq 3 --hours 0 --devices none.yaml", ConfigurationError, "cannot be read"),
        ("lung --dose-gy 30 --lung-shunt 0.1 --prior-gy 10", ConfigurationError, "--cumulative-gy"),
        ("lung --activity-gbq 3 --lung-shunt 0.1 --cumulative-gy 50", ConfigurationError, "--dose-gy"),
        ("lung --activity-gbq 3 --lung-shunt 0.1 --prior-gy -1", DomainError, "prior_gy"),
        ("lung --spect 5 95 --prior-gy 1", ConfigurationError, "--prior-gy"),
        ("lung --spect 5 0", DomainError, "liver_counts"),
        ("multi --activity-gbq 3 --compartment tumour:200", ConfigurationError, "NAME:VOLUME_ML:COUNTS"),
        ("multi --activity-gbq 3 --compartment t:x:1", ConfigurationError, "NAME:VOLUME_ML:COUNTS"),
        ("multi --activity-gbq 3 --compartment t:200:0", DomainError, "no counts"),
        ("lung --activity-gbq 3", ConfigurationError, "--lung-shunt"),
        ("lung", ConfigurationError, "--planar"),
        ("lung --planar 1 1 1 1 --lung-shunt 0.1", ConfigurationError, "--planar"),
        ("lung --planar 1 1 0 1", DomainError, "liver"),
        ("window --vial-gbq 5 --activity-gbq 4 --tolerance 10", DomainError, "tolerance"),
        ("bed --dose-gy 100 --alpha-beta-gy 0 --repair-hours 2.5", DomainError, "alpha_beta_gy"),
        ("bed --dose-gy 1e300 --alpha-beta-gy 2.5 --repair-hours 2.5", DomainError, "too large"),
        ("albi --bilirubin-umol-l 0 --albumin-g-l 40", DomainError, "bilirubin"),
        ("albi --bilirubin-umol-l 10 --albumin-g-l 4", DomainError, "g/dL"),
        ("ctcae --test ast --value 90", MissingMeasurement, "upper_limit"),
        ("ctcae --test inr --value 2 --upper-limit 1", ConfigurationError, "inr"),
        ("ctcae --test albumin --value 3.0 --lower-limit 35", DomainError, "--unit"),
        ("ctcae --test albumin --value 30 --lower-limit 3.5", DomainError, "--unit"),
        ("ctcae --test albumin --value 30 --lower-limit 35 --unit mmol/L", DomainError, "mmol/L"),
    ],
)
def test_wrong_input_is_told(line, error, message):
    with pytest.raises(YtterbyError) as caught:
        run(line)
    assert type(caught.value) is error
    assert message in str(caught.value)


def test_a_missing_option_is_a_usage_error():
    assert RUNNER.invoke(app, ["bed", "--dose-gy", "100"]).exit_code == 2


def test_json_numbers_are_not_rounded():
    assert answer("decay --activity-gbq 1 --hours 64.1")["activity_gbq"] == 0.5
    assert answer("decay --activity-gbq 3 --hours 24")["activity_gbq"] == pytest.approx(
        3 * math.exp2(-24 / 64.1), rel=1e-15
    )


def test_the_calculator_is_loaded_without_numerical_packages():
    code = (
        "import sys, ytterby.cli.calc; print([n for n in ('numpy', 'scipy', 'pandas', 'pydicom') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
