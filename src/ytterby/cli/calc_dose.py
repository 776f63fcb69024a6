"""Dose formulas of the calculator: single compartment, body surface, partition, several compartments, lungs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ytterby.cli.calc_answer import (
    ENERGY_J_PER_GBQ,
    LUNG_MASS_KG,
    TISSUE_DENSITY_G_ML,
    Answer,
    AsJson,
    Density,
    EnergyPerGbq,
    LungMass,
    LungShuntOption,
    Residual,
    energy_source,
    only_one,
    required,
    show,
)
from ytterby.errors import ConfigurationError

if TYPE_CHECKING:
    from ytterby.dosimetry.compartment import Compartment

__all__ = ["bsa", "lung", "mird", "multi", "partition"]

Activity = Annotated[float, typer.Option("--activity-gbq", help="Activity of the vial when it is given (GBq).")]
ActivityOrNone = Annotated[
    float | None, typer.Option("--activity-gbq", help="Activity of the vial when it is given (GBq).")
]


def mird(
    volume_ml: Annotated[float, typer.Option("--volume-ml", help="Perfused volume (mL).")],
    activity_gbq: ActivityOrNone = None,
    dose_gy: Annotated[float | None, typer.Option("--dose-gy", help="Wanted mean dose: answers the activity.")] = None,
    density_g_ml: Density = TISSUE_DENSITY_G_ML,
    lung_shunt_fraction: LungShuntOption = 0.0,
    residual_fraction: Residual = 0.0,
    energy_j_per_gbq: EnergyPerGbq = ENERGY_J_PER_GBQ,
    as_json: AsJson = False,
) -> None:
    """Single compartment: mean dose of the perfused volume, or the activity for a dose."""
    from ytterby.dosimetry.compartment import activity_for_dose_gbq, mass_kg, single_compartment_dose_gy

    given = only_one(activity_gbq=activity_gbq, dose_gy=dose_gy)
    compute = single_compartment_dose_gy if given == "activity_gbq" else activity_for_dose_gbq
    result = compute(
        required(activity_gbq if given == "activity_gbq" else dose_gy, given),
        mass_kg(volume_ml, density_g_ml=density_g_ml),
        energy_j_per_gbq=energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )
    if given == "activity_gbq":
        values, formula = {"mean_dose_gy": result}, "D = K A (1 - F)(1 - R) / M"
    else:
        values, formula = {"activity_gbq": result}, "A = D M / (K (1 - F)(1 - R))"
    answer = Answer(
        {**values},
        formula,
        {
            "energy_j_per_gbq": energy_j_per_gbq,
            "density_g_ml": density_g_ml,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"MIRD single compartment, EANM guideline 2022, doi:10.1007/s00259-021-05600-z; {energy_source(energy_j_per_gbq)}",
    )
    show(answer, as_json=as_json)


def bsa(
    height_m: Annotated[float, typer.Option("--height-m", help="Height (m).")],
    weight_kg: Annotated[float, typer.Option("--weight-kg", help="Body weight (kg).")],
    tumour_ml: Annotated[float, typer.Option("--tumour-ml", help="Volume of all tumours in the liver (mL).")],
    liver_ml: Annotated[float, typer.Option("--liver-ml", help="Volume of the liver with its tumours (mL).")],
    as_json: AsJson = False,
) -> None:
    """Body surface area and the activity of resin microspheres that follows from it."""
    from ytterby.dosimetry.compartment import bsa_activity_gbq, bsa_m2

    surface_m2 = bsa_m2(height_m, weight_kg)
    answer = Answer(
        {
            "bsa_m2": surface_m2,
            "activity_gbq": bsa_activity_gbq(surface_m2, tumour_ml=tumour_ml, liver_ml=liver_ml),
        },
        "BSA = 0.20247 h^0.725 w^0.425; A = (BSA - 0.2) + Vt / V",
        {"bsa_factor": 0.20247, "height_exponent": 0.725, "weight_exponent": 0.425, "bsa_offset": 0.2},
        "Du Bois 1916, doi:10.1001/archinte.1916.00080130010002; instructions for use of resin microspheres "
        "(no lung-shunt reduction applied)",
    )
    show(answer, as_json=as_json)


def partition(
    activity_gbq: Activity,
    tumour_ml: Annotated[float, typer.Option("--tumour-ml", help="Volume of the tumours (mL).")],
    normal_ml: Annotated[float, typer.Option("--normal-ml", help="Volume of normal liver, without tumours (mL).")],
    tn_ratio: Annotated[float, typer.Option("--tn-ratio", help="Counts per mass, tumour over normal liver.")],
    lung_shunt_fraction: LungShuntOption = 0.0,
    residual_fraction: Residual = 0.0,
    density_g_ml: Density = TISSUE_DENSITY_G_ML,
    lung_mass_kg: LungMass = LUNG_MASS_KG,
    energy_j_per_gbq: EnergyPerGbq = ENERGY_J_PER_GBQ,
    as_json: AsJson = False,
) -> None:
    """Partition model: tumour, normal liver and lungs from the T/N ratio."""
    from ytterby.dosimetry.compartment import mass_kg, partition_doses
    from ytterby.dosimetry.lung import lung_dose_gy

    doses = partition_doses(
        activity_gbq,
        tn_ratio,
        tumour_mass_kg=mass_kg(tumour_ml, density_g_ml=density_g_ml),
        normal_mass_kg=mass_kg(normal_ml, density_g_ml=density_g_ml),
        energy_j_per_gbq=energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )
    lungs = lung_dose_gy(
        activity_gbq,
        lung_shunt_fraction,
        lung_mass_kg=lung_mass_kg,
        energy_j_per_gbq=energy_j_per_gbq,
        residual_fraction=residual_fraction,
    )
    answer = Answer(
        {"tumour_dose_gy": doses.tumour_dose_gy, "normal_dose_gy": doses.normal_dose_gy, "lung_dose_gy": lungs},
        "D_n = K A (1 - F)(1 - R) / (m_n + TN m_t); D_t = TN D_n; D_lung = K A (1 - R) F / m_lung",
        {
            "energy_j_per_gbq": energy_j_per_gbq,
            "density_g_ml": density_g_ml,
            "lung_mass_kg": lung_mass_kg,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"Ho 1996, doi:10.1007/BF01084369; {energy_source(energy_j_per_gbq)}",
    )
    show(answer, as_json=as_json)


def multi(
    activity_gbq: Activity,
    compartment: Annotated[
        list[str],
        typer.Option("--compartment", help="NAME:VOLUME_ML:COUNTS, once for each part of the whole liver."),
    ],
    lung_shunt_fraction: LungShuntOption = 0.0,
    residual_fraction: Residual = 0.0,
    density_g_ml: Density = TISSUE_DENSITY_G_ML,
    energy_j_per_gbq: EnergyPerGbq = ENERGY_J_PER_GBQ,
    as_json: AsJson = False,
) -> None:
    """Several compartments by their share of the counts of the whole liver (relative calibration)."""
    from ytterby.dosimetry.compartment import multicompartment_doses_gy

    parts = [_compartment(text, density_g_ml=density_g_ml) for text in compartment]
    doses = multicompartment_doses_gy(
        activity_gbq,
        parts,
        energy_j_per_gbq=energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )
    liver_kg = sum(part.mass_kg for part in parts)
    liver_dose_gy = sum(doses[part.name] * part.mass_kg for part in parts) / liver_kg
    answer = Answer(
        {"doses_gy": doses, "liver_mean_dose_gy": liver_dose_gy},
        "D_i = K A (1 - F)(1 - R) (C_i / C_liver) / m_i",
        {
            "energy_j_per_gbq": energy_j_per_gbq,
            "density_g_ml": density_g_ml,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"Chiesa 2021, doi:10.1186/s40658-021-00394-3; {energy_source(energy_j_per_gbq)}",
    )
    show(answer, as_json=as_json)


def lung(
    activity_gbq: ActivityOrNone = None,
    lung_shunt_fraction: Annotated[
        float | None, typer.Option("--lung-shunt", help="Lung shunt, a fraction: 2.9 % is 0.029.")
    ] = None,
    planar: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option("--planar", metavar="ANT_LUNG POST_LUNG ANT_LIVER POST_LIVER", help="Counts of a planar scan."),
    ] = None,
    dose_gy: Annotated[float | None, typer.Option("--dose-gy", help="Lung dose limit: answers the activity.")] = None,
    lung_mass_kg: LungMass = LUNG_MASS_KG,
    residual_fraction: Residual = 0.0,
    energy_j_per_gbq: EnergyPerGbq = ENERGY_J_PER_GBQ,
    as_json: AsJson = False,
) -> None:
    """Lung dose of an activity, the activity for a lung dose, or the lung shunt of a planar scan."""
    from ytterby.dosimetry.lung import activity_for_lung_dose_gbq, lung_dose_gy, planar_lung_shunt

    if only_one(planar=planar, activity_gbq=activity_gbq, dose_gy=dose_gy) == "planar" and planar is not None:
        if lung_shunt_fraction is not None:
            raise ConfigurationError(
                "--planar finds the lung shunt, and --lung-shunt states it", remedy="give one of them"
            )
        front_lung, back_lung, front_liver, back_liver = planar
        shunt = planar_lung_shunt(
            anterior_lung_counts=front_lung,
            posterior_lung_counts=back_lung,
            anterior_liver_counts=front_liver,
            posterior_liver_counts=back_liver,
        )
        answer = Answer(
            {"lung_shunt_fraction": shunt.lung_shunt_fraction},
            "F = sqrt(Aa Ap)_lung / (sqrt(Aa Ap)_lung + sqrt(Aa Ap)_liver)",
            {},
            "geometric mean of planar counts, EANM guideline 2022, doi:10.1007/s00259-021-05600-z",
        )
        show(answer, as_json=as_json)
        return
    stated_shunt = required(lung_shunt_fraction, "--lung-shunt")
    compute, amount = (lung_dose_gy, activity_gbq) if dose_gy is None else (activity_for_lung_dose_gbq, dose_gy)
    result = compute(
        required(amount, "--activity-gbq"),
        stated_shunt,
        lung_mass_kg=lung_mass_kg,
        energy_j_per_gbq=energy_j_per_gbq,
        residual_fraction=residual_fraction,
    )
    answer = Answer(
        {"lung_dose_gy": result} if dose_gy is None else {"activity_gbq": result},
        "D_lung = K A (1 - R) F / m_lung" if dose_gy is None else "A = D_lung m_lung / (K (1 - R) F)",
        {
            "energy_j_per_gbq": energy_j_per_gbq,
            "lung_mass_kg": lung_mass_kg,
            "lung_shunt_fraction": stated_shunt,
            "residual_fraction": residual_fraction,
        },
        f"Kao 2014, doi:10.1186/s13550-014-0033-7; {energy_source(energy_j_per_gbq)}",
    )
    show(answer, as_json=as_json)


def _compartment(text: str, *, density_g_ml: float) -> Compartment:
    """Compartment of NAME:VOLUME_ML:COUNTS; the name may hold colons."""
    from ytterby.dosimetry.compartment import Compartment, mass_kg

    parts = text.rsplit(":", 2)
    try:
        name, volume_ml, counts = parts[0].strip(), float(parts[1]), float(parts[2])
    except (IndexError, ValueError) as error:
        raise ConfigurationError(
            f"'{text[:60]}' is not NAME:VOLUME_ML:COUNTS",
            where="--compartment",
            remedy="write it like tumour:200:400000",
        ) from error
    return Compartment(name, mass_kg(volume_ml, density_g_ml=density_g_ml), counts)
