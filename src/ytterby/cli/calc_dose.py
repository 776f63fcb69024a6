"""Dose formulas of the calculator: single compartment, body surface, partition, several compartments."""

from __future__ import annotations

from typing import Annotated

import typer

from ytterby.cli.calc_answer import (
    LUNG_MASS_KG,
    TISSUE_DENSITY_G_ML,
    Activity,
    ActivityOrNone,
    Answer,
    AsJson,
    Density,
    EnergyName,
    EnergyPerGbq,
    LungMass,
    LungShuntOption,
    Residual,
    Value,
    chosen_energy,
    only_one,
    parsed_part,
    required,
    show,
)
from ytterby.errors import ConfigurationError

__all__ = ["bsa", "mird", "multi", "partition"]


def mird(
    volume_ml: Annotated[float, typer.Option("--volume-ml", help="Perfused volume (mL).")],
    activity_gbq: ActivityOrNone = None,
    dose_gy: Annotated[float | None, typer.Option("--dose-gy", help="Wanted mean dose: answers the activity.")] = None,
    density_g_ml: Density = TISSUE_DENSITY_G_ML,
    lung_shunt_fraction: LungShuntOption = 0.0,
    residual_fraction: Residual = 0.0,
    energy_j_per_gbq: EnergyPerGbq = None,
    energy_constant: EnergyName = None,
    as_json: AsJson = False,
) -> None:
    """Single compartment: mean dose of the perfused volume, or the activity for a dose."""
    from ytterby.dosimetry.compartment import activity_for_dose_gbq, mass_kg, single_compartment_dose_gy

    given = only_one(activity_gbq=activity_gbq, dose_gy=dose_gy)
    energy = chosen_energy(energy_j_per_gbq, energy_constant)
    compute = single_compartment_dose_gy if given == "activity_gbq" else activity_for_dose_gbq
    result = compute(
        required(activity_gbq if given == "activity_gbq" else dose_gy, given),
        mass_kg(volume_ml, density_g_ml=density_g_ml),
        energy_j_per_gbq=energy.energy_j_per_gbq,
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
            "energy_j_per_gbq": energy.energy_j_per_gbq,
            "energy_constant": energy.name,
            "density_g_ml": density_g_ml,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"MIRD single compartment, EANM guideline 2022, doi:10.1007/s00259-021-05600-z; K: {energy.source}",
    )
    show(answer, as_json=as_json)


