"""Names that no sender can steer, titles and rules of peers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytterby.dicom.network.peer import PeerRule, admitted, checked_title
from ytterby.dicom.network.place import file_name, is_uid
from ytterby.errors import ConfigurationError


@given(st.text(max_size=80))
def test_a_name_is_one_plain_name(words: str) -> None:
    name = file_name(words)
    assert name == name.strip(".")
    assert 1 <= len(name) <= 64
    assert not set(name) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def test_different_words_have_different_names() -> None:
    assert len({file_name(words) for words in ("a/b", "a_b", "a\\b", "a b", "../a_b", "a_b ")}) == 6
    assert file_name("V001") == "V001"
    assert file_name("") == "no-patient-id"


@pytest.mark.parametrize("text", ["", ".", "..", "1..2", "1.2.", "1.2/3", "../1", "1" * 65, "1.2\n", "1.٢", "1.2\0"])
def test_what_is_no_uid(text: str) -> None:
    assert not is_uid(text)


def test_a_uid() -> None:
    assert is_uid("1.2.840.10008.1.2")
    assert is_uid("2.25." + "9" * 39)


@pytest.mark.parametrize("title", ["", "  ", "SEVENTEEN LETTERS", "A\\B", "Ä", "A\tB"])
def test_what_is_no_title(title: str) -> None:
    with pytest.raises(ConfigurationError, match="is no AE title"):
        checked_title(title)


def test_rules_of_peers() -> None:
    rules = [PeerRule.parsed(text) for text in ("CT@10.0.0.7", "@192.168.0.0/16", "PACS")]
    assert admitted(rules, "CT", "10.0.0.7")
    assert admitted(rules, "CT ", "::ffff:10.0.0.7")
    assert not admitted(rules, "CT", "10.0.0.8")
    assert admitted(rules, "ANY", "192.168.7.7")
    assert admitted(rules, "PACS", "8.8.8.8")
    assert not admitted(rules, "ANY", "8.8.8.8")
    assert admitted(rules[:1], None, "10.0.0.7")
    assert not admitted(rules[:1], None, "10.0.0.8")
    assert admitted([], "ANY", "8.8.8.8")
    for text in ("", "@", "CT@host", "CT@10.0.0.300"):
        with pytest.raises(ConfigurationError):
            PeerRule.parsed(text)
