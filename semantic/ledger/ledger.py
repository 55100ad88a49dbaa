"""The append-only record of every read and refusal. If it cannot be written, no data is released."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.canonical import canonical_json
from semantic.errors import BudgetSpent
from semantic.keys import GivenKey, SigningKeys
from semantic.ledger.archive import Archive
from semantic.ledger.budgets import Budget, spent
from semantic.ledger.erasable import erase_all_with, restored
from semantic.ledger.exposure import MostExposed
from semantic.ledger.exposure_bound import ExposureBound
from semantic.ledger.finding import Finding
from semantic.ledger.journal import (
    JournalEntry,
    JournalPlace,
    erase_calls_with,
    keep,
    newest_attempt,
)
from semantic.ledger.newest import (
    AGENT,
    MASKING_KEY,
    METRICS,
    current_policy_hash,
    definitions_on_record,
    masking_key_on_record,
    newest_content,
)
from semantic.ledger.note import Checkpoint
from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.reason import refuse_empty
from semantic.ledger.record import ReadContext, Record, RecordKind, uuid7
from semantic.ledger.schema import agents, records
from semantic.ledger.sealer import Sealer
from semantic.ledger.sealing import last_seal
from semantic.ledger.signatures import Signable, SignedT
from semantic.ledger.sqlite_store import SqliteStore
from semantic.ledger.store import Store
from semantic.ledger.sweeper import is_clean, sweep
from semantic.ledger.terms import LEASE_SECONDS, Terms
from semantic.ledger.transaction import Transaction
from semantic.ledger.verify import Verified
from semantic.ledger.writer import Writer

STATE_FOLDER = "governed_agents"
ARCHIVE_FOLDER = "archive"


class Erased(NamedTuple):
    """What was erased: so many `values` of so many `records`, and so many `calls` of the journal."""

    values: int
    records: int
    calls: int


class Ledger:
    """A ledger file, open for appending and for questions. Safe for threads and for several processes.

    Every method raises `LedgerUnavailable` when the file cannot be written or read.
    """

    def __init__(
        self,
        store: Store,
        *,
        keys: Path | None = None,
        key: Ed25519PrivateKey | None = None,
        most_exposed: MostExposed | None = None,
        archive: Path | None = None,
    ) -> None:
        self._store = store
        self.archive = Archive(archive)
        self._writer = Writer(store)
        given = GivenKey(key) if key else SigningKeys(keys) if keys else None
        self._sealer = Sealer(store, self._writer, given, self.archive)
        self._bound = ExposureBound(self._sealer, most_exposed or MostExposed())

    @classmethod
    def open(
        cls,
        place: Path | str,
        *,
        keys: Path | None = None,
        key: Ed25519PrivateKey | None = None,
        most_exposed: MostExposed | None = None,
    ) -> Self:
        """The ledger in a SQLite file, or in the Postgres database that a URL names; made if it is not there.

        Checkpoints are signed with `key`, by default the one in the folder `keys`, which is the file's own unless another is given;
        also by who writes, where more is exposed than `most_exposed` lets be. What is archived stands beside the file, or beside the keys
        of a database.
        """
        store: Store
        beside: Path | None
        if isinstance(place, Path):
            store, keys, beside = SqliteStore(place), keys or place.parent, place.parent
        else:
            store, beside = PostgresStore(place), keys
        return cls(
            store,
            keys=keys,
            key=key,
            most_exposed=most_exposed,
            archive=beside / ARCHIVE_FOLDER if beside else None,
        )

    @classmethod
    def in_memory(cls) -> Self:
        """A ledger that is lost with the process: for tests, and where that is asked for by name."""
        return cls(SqliteStore(None), key=Ed25519PrivateKey.generate())

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self._store.name

    @property
    def path(self) -> Path | None:
        """The file. None for a ledger in memory."""
        return self._store.path

    def append(self, record: Record, terms: Terms | None = None) -> bool:
        """Writes a record durably, on its terms. Returns whether it did: one with the same id and kind may be there already, and stays.

        Raises what its terms raise: `PolicyNotCurrent`, `BudgetSpent`, `SourceUnavailable`. Before a budget refuses, what it holds for those
        who will not come back is swept.
        """
        try:
            is_new = self._writer.append(record, terms)
        except BudgetSpent:
            if self._is_clean():
                raise
            self.sweep()
            is_new = self._writer.append(record, terms)
        self._bound_exposure()
        return is_new

    def body(self, record_id: str, kind: RecordKind) -> dict[str, Any] | None:
        """What a record says, with what was not erased of it, or None where there is none. Looks into the archive for what is not in the
        database.
        """
        here = self.body_here(record_id, kind)
        if here is not None:
            return here
        with self.reading() as connection:
            archived = self.archive.with_ids(connection, [record_id], [kind])
            return restored(connection, [archived[0][3]])[0] if archived else None

    def body_here(self, record_id: str, kind: RecordKind) -> dict[str, Any] | None:
        """What a record in the database says, or None where there is none: a read waits for no archive, and needs none."""
        with self.reading() as connection:
            found = connection.execute(
                sa.select(records.c.body).where(
                    records.c.record_id == record_id, records.c.kind == kind.value
                )
            ).scalar_one_or_none()
            return None if found is None else restored(connection, [found])[0]

    def publish_policy(self, policy_hash: str, text: str, *, by: str, run_id: str | None) -> bool:
        """Makes a policy the current one. Returns whether it was not already."""
        record = Record(
            record_id=str(uuid7()),
            kind=RecordKind.POLICY,
            reader=by,
            context=ReadContext(run_id=run_id),
            reason=policy_hash,
            details={"policy": text},
        )
        with self.transaction() as transaction:
            return transaction.policy_hash != policy_hash and transaction.add(record)

    def record_definitions(
        self, hashes: Mapping[str, str], *, by: str, run_id: str | None
    ) -> tuple[str, ...]:
        """Writes by what definition each metric goes now, where that is not on record. Returns those that changed, by name."""
        with self.reading() as connection:
            if not _changed(definitions_on_record(connection), hashes):
                return ()
        with self.transaction() as transaction:
            changed = _changed(definitions_on_record(transaction.connection), hashes)
            if changed:
                details = {"changed": changed, "definitions": dict(hashes)}
                transaction.add(_definition(METRICS, details, by=by, run_id=run_id))
        return tuple(changed)

    def record_masking_key(self, key_id: str, *, by: str, run_id: str | None) -> bool:
        """Writes with which masking key pseudonyms are made now, by its id, where that is not on record. Returns whether it was not."""
        with self.reading() as connection:
            if masking_key_on_record(connection) == key_id:
                return False
        with self.transaction() as transaction:
            before = masking_key_on_record(transaction.connection)
            details = {"before": before, "masking_key": key_id}
            return before != key_id and transaction.add(
                _definition(MASKING_KEY, details, by=by, run_id=run_id)
            )

    def current_policy_hash(self) -> str | None:
        """The hash of the policy that was published last, or None where none has been."""
        with self.reading() as connection:
            return current_policy_hash(connection)

    def current_policy_text(self) -> str | None:
        """The canonical text of the policy that was published last."""
        with self.reading() as connection:
            content = newest_content(connection, RecordKind.POLICY)
        if content is None:
            return None
        return str(content["details"]["policy"] if "details" in content else content["policy"])

    def register_agent(
        self, name: str, definition_hash: str, definition: Mapping[str, Any]
    ) -> None:
        """Keeps the newest definition of an agent, for the registry, and puts on record that it changed."""
        body = canonical_json(dict(definition))
        with self.reading() as connection:
            if _registered(connection, name) == body:
                return
        with self.transaction() as transaction:
            if _registered(transaction.connection, name) == body:
                return
            details = {"definition_hash": definition_hash, "definition": body.decode()}
            transaction.add(_definition(AGENT, details, by=name, run_id=None))
            row = {
                "registered_at": transaction.at,
                "definition_hash": definition_hash,
                "body": body,
            }
            connection = transaction.connection
            connection.execute(sa.delete(agents).where(agents.c.name == name))
            connection.execute(sa.insert(agents).values(name=name, **row))

    def registered_agents(self) -> dict[str, dict[str, Any]]:
        """The newest definition of every agent that has been seen, by name."""
        with self.reading() as connection:
            rows = connection.execute(
                sa.select(agents.c.name, agents.c.body).order_by(agents.c.name)
            ).all()
        return {row.name: json.loads(row.body) for row in rows}

    def holding(self, name: str) -> AbstractContextManager[bool]:
        """Whether nobody else, in any process, holds this name while the block runs. Waits for nobody."""
        return self._store.holding(name)

    def seal(self) -> str | None:
        """Covers everything on record by a signed checkpoint. Returns the newest one as a note, None where nothing is on record."""
        return self._sealer.seal()

    def covered(self) -> int:
        """How many records the newest checkpoint covers."""
        with self.reading() as connection:
            found = last_seal(connection)
        return found.size if found else 0

    def covered_through(self) -> int:
        """The number of the last record that the newest checkpoint covers."""
        with self.reading() as connection:
            found = last_seal(connection)
        return found.through if found else 0

    def change_signing_key(self, *, is_lost: bool = False) -> str:
        """Signs with a new key from here on, for which the one before vouches, unless that is lost. Returns the new public key.

        Old checkpoints and proofs stay good. Raises `LedgerUnavailable` where the key before is needed and not here.
        """
        return self._sealer.change_key(is_lost=is_lost)

    def sweep(self, *, older_than: float = LEASE_SECONDS, through: int = 0) -> tuple[str, ...]:
        """Closes what began so many seconds ago, or in a record `through` this one, and has no outcome, as indeterminate, and removes what no budget
        counts any more. Returns the ids of what it closed.
        """
        if self._is_clean(older_than, through):
            return ()
        with self.transaction() as transaction:
            return sweep(transaction, older_than=older_than, through=through)

    def erase(self, text: str, *, by: str, reason: str) -> Erased:
        """Erases every erasable value and every call of the journal in which a text stands, and puts on record how many were, not which.

        Raises `GovernedMetricsError` where the reason is empty, and `LedgerUnavailable` where they are erased, and somebody reads an
        older state for so long that their bytes are still in the files.
        """
        refuse_empty(reason, of="something is erased")
        with self.transaction() as transaction:
            values, of_records = erase_all_with(transaction.connection, text)
            erased = Erased(values, of_records, erase_calls_with(transaction.connection, text))
            record = Record(
                record_id=str(uuid7()),
                kind=RecordKind.ERASURE,
                reader=by,
                details={**erased._asdict(), "why": reason},
            )
            transaction.add(record)
            self._store.leave_no_copies(transaction.connection)
        self._store.shred()
        return erased

    def finish_erasing(self) -> None:
        """Removes from the files what was erased before, where somebody was reading then or the process was ended. Raises
        `LedgerUnavailable` where somebody still reads an older state.
        """
        if self._store.is_to_be_shredded():
            self._store.shred()

    def journal(self, place: JournalPlace) -> list[JournalEntry]:
        """What the calls came to of the attempt at a place that began last, in the order in which they ended; none where there was none."""
        with self.reading() as connection:
            return newest_attempt(connection, place)

    def keep(self, place: JournalPlace, entry: JournalEntry) -> None:
        """Writes durably what a call came to. What another process has written of the same call stays."""
        with self._store.writing() as connection:
            keep(connection, place, entry, at=self._store.now(connection))

    def spent(self, budget: Budget) -> int:
        """How much of a budget is spent or reserved now."""
        with self.reading() as connection:
            return spent(connection, budget, self._store.now(connection))

    def verify(
        self,
        *,
        against: Checkpoint | None = None,
        also: Sequence[Ed25519PublicKey] = (),
        processes: int = 1,
        with_files: bool = True,
    ) -> Verified:
        """Walks the whole record. `against` is a checkpoint that was kept elsewhere; `also` are keys that are trusted beside those here.
        `with_files` has SQLite hold its tables against their indexes, which takes several times as long where there are millions of records.

        Several `processes` are started as `multiprocessing` does with `spawn`.
        """
        return self._sealer.verify(
            against=against, also=also, processes=processes, with_files=with_files
        )

    def glance(self) -> tuple[Finding, ...]:
        """What is wrong with the record as far as can be told at once, for who is told something from it; `verify` looks at all of it."""
        return self._sealer.glance()

    def prove(self, record_id: str) -> dict[str, str]:
        """By kind of record, a proof that the record with this id is there, in the form of https://c2sp.org/tlog-proof.

        Seals what no checkpoint covers yet. Empty where there is no such record.
        """
        return self._sealer.prove([record_id]).get(record_id, {})

    def prove_all(self, record_ids: Collection[str]) -> dict[str, dict[str, str]]:
        """By id, what `prove` gives, all against one checkpoint. An id of which there is no record is left out."""
        return self._sealer.prove(record_ids)

    @property
    def public_key(self) -> str:
        """The key by which checkpoints of this ledger are checked now, in hexadecimal."""
        return self._sealer.public_key

    @property
    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Every key by which checkpoints of this ledger were checked, as far as it is known here, the oldest first."""
        return self._sealer.public_keys

    @property
    def keeps_key(self) -> bool:
        """Whether the signing key is kept in a folder. One that was given is kept by who gave it."""
        return self._sealer.keeps_key

    def sign(self, connection: sa.Connection, what: Signable[SignedT]) -> SignedT:
        """This, signed with the key that was signed with last."""
        return self._sealer.sign(connection, what)

    def now(self, connection: sa.Connection) -> str:
        """The time of the database, in UTC to the millisecond."""
        return self._store.now(connection)

    def shred(self) -> None:
        """Removes from the files of the database everything that was deleted, as far as it can. Raises `LedgerUnavailable` where it cannot
        now.
        """
        self._store.write_anew()
        self._store.shred()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that nobody else writes beside, durable when the block has ended."""
        with self._writer.transaction() as transaction:
            yield transaction
        self._bound_exposure()

    def _is_clean(self, older_than: float = LEASE_SECONDS, through: int = 0) -> bool:
        with self.reading() as connection:
            return is_clean(connection, self._store.now(connection), older_than, through)

    def _bound_exposure(self) -> None:
        if self._writer.written is not None:
            self._bound.keep(self._writer.written)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection for questions."""
        return self._store.reading()

    def close(self) -> None:
        """Closes the file. Other processes may still have it open."""
        self._store.close()


def _definition(of: str, details: Mapping[str, Any], *, by: str, run_id: str | None) -> Record:
    """The record that something is defined in another way from here on."""
    return Record(
        record_id=str(uuid7()),
        kind=RecordKind.DEFINITION,
        reader=by,
        context=ReadContext(run_id=run_id),
        reason=of,
        details=details,
    )


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str | None]]:
    """By name, what was and what is, where these differ."""
    return {
        name: [before.get(name), now.get(name)]
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    }


def _registered(connection: sa.Connection, name: str) -> bytes | None:
    """The newest definition of an agent, as it was registered."""
    found: bytes | None = connection.execute(
        sa.select(agents.c.body).where(agents.c.name == name)
    ).scalar_one_or_none()
    return found
