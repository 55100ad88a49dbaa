"""What somebody does who may write to the database of a ledger, past all of its triggers, and knows how it is made."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.ledger.chain import content_of
from semantic.ledger.read_index import ReadRow, ScopeRow, end_of, rows_of, scope_rows
from semantic.ledger.schema import reads, scopes, tiles
from semantic.ledger.tiles import TILE
from semantic.ledger.tree import Leaves, leaf_hash, root_hash

Path = tuple[str | int, ...]
_SAME = ("reader", "acting_for", "run_id", "root_run_id", "reason")
_COLUMNS = ("record_id", "kind", "recorded_at", "stream", "position", *_SAME)
_NEW = "somebody else"


class Refused(Exception):
    """The database does not take a value: it is of another type, too long, there already, or missing. No mistake in a statement is this."""


def write_body(connection: sa.Connection, seq: int, body: bytes) -> None:
    run(connection, "UPDATE records SET body = :body WHERE seq = :seq", body=body, seq=seq)


def run(connection: sa.Connection, statement: str, **values: Any) -> sa.CursorResult[Any]:
    """Executes a statement. Raises `Refused`."""
    return _run(connection, statement, values)


def _run(connection: sa.Connection, statement: str, values: Any) -> sa.CursorResult[Any]:
    try:
        return connection.execute(sa.text(statement), values)
    except sa.exc.DBAPIError as error:
        is_of_another_type = isinstance(error.orig, psycopg.errors.DatatypeMismatch)
        if is_of_another_type or isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
            raise Refused from error
        raise


def changed_values(body: bytes) -> Iterator[tuple[str, bytes]]:
    """A body with one of its values changed, taken away or put in: every one of them, by name."""
    return ((name, forged) for name, forged in _changes(json.loads(body)) if forged != body)


def _changes(said: Any) -> Iterator[tuple[str, bytes]]:
    for path in _paths(said):
        name = ".".join(map(str, path))
        yield f"{name} changed", _with(said, path, _other(_at(said, path)))
        yield f"{name} emptied", _with(said, path, None)
        if isinstance(path[-1], str):
            yield f"{name} taken away", _without(said, path)
            yield f"{name} put in again", _with(said, (*path[:-1], f"{path[-1]}_too"), _NEW)


def agree(connection: sa.Connection) -> None:
    """Has all columns and the index of reads say what the bodies say."""
    index = _Index()
    for seq, body, *standing in run(
        connection, f"SELECT seq, body, {', '.join(_COLUMNS)} FROM records ORDER BY seq"
    ).all():
        try:
            written, said = _read(body)
        except (TypeError, ValueError, KeyError):
            continue
        columns = {
            "record_id": said.get("id"),
            "kind": said.get("kind"),
            "recorded_at": said.get("at"),
            "stream": written.get("stream"),
            "position": written.get("position"),
        } | {name: said.get(name) for name in _SAME}
        if [columns[name] for name in _COLUMNS] != standing:
            _set(connection, columns, seq)
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            index.add(seq, said)
    _replace(connection, reads, [row for rows in index.reads.values() for row in rows])
    _replace(connection, scopes, list(index.scopes))


def rehash(connection: sa.Connection) -> None:
    """Gives all records new places and hashes, one after the other, and the tiles too."""
    ends: dict[str, tuple[int, str]] = {}
    hashes = []
    found = run(connection, "SELECT seq, stream, body FROM records ORDER BY seq").all()
    for seq, stream, body in found:
        position, previous = ends.get(stream, (0, ""))
        new = re.sub(
            rb'"position":\d+,"previous":"[0-9a-f]*"',
            b'"position":%d,"previous":"%b"' % (position + 1, previous.encode()),
            body,
            count=1,
        )
        ends[stream] = position + 1, leaf_hash(new).hex()
        hashes.append((seq, leaf_hash(new)))
        _set(connection, {"body": new, "position": -position - 1}, seq)
    run(connection, "UPDATE records SET position = -position")
    run(connection, "DELETE FROM tiles")
    for number in range(len(hashes) // TILE):
        part = hashes[number * TILE : (number + 1) * TILE]
        leaves = [leaf for _, leaf in part]
        tile = {
            "number": number,
            "through": part[-1][0],
            "root": root_hash(Leaves(leaves), TILE),
            "hashes": b"".join(leaves),
        }
        connection.execute(sa.insert(tiles).values(tile))


def forget_the_end(connection: sa.Connection) -> None:
    """Has the database take the last record that there is for the last that there was. Postgres does not tell the one from the other."""
    if connection.dialect.name == "sqlite":
        run(connection, "UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM records)")


def swap(connection: sa.Connection, one: int, two: int) -> None:
    for table in ("records", "reads"):
        run(
            connection,
            f"UPDATE {table} SET seq = CASE seq WHEN {one} THEN -{two} ELSE -{one} END WHERE seq IN ({one}, {two})",
        )
        run(connection, f"UPDATE {table} SET seq = -seq WHERE seq < 0")


class _Index:
    """The index of reads that comes from bodies. What cannot be read as a record any more is left out."""

    def __init__(self) -> None:
        self.reads: dict[str, list[ReadRow]] = {}
        self.scopes: set[ScopeRow] = set()

    def add(self, seq: int, said: Mapping[str, Any]) -> None:
        match said["kind"]:
            case "intent":
                self.reads[said["id"]] = rows_of(said, seq, said["at"])
            case "refusal":
                self.reads[f"refusal {seq}"] = rows_of(said, seq, said["at"])
            case "outcome":
                end = end_of(said, said["at"])._asdict()
                self.reads[said["id"]] = [
                    row._replace(**end) for row in self.reads.get(said["id"], [])
                ]
        self.scopes.update(scope_rows(said.get("touches") or {}))


@lru_cache(maxsize=10_000)
def _read(body: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return json.loads(body), content_of(body)


def _replace(
    connection: sa.Connection, table: sa.Table, rows: Sequence[ReadRow | ScopeRow]
) -> None:
    connection.execute(sa.delete(table))
    key = [column.name for column in table.primary_key]
    new = {tuple(_plain(getattr(row, name)) for name in key): row for row in reversed(rows)}
    if not _puts_in(connection, table, list(new.values())):
        for row in new.values():
            _puts_in(connection, table, [row])


def _puts_in(
    connection: sa.Connection, table: sa.Table, rows: Sequence[ReadRow | ScopeRow]
) -> bool:
    if not rows:
        return True
    columns = rows[0]._fields
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"
    values = [{name: _plain(value) for name, value in row._asdict().items()} for row in rows]
    try:
        with connection.begin_nested():
            _run(connection, statement, values)
    except Refused:
        return False
    return True


def _set(connection: sa.Connection, row: Mapping[str, Any], seq: int) -> None:
    """Sets what the columns of a record take: a forger puts in nothing that the database refuses."""
    if not _takes(connection, row, seq):
        for name, value in row.items():
            _takes(connection, {name: value}, seq)


def _takes(connection: sa.Connection, row: Mapping[str, Any], seq: int) -> bool:
    columns = ", ".join(f"{name} = :{name}" for name in row)
    values = {name: _plain(value) for name, value in row.items()}
    try:
        with connection.begin_nested():
            run(connection, f"UPDATE records SET {columns} WHERE seq = :seq", **values, seq=seq)
    except Refused:
        return False
    return True


def _plain(value: Any) -> str | int | bytes | None:
    return value if isinstance(value, str | int | bytes | None) else json.dumps(value)


def _paths(said: Any, before: Path = ()) -> Iterator[Path]:
    inside = said.items() if isinstance(said, dict) else enumerate(said)
    for key, value in inside:
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*before, key))


def _at(said: Any, path: Path) -> Any:
    for key in path:
        said = said[key]
    return said


def _with(said: Any, path: Path, value: Any) -> bytes:
    new = json.loads(json.dumps(said))
    _at(new, path[:-1])[path[-1]] = value
    return canonical_json(new)


def _without(said: Any, path: Path) -> bytes:
    new = json.loads(json.dumps(said))
    del _at(new, path[:-1])[path[-1]]
    return canonical_json(new)


def _other(value: Any) -> Any:
    """Another value of the same type, where there is one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value[:-1]}{'1' if value[-1:] != '1' else '2'}"
        case list():
            return [*value, _NEW]
        case dict():
            return {**value, "more": _NEW}
        case _:
            return _NEW