def bsa(
    height_m: Annotated[float, typer.Option("--height-m", help="Height (m).")],
    weight_kg: Annotated[float, typer.Option("--weight-kg", help="Body weight (kg).")],
    tumour_ml: Annotated[
        float, typer.Option("--tumour-ml", help="Volume of all tumours in the liver, or in the lobe (mL).")
    ],
    liver_ml: Annotated[float, typer.Option("--liver-ml", help="Volume of the liver with its tumours (mL).")],
    lobe_ml: Annotated[
        float | None,
        typer.Option("--lobe-ml", help="Volume of the treated lobe with its tumours, for a lobe alone (mL)."),
    ] = None,
    lung_shunt_fraction: Annotated[
        float | None, typer.Option("--lung-shunt", help="Lung shunt, a fraction: reduces the activity in steps.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Body surface area and the activity of resin microspheres that follows from it."""
    from ytterby.dosimetry.bsa import (
        bsa_activity_gbq,
        bsa_m2,
        lobar_bsa_activity_gbq,
        lung_shunt_reduction_fraction,
        reduced_for_lung_shunt_gbq,
    )

    surface_m2 = bsa_m2(height_m, weight_kg)
    formula = "BSA = 0.20247 h^0.725 w^0.425; A = (BSA - 0.2) + Vt / V"
    if lobe_ml is None:
        activity_gbq = bsa_activity_gbq(surface_m2, tumour_ml=tumour_ml, liver_ml=liver_ml)
    else:
        formula = "BSA = 0.20247 h^0.725 w^0.425; A = ((BSA - 0.2) + Vt / V_lobe) V_lobe / V"
        activity_gbq = lobar_bsa_activity_gbq(surface_m2, lobe_tumour_ml=tumour_ml, lobe_ml=lobe_ml, liver_ml=liver_ml)
    values: dict[str, Value] = {"bsa_m2": surface_m2, "activity_gbq": activity_gbq}
    constants = {"bsa_factor": 0.20247, "height_exponent": 0.725, "weight_exponent": 0.425, "bsa_offset": 0.2}
    told = "no lung-shunt reduction applied"
    if lung_shunt_fraction is not None:
        values = {
            "bsa_m2": surface_m2,
            "activity_gbq": reduced_for_lung_shunt_gbq(activity_gbq, lung_shunt_fraction),
            "unreduced_activity_gbq": activity_gbq,
            "reduction_fraction": lung_shunt_reduction_fraction(lung_shunt_fraction),
        }
        constants["lung_shunt_fraction"] = lung_shunt_fraction
        formula += "; less 20 % from a lung shunt of 10 %, less 40 % from 15 %, none above 20 %"
        told = "lung-shunt steps: also Kennedy 2007, doi:10.1016/j.ijrobp.2006.11.060"
    answer = Answer(
        values,
        formula,
        constants,
        f"Du Bois 1916, doi:10.1001/archinte.1916.00080130010002; instructions for use of resin microspheres ({told})",
    )
    show(answer, as_json=as_json)


def partition(
    activity_gbq: Activity,
    normal_ml: Annotated[float, typer.Option("--normal-ml", help="Volume of normal liver, without tumours (mL).")],
    tumour_ml: Annotated[float | None, typer.Option("--tumour-ml", help="Volume of the tumours as one (mL).")] = None,
    tn_ratio: Annotated[
        float | None, typer.Option("--tn-ratio", help="Counts per mass, tumours as one over normal liver.")
    ] = None,
    tumour: Annotated[
        list[str] | None,
        typer.Option(
            "--tumour", help="NAME:VOLUME_ML:TN, once for each tumour, in place of --tumour-ml and --tn-ratio."
        ),
    ] = None,
    lung_shunt_fraction: LungShuntOption = 0.0,
    residual_fraction: Residual = 0.0,
    density_g_ml: Density = TISSUE_DENSITY_G_ML,
    lung_mass_kg: LungMass = LUNG_MASS_KG,
    energy_j_per_gbq: EnergyPerGbq = None,
    energy_constant: EnergyName = None,
    as_json: AsJson = False,
) -> None:
    """Partition model: tumours, normal liver and lungs from the T/N ratio, of all tumours as one or of each."""
    from ytterby.dosimetry.compartment import mass_kg
    from ytterby.dosimetry.lung import lung_dose_gy
    from ytterby.dosimetry.partition import PartitionedTumour, multi_tumour_partition_doses

    energy = chosen_energy(energy_j_per_gbq, energy_constant)
    if only_one(tumour_ml=tumour_ml, tumour=tumour or None) == "tumour":
        if tn_ratio is not None:
            raise ConfigurationError(
                "--tn-ratio is of all tumours as one, and --tumour states one of each",
                remedy="give --tumour NAME:VOLUME_ML:TN alone",
            )
        parts = [
            parsed_part(text, option="--tumour", form="NAME:VOLUME_ML:TN", example="segment-8:120:5.5")
            for text in tumour or ()
        ]
        formula = "D_n = K A (1 - F)(1 - R) / (m_n + sum TN_i m_i); D_i = TN_i D_n"
        source = "Moran 2020, doi:10.1186/s40658-020-00343-6"
    else:
        parts = [("tumours", required(tumour_ml, "--tumour-ml"), required(tn_ratio, "--tn-ratio"))]
        formula = "D_n = K A (1 - F)(1 - R) / (m_n + TN m_t); D_t = TN D_n"
        source = "Ho 1996, doi:10.1007/BF01084369"
    doses = multi_tumour_partition_doses(
        activity_gbq,
        [
            PartitionedTumour(name, mass_kg(volume_ml, density_g_ml=density_g_ml), ratio)
            for name, volume_ml, ratio in parts
        ],
        normal_mass_kg=mass_kg(normal_ml, density_g_ml=density_g_ml),
        energy_j_per_gbq=energy.energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )
    lungs = lung_dose_gy(
        activity_gbq,
        lung_shunt_fraction,
        lung_mass_kg=lung_mass_kg,
        energy_j_per_gbq=energy.energy_j_per_gbq,
        residual_fraction=residual_fraction,
    )
    values: dict[str, Value] = {
        "tumour_dose_gy": doses.tumours_dose_gy,
        "normal_dose_gy": doses.normal_dose_gy,
        "lung_dose_gy": lungs,
    }
    if tumour:
        values["tumour_doses_gy"] = dict(doses.tumour_doses_gy)
    answer = Answer(
        values,
        f"{formula}; D_lung = K A (1 - R) F / m_lung",
        {
            "energy_j_per_gbq": energy.energy_j_per_gbq,
            "energy_constant": energy.name,
            "density_g_ml": density_g_ml,
            "lung_mass_kg": lung_mass_kg,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"{source}; K: {energy.source}",
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
    energy_j_per_gbq: EnergyPerGbq = None,
    energy_constant: EnergyName = None,
    as_json: AsJson = False,
) -> None:
    """Several compartments by their share of the counts of the whole liver (relative calibration)."""
    from ytterby.dosimetry.compartment import Compartment, mass_kg, multicompartment_doses_gy

    energy = chosen_energy(energy_j_per_gbq, energy_constant)
    parts = []
    for text in compartment:
        name, volume_ml, counts = parsed_part(
            text, option="--compartment", form="NAME:VOLUME_ML:COUNTS", example="tumour:200:400000"
        )
        parts.append(Compartment(name, mass_kg(volume_ml, density_g_ml=density_g_ml), counts))
    doses = multicompartment_doses_gy(
        activity_gbq,
        parts,
        energy_j_per_gbq=energy.energy_j_per_gbq,
        lung_shunt_fraction=lung_shunt_fraction,
        residual_fraction=residual_fraction,
    )
    liver_kg = sum(part.mass_kg for part in parts)
    liver_dose_gy = sum(doses[part.name] * part.mass_kg for part in parts) / liver_kg
    answer = Answer(
        {"doses_gy": doses, "liver_mean_dose_gy": liver_dose_gy},
        "D_i = K A (1 - F)(1 - R) (C_i / C_liver) / m_i",
        {
            "energy_j_per_gbq": energy.energy_j_per_gbq,
            "energy_constant": energy.name,
            "density_g_ml": density_g_ml,
            "lung_shunt_fraction": lung_shunt_fraction,
            "residual_fraction": residual_fraction,
        },
        f"Chiesa 2021, doi:10.1186/s40658-021-00394-3; K: {energy.source}",
    )
    show(answer, as_json=as_json)
