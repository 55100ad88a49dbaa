"""A month that is deleted leaves a signed tombstone, and what stays of it is held to what that says."""

import random
import sqlite3
import uuid
from contextlib import closing, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger import (
    ERASED,
    Harm,
    Ledger,
    MetricRead,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    archive_until,
    delete_month,
    find_reads,
    open_note,
)
from semantic.ledger.archive import Archive, said_of
from semantic.ledger.sealing import seal
from semantic.ledger.tiles import JoinedTiles
from semantic.ledger.tombstone import Tombstone
from tests.semantic.ledger.months import (
    KEY,
    READS,
    Kept,
    append,
    months_of,
    opened,
    others,
    records_of,
)

NOT_SIGNED = "it is a tombstone, and not signed with the key of the checkpoint before it"


def test_a_deleted_month_leaves_a_signed_tombstone(on_each_store: Kept, folder: Path) -> None:
    kept = on_each_store
    note = kept.ledger.seal()
    assert note is not None
    archive_until(kept.ledger, "2026-08", by="ana")
    with pytest.raises(GovernedMetricsError, match="2026-08 cannot be deleted before 2026-07"):
        delete_month(kept.ledger, "2026-08", by="ana", reason="it is old")
    with pytest.raises(GovernedMetricsError, match="2026-09 is not archived"):
        delete_month(kept.ledger, "2026-09", by="ana", reason="it is old")
    others = [
        read for read in find_reads(kept.ledger, ReadQuestion()) if "2026-07" not in read.read_id
    ]
    for month in ("2026-07", "2026-08"):
        delete_month(kept.ledger, month, by="ana", reason="it is old")
        assert not (folder / "archive" / f"{month}.parquet").exists()
        found = kept.ledger.verify(against=open_note(note, [KEY.public_key()]))
        assert found.findings == ()
        others = [read for read in others if month not in read.read_id]
        assert list(find_reads(kept.ledger, ReadQuestion())) == others
    with kept.ledger.reading() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM erasable_values").scalar_one()
    assert left == READS + 1, "of the month that is there"
    assert kept.ledger.body("decided 2026-07", RecordKind.DECISION) is None
    assert kept.ledger.body("2026-07 13", RecordKind.INTENT) is None
    assert kept.ledger.prove("2026-09 13")
    with pytest.raises(GovernedMetricsError, match="2026-07 was deleted at"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="again")


