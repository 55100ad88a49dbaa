"""A record's place: a stream, which one process writes, and in it the hash of the record before.

The body of a record is its leaf in the tree of RFC 6962 (`tree`), so one hash serves both.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from semantic.ledger.tree import leaf_hash

BODY_SCHEMA = "governed-agents/record/3"


@dataclass(frozen=True, kw_only=True)
class Link:
    """The last record of a stream: its position, from 1 on, and the hash of its body. None stands at 0."""

    stream: str
    position: int = 0
    hash: str = ""

    def body_after(self, content: bytes, at: str) -> bytes:
        """The canonical bytes of the record that comes next. `content` is its own part, canonical already."""
        return (
            b'{"at":"%b","position":%d,"previous":"%b","record":%b,"schema":"%b","stream":"%b"}'
            % (
                at.encode(),
                self.position + 1,
                self.hash.encode(),
                content,
                BODY_SCHEMA.encode(),
                self.stream.encode(),
            )
        )

    def after(self, body: bytes) -> "Link":
        """The link that this body makes."""
        return Link(stream=self.stream, position=self.position + 1, hash=leaf_hash(body).hex())


def content_of(body: bytes) -> dict[str, Any]:
    """What a record says, with the time `at` which the database gave it, of a body of any version."""
    parsed: dict[str, Any] = from_json(body)
    return {**parsed["record"], "at": parsed["at"]} if "record" in parsed else parsed
