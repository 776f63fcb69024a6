"""effects.yaml: published dose-effect relations (TCP, NTCP), cited; a table is shipped with the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.dosimetry.effect import DoseQuantity, EffectKind, EffectModel, EffectRow
from ytterby.files.fields import (
    DeviceName,
    FileModel,
    Identifier,
    Number,
    Positive,
    SchemaOne,
    Text,
    not_empty,
    refused,
    validated,
)
from ytterby.files.yamlfile import read_yaml

__all__ = ["SHIPPED", "EffectFile", "read_effects"]

SHIPPED = Path(__file__).parent / "tables" / "effects.yaml"
"""The table that is read where none is given."""

Unit = Annotated[Number, Field(gt=0, le=1)]


def _doi(text: str) -> str:
    if not re.fullmatch(r"10\.\d{4,9}/\S+", text):
        raise refused(f"'{text[:50]}' is no DOI", "write it like 10.1118/1.598063, without an address before it")
    return text


# Which parameters a model may have, the first of them always.
_PARAMETERS = {
    EffectModel.LOGISTIC: ("d50_gy", "slope_per_gy"),
    EffectModel.LKB: ("d50_gy", "m_fraction", "n_fraction"),
    EffectModel.LIMIT: ("limit_gy",),
}


class EffectEntry(FileModel):
    """One relation of the table."""

    effect_id: Identifier = Field(alias="id")
    kind: EffectKind
    endpoint: Text
    tissue: Text
    device: DeviceName
    model: EffectModel
    dose_quantity: DoseQuantity
    population: Text
    source: Text
    doi: Annotated[Text, AfterValidator(_doi)] | None = None
    verified: Annotated[bool, Field(strict=True)]
    note: Text | None = None
    d50_gy: Positive | None = None
    slope_per_gy: Positive | None = None
    m_fraction: Unit | None = None
    n_fraction: Unit | None = None
    limit_gy: Positive | None = None
    alpha_beta_gy: Positive | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        own = _PARAMETERS[self.model]
        if getattr(self, own[0]) is None:
            raise refused(f"a relation of model {self.model} needs '{own[0]}'", f"write {own[0]}: ...")
        for name in sorted({name for names in _PARAMETERS.values() for name in names} - set(own)):
            if getattr(self, name) is not None:
                raise refused(f"a relation of model {self.model} has no '{name}'", f"take {name} out")
        if not self.verified and self.note is None:
            raise refused("parameters that are not verified need a note", "write in note: where they come from")
        return self

    def row(self) -> EffectRow:
        """The same as the type of the computation."""
        return EffectRow(
            effect_id=self.effect_id,
            kind=self.kind,
            endpoint=self.endpoint,
            tissue=self.tissue,
            device=self.device,
            model=self.model,
            dose_quantity=self.dose_quantity,
            population=self.population,
            source=self.source,
            doi=self.doi or "",
            verified=self.verified,
            note=self.note or "",
            d50_gy=self.d50_gy,
            slope_per_gy=self.slope_per_gy,
            m_fraction=self.m_fraction,
            n_fraction=self.n_fraction,
            limit_gy=self.limit_gy,
            alpha_beta_gy=self.alpha_beta_gy,
        )


class EffectFile(FileModel):
    """effects.yaml, validated."""

    schema_version: SchemaOne = Field(alias="schema")
    effects: Annotated[tuple[EffectEntry, ...], Field(max_length=1000), AfterValidator(not_empty)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        named = [entry.effect_id for entry in self.effects]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise refused(f"'{twice[0]}' stands twice", "give each relation an id of its own")
        return self


def read_effects(path: Path | None) -> tuple[EffectRow, ...]:
    """The relations that a YAML file declares, in its order; without one, those that are shipped.

    Which of them is used is always said by its id (``dosimetry.effect.effect_row``).

    Raises
    ------
    ConfigurationError
        A field is missing, unknown or wrong; names file and field.
    """
    chosen = SHIPPED if path is None else path
    return tuple(entry.row() for entry in validated(EffectFile, read_yaml(chosen), chosen).effects)