def test_a_month_whose_file_is_another_one_is_not_deleted(kept: Kept, folder: Path) -> None:
    """What is to be forgotten of erasable values stands in the file."""
    archive_until(kept.ledger, "2026-08", by="ana")
    (folder / "archive" / "2026-07.parquet").unlink()
    with pytest.raises(LedgerUnavailable, match=r"2026-07\.parquet"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert months_of(kept)[0].deleted_at is None


def test_the_text_of_a_decision_can_be_erased_also_when_its_month_was_moved(
    on_each_store: Kept,
) -> None:
    ledger = on_each_store.ledger
    archive_until(ledger, "2026-07", by="ana")
    rests_on = list(find_reads(ledger, ReadQuestion(decision="decided 2026-07")))

    assert ledger.erase("Joan of 2026-07", by="data protection", reason="asked") == (1, 1, 0)
    decided = ledger.body("decided 2026-07", RecordKind.DECISION)
    assert decided is not None
    assert decided["details"]["decision"] == ERASED
    assert list(find_reads(ledger, ReadQuestion(decision="decided 2026-07"))) == rests_on
    assert ledger.verify().is_whole


@pytest.mark.parametrize("instead", [None, "2026-08", "damaged"])
def test_a_deletion_goes_on_with_the_file_of_its_month_alone(
    kept: Kept, folder: Path, instead: str | None
) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")
    file = folder / "archive" / "2026-07.parquet"
    kept.store.left = 2
    with pytest.raises(LedgerUnavailable, match="power"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    kept.store.left = None
    assert months_of(kept)[0].deleted_at is not None
    before, content = values_kept(kept), file.read_bytes()
    file.unlink()
    if instead:
        other = folder / "archive" / f"{instead}.parquet"
        file.write_bytes(other.read_bytes() if other.exists() else content[:-1])
    with pytest.raises(LedgerUnavailable, match=r"2026-07\.parquet"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert values_kept(kept) == before

    file.write_bytes(content)
    delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert not file.exists()
    assert len(values_kept(kept)) == len(before) - READS - 1
    assert kept.ledger.verify().is_whole


def values_kept(kept: Kept) -> set[str]:
    with kept.ledger.reading() as connection:
        return set(connection.exec_driver_sql("SELECT digest FROM erasable_values").scalars())


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_month_is_not_deleted_without_a_reason(
    on_each_store: Kept, folder: Path, reason: str
) -> None:
    archive_until(on_each_store.ledger, "2026-08", by="ana")
    with pytest.raises(GovernedMetricsError, match="does not say why 2026-07 is deleted"):
        delete_month(on_each_store.ledger, "2026-07", by="ana", reason=reason)
    assert months_of(on_each_store)[0].deleted_at is None
    assert (folder / "archive" / "2026-07.parquet").exists()


@pytest.mark.parametrize("key", [None, Ed25519PrivateKey.generate()], ids=["unsigned", "forged"])
def test_a_tombstone_that_was_not_signed_here_counts_for_nothing(
    kept: Kept, folder: Path, key: Ed25519PrivateKey | None
) -> None:
    """Who can write to the database and has no key cannot say that a month was deleted, also where an honest process seals that."""
    [month] = archive_until(kept.ledger, "2026-07", by="ana")
    tombstone = Tombstone(month=month, by="eve", why="old", stays=())
    details = tombstone.signed(key) if key else said_of(month) | {"why": "old"}
    append(kept, Record(record_id="forged", kind=RecordKind.TOMBSTONE, details=details))
    kept.ledger.seal()
    archive_until(kept.ledger, "2026-08", by="ana")
    assert (folder / "archive" / "2026-07.parquet").exists()
    assert NOT_SIGNED in told(kept.ledger)
    (folder / "archive" / "2026-07.parquet").unlink()
    found = kept.ledger.verify().findings
    assert (found[0].harm, found[0].seq) == (Harm.DELETED, 1)


@pytest.mark.parametrize("also_seals", [False, True], ids=["tombstone", "checkpoint, tombstone"])
def test_a_key_that_was_changed_deletes_no_month(
    on_each_store: Kept, folder: Path, also_seals: bool
) -> None:
    kept = with_key_in(folder, on_each_store)
    [month] = archive_until(kept.ledger, "2026-07", by="ana")
    kept.ledger.change_signing_key()
    with kept.ledger.transaction() as transaction:
        if also_seals:
            transaction.add(Record(record_id="sealed", kind=RecordKind.MODEL_CALL))
            seal(transaction, KEY, JoinedTiles())
        forged = Tombstone(month=month, by="eve", why="it is old", stays=()).signed(KEY)
        transaction.add(Record(record_id="forged", kind=RecordKind.TOMBSTONE, details=forged))
        transaction.connection.exec_driver_sql("UPDATE archives SET deleted_at = '2026'")
    assert NOT_SIGNED in told(kept.ledger)
    with pytest.raises(LedgerUnavailable, match="no signed tombstone says so"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    with suppress(LedgerUnavailable):
        archive_until(kept.ledger, "2026-08", by="ana")
    assert (folder / "archive" / "2026-07.parquet").exists()
    (folder / "archive" / "2026-07.parquet").unlink()
    assert (Harm.DELETED, 1) in {(item.harm, item.seq) for item in kept.ledger.verify().findings}


def test_what_was_deleted_before_the_key_changed_stays_deleted(
    on_each_store: Kept, folder: Path
) -> None:
    kept = with_key_in(folder, on_each_store)
    archive_until(kept.ledger, "2026-08", by="ana")
    delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    kept.ledger.change_signing_key()
    assert kept.ledger.verify().is_whole
    kept.store.left = 2
    with pytest.raises(LedgerUnavailable, match="power"):
        delete_month(kept.ledger, "2026-08", by="ana", reason="it is old")
    kept.store.left = None
    kept.ledger.change_signing_key()
    delete_month(kept.ledger, "2026-08", by="ana", reason="it is old")
    assert not (folder / "archive" / "2026-08.parquet").exists()
    assert kept.ledger.verify().is_whole


def test_what_is_marked_as_deleted_without_a_tombstone_stays(kept: Kept, folder: Path) -> None:
    archive_until(kept.ledger, "2026-07", by="ana")
    with kept.store.writing(alone=True) as connection:
        connection.exec_driver_sql("UPDATE archives SET deleted_at = '2026'")
    with pytest.raises(LedgerUnavailable, match="no signed tombstone says so"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert (folder / "archive" / "2026-07.parquet").exists()


def test_moving_never_goes_on_with_a_deletion(kept: Kept, folder: Path) -> None:
    archive_until(kept.ledger, "2026-07", by="ana")
    kept.store.left = 2
    with pytest.raises(LedgerUnavailable, match="power"):
        delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    kept.store.left = None
    assert months_of(kept)[0].deleted_at is not None
    archive_until(kept.ledger, "2026-08", by="ana")
    assert (folder / "archive" / "2026-07.parquet").exists()
    delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert not (folder / "archive" / "2026-07.parquet").exists()
    assert kept.ledger.verify().is_whole


def test_what_was_left_unfinished_does_not_outlive_its_month(kept: Kept, folder: Path) -> None:
    left = folder / "archive" / ".unfinished-x"
    for act in (
        lambda: archive_until(kept.ledger, "2026-07", by="ana"),
        lambda: delete_month(kept.ledger, "2026-07", by="ana", reason="it is old"),
    ):
        left.mkdir(parents=True)
        (left / "2026-07.parquet").write_text("jane of 2026-07")
        act()
        assert not left.exists()


def test_nothing_of_a_deleted_month_is_left_on_pages_that_sqlite_evened_out(
    kept: Kept, folder: Path
) -> None:
    chance = random.Random(3)
    gone = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(400)]
    kept.store.at = "2026-10-02T00:00:00.000Z"
    for start in range(0, len(gone), 20):
        some = gone[start : start + 20]
        append(kept, *(_read(read_id, chance) for read_id in some))
        append(kept, *(Record(record_id=item, kind=RecordKind.OUTCOME) for item in some))
    kept.store.at = "2026-11-20T00:00:00.000Z"
    append(kept, *others("much later", 256))
    archive_until(kept.ledger, "2026-10", by="ana")
    for month in ("2026-07", "2026-08", "2026-09", "2026-10"):
        delete_month(kept.ledger, month, by="ana", reason="it is old")
    assert kept.ledger.verify().is_whole
    left = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert [read_id for read_id in gone if read_id.encode() in left] == []


def _read(read_id: str, chance: random.Random) -> Record:
    return Record(
        record_id=read_id,
        kind=RecordKind.INTENT,
        reader=f"agent {chance.randrange(7)}",
        acting_for=f"person {chance.randrange(99)}",
        context=ReadContext(run_id=str(uuid.UUID(int=chance.getrandbits(128)))),
        metrics=(MetricRead(metric=f"metric {chance.randrange(40)}", data_version="v1"),),
        details={"text": "x" * chance.randrange(200, 1_500)},
    )


def test_one_at_a_time_moves_or_deletes(kept: Kept, folder: Path) -> None:
    archive_until(kept.ledger, "2026-07", by="ana")
    with Archive(folder / "archive").alone():
        with pytest.raises(LedgerUnavailable, match="Another process"):
            archive_until(kept.ledger, "2026-08", by="ana")
        with pytest.raises(LedgerUnavailable, match="Another process"):
            delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")


NEWEST_POLICY = (
    "(SELECT max(seq) FROM records WHERE kind = 'policy' AND seq <= (SELECT through FROM archives))"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            f"UPDATE records SET reason = 'another' WHERE seq = {NEWEST_POLICY}",
            "its columns do not say what its body says",
        ),
        (
            f"UPDATE records SET kind = 'approval' WHERE seq = {NEWEST_POLICY}",
            "its columns do not say what its body says",
        ),
        (
            f"UPDATE records SET recorded_at = '2020' WHERE seq = {NEWEST_POLICY}",
            "its columns do not say what its body says",
        ),
        (f"DELETE FROM records WHERE seq = {NEWEST_POLICY}", "it should have stayed"),
        ("DELETE FROM records WHERE kind = 'policy'", "it should have stayed"),
        (
            f"UPDATE records SET body = x'7b7d' WHERE seq = {NEWEST_POLICY}",
            "its hash is not the one that was kept of it",
        ),
        (
            "INSERT INTO records SELECT 5, 'x', kind, recorded_at, reader, acting_for, run_id, root_run_id, reason, "
            f"body, NULL, NULL FROM records WHERE seq = {NEWEST_POLICY}",
            "its hash is not the one that was kept of it",
        ),
        (
            "INSERT INTO reads (seq, metric, read_id, at, outcome) VALUES (5, 'salaries', 'x', '2026', 'allowed')",
            "1 reads of deleted months are in the index",
        ),
        (
            "INSERT INTO reads (seq, metric, read_id, at, outcome) VALUES (0, 'salaries', 'x', '2026', 'allowed')",
            "there are 1 reads in the index that no record tells of",
        ),
        *(
            (
                f"INSERT INTO records SELECT {seq}, 'x', 'decision', recorded_at, reader, acting_for, run_id, root_run_id, "
                f"reason, body, NULL, NULL FROM records WHERE seq = {NEWEST_POLICY}",
                "its hash is not the one that was kept of it",
            )
            for seq in (0, -1)
        ),
        (
            "UPDATE archives SET deleted_at = '1999-01-01T00:00:00.000Z'",
            "2026-07 was deleted at another time than is on record",
        ),
        (
            "UPDATE archives SET deleted_at = NULL",
            "2026-07 was deleted at another time than is on record",
        ),
        (
            "INSERT INTO scopes SELECT 'relation', 'salaries', scope FROM scopes LIMIT 1",
            "the index of what queries touch is not the one of the records",
        ),
    ],
)
def test_what_is_done_to_what_stayed_of_a_deleted_month_is_found(
    kept: Kept, folder: Path, change: str, said: str
) -> None:
    archive_until(kept.ledger, "2026-07", by="ana")
    delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")
    assert kept.ledger.verify().is_whole
    with closing(sqlite3.connect(folder / "ledger.db")) as raw, raw:
        for (trigger,) in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute(change)
    assert said in told(kept.ledger)


def test_what_stays_cannot_be_deleted(on_each_store: Kept) -> None:
    kept = on_each_store
    archive_until(kept.ledger, "2026-08", by="ana")
    for kind in ("decision", "policy"):
        with (
            pytest.raises(LedgerUnavailable, match="append-only"),
            kept.store.writing(alone=True) as connection,
        ):
            connection.exec_driver_sql(f"DELETE FROM records WHERE kind = '{kind}' AND seq < 300")


def test_a_walk_that_a_deletion_overtook_is_walked_again(kept: Kept, folder: Path) -> None:
    archive_until(kept.ledger, "2026-07", by="ana")
    other = opened(folder / "ledger.db", folder / "archive")
    digest, deleted = Archive.digest, []

    def overtaken(self: Archive, path: Path) -> str:
        if not deleted:
            deleted.append(True)
            delete_month(other.ledger, "2026-07", by="bob", reason="it is old")
        return digest(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Archive, "digest", overtaken)
        # On SQLite the deletion would wait for the walk.
        patch.setattr(Ledger, "shred", lambda _: None)
        assert kept.ledger.verify().is_whole
    other.ledger.close()


def test_an_open_read_from_the_future_is_closed_before_it_moves(kept: Kept) -> None:
    """Once it is in a file nobody would close it, and what it reserved would stay reserved."""
    with kept.ledger.reading() as connection:
        through = connection.exec_driver_sql("SELECT max(seq) FROM records").scalar_one()
    kept.store.at = "2027-03-05T00:00:00.000Z"
    [intent, *_] = records_of("ahead", 1)
    append(kept, intent)
    kept.store.at = "2026-10-02T00:00:00.000Z"
    append(kept, *(Record(record_id=f"o {n}", kind=RecordKind.MODEL_CALL) for n in range(256)))
    kept.store.at = "2026-11-08T00:00:00.000Z"
    append(kept, *(Record(record_id=f"n {n}", kind=RecordKind.MODEL_CALL) for n in range(256)))
    moved = archive_until(kept.ledger, "2026-10", by="ana")
    assert moved[-1].through > through + 1
    [read] = find_reads(kept.ledger, ReadQuestion(read=["ahead 1"]))
    assert read.outcome == "indeterminate"


def with_key_in(folder: Path, kept: Kept) -> Kept:
    """The same ledger, with its key in a folder, where it can be changed."""
    (folder / "signing.key").write_text(KEY.private_bytes_raw().hex())
    return Kept(Ledger(kept.store, keys=folder, archive=folder / "archive"), kept.store)


def told(ledger: Ledger) -> str:
    return "; ".join(item.text for item in ledger.verify().findings)
