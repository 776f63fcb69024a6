"""devices.yaml: the table of microspheres. The shipped one says what ``physics.devices`` says; a site may name its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ytterby.errors import DomainError
from ytterby.files.fields import FileModel, Positive, SchemaOne, Text, refused, validated
from ytterby.files.yamlfile import read_yaml
from ytterby.model.treatment import Device
from ytterby.physics.devices import Microspheres, Supply, VialRange
from ytterby.physics.nuclides import NUCLIDES

__all__ = ["SHIPPED_DEVICES", "DeviceTableFile", "read_devices"]

SHIPPED_DEVICES = Path(__file__).parent / "tables" / "devices.yaml"
"""The table that is used where none is named, and the one to copy."""


def _nuclide(name: str) -> str:
    if name not in NUCLIDES:
        raise refused(f"'{name}' is no nuclide that is known here", f"write one of {', '.join(NUCLIDES)}")
    return name


def _rising(sizes: tuple[float, ...]) -> tuple[float, ...]:
    if list(sizes) != sorted(set(sizes)):
        raise refused("the sizes do not rise, or one stands twice", "write each size once, the smallest first")
    return sizes


class CustomVials(FileModel):
    """Sizes of vials that are made on request."""

    least_gbq: Positive
    greatest_gbq: Positive
    step_gbq: Positive

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        try:
            self.vial_range()
        except DomainError as error:
            raise refused(error.what, error.remedy) from error
        return self

    def vial_range(self) -> VialRange:
        """The same as physics' own type."""
        return VialRange(self.least_gbq, self.greatest_gbq, self.step_gbq)


class DeviceEntry(FileModel):
    """One kind of microsphere. ``shelf_life_hours`` is written even where it is not known: null."""

    nuclide: Annotated[Text, AfterValidator(_nuclide)]
    activity_per_sphere_bq: Positive
    vial_sizes_gbq: Annotated[tuple[Positive, ...], Field(max_length=100), AfterValidator(_rising)]
    custom_vials: CustomVials | None = None
    supply: Supply
    shelf_life_hours: Positive | None
    density_g_ml: Positive
    diameter_mm: Positive
    diameter_range_mm: tuple[Positive, Positive]
    source: Text
    assumptions: Annotated[tuple[Text, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least_mm, greatest_mm = self.diameter_range_mm
        if not least_mm <= self.diameter_mm <= greatest_mm:
            raise refused(
                f"the mean diameter {self.diameter_mm:g} mm lies outside {least_mm:g} to {greatest_mm:g} mm",
                "correct diameter_mm or diameter_range_mm",
            )
        if self.supply is not Supply.TO_ORDER and not self.vial_sizes_gbq:
            raise refused("no size of a vial is stated", "write vial_sizes_gbq, or supply: to_order")
        return self

    def microspheres(self, device: Device) -> Microspheres:
        """The same as physics' own type."""
        return Microspheres(
            device,
            NUCLIDES[self.nuclide],
            activity_per_sphere_bq=self.activity_per_sphere_bq,
            vial_sizes_gbq=self.vial_sizes_gbq,
            shelf_life_hours=self.shelf_life_hours,
            density_g_ml=self.density_g_ml,
            source=self.source,
            diameter_mm=self.diameter_mm,
            diameter_range_mm=self.diameter_range_mm,
            supply=self.supply,
            custom_vials=None if self.custom_vials is None else self.custom_vials.vial_range(),
            assumptions=self.assumptions,
        )


class DeviceEntries(FileModel):
    """Every device; a table that leaves one out would leave a session of it without numbers."""

    glass: DeviceEntry
    resin: DeviceEntry
    holmium: DeviceEntry


class DeviceTableFile(FileModel):
    """devices.yaml, validated."""

    schema_version: SchemaOne = Field(alias="schema")
    devices: DeviceEntries

    def microspheres(self) -> Mapping[Device, Microspheres]:
        """Microspheres by device."""
        return MappingProxyType({device: getattr(self.devices, device.value).microspheres(device) for device in Device})


def read_devices(path: Path | None) -> Mapping[Device, Microspheres]:
    """Microspheres by device, from a table of one's own; without one, from the shipped table.

    Raises
    ------
    ConfigurationError
        A device or a field is missing, unknown or out of range; names file and field.
    """
    chosen = SHIPPED_DEVICES if path is None else path
    return validated(DeviceTableFile, read_yaml(chosen), chosen).microspheres()
