"""Text from outside as it is printed: what is not seen, or acts on a terminal, is an escape; all else is as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.journal.printable_text import printable, printable_json, printable_lines
from tests.terminals import HOSTILE_ID, HOSTILE_TEXT, MARKUP, RIGHT_TO_LEFT, unsafe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("chat-1", "chat-1"),
        ("", ""),
        ("Jürgen 日本 שלום مرحبا 🙂 é", "Jürgen 日本 שלום مرحبا 🙂 é"),
        (MARKUP, MARKUP),
        ("a\x1b[2Jb", "a\\u001b[2Jb"),
        ("\x9b\x7f\x00\r", "\\u009b\\u007f\\u0000\\u000d"),
        ("a\nb\tc", "a\\u000ab\\u0009c"),
        ("\u202efdp\u2066\u200b\ufeff", "\\u202efdp\\u2066\\u200b\\ufeff"),
        ("a\u00a0b\u3000c", "a\\u00a0b\\u3000c"),
        ("\u2028\u2029\ue000\u0378\ud800", "\\u2028\\u2029\\ue000\\u0378\\ud800"),
        ("\U000e0041\U0010ffff", "\\U000e0041\\U0010ffff"),
        ("\u3164\u115f\u034f\ufe0f\u2800", "\\u3164\\u115f\\u034f\\ufe0f\\u2800"),
    ],
)
def test_each_kind_of_character_is_shown_or_escaped(text: str, shown: str) -> None:
    """Letters of every script and signs are shown."""
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines_keep_their_newlines_and_tabs() -> None:
    """Nothing else."""
    assert printable_lines("a\n\tb\x1b\u202e\r\n") == "a\n\tb\\u001b\\u202e\\u000d\n"
    assert printable_lines("a\n\tb") == "a\n\tb"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_made_safe(text: str) -> None:
    """Lone surrogates too: it can always be written as UTF-8."""
    assert unsafe(printable(text).encode()) == []
    assert "\n" not in printable(text)
    assert unsafe(printable_lines(text).encode()) == []
    assert printable(text) == printable(printable(text))


@given(
    st.recursive(st.none() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8)
)
def test_json_is_made_safe_and_says_the_same(value: object) -> None:
    """Also indented; beyond the first 65,536 code points as a pair of surrogates."""
    for indent in (None, 2):
        text = json.dumps(value, ensure_ascii=False, indent=indent).encode()
        assert unsafe(printable_json(text)) == []
        assert json.loads(printable_json(text)) == value


def test_the_hostile_texts_of_the_tests_are_hostile() -> None:
    """Else the tests that use them would hold nothing."""
    assert len(HOSTILE_ID) == 128
    assert len(unsafe(HOSTILE_ID.encode())) >= 15
    assert {"U+001B", "U+009B", "U+0007", "U+202E"} < set(unsafe(HOSTILE_TEXT.encode()))
    assert unsafe(RIGHT_TO_LEFT.encode()) == []
