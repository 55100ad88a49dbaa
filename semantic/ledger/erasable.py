"""Values that can be erased: the record holds a keyed digest of each, and a table beside it the value with its key.

While the value is kept, anybody can check it against the digest. When it has been erased, its key is gone with it, and the digest says
nothing more of it, also to who guesses. The record itself stays as it was written.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.ledger.chain import content_of
from semantic.ledger.schema import erasable_values
from semantic.ledger.spelling import holds

ERASED = "erased"
_MARK = "erasable"
# As it stands in canonical JSON. In a text that says the same, the quotes would be escaped.
_BEGIN = b'{"%b":"' % _MARK.encode()
_IN_BODY = re.compile(rb'\{"%b":"([0-9a-f]{64})"\}' % _MARK.encode())
_AT_ONCE = 5_000
_KEPT = sa.select(erasable_values.c.digest, erasable_values.c.value).where(
    erasable_values.c.digest.in_(sa.bindparam("digests", expanding=True))
)


@dataclass(frozen=True)
class Erasable:
    """A JSON value without floats that can be erased from the record later."""

    value: Any
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))


class KeptValue(NamedTuple):
    """What is kept of an erasable value, in the order of its table."""

    digest: str
    record_id: str
    key: bytes
    value: str


def written(said: object, record_id: str) -> tuple[bytes, list[KeptValue]]:
    """The canonical bytes of what a record says, each erasable value in it by its digest; and what is kept of these values."""
    kept: list[KeptValue] = []

    def in_place_of(value: object) -> object:
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, Erasable):
            raise TypeError(f"{type(value).__name__} is no JSON value")
        text = canonical_json(value.value)
        digest = _digest(value.key, text)
        kept.append(KeptValue(digest, record_id, value.key, text.decode()))
        return {_MARK: digest}

    content = canonical_json(said, in_place_of=in_place_of)
    if content.count(_BEGIN) != len(kept):
        content = _IN_BODY.sub(partial(_told_apart, {item.digest for item in kept}), content)
    return content, kept


def restored(connection: sa.Connection, bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    """What records with these bodies say, with their erasable values, or `ERASED` in place of those that are no more."""
    digests = sorted({digest for body in bodies for digest in digests_in(body)})
    kept: dict[str, Any] = {}
    for start in range(0, len(digests), _AT_ONCE):
        rows = connection.execute(_KEPT, {"digests": digests[start : start + _AT_ONCE]})
        kept.update((row.digest, json.loads(row.value)) for row in rows)

    def full(value: Any, of_body: Collection[str]) -> Any:
        match value:
            case {"erasable": str() as digest} if len(value) == 1 and digest in of_body:
                return kept.get(digest, ERASED)
            case dict():
                return {name: full(item, of_body) for name, item in value.items()}
            case list():
                return [full(item, of_body) for item in value]
            case _:
                return value

    return [
        full(content_of(body), found) if (found := set(digests_in(body))) else content_of(body)
        for body in bodies
    ]


def kept_values(connection: sa.Connection, bodies: Sequence[bytes]) -> list[list[KeptValue]]:
    """Of each record with one of these bodies, the erasable values that are still there, with the keys of their digests."""
    digests = [set(digests_in(body)) for body in bodies]
    wanted = sorted(set().union(*digests))
    kept: dict[str, KeptValue] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        found = sa.select(erasable_values).where(
            erasable_values.c.digest.in_(wanted[start : start + _AT_ONCE])
        )
        for row in connection.execute(found):
            kept[row.digest] = KeptValue(row.digest, row.record_id, row.key, row.value)
    return [[kept[it] for it in sorted(of_body) if it in kept] for of_body in digests]


def is_erased(value: Any) -> bool:
    """Whether anything in what was restored is no more."""
    if isinstance(value, Mapping):
        return any(map(is_erased, value.values()))
    return any(map(is_erased, value)) if isinstance(value, list) else value is ERASED


def is_value_of(digest: str, key: object, value: object) -> bool:
    """Whether this is the value that a digest was made of, with its key."""
    if not isinstance(key, bytes) or not isinstance(value, str):
        return False
    return hmac.compare_digest(_digest(key, value.encode()), digest)


def erase_all_with(connection: sa.Connection, text: str) -> tuple[int, int]:
    """Erases every value in which a text stands, however it is spelled there. Returns how many values of how many records."""
    kept = connection.execute(
        sa.select(erasable_values.c.digest, erasable_values.c.record_id, erasable_values.c.value)
    )
    found = [row for row in kept if holds(row.value, text)]
    digests = [row.digest for row in found]
    for start in range(0, len(digests), _AT_ONCE):
        chosen = erasable_values.c.digest.in_(digests[start : start + _AT_ONCE])
        connection.execute(sa.delete(erasable_values).where(chosen))
    return len(found), len({row.record_id for row in found})


def forget_values_of(connection: sa.Connection, bodies: Iterable[bytes]) -> None:
    """Erases every value of records with these bodies."""
    digests = sorted({digest for body in bodies for digest in digests_in(body)})
    for start in range(0, len(digests), _AT_ONCE):
        chosen = erasable_values.c.digest.in_(digests[start : start + _AT_ONCE])
        connection.execute(sa.delete(erasable_values).where(chosen))


def _digest(key: bytes, value: bytes) -> str:
    """HMAC-SHA-256 of a value's canonical JSON under its own key, in hexadecimal."""
    return hmac.new(key, value, hashlib.sha256).hexdigest()


def _told_apart(made: Collection[str], found: re.Match[bytes]) -> bytes:
    """What a caller wrote that looks like a digest, in another way that JSON reads alike: its first digit is escaped."""
    text = found[1].decode()
    if text in made:
        return found[0]
    return b'%b\\u%04x%b"}' % (_BEGIN, ord(text[0]), text[1:].encode())


def digests_in(body: bytes) -> Iterator[str]:
    """The digests of the erasable values that a record with this body was made of."""
    return (found.decode() for found in _IN_BODY.findall(body))
