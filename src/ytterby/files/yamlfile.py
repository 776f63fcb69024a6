"""YAML files, read with bounds: plain scalars, lists and mappings; no anchors, no tags, no key twice.

Scalars follow the core schema of YAML 1.2 (``no`` is text, ``1e-3`` a number, ``010`` ten), and a date stays text, for the field
that expects it to read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ytterby.errors import ConfigurationError

__all__ = ["MAX_BYTES", "read_yaml"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
_CORE_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))
_NOT_FINITE = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises
    ------
    ConfigurationError
        The file is missing, too large, no YAML, or uses what is not read here; names file, line and column.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be read ({error.strerror or error})", where=str(path), remedy="check path and permissions"
        ) from error
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"the file has more than {MAX_BYTES} bytes", where=path.name, remedy="give a file of settings, not of data"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            "the file is not UTF-8", where=f"{path.name}, line {line}", remedy="save it as UTF-8"
        ) from error
    try:
        data = _Loader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(
            "a control character stands in the file", where=f"{path.name}, line {line}", remedy="take it out"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigurationError(
            error.problem or "this is no YAML", where=f"{path.name}{place}", remedy=error.note or "correct the line"
        ) from error
    if not isinstance(data, dict):
        what = "is empty" if data is None else "does not start with 'key: value'"
        raise ConfigurationError(f"the file {what}", where=path.name, remedy="write one mapping of keys and values")
    return data


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, narrowed."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal("anchors and aliases are not read here", event.start_mark, "write the value out")
        if getattr(event, "tag", None) is not None:
            raise _refusal(f"the tag '{event.tag}' is not read here", event.start_mark, "take the tag out")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refusal(f"more than {MAX_DEPTH} levels", event.start_mark, "write it flatter")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise _refusal("a key must be text or a whole number", key_node.start_mark, "put the key in quotes")
            if key in seen:
                raise _refusal(f"the key '{key}' stands twice", key_node.start_mark, "keep one of the two")
            seen[key] = self.construct_object(value_node, deep=True)
        return seen

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """Value of an integer of at most 30 digits."""
        if len(node.value) > 30:
            raise _refusal("a number with more than 30 digits", node.start_mark, "correct the number")
        return int(node.value, 0) if node.value.startswith(("0x", "0o")) else int(node.value)

    def construct_real(self, node: yaml.ScalarNode) -> float:
        """Value of a decimal number, an infinity or a nan."""
        text = str(node.value)
        return float(_NOT_FINITE.get(text.lower(), text))

    def construct_truth(self, node: yaml.ScalarNode) -> bool:
        """Value of true or false."""
        return str(node.value).lower() == "true"


def _refusal(problem: str, mark: yaml.Mark, remedy: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=mark, note=remedy)


def _resolve(kind: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"^(?:{pattern})$"), list(first))


_resolve("null", "~|null|Null|NULL", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+0123456789.",
)
_Loader.yaml_constructors = {
    tag: build for tag, build in yaml.SafeLoader.yaml_constructors.items() if tag in _CORE_TAGS
}
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_real)
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_truth)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping)
