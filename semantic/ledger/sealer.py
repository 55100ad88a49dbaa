"""Seals a ledger with the keys that are here, and shows by them that the record is whole, and that a read is in it."""

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.errors import LedgerUnavailable
from semantic.keys import GivenKey, SigningKeys, hex_of
from semantic.ledger.archive import Archive, ArchivedMonth
from semantic.ledger.exposure import Exposure, MostExposed, find_exposure
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
                self._seal(transaction, self._signing_key(transaction.connection))
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
            made = self._seal(transaction, self._signing_key(transaction.connection))
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
                old = self._signing_key(transaction.connection)
                key = keys.change()
                voucher = vouch(old, key.public_key())
            elif before is not None and before.key and keys.matching(before.key):
                raise LedgerUnavailable(
                    "The signing key is not lost", hint="run `governed-agents keys change`"
                )
            else:
                key = keys.change()
            self._seal(transaction, key, is_new_key=True, voucher=voucher)
        keys.forget_before()
        return self.public_key

    def verify(
        self,
        *,
        against: Checkpoint | None,
        also: Sequence[Ed25519PublicKey] = (),
        processes: int = 1,
    ) -> Verified:
        """Walks the whole record. `against` is a checkpoint that was kept elsewhere; `also` are keys that are trusted beside those here.

        With several `processes` and many records these look through parts of it. Where they find anything, or one is ended, this one walks
        alone, and sees one state of the record from beginning to end.
        """
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
                [*self.public_keys, *also],
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

    def prove(self, record_id: str) -> dict[str, str]:
        """By kind of record, a proof that the record with this id is there. Seals what no checkpoint covers yet."""
        self.seal()
        with self._store.reading() as connection:
            return prove(self._archive, connection, record_id)

    def sign(self, connection: sa.Connection, what: Signable[SignedT]) -> SignedT:
        """This, signed with the key that was signed with last."""
        return what.signed(self._signing_key(connection))

    @property
    def public_key(self) -> str:
        """The key by which checkpoints are checked now, in hexadecimal."""
        return hex_of(self._keys.current)

    @property
    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Every key by which checkpoints were checked, as far as it is known here, the oldest first."""
        return self._keys.public

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
        if not keys.is_there:
            return before is None and self._store.path is not None
        return before is None or before.key is None or keys.matching(before.key) is not None

    def _signing_key(self, connection: sa.Connection) -> Ed25519PrivateKey:
        """The key that was signed with last. Another one would be a break that nobody could tell from a forger's."""
        before = last_seal(connection)
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
