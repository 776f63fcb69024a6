"""Lungs in the calculator: dose of an activity, activity for a dose or a limit, lung shunt of counts."""

from __future__ import annotations

from typing import Annotated

import typer

from ytterby.cli.calc_answer import (
    LUNG_MASS_KG,
    ActivityOrNone,
    Answer,
    AsJson,
    EnergyName,
    EnergyPerGbq,
    LungMass,
    Residual,
    Value,
    chosen_energy,
    only_one,
    required,
    show,
)
from ytterby.errors import ConfigurationError

__all__ = ["lung"]

_KAO = "Kao 2014, doi:10.1186/s13550-014-0033-7"


def lung(
    activity_gbq: ActivityOrNone = None,
    lung_shunt_fraction: Annotated[
        float | None, typer.Option("--lung-shunt", help="Lung shunt, a fraction: 2.9 % is 0.029.")
    ] = None,
    planar: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option("--planar", metavar="ANT_LUNG POST_LUNG ANT_LIVER POST_LIVER", help="Counts of a planar scan."),
    ] = None,
    spect: Annotated[
        tuple[float, float] | None,
        typer.Option("--spect", metavar="LUNG LIVER", help="Counts of a SPECT/CT in lungs and liver."),
    ] = None,
    dose_gy: Annotated[
        float | None, typer.Option("--dose-gy", help="Lung dose limit of this session: answers the activity.")
    ] = None,
    prior_gy: Annotated[
        float | None, typer.Option("--prior-gy", help="Lung dose of earlier sessions together (Gy).")
    ] = None,
    cumulative_gy: Annotated[
        float | None, typer.Option("--cumulative-gy", help="Lung dose limit of all sessions together, with --dose-gy.")
    ] = None,
    lung_mass_kg: LungMass = LUNG_MASS_KG,
    residual_fraction: Residual = 0.0,
    energy_j_per_gbq: EnergyPerGbq = None,
    energy_constant: EnergyName = None,
    as_json: AsJson = False,
) -> None:
    """Lung dose of an activity, the activity under a lung dose limit, or the lung shunt of a scan."""
    given = only_one(planar=planar, spect=spect, activity_gbq=activity_gbq, dose_gy=dose_gy)
    if planar is not None or spect is not None:
        for option, value in (
            ("--lung-shunt", lung_shunt_fraction),
            ("--prior-gy", prior_gy),
            ("--cumulative-gy", cumulative_gy),
        ):
            if value is not None:
                raise ConfigurationError(
                    f"--{given} finds the lung shunt, and {option} has no place there", remedy="give one of them"
                )
        show(_shunt(planar, spect), as_json=as_json)
        return
    energy = chosen_energy(energy_j_per_gbq, energy_constant)
    shunt_fraction = required(lung_shunt_fraction, "--lung-shunt")
    if given == "activity_gbq" and cumulative_gy is not None:
        raise ConfigurationError("--cumulative-gy is a limit, and goes with --dose-gy", remedy="take it out")
    if given == "dose_gy" and (prior_gy is None) != (cumulative_gy is None):
        raise ConfigurationError(
            "--prior-gy and --cumulative-gy go together: what is left is the one less the other",
            remedy="give both, or none for a first session",
        )
    values, formula = _dose_or_activity(
        activity_gbq,
        dose_gy,
        shunt_fraction=shunt_fraction,
        prior_gy=prior_gy,
        cumulative_gy=cumulative_gy,
        lung_mass_kg=lung_mass_kg,
        residual_fraction=residual_fraction,
        energy_j_per_gbq=energy.energy_j_per_gbq,
    )
    stated = {"limit_session_gy": dose_gy, "prior_gy": prior_gy, "limit_cumulative_gy": cumulative_gy}
    answer = Answer(
        values,
        formula,
        {
            "energy_j_per_gbq": energy.energy_j_per_gbq,
            "energy_constant": energy.name,
            "lung_mass_kg": lung_mass_kg,
            "lung_shunt_fraction": shunt_fraction,
            "residual_fraction": residual_fraction,
            **{name: value for name, value in stated.items() if value is not None},
        },
        f"{_KAO}; K: {energy.source}",
    )
    show(answer, as_json=as_json)


