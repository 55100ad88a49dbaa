"""Seals a ledger with the keys that are here, and shows by them that the record is whole, and that a read is in it."""

from collections.abc import Collection, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.errors import LedgerUnavailable
from semantic.keys import GivenKey, SigningKeys, hex_of, public_hex
from semantic.ledger.archive import Archive, ArchivedMonth
from semantic.ledger.exposure import Exposure, MostExposed, find_exposure
from semantic.ledger.finding import Finding, Harm
from semantic.ledger.glance import FEW, count_records, glance
from semantic.ledger.note import Checkpoint
from semantic.ledger.proof import prove
from semantic.ledger.schema import records
from semantic.ledger.sealing import Seal, has_unsealed, last_seal, seal
from semantic.ledger.side_by_side import stretches_side_by_side
from semantic.ledger.signatures import Signable, SignedT, vouch
from semantic.ledger.store import Store
from semantic.ledger.tiles import JoinedTiles
from semantic.ledger.transaction import Transaction
from semantic.ledger.verify import Look, Verified, verify
from semantic.ledger.writer import Writer

# It takes a process some seconds to start.
FEWEST_DIVIDED = 200_000


class Sealer:
    """Makes checkpoints of what stands in a store, and checks it against them. Without keys it does neither, and says so."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        keys: SigningKeys | GivenKey | None,
        archive: Archive,
    ) -> None:
        self._store = store
        self._archive = archive
        self._writer = writer
        self._given_keys = keys
        self._joined = JoinedTiles()

    def seal(self) -> str | None:
        """Covers everything on record by a signed checkpoint. Returns the newest one as a note, None where nothing is on record."""
        while self._has_unsealed():
            with self._writer.transaction() as transaction:
                made = self._seal(transaction, self._last_key(transaction))
            self._publish(made)
        with self._store.reading() as connection:
            found = last_seal(connection)
        return found.note if found else None

    def seal_exposed(self, most: MostExposed) -> Exposure | None:
        """Covers what is exposed, so many records at once, where that is more than may be. Returns what is exposed then, None where
        it should be covered and the key for that is not here.

        Where others do so at the same time, one of them does it.
        """
        with self._store.reading() as connection:
            found = find_exposure(connection, self._store.now(connection))
            if not found.is_over(most):
                return found
            if not self._has_key(connection):
                return None
        with self._writer.transaction() as transaction:
            found = find_exposure(transaction.connection, transaction.at)
            if not found.is_over(most):
                return found
            made = self._seal(transaction, self._last_key(transaction))
        self._publish(made)
        return replace(found, through=made.through, since=None) if made else found

    def change_key(self, *, is_lost: bool) -> str:
        """Signs with a new key from here on, for which the one before vouches, unless that is lost. Returns the new public key."""
        keys = self._keys
        if not isinstance(keys, SigningKeys):
            raise LedgerUnavailable("The signing key of this ledger is not kept in a folder")
        if not is_lost:
            self.seal()
        with self._writer.transaction() as transaction:
            before = last_seal(transaction.connection)
            voucher = None
            if before is not None and not is_lost:
                old = self._last_key(transaction)
                key = keys.change()
                voucher = vouch(old, key.public_key())
            elif before is not None and before.key and keys.matching(before.key):
                raise LedgerUnavailable(
                    "The signing key is not lost", hint="run `governed-agents keys change`"
                )
            else:
                key = keys.change()
            made = self._seal(transaction, key, is_new_key=True, voucher=voucher)
        self._publish(made)
        with self._writer.transaction() as transaction:
            last = last_seal(transaction.connection)
            # Another process may have changed it again since, or have died while it did.
            if last is None or last.key == hex_of(key):
                keys.take_back(hex_of(key))
                keys.forget_before()
        return hex_of(key)

    def verify(
        self,
        *,
        against: Checkpoint | None,
        also: Sequence[Ed25519PublicKey] = (),
        processes: int = 1,
        with_files: bool = True,
    ) -> Verified:
        """Walks the whole record. `against` is a checkpoint that was kept elsewhere; `also` are keys that are trusted beside those here.
        `with_files` has the database look through its tables and indexes as well.

        With several `processes` and many records these look through parts of it. Where they find anything, or one is ended, this one walks
        alone, and sees one state of the record from beginning to end.
        """
        if not with_files:
            return self._walked_by(processes, against, also)
        with ThreadPoolExecutor(max_workers=1) as pool:
            looked = pool.submit(self._store.damage)
            found = self._walked_by(processes, against, also)
            damage = looked.result()
        of_files = [Finding(harm=Harm.DAMAGED, seq=0, text=text) for text in damage]
        return replace(found, findings=(*of_files, *found.findings)) if of_files else found

    def glance(self) -> tuple[Finding, ...]:
        """What is wrong with the record as far as can be told at once: all of it, where there are few records."""
        with self._store.reading() as connection:
            if count_records(connection) > FEW:
                return glance(connection, self._known_keys(connection), self._archive)
        return self._walked(None, ()).findings

    def _walked_by(
        self, processes: int, against: Checkpoint | None, also: Sequence[Ed25519PublicKey]
    ) -> Verified:
        connect = self._store.elsewhere() if processes > 1 else None
        if connect is not None and self._newest() > FEWEST_DIVIDED:
            look = partial(stretches_side_by_side, connect, processes=processes)
            with suppress(BrokenExecutor):
                found = self._walked(against, also, look)
                if found.is_whole:
                    return found
        return self._walked(against, also)

    def _walked(
        self,
        against: Checkpoint | None,
        also: Sequence[Ed25519PublicKey],
        look: Look | None = None,
    ) -> Verified:
        with self._store.reading() as connection:
            found = verify(
                connection,
                [*self._known_keys(connection), *also],
                highest_number=self._store.highest_number(connection),
                against=against,
                archive=self._archive,
                look=look,
            )
            walked = self._archive.months(connection)
        if found.is_whole or walked == self._months():
            return found
        return self._walked(against, also, look)

    def _months(self) -> list[ArchivedMonth]:
        """What was archived by now: files go when a month is deleted, also below a walk that began before."""
        with self._store.reading() as connection:
            return self._archive.months(connection)

    def prove(self, record_ids: Collection[str]) -> dict[str, dict[str, str]]:
        """By id and kind of record, a proof that the records with these ids are there. Seals what no checkpoint covers yet."""
        self.seal()
        with self._store.reading() as connection:
            return prove(self._archive, connection, record_ids)

    def sign(self, connection: sa.Connection, what: Signable[SignedT]) -> SignedT:
        """This, signed with the key that was signed with last."""
        return what.signed(self._signing_key(last_seal(connection)))

    @property
    def keeps_key(self) -> bool:
        """Whether the signing key is kept in a folder."""
        return isinstance(self._given_keys, SigningKeys)

    @property
    def public_key(self) -> str:
        """The key by which the newest checkpoint is checked, in hexadecimal: the one at hand where there is none."""
        keys = self._keys
        with self._store.reading() as connection:
            before = last_seal(connection)
            known = self._known_keys(connection)
        if before is None or before.key is None:
            return hex_of(keys.current)
        if before.key not in map(public_hex, known):
            raise LedgerUnavailable(
                f"The record was last signed with the key {before.key[:16]}..., which is not known here",
                hint="restore signing.pub from its backup; where nobody knows the key, another one may have signed",
            )
        return before.key

    @property
    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Every key by which checkpoints were checked, as far as it is known here, the oldest first."""
        with self._store.reading() as connection:
            return self._known_keys(connection)

    def _known_keys(self, connection: sa.Connection) -> tuple[Ed25519PublicKey, ...]:
        """Those that are published here, and also the one that was signed with last, where its private key is here: a process may have died
        after it sealed and before it published that.
        """
        try:
            last = last_seal(connection)
        except LedgerUnavailable:
            # `verify`, which asks for these keys, says what the newest checkpoint is.
            last = None
        self._publish(last)
        return self._keys.public

    def _publish(self, last: Seal | None) -> None:
        """Publishes the key of a checkpoint on record, where it is here and not published yet. That of anybody else never is."""
        if last is None:
            return
        keys = self._keys
        key = last.key or (hex_of(keys.current) if keys.is_there else None)
        if key and key not in map(public_hex, keys.public) and keys.matching(key):
            keys.publish(key)

    def _seal(
        self,
        transaction: Transaction,
        key: Ed25519PrivateKey,
        *,
        is_new_key: bool = False,
        voucher: bytes | None = None,
    ) -> Seal | None:
        made, self._joined = seal(
            transaction, key, self._joined, is_new_key=is_new_key, voucher=voucher
        )
        return made

    def _newest(self) -> int:
        with self._store.reading() as connection:
            newest: int | None = connection.execute(
                sa.select(sa.func.max(records.c.seq))
            ).scalar_one()
        return newest or 0

    def _has_unsealed(self) -> bool:
        with self._store.reading() as connection:
            return has_unsealed(connection)

    def _has_key(self, connection: sa.Connection) -> bool:
        """Whether the key is here that was signed with last. A first one is made beside a file only: of the hosts of a database the one
        that signs makes it, and not the one that happens to write.
        """
        keys, before = self._given_keys, last_seal(connection)
        if keys is None:
            return False
        if before is None:
            return keys.is_there or self._store.path is not None
        return keys.is_there if before.key is None else keys.matching(before.key) is not None

    def _last_key(self, transaction: Transaction) -> Ed25519PrivateKey:
        """The key that was signed with last, in its place again where a process died while it changed it, and published."""
        before = last_seal(transaction.connection)
        key = self._signing_key(before)
        if before is not None:
            self._keys.take_back(hex_of(key))
            self._keys.publish(hex_of(key))
        return key

    def _signing_key(self, before: Seal | None) -> Ed25519PrivateKey:
        """The key of the newest checkpoint. Another one would be a break that nobody could tell from a forger's."""
        if before is None or before.key is None:
            return self._keys.current
        key = self._keys.matching(before.key)
        if key is None:
            raise LedgerUnavailable(
                f"The record was last signed with the key {before.key[:16]}..., which is not here",
                hint="restore signing.key from its backup; where it is lost, run `governed-agents keys replace`",
            )
        return key

    @property
    def _keys(self) -> SigningKeys | GivenKey:
        if self._given_keys is None:
            raise LedgerUnavailable(
                "There is no place for the key that checkpoints are signed with",
                hint="name a folder for keys, which every process of this ledger reads",
            )
        return self._given_keys
