from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.errors import ConfigurationError
from ytterby.files.yamlfile import read_yaml


def saved(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "case.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_scalars_follow_the_core_schema(tmp_path: Path) -> None:
    text = """
    whole: 010
    hex: 0x10
    octal: 0o10
    real: 1e-3
    point: .5
    country: no
    on: on
    truth: true
    nothing: ~
    empty:
    clock: 12:30
    day: 2024-03-08
    moment: 2024-03-08T11:00:00+01:00
    quoted: '5'
    version: 1_000
    list: [1, {a: 2}]
    1: liver
    """
    assert read_yaml(saved(tmp_path, text)) == {
        "whole": 10,
        "hex": 16,
        "octal": 8,
        "real": 0.001,
        "point": 0.5,
        "country": "no",
        "on": "on",
        "truth": True,
        "nothing": None,
        "empty": None,
        "clock": "12:30",
        "day": "2024-03-08",
        "moment": "2024-03-08T11:00:00+01:00",
        "quoted": "5",
        "version": "1_000",
        "list": [1, {"a": 2}],
        1: "liver",
    }


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    assert read_yaml(saved(tmp_path, b"\xef\xbb\xbfa: 1")) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"case\.yaml, line 3, column 1: the key 'a' stands twice"),
        ("x:\n  - {b: 1, b: 1}\n", r"line 2, column 12: the key 'b' stands twice"),
        ("a: &x 1\n", r"line 1, column 4: anchors and aliases are not read here"),
        ("a: &x [1]\nb: *x\n", "anchors and aliases"),
        ("a: 1\nb: *nothing\n", r"line 2, column 4: anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]\n", "the tag '.*python/object/apply:os.system' is not read here"),
        ("a: !!binary aGk=\n", "the tag .*binary"),
        ("a: ! 1\n", "the tag '!'"),
        ("a: [1, 2\nb: 3\n", r"case\.yaml, line \d, column \d"),
        ("a: b: c\n", r"line 1, column 5: mapping values are not allowed here"),
        ("? [1, 2]\n: 3\n", r"line 1, column 3: a key must be text or a whole number"),
        ("1.5: x\n", "a key must be text or a whole number"),
        ("true: x\n", "a key must be text"),
        ("- 1\n- 2\n", r"case\.yaml: the file does not start with 'key: value'"),
        ("just text", "does not start with"),
        ("", r"case\.yaml: the file is empty"),
        ("# only a comment\n", "is empty"),
        ("a: 1\n---\nb: 2\n", r"line 2, column 1: but found another document"),
        ("a: " + "9" * 31, "more than 30 digits"),
        ("a: " + "[" * 40 + "]" * 40, "more than 30 levels"),
        (b"a: 1\nb: \xff\n", r"case\.yaml, line 2: the file is not UTF-8"),
        ("a: 1\nb: \x07\n", r"case\.yaml, line 2: a control character"),
        ("a: " + "x" * 1_000_001, r"more than 1000000 bytes"),
    ],
)
def test_what_is_not_read_is_named_with_line_and_column(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_yaml(saved(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: the file cannot be read"):
        read_yaml(tmp_path / "none.yaml")


@given(text=st.one_of(st.text(max_size=60), st.text(alphabet="ab:-[]{}&*!?|>'\"\n #,%@1.~", max_size=60)))
def test_any_text_is_read_or_refused_by_an_error_of_ours(text: str, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("y") / "case.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        data = read_yaml(path)
    except ConfigurationError as error:
        message = str(error)
    else:
        message = "case.yaml"
        assert isinstance(data, dict)
    assert "case.yaml" in message
