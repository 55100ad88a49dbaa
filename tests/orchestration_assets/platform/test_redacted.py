"""What is told of the message of an error: short, and nothing that opens a door or names a person."""

import pytest

from orchestration_assets.platform.redacted import redacted


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no route to host", "no route to host"),
        ("ValueError: wrong\n\n  at line 3\nx\ny", "wrong | at line 3 | x"),
        ("column revenue does not exist (line 12)", "column revenue does not exist (line 12)"),
        (
            "Failed in run 8dbacda0-0a74-4383-8a75-ddba4a683aa5",
            "Failed in run 8dbacda0-0a74-4383-8a75-ddba4a683aa5",
        ),
        ("host=db, password=hunter2", "host=db, password=[credential]"),
        ("{'a': 1, 'api_key': 'abc'}", "{'a': 1, 'api_key':[credential]"),
        ("Authorization: Bearer abc.def.ghi", "Authorization:[credential]"),
        ("at postgres://ana:geheim@db/x", "at [credential]db/x"),
        ("tell bob@example.com", "tell [personal data]"),
        ("it passed: 3 of 4", "it passed: 3 of 4"),
        ("unexpected design: x", "unexpected design: x"),
    ],
)
def test_what_is_told_of_a_message(message: str, told: str) -> None:
    assert redacted(message, "ValueError") == told
    assert redacted(told, "ValueError") == told


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----\nx",
            "MIIEow",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"),
        ("password=ab,cd-rest", "cd-rest"),
        ("password=p@ss;w0rd", "w0rd"),
        ("Pwd=abc}def", "def"),
        ('password="a\\"b secret tail"', "tail"),
        ("password: hunter two words", "words"),
        ("password=\nhunter2", "hunter2"),
        ("token:\n eyabc", "eyabc"),
        ('{"password": {"value": "hunter2"}}', "hunter2"),
        ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
        ("mysql --password hunter2 -h db", "hunter2"),
        ("('user','password','hunter2')", "hunter2"),
        ("<password>hunter2</password>", "hunter2"),
        ("sent Bearer aGVsbG8gd29ybGQ=", "aGVsbG8"),
        ("curl -u ana:geheim https://x", "geheim"),
        ("AccountKey=abc123==", "abc123"),
        ("https://x/y?sv=1&sig=abc123", "abc123"),
        ("access_key=AK12", "AK12"),
        ("passphrase: open sesame", "sesame"),
        ("user=a pass=b4b4", "b4b4"),
        ("X-Amz-Signature=0f0f", "0f0f"),
        ("Cookie: session=abc", "abc"),
        ("CREATE USER a IDENTIFIED BY 'geheim'", "geheim"),
        ("postgres://user:p/ss@host/x", "p/ss"),
        ("postgresql://:onlypass@host", "onlypass"),
        ("http://user:p@ss@host", "ss@"),
        ("glpat-abcdefghijkl0123", "abcdefghijkl"),
        ("hf_abcdefghijklmnop", "abcdefgh"),
        ("dapi0123456789abcdef", "0123456789"),
        ("key Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZkdISktMTU5P was refused", "Zm9v"),
    ],
)
def test_no_secret_is_told(message: str, secret: str) -> None:
    told = redacted(message)
    assert secret not in told
    assert "[credential]" in told
    assert redacted(told) == told


def test_it_is_short() -> None:
    told = redacted("x" * 5_000)
    assert len(told) == 300
    assert told.endswith("…")
