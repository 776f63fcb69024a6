"""guidelines.yaml: published thresholds as presets, cited, with where they disagree; a table is shipped with the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.files.fields import (
    DeviceName,
    FileModel,
    Identifier,
    Names,
    Positive,
    SchemaOne,
    Text,
    not_empty,
    refused,
    validated,
)
from ytterby.files.yamlfile import read_yaml
from ytterby.planning.targets import (
    Amount,
    Disagreement,
    Guideline,
    GuidelineRow,
    GuidelineSource,
    GuidelineTable,
    PlanQuantity,
)

__all__ = ["SHIPPED_GUIDELINES", "GuidelineTableFile", "read_guidelines"]

SHIPPED_GUIDELINES = Path(__file__).parent / "tables" / "guidelines.yaml"
"""The table that is used where none is named, and the one to copy."""

# A note is a sentence or two; fields of names are shorter.
Note = Annotated[str, Field(strict=True, min_length=1, max_length=1000)]
# A lesion is named by the case alone: no published row can be about it.
_OF_A_CASE = (PlanQuantity.LESION,)


def _doi(text: str) -> str:
    if not re.fullmatch(r"10\.\d{4,9}/\S+", text):
        raise refused(
            f"'{text[:50]}' is no DOI", "write it like 10.1007/s00259-021-05600-z, without an address before it"
        )
    return text


def _published(quantity: PlanQuantity) -> PlanQuantity:
    if quantity in _OF_A_CASE:
        raise refused(f"'{quantity}' is no quantity of a guideline", "write tumour, and name the lesion in the case")
    return quantity


class SourceEntry(FileModel):
    """Where a guideline was published."""

    source_id: Identifier = Field(alias="id")
    citation: Note
    doi: Annotated[Text, AfterValidator(_doi)] | None = None
    doi_verified: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.doi_verified and self.doi is None:
            raise refused("doi_verified belongs to a DOI", "write doi, or take doi_verified out")
        return self


class RowEntry(FileModel):
    """One line of a guideline: ``relation`` at_least or at_most with ``value``, or range with ``values``."""

    row_id: Identifier = Field(alias="id")
    quantity: Annotated[PlanQuantity, AfterValidator(_published)]
    relation: Literal["at_least", "at_most", "range"]
    value: Positive | None = None
    values: tuple[Positive, Positive] | None = None
    condition: Note | None = None
    verified: Annotated[bool, Field(strict=True)]
    note: Note | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.relation == "range") != (self.values is not None) or (self.relation == "range") == (
            self.value is not None
        ):
            raise refused(
                f"the relation '{self.relation}' does not go with what is stated",
                "write value for at_least and at_most, values: [from, to] for range",
            )
        if self.values is not None and not self.values[0] < self.values[1]:
            raise refused("the range does not rise", "write the smaller value first")
        if not self.verified and self.note is None:
            raise refused("a row that is not verified needs a note", "write in note: where it comes from")
        return self

    def row(self) -> GuidelineRow:
        """The same as planning's own type."""
        least = self.values[0] if self.values else self.value if self.relation == "at_least" else None
        most = self.values[1] if self.values else self.value if self.relation == "at_most" else None
        unit = self.quantity.unit
        return GuidelineRow(
            self.row_id,
            self.quantity,
            None if least is None else Amount(least, unit),
            None if most is None else Amount(most, unit),
            condition=self.condition or "",
            verified=self.verified,
            note=self.note or "",
        )


class PresetEntry(FileModel):
    """A preset: what one source asks for, for a device, a disease and an intent."""

    guideline_id: Identifier = Field(alias="id")
    title: Text
    device: DeviceName
    disease: Text
    intent: Text
    source: Identifier
    rows: Annotated[tuple[RowEntry, ...], Field(max_length=50), AfterValidator(not_empty)]
    note: Note | None = None


class DisagreementEntry(FileModel):
    """Where guidelines contradict each other or say nothing; ``concerns`` names presets or rows."""

    disagreement_id: Identifier = Field(alias="id")
    concerns: Annotated[Names, AfterValidator(not_empty)]
    what: Note
    what_to_do: Note


class GuidelineTableFile(FileModel):
    """guidelines.yaml, validated."""

    schema_version: SchemaOne = Field(alias="schema")
    sources: Annotated[tuple[SourceEntry, ...], Field(max_length=200), AfterValidator(not_empty)]
    presets: Annotated[tuple[PresetEntry, ...], Field(max_length=200), AfterValidator(not_empty)]
    disagreements: Annotated[tuple[DisagreementEntry, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        presets = [preset.guideline_id for preset in self.presets]
        rows = [row.row_id for preset in self.presets for row in preset.rows]
        sources = [source.source_id for source in self.sources]
        for names in (presets, rows, sources):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise refused(f"'{twice[0]}' stands twice", "give each preset, row and source an id of its own")
        for preset in self.presets:
            if preset.source not in sources:
                raise refused(
                    f"the preset '{preset.guideline_id}' names the source '{preset.source}', which is not in the table",
                    "name one of sources",
                )
        for one in self.disagreements:
            for name in one.concerns:
                if name not in presets and name not in rows:
                    raise refused(
                        f"the disagreement '{one.disagreement_id}' concerns '{name}', which is no preset and no row",
                        "correct concerns",
                    )
        return self

    def table(self, name: str) -> GuidelineTable:
        """The same as planning's own type, under a name."""
        sources = {
            one.source_id: GuidelineSource(one.citation, one.doi or "", one.doi_verified) for one in self.sources
        }
        return GuidelineTable(
            name,
            tuple(
                Guideline(
                    preset.guideline_id,
                    preset.title,
                    preset.device,
                    preset.disease,
                    preset.intent,
                    sources[preset.source],
                    tuple(row.row() for row in preset.rows),
                    preset.note or "",
                )
                for preset in self.presets
            ),
            tuple(
                Disagreement(one.disagreement_id, one.concerns, one.what, one.what_to_do) for one in self.disagreements
            ),
        )


def read_guidelines(path: Path | None) -> GuidelineTable:
    """The guidelines of a table of one's own; without one, of the shipped table.

    Raises
    ------
    ConfigurationError
        A field is missing, unknown or contradictory; names file and field.
    """
    chosen = SHIPPED_GUIDELINES if path is None else path
    return validated(GuidelineTableFile, read_yaml(chosen), chosen).table(chosen.name)
