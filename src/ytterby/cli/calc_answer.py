"""What every formula of the calculator answers with: numbers, formula, constants and source, for people or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ytterby.errors import ConfigurationError
from ytterby.units import finite

if TYPE_CHECKING:
    from ytterby.physics.nuclides import EnergyConstant

__all__ = [
    "ENERGY_J_PER_GBQ",
    "HALF_LIFE_HOURS",
    "LUNG_MASS_KG",
    "TISSUE_DENSITY_G_ML",
    "Activity",
    "ActivityOrNone",
    "Answer",
    "AsJson",
    "Density",
    "EnergyName",
    "EnergyPerGbq",
    "HalfLife",
    "LungMass",
    "LungShuntOption",
    "Residual",
    "Value",
    "chosen_energy",
    "only_one",
    "parsed_part",
    "required",
    "show",
]

# The calculator's defaults, always printed; a case has none and must state its own.
ENERGY_J_PER_GBQ = 49.67
TISSUE_DENSITY_G_ML = 1.03
LUNG_MASS_KG = 1.0
HALF_LIFE_HOURS = 64.1

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
EnergyPerGbq = Annotated[
    float | None,
    typer.Option(
        "--energy-j-per-gbq",
        help="Energy of all decays of 1 GBq (J = Gy kg); 49.67 where neither this nor a name is given.",
    ),
]
EnergyName = Annotated[
    str | None,
    typer.Option(
        "--energy-constant",
        help="The same by name: instructions_for_use (50), partition_model (49.67), aapm (49.38), icrp107 (49.76); of 166Ho "
        "holmium_trial (15.87), icrp107_ho166 (15.53).",
    ),
]
Activity = Annotated[float, typer.Option("--activity-gbq", help="Activity of the vial when it is given (GBq).")]
ActivityOrNone = Annotated[
    float | None, typer.Option("--activity-gbq", help="Activity of the vial when it is given (GBq).")
]
HalfLife = Annotated[float, typer.Option("--half-life-hours", help="Physical half-life (h).")]
Density = Annotated[float, typer.Option("--density-g-ml", help="Density of liver and tumour (g/mL).")]
LungMass = Annotated[float, typer.Option("--lung-mass-kg", help="Mass of both lungs (kg).")]
LungShuntOption = Annotated[float, typer.Option("--lung-shunt", help="Lung shunt, a fraction: 2.9 % is 0.029.")]
Residual = Annotated[float, typer.Option("--residual", help="Share of the activity left in vial and lines.")]

Value = float | int | str | bool | dict[str, float]


@dataclass(frozen=True)
class Answer:
    """Result values by key (the unit is in the key), the formula, the constants that entered, and the source."""

    values: Mapping[str, Value]
    formula: str
    constants: Mapping[str, float | str]
    source: str


def show(answer: Answer, *, as_json: bool) -> None:
    """Print the answer: one JSON object with unrounded numbers, or lines for a person.

    Raises
    ------
    DomainError
        A result is no finite number: an input was too large or too small.
    """
    for name, value in answer.values.items():
        for number in value.values() if isinstance(value, dict) else (value,):
            if isinstance(number, float):
                finite(number, name)
    if as_json:
        record = {
            **answer.values,
            "formula": answer.formula,
            "constants": dict(answer.constants),
            "source": answer.source,
        }
        typer.echo(json.dumps(record, ensure_ascii=False, allow_nan=False))
        return
    typer.echo(f"formula    {answer.formula}")
    for name, value in answer.values.items():
        if isinstance(value, dict):
            for part, number in value.items():
                typer.echo(f"result     {name} {part} = {_text(number)}")
        else:
            typer.echo(f"result     {name} = {_text(value)}")
    for name, constant in answer.constants.items():
        typer.echo(f"constant   {name} = {_text(constant)}")
    typer.echo(f"source     {answer.source}")
    typer.echo("Research use only.")


def only_one(**options: object) -> str:
    """Name of the one option that was given.

    Raises
    ------
    ConfigurationError
        None was given, or more than one.
    """
    given = [name for name, value in options.items() if value is not None]
    if len(given) != 1:
        names = " or ".join("--" + name.replace("_", "-") for name in options)
        raise ConfigurationError(
            f"{len(given)} of these options were given: {names}", remedy="give exactly one of them"
        )
    return given[0]


def required(value: float | None, option: str) -> float:
    """``value`` itself; ConfigurationError naming the option where it was not given."""
    if value is None:
        raise ConfigurationError(f"{option} is missing", remedy=f"give {option}")
    return value


def chosen_energy(energy_j_per_gbq: float | None, name: str | None) -> EnergyConstant:
    """The energy constant that was stated as a number or by name, with its source; 49.67 J/GBq where neither was.

    Raises
    ------
    ConfigurationError
        Both were given.
    DomainError
        There is no constant of this name.
    """
    from ytterby.physics.nuclides import ENERGY_CONSTANTS, HO166_ENERGY_CONSTANTS, EnergyConstant, energy_constant

    if name is not None:
        if energy_j_per_gbq is not None:
            raise ConfigurationError(
                "--energy-j-per-gbq and --energy-constant were both given", remedy="give exactly one of them"
            )
        return energy_constant(name)
    number = ENERGY_J_PER_GBQ if energy_j_per_gbq is None else energy_j_per_gbq
    for constant in (*ENERGY_CONSTANTS.values(), *HO166_ENERGY_CONSTANTS.values()):
        if abs(constant.energy_j_per_gbq - number) < 1e-9:
            return constant
    return EnergyConstant("stated", number, "stated by the user")


def parsed_part(text: str, *, option: str, form: str, example: str) -> tuple[str, float, float]:
    """Name and two numbers of NAME:NUMBER:NUMBER; the name may hold colons.

    Raises
    ------
    ConfigurationError
        The text does not have this form; names the option, the form and an example.
    """
    parts = text.rsplit(":", 2)
    try:
        return parts[0].strip(), float(parts[1]), float(parts[2])
    except (IndexError, ValueError) as error:
        raise ConfigurationError(
            f"'{text[:60]}' is not {form}", where=option, remedy=f"write it like {example}"
        ) from error


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
