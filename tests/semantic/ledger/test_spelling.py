"""A text is found in another however it is spelled there."""

import json
from collections.abc import Callable
from functools import partial
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.ledger.spelling import holds

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ESCAPE_PRONE = st.text("\\\"'/bnrtuUx0aZ \n\t\u00e9\u00a0\u200d\u2028\U0001f600", max_size=20)
ANY = TEXTS | ESCAPE_PRONE
SPELL: list[Callable[[str], str]] = [
    json.dumps,
    partial(json.dumps, ensure_ascii=False),
    repr,
    str.upper,
    partial(normalize, "NFD"),
]


@given(
    text=ANY.filter(bool),
    layers=st.lists(st.tuples(ANY, st.sampled_from(SPELL[:3]), ANY), max_size=5),
    last=st.sampled_from(SPELL[3:]),
)
def test_a_text_is_found_in_any_text_that_quotes_it(
    text: str, layers: list[tuple[str, Callable[[str], str], str]], last: Callable[[str], str]
) -> None:
    value = last(text)
    for before, escape, after in layers:
        value = escape(f"{before} {value} {after}")
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (r"C:\name", "name"),
        (r"C:\name", r"C:\name"),
        (repr(r"C:\name"), r"c:\NAME"),
        (r"the file C:\new of 'O\'Neil'", "O'Neil"),
        (r'"\ud83d\udc69\u200d\ud83d\udcbb"', "\U0001f469\u200d\U0001f4bb"),
        (r"'\U0001F469 \xe9'", "\U0001f469 \u00c9"),
        ("\\", "\\"),
        (r"\ud83d \Uffffffff \xg", r"\Uffffffff"),
    ],
)
def test_a_text_that_was_never_escaped_is_found_too(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Zo\u00eb", "Zoe"),
        ("Jane Doe", "Jane  Doe"),
        (r"Jane\nDoe", "Jane Doe"),
        (r"\x4a", r"\x4b"),
    ],
)
def test_another_text_is_not_found(value: str, text: str) -> None:
    assert not holds(value, text)


def test_a_value_of_escapes_that_follow_from_each_other_does_not_take_long() -> None:
    assert not holds("\\" + "u005c" * 100_000, "Jane")
