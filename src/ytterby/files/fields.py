"""Types of fields that the YAML files share, and pydantic's complaints turned into ours.

Scalars are strict (a number in quotes is text, a number is no text); lists and enumerations are taken as YAML writes them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from ytterby.errors import ConfigurationError, DomainError
from ytterby.files.moments import parse_moment, parse_zone
from ytterby.model.treatment import Device
from ytterby.units import parse_quantity

__all__ = [
    "ActivityGbq",
    "DeviceName",
    "ExistingPath",
    "FileModel",
    "Fraction",
    "Identifier",
    "Moment",
    "Names",
    "NonNegative",
    "Number",
    "Percent",
    "Positive",
    "SchemaOne",
    "Text",
    "Whole",
    "not_empty",
    "refused",
    "unless",
    "validated",
]

AnyModel = TypeVar("AnyModel", bound=BaseModel)


_MOST_GBQ = 100.0


class FileModel(BaseModel):
    """A mapping of a YAML file: every key is known, nothing can be changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def refused(what: str, remedy: str) -> PydanticCustomError:
    """The error that a validator raises: what is wrong, and the remedy."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy})


def _plain(text: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise refused("holds a control character", "write plain text on one line")
    return text


def _identifier(text: str) -> str:
    if not text[0].isalnum() or not all(c.isalnum() or c in "._- " for c in text) or text != text.strip():
        raise refused(
            f"'{text}' cannot name a patient or session",
            "use letters, digits, '.', '_', '-' and blanks inside, a letter or digit first",
        )
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _activity(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_quantity(value, "gbq")
    except DomainError as error:
        raise refused(error.what, error.remedy) from error


def _plausible_activity(value: float) -> float:
    if value > _MOST_GBQ:
        raise refused(
            f"{value:g} GBq is more than any vial holds", "check the unit: 3900 MBq is written 3.9, or '3900 MBq'"
        )
    return value


def _moment(value: object, info: ValidationInfo) -> datetime:
    if not isinstance(value, str):
        raise refused("is no date with a time", "write it like 2024-03-08T11:00:00+01:00")
    zone = (info.context or {}).get("zone")
    try:
        return parse_moment(value, zone if isinstance(zone, ZoneInfo) else None)
    except DomainError as error:
        raise refused(error.what, error.remedy) from error


def _existing(value: object, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    if not isinstance(value, str) or not isinstance(folder, Path):
        raise refused("is no path", "write the path as text, relative to this file")
    path = folder / _plain(value)
    try:
        there = bool(value.strip()) and path.exists()
    except OSError:
        there = False
    if not there:
        raise refused(
            f"there is no file or folder '{value[:200]}'", "correct the path; it is taken relative to this file"
        )
    return path


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """The list itself, when something stands in it; else a pydantic error (and none where an item is wrong already)."""
    if not value:
        raise refused("is an empty list", "name at least one")
    return value


def _schema_one(value: int) -> int:
    if value != 1:
        raise refused(f"schema {value} is not read by this version", "write schema: 1, or use a newer version")
    return value


def _device(value: object) -> object:
    if isinstance(value, str) and value not in set(Device):
        raise refused(f"'{value[:50]}' is no device", f"write one of {', '.join(Device)}")
    return value


def unless(key: str = "", *, beside: str = "") -> BeforeValidator:
    """Validator of a field with the default None that must be stated unless the file as a whole has ``key``.

    It may be left out too where the same mapping states the field ``beside``, which must be declared before it.
    """

    def required(value: object, info: ValidationInfo) -> object:
        stated = key in (info.context or {}).get("keys", ()) or info.data.get(beside) is not None
        if value is None and not stated:
            raise PydanticCustomError("missing", "Field required")
        return value

    return BeforeValidator(required)


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, lt=1)]
Percent = Annotated[Number, Field(gt=0, le=100)]
Whole = Annotated[int, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_plain)]
Identifier = Annotated[str, Field(strict=True, min_length=1, max_length=64), AfterValidator(_identifier)]
Names = Annotated[tuple[Text, ...], BeforeValidator(_as_list)]
ActivityGbq = Annotated[Positive, BeforeValidator(_activity), AfterValidator(_plausible_activity)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
ExistingPath = Annotated[Path, BeforeValidator(_existing)]
SchemaOne = Annotated[Whole, AfterValidator(_schema_one)]
DeviceName = Annotated[Device, BeforeValidator(_device)]


def validated(kind: type[AnyModel], data: dict[str, Any], path: Path) -> AnyModel:
    """``data`` as a model of ``kind``; paths are relative to the folder of ``path``, times without offset in ``time_zone``.

    Raises
    ------
    ConfigurationError
        Fields are missing, unknown or wrong: each with the file's name, its path within the file, and the remedy.
    """
    context: dict[str, object] = {"folder": path.parent, "keys": frozenset(data)}
    zone = data.get("time_zone")
    if isinstance(zone, str):
        try:
            context["zone"] = parse_zone(zone)
        except DomainError as error:
            raise ConfigurationError(error.what, where=f"{path.name}, time_zone", remedy=error.remedy) from error
    try:
        return kind.model_validate(data, context=context)
    except ValidationError as error:
        raise _configuration_error(error, kind, path) from error


def _configuration_error(error: ValidationError, kind: type[BaseModel], path: Path) -> ConfigurationError:
    complaints = []
    for detail in error.errors(include_url=False, include_input=False):
        where = ", ".join(part for part in (path.name, ".".join(str(step) for step in detail["loc"])) if part)
        what, remedy = _in_words(detail["type"], detail["msg"], detail.get("ctx", {}))
        if detail["type"] == "extra_forbidden":
            known = _known_keys(kind, detail["loc"][:-1])
            near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
            remedy = f"write '{near[0]}'" if near else f"take it out; known here: {', '.join(known) or 'none'}"
        complaints.append(ConfigurationError(what, where=where, remedy=remedy))
    if len(complaints) == 1:
        return complaints[0]
    lines = "".join(f"\n  - {complaint}" for complaint in complaints)
    return ConfigurationError(f"{len(complaints)} fields cannot be used:{lines}", where=path.name)


def _in_words(kind: str, message: str, context: dict[str, Any]) -> tuple[str, str]:
    """What is wrong, and the remedy, for the types of error that a person meets here."""
    limits = [f"{sign} {context[name]:g}" for name, sign in _SIGNS.items() if name in context]
    words = {
        "missing": ("is missing", "state it; there is no default"),
        "extra_forbidden": ("is not known here", ""),
        "float_type": ("is no number", "write a plain number, without quotes"),
        "int_type": ("is no whole number", "write a whole number, without quotes"),
        "int_from_float": ("is no whole number", "write a whole number"),
        "finite_number": ("is no finite number", "write a plain number"),
        "string_type": ("is no text", "put it in quotes"),
        "string_too_short": ("is empty", "write it out, or take the key out"),
        "bool_type": ("is neither true nor false", "write true or false"),
        "tuple_type": ("is no list", "write it as a list: [a, b]"),
        "dict_type": ("is no mapping", "write it as 'key: value'"),
        "model_type": ("is no mapping", "write it as 'key: value'"),
        "model_attributes_type": ("is no mapping", "write it as 'key: value'"),
    }
    if kind == "refused":
        return str(context["what"]), str(context["remedy"])
    if limits:
        remedy = f"give a number {' and '.join(limits)}"
        if context.get("lt") == 1:
            remedy = "give a fraction, not percent: 2.9 % is written 0.029"
        return f"lies outside its range ({' and '.join(limits)})", remedy
    if kind in ("enum", "literal_error"):
        several = " or " in str(context["expected"])
        return f"must be {context['expected']}", "write one of these" if several else "write it so, or leave it out"
    return words.get(kind, (message[:1].lower() + message[1:], "correct the value"))


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _known_keys(kind: type[BaseModel], steps: Iterable[int | str]) -> list[str]:
    """Keys of the model that lies at ``steps`` below ``kind``."""
    here: Any = kind
    for step in steps:
        if isinstance(step, str) and isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            here = _model_within(fields[step].annotation) if step in fields else None
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _model_within(annotation: Any) -> Any:
    """The first model in an annotation such as ``tuple[Model, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_within(part)) is not None), None)
