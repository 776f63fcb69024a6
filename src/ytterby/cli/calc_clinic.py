"""Formulas of the calculator around the patient: BED, ALBI, CTCAE."""

from __future__ import annotations

from typing import Annotated

import typer

from ytterby.cli.calc_answer import HALF_LIFE_HOURS, Answer, AsJson, HalfLife, show
from ytterby.errors import DomainError

__all__ = ["albi", "bed", "ctcae"]


def bed(
    dose_gy: Annotated[float, typer.Option("--dose-gy", help="Absorbed dose of one administration (Gy).")],
    alpha_beta_gy: Annotated[float, typer.Option("--alpha-beta-gy", help="alpha/beta of the tissue (Gy).")],
    repair_hours: Annotated[float, typer.Option("--repair-hours", help="Half-life of repair (h).")],
    half_life_hours: HalfLife = HALF_LIFE_HOURS,
    as_json: AsJson = False,
) -> None:
    """Biologically effective dose of a permanent implant."""
    from ytterby.dosimetry.radiobiology import bed_gy, eqd2_gy

    effective_gy = bed_gy(
        dose_gy, alpha_beta_gy=alpha_beta_gy, repair_half_life_hours=repair_hours, half_life_hours=half_life_hours
    )
    answer = Answer(
        {"bed_gy": effective_gy, "eqd2_gy": eqd2_gy(effective_gy, alpha_beta_gy)},
        "BED = D (1 + D T_rep / ((T_rep + T_phys) (alpha/beta))); EQD2 = BED / (1 + 2 Gy / (alpha/beta))",
        {"alpha_beta_gy": alpha_beta_gy, "repair_half_life_hours": repair_hours, "half_life_hours": half_life_hours},
        "Dale 1985, doi:10.1259/0007-1285-58-690-515; Cremonesi 2014, doi:10.3389/fonc.2014.00210; Bentzen 2012, "
        "doi:10.1016/j.radonc.2012.10.006",
    )
    show(answer, as_json=as_json)


def albi(
    bilirubin_umol_l: Annotated[float, typer.Option("--bilirubin-umol-l", help="Total bilirubin (umol/L).")],
    albumin_g_l: Annotated[float, typer.Option("--albumin-g-l", help="Albumin (g/L).")],
    as_json: AsJson = False,
) -> None:
    """Albumin-bilirubin score and grade."""
    from ytterby.response.toxicity import albi as albi_of

    found = albi_of(bilirubin_umol_l, albumin_g_l)
    answer = Answer(
        {"score": found.score, "grade": found.grade},
        "ALBI = 0.66 log10(bilirubin) - 0.085 albumin; grade 1 to -2.60, 2 to -1.39, 3 above",
        {"bilirubin_factor": 0.66, "albumin_factor": -0.085, "grade_1_to": -2.60, "grade_2_to": -1.39},
        "Johnson 2015, doi:10.1200/JCO.2014.57.9151",
    )
    show(answer, as_json=as_json)


def ctcae(
    test: Annotated[str, typer.Option("--test", help="ast, alt, bilirubin or albumin.")],
    value: Annotated[float, typer.Option("--value", help="Measured value, in the unit of the limit.")],
    upper_limit: Annotated[
        float | None, typer.Option("--upper-limit", help="Upper limit of normal (ast, alt, bilirubin).")
    ] = None,
    lower_limit: Annotated[float | None, typer.Option("--lower-limit", help="Lower limit of normal (albumin).")] = None,
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="Value before treatment; left out, it is taken as normal.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="Unit of all values; of albumin g/L or g/dL (told by the limit if absent)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grade of a laboratory value by CTCAE v5."""
    from ytterby.response.toxicity import ctcae_grade, in_standard_unit

    constants: dict[str, float | str] = {}
    if test == "albumin" and unit is None and lower_limit is not None:
        unit = _albumin_unit(value, lower_limit)
    if unit is not None:
        constants["unit"] = unit

    def standard(value: float | None) -> float | None:
        return value if value is None or unit is None else in_standard_unit(test, value, unit=unit)

    grade = ctcae_grade(
        test,
        value if unit is None else in_standard_unit(test, value, unit=unit),
        upper_limit=standard(upper_limit),
        lower_limit=standard(lower_limit),
        baseline=standard(baseline),
    )
    limits = {"upper_limit": upper_limit, "lower_limit": lower_limit, "baseline": baseline}
    constants.update({name: limit for name, limit in limits.items() if limit is not None})
    if test != "albumin":
        abnormal = baseline is not None and upper_limit is not None and baseline > upper_limit
        constants["graded_in_multiples_of"] = "baseline" if abnormal else "upper_limit"
    answer = Answer({"grade": grade}, _RULES[test], constants, "CTCAE v5.0, National Cancer Institute, 2017")
    show(answer, as_json=as_json)


_ENZYME_RULE = (
    "G1 > ULN to 3 x ULN (abnormal baseline: 1.5 to 3 x baseline), G2 to 5 x, G3 to 20 x, G4 above; upper ends belong to the "
    "lower grade"
)
_RULES = {
    "ast": _ENZYME_RULE,
    "alt": _ENZYME_RULE,
    "bilirubin": "G1 > ULN to 1.5 x ULN (abnormal baseline: > 1 to 1.5 x baseline), G2 to 3 x, G3 to 10 x, G4 above; upper ends "
    "belong to the lower grade",
    "albumin": "G1 < LLN to 30 g/L, G2 < 30 to 20 g/L, G3 < 20 g/L; grade 4 is clinical",
}


def _albumin_unit(value: float, lower_limit: float) -> str:
    """Unit that the lower limit speaks of: 35 is g/L, 3.5 is g/dL; DomainError where the value speaks of another."""
    unit = "g/L" if lower_limit >= 10.0 else "g/dL"
    if lower_limit > 0.0 and not 0.2 <= value / lower_limit <= 3.0:
        raise DomainError(
            f"albumin {value} does not look like the unit of its lower limit {lower_limit}",
            where="--value",
            remedy="give both in one unit, and name it: --unit g/L or --unit g/dL",
        )
    return unit
