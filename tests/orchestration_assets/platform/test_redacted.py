"""What is told of the message of an error: short, and nothing that opens a door or names a person."""

import pytest

from orchestration_assets.platform.redacted import redacted


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no route to host", "no route to host"),
        ("ValueError: wrong\n\n  at line 3\nx\ny", "wrong | at line 3 | x"),
        ("password=hunter2, host=db", "password=[credential], host=db"),
        ("{'api_key': 'abc', 'a': 1}", "{'api_key': [credential], 'a': 1}"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: [credential]"),
        ("at postgres://ana:geheim@db/x", "at [credential]db/x"),
        ("DB_PASSWORD: 'a b c' is wrong", "DB_PASSWORD: [credential] is wrong"),
        ("tell bob@example.com", "tell [personal data]"),
    ],
)
def test_what_is_told_of_a_message(message: str, told: str) -> None:
    assert redacted(message, "ValueError") == told
    assert redacted(told, "ValueError") == told


def test_it_is_short() -> None:
    told = redacted("x" * 5_000)
    assert len(told) == 300
    assert told.endswith("…")