def _dose_or_activity(
    activity_gbq: float | None,
    dose_gy: float | None,
    *,
    shunt_fraction: float,
    prior_gy: float | None,
    cumulative_gy: float | None,
    lung_mass_kg: float,
    residual_fraction: float,
    energy_j_per_gbq: float,
) -> tuple[dict[str, Value], str]:
    """Values and formula of the answer."""
    from ytterby.dosimetry.lung import (
        LungDoseLimit,
        activity_for_lung_dose_gbq,
        activity_within_lung_limit,
        lung_dose_gy,
    )
    from ytterby.units import non_negative

    if dose_gy is None:
        result = lung_dose_gy(
            required(activity_gbq, "--activity-gbq"),
            shunt_fraction,
            lung_mass_kg=lung_mass_kg,
            energy_j_per_gbq=energy_j_per_gbq,
            residual_fraction=residual_fraction,
        )
        if prior_gy is None:
            return {"lung_dose_gy": result}, "D_lung = K A (1 - R) F / m_lung"
        total_gy = non_negative(prior_gy, "prior_gy") + result
        return (
            {"lung_dose_gy": result, "cumulative_lung_dose_gy": total_gy},
            "D_lung = K A (1 - R) F / m_lung; D_cumulative = D_prior + D_lung",
        )
    if prior_gy is None or cumulative_gy is None:
        result = activity_for_lung_dose_gbq(
            dose_gy,
            shunt_fraction,
            lung_mass_kg=lung_mass_kg,
            energy_j_per_gbq=energy_j_per_gbq,
            residual_fraction=residual_fraction,
        )
        return {"activity_gbq": result}, "A = D_lung m_lung / (K (1 - R) F)"
    allowed = activity_within_lung_limit(
        LungDoseLimit("stated", dose_gy, cumulative_gy, "stated by the user"),
        shunt_fraction,
        prior_dose_gy=prior_gy,
        lung_mass_kg=lung_mass_kg,
        energy_j_per_gbq=energy_j_per_gbq,
        residual_fraction=residual_fraction,
    )
    return (
        {"activity_gbq": allowed.activity_gbq, "lung_dose_gy": allowed.lung_dose_gy, "binding": allowed.binding},
        "A = D_left m_lung / (K (1 - R) F); D_left = min(D_session, D_cumulative - D_prior), not below 0",
    )


def _shunt(planar: tuple[float, float, float, float] | None, spect: tuple[float, float] | None) -> Answer:
    """Lung shunt of the counts of a planar scan, or of a SPECT/CT."""
    from ytterby.dosimetry.lung import counts_lung_shunt_fraction, planar_lung_shunt

    if planar is not None:
        front_lung, back_lung, front_liver, back_liver = planar
        shunt = planar_lung_shunt(
            anterior_lung_counts=front_lung,
            posterior_lung_counts=back_lung,
            anterior_liver_counts=front_liver,
            posterior_liver_counts=back_liver,
        )
        return Answer(
            {"lung_shunt_fraction": shunt.lung_shunt_fraction},
            "F = sqrt(Aa Ap)_lung / (sqrt(Aa Ap)_lung + sqrt(Aa Ap)_liver)",
            {},
            "geometric mean of planar counts, EANM guideline 2022, doi:10.1007/s00259-021-05600-z",
        )
    if spect is None:
        raise ConfigurationError("no counts were given", remedy="give --planar or --spect")
    return Answer(
        {"lung_shunt_fraction": counts_lung_shunt_fraction(*spect)},
        "F = C_lung / (C_lung + C_liver)",
        {},
        "counts of a SPECT/CT, Allred 2018, doi:10.1186/s13550-018-0402-8",
    )
