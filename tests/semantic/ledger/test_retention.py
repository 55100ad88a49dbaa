"""Months move into files and are found as before; a month that is deleted leaves a signed tombstone; what is done to either is found."""

import json
import runpy
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

import semantic.ledger.sealer as sealer
from semantic.answer import MetricAnswer
from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger import (
    Checkpoint,
    Harm,
    Ledger,
    MetricRead,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    Verified,
    archive_until,
    delete_month,
    find_reads,
    open_note,
)
from semantic.ledger.archive import Archive
from semantic.ledger.schema import records
from tests.conftest import OpenDoor
from tests.semantic.door import ANALYST
from tests.semantic.ledger.months import (
    KEY,
    MONTHS,
    Kept,
    append,
    months_of,
    opened,
    others,
    records_of,
)

VERIFIER = Path(__file__).parents[3] / "semantic" / "evidence" / "offline" / "verify_proof.py"


def test_what_was_moved_is_found_as_before(on_each_store: Kept, folder: Path) -> None:
    kept = on_each_store
    before, whole = kept.everything(), kept.ledger.verify()
    moved = archive_until(kept.ledger, "2026-08", by="ana")
    assert [item.month for item in moved] == ["2026-07", "2026-08"]
    assert sorted(path.name for path in (folder / "archive").glob("2*")) == [
        "2026-07.checkpoint",
        "2026-07.parquet",
        "2026-08.checkpoint",
        "2026-08.parquet",
    ]
    with kept.ledger.reading() as connection:
        left = connection.exec_driver_sql(
            f"SELECT DISTINCT kind FROM records WHERE seq <= {moved[-1].through}"
        ).scalars()
        assert set(left) == {"checkpoint", "decision", "policy"}
    assert kept.everything() == before
    after = kept.ledger.verify()
    assert after.is_whole
    assert after.records == whole.records + 2, "what says that two months were moved"
    assert archive_until(kept.ledger, "2026-08", by="ana") == ()
    is_proven = runpy.run_path(str(VERIFIER))["verify"]
    for read_id in ("2026-07 13", "2026-08 19", "2026-09 13", "decided 2026-07"):
        for proof in kept.ledger.prove(read_id).values():
            body = is_proven(proof, bytes.fromhex(kept.ledger.public_key))
            assert json.loads(body)["record"]["id"] == read_id


@pytest.mark.parametrize(
    "on_each_store", ["sqlite", pytest.param("postgres", marks=pytest.mark.soak)], indirect=True
)
def test_several_processes_find_what_one_finds(
    on_each_store: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a read that was open when they began may end meanwhile."""
    ledger = on_each_store.ledger
    monkeypatch.setattr("semantic.ledger.sealer.FEWEST_DIVIDED", 0)
    archive_until(ledger, "2026-07", by="ana")
    ledger.append(
        Record(record_id="open", kind=RecordKind.INTENT, metrics=(MetricRead(metric="m"),))
    )
    alone = ledger.verify()
    assert alone.is_whole
    walked = []
    walk = sealer.verify

    def ended_meanwhile(connection: sa.Connection, *given: Any, **named: Any) -> Verified:
        connection.execute(sa.select(records.c.seq).limit(1)).all()
        ledger.append(Record(record_id="open", kind=RecordKind.OUTCOME))
        walked.append(walk(connection, *given, at_once=300, **named))
        return walked[-1]

    monkeypatch.setattr(sealer, "verify", ended_meanwhile)
    assert ledger.verify(processes=2) == alone
    assert walked == [alone], "together, and not once more alone"


def test_a_month_has_its_checkpoint_beside_it(kept: Kept, folder: Path) -> None:
    moved = archive_until(kept.ledger, "2026-08", by="ana")
    for month in moved:
        note = (folder / "archive" / f"{month.month}.checkpoint").read_text()
        checkpoint = open_note(note, [KEY.public_key()])
        assert checkpoint.size == month.before + month.records
        assert kept.ledger.verify(against=checkpoint).is_whole


def test_a_month_moves_when_it_is_over_and_in_the_tree(kept: Kept) -> None:
    kept.store.at = "2026-10-09T00:00:00.000Z"
    with pytest.raises(GovernedMetricsError, match="2026-10 has not been over for a week"):
        archive_until(kept.ledger, "2026-12", by="ana")
    kept.store.at = "2026-11-07T23:59:59.999Z"
    with pytest.raises(GovernedMetricsError, match="2026-10 has not been over for a week"):
        archive_until(kept.ledger, "2026-10", by="ana")
    kept.store.at = "2026-11-08T00:00:00.000Z"
    with pytest.raises(GovernedMetricsError, match="2026-10 are not in the tree"):
        archive_until(kept.ledger, "2026-10", by="ana")
    assert kept.ledger.verify().is_whole


def test_a_read_that_never_ended_is_closed_before_its_month_moves(kept: Kept) -> None:
    kept.store.at = "2026-10-31T23:59:59.000Z"
    append(
        kept, Record(record_id="open", kind=RecordKind.INTENT, metrics=(MetricRead(metric="m"),))
    )
    kept.store.at = "2026-11-08T00:00:00.000Z"
    append(kept, *others("more", 300))
    assert archive_until(kept.ledger, "2026-10", by="ana")[-1].month == "2026-10"
    [read] = find_reads(kept.ledger, ReadQuestion(read="open"))
    assert read.outcome == "indeterminate"
    assert kept.ledger.verify().is_whole


def test_what_a_clock_that_was_behind_stamped_is_in_the_month_after(kept: Kept) -> None:
    kept.store.at = "2026-07-31T00:00:00.000Z"
    append(kept, *records_of("late", 3))
    kept.store.at = "2026-11-08T00:00:00.000Z"
    append(kept, *others("more", 256))
    before = kept.everything()
    moved = archive_until(kept.ledger, "2026-10", by="ana")
    assert [item.month for item in moved] == [*MONTHS, "2026-10"]
    assert kept.everything() == before
    assert kept.ledger.verify().is_whole


def test_what_a_clock_that_was_ahead_stamped_is_in_the_month_where_it_stands(kept: Kept) -> None:
    """It holds up nothing until its day has come."""
    kept.store.at = "2031-04-01T00:00:00.000Z"
    append(kept, *records_of("ahead", 3))
    kept.store.at = "2026-10-02T00:00:00.000Z"
    append(kept, *others("october", 256))
    kept.store.at = "2026-12-08T00:00:00.000Z"
    append(kept, *others("december", 256))
    before = kept.everything()
    moved = archive_until(kept.ledger, "2026-11", by="ana")
    assert [item.month for item in moved] == [*MONTHS, "2026-10"]
    assert kept.everything() == before
    assert kept.ledger.verify().is_whole


def archive_two(kept: Kept) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")


def delete_one(kept: Kept) -> None:
    delete_month(kept.ledger, "2026-07", by="ana", reason="it is old")


def is_ended(kept: Kept, act: Callable[[Kept], None], *, after: int) -> bool:
    """Whether it takes more commits than so many, after which the power is gone."""
    kept.store.left = after
    try:
        act(kept)
    except LedgerUnavailable:
        return True
    finally:
        kept.store.left = None
    return False


@pytest.mark.parametrize(
    "every", [pytest.param(9), pytest.param(1, marks=pytest.mark.soak)], ids="every {}".format
)
@pytest.mark.parametrize(("before", "act"), [([], archive_two), ([archive_two], delete_one)])
def test_wherever_it_is_ended_it_goes_on(
    folder: Path,
    tmp_path: Path,
    every: int,
    before: list[Callable[[Kept], None]],
    act: Callable[[Kept], None],
) -> None:
    """Each commit in turn, or every ninth, is the one that does not come about."""
    prepared = opened(folder / "ledger.db", folder / "archive")
    for step in before:
        step(prepared)
    reads = list(find_reads(prepared.ledger, ReadQuestion()))
    before_act = prepared.everything()
    prepared.ledger.close()
    for commits in range(0, 100, every):
        copy = shutil.copytree(folder, tmp_path / f"{commits}")
        kept = opened(copy / "ledger.db", copy / "archive")
        with closing(kept.ledger):
            was_ended = is_ended(kept, act, after=commits)
            if was_ended:
                found = kept.ledger.verify().findings
                assert not [item for item in found if "deletion was ended halfway" not in item.text]
                if act is archive_two:
                    assert kept.everything() == before_act
                archive_two(kept)
                act(kept)
            assert kept.ledger.verify().findings == ()
            months = {item.month for item in months_of(kept) if item.deleted_at}
            left = [read for read in reads if read.read_id[:7] not in months]
            assert list(find_reads(kept.ledger, ReadQuestion())) == left
            assert len(months) == (act is delete_one)
        if not was_ended:
            break
    assert 3 < commits < 100


def test_two_who_move_the_same_month_lose_nothing(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is done while this one has written its file."""
    before = kept.everything()
    other = opened(folder / "ledger.db", folder / "archive")
    monkeypatch.setattr(Archive, "alone", lambda _: nullcontext())
    begun: list[Archive] = []
    sign = Ledger.sign

    def late(self: Ledger, connection: sa.Connection, checkpoint: Checkpoint) -> str:
        if not begun:
            begun.append(self.archive)
            archive_until(other.ledger, "2026-08", by="bob")
        return sign(self, connection, checkpoint)

    monkeypatch.setattr(Ledger, "sign", late)
    with pytest.raises(LedgerUnavailable, match="2026-07 was archived by another process"):
        archive_until(kept.ledger, "2026-08", by="ana")
    other.ledger.close()
    assert kept.everything() == before
    assert kept.ledger.verify().findings == ()
    assert not list((folder / "archive").glob(".*"))


def test_what_is_left_to_take_out_stays_where_its_file_is_another_one(
    kept: Kept, folder: Path
) -> None:
    kept.store.left = 1
    with pytest.raises(LedgerUnavailable, match="power"):
        archive_two(kept)
    kept.store.left = None
    path = folder / "archive" / "2026-07.parquet"
    written = path.read_bytes()
    for damaged in (written[:-1], None):
        path.unlink()
        if damaged:
            path.write_bytes(damaged)
        with pytest.raises(LedgerUnavailable, match=r"2026-07\.parquet"):
            archive_two(kept)
    path.write_bytes(written)
    archive_two(kept)
    assert kept.ledger.verify().is_whole


def test_nothing_else_can_be_deleted(on_each_store: Kept) -> None:
    kept = on_each_store
    moved = archive_until(kept.ledger, "2026-08", by="ana")
    for statement in (
        f"DELETE FROM records WHERE seq > {moved[-1].through}",
        "DELETE FROM reads",
        "DELETE FROM archives",
        "UPDATE archives SET through = through + 1",
    ):
        with (
            pytest.raises(LedgerUnavailable, match="append-only"),
            kept.store.writing(alone=True) as connection,
        ):
            connection.exec_driver_sql(statement)


def rewritten(folder: Path, change: str) -> None:
    """Has somebody write a file anew who knows its form."""
    path = folder / "2026-07.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS SELECT * FROM '{path}'")
        connection.execute(change)
        connection.execute(f"COPY (SELECT * FROM rows ORDER BY seq) TO '{path}'")


EDIT_BODY = "UPDATE rows SET body = replace(decode(body), 'metric ', 'metrik ')::BLOB WHERE seq = 4"


@pytest.mark.parametrize(
    ("change", "harm", "seq"),
    [
        pytest.param(
            lambda folder: (folder / "2026-07.parquet").unlink(), Harm.DELETED, 1, id="removed"
        ),
        pytest.param(
            lambda folder: (folder / "2026-07.parquet").write_bytes(b"PAR1"),
            Harm.EDITED,
            1,
            id="no archive",
        ),
        pytest.param(
            lambda folder: shutil.copy(folder / "2026-08.parquet", folder / "2026-07.parquet"),
            Harm.EDITED,
            1,
            id="another month",
        ),
        *(
            pytest.param(
                lambda folder, change=change: rewritten(folder, change), harm, seq, id=change
            )
            for change, harm, seq in (
                (EDIT_BODY, Harm.EDITED, 4),
                ("UPDATE rows SET reader = 'bob' WHERE seq = 4", Harm.EDITED, 4),
                ("UPDATE rows SET body = NULL WHERE seq = 4", Harm.EDITED, 4),
                ("DELETE FROM rows WHERE seq = 4", Harm.DELETED, 5),
                ("DELETE FROM rows", Harm.EDITED, 1),
                ("ALTER TABLE rows DROP body", Harm.EDITED, 1),
                ("ALTER TABLE rows ALTER seq TYPE VARCHAR", Harm.EDITED, 1),
            )
        ),
    ],
)
def test_what_is_done_to_a_file_is_found(
    kept: Kept, folder: Path, change: Callable[[Path], object], harm: Harm, seq: int
) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")
    change(folder / "archive")
    found = kept.ledger.verify().findings
    assert found[0].seq == 1, "the file as a whole is named first"
    assert (harm, seq) in {(item.harm, item.seq) for item in found}


def test_reads_of_a_file_that_is_not_there_are_not_told_otherwise(kept: Kept, folder: Path) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")
    (folder / "archive" / "2026-07.parquet").unlink()
    with pytest.raises(LedgerUnavailable, match="which is not there"):
        list(find_reads(kept.ledger, ReadQuestion()))


def test_who_reads_now_needs_no_file(kept: Kept, folder: Path, open_door: OpenDoor) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")
    (folder / "archive" / "2026-07.parquet").unlink()
    context = ReadContext(run_id="now", root_run_id="now", step_key="ask")
    with open_door(ledger=kept.ledger).session(ANALYST, context) as session:
        first, again = (session.query({"metrics": "orders"}, call_id="1") for _ in range(2))
    assert isinstance(first, MetricAnswer)
    assert again.read_id == first.read_id


def test_what_is_in_the_database_is_told_without_the_files(kept: Kept, folder: Path) -> None:
    """Of one read the intent is in a file and its outcome in the database."""
    across, outcome = records_of("across", 0)
    append(kept, across)
    kept.store.at = "2026-11-09T00:00:00.000Z"
    rests_on = {"reads": ["now 0", "now 1"]}
    append(
        kept,
        *(outcome, *records_of("now", 0), *records_of("now", 1)),
        Record(record_id="decided now", kind=RecordKind.DECISION, details=rests_on),
        *others("until then", 256),
    )
    before = kept.everything()
    archive_until(kept.ledger, "2026-10", by="ana")
    path, away = folder / "archive" / "2026-07.parquet", folder / "away.parquet"
    path.rename(away)
    for question in (ReadQuestion(read=["now 1", "now 0"]), ReadQuestion(decision="decided now")):
        assert [read.read_id for read in find_reads(kept.ledger, question)] == ["now 1", "now 0"]
    assert list(kept.ledger.prove("now 0")) == ["intent", "outcome"]
    assert list(kept.ledger.prove("decided 2026-07")) == ["decision"]
    for read_id in ("2026-09 13", "across 0"):
        with pytest.raises(LedgerUnavailable, match="which is not there"):
            list(find_reads(kept.ledger, ReadQuestion(read=read_id)))
        with pytest.raises(LedgerUnavailable, match="which is not there"):
            kept.ledger.prove(read_id)
    away.rename(path)
    assert kept.everything() == before
    assert list(kept.ledger.prove("across 0")) == ["intent", "outcome"]
    [read] = find_reads(kept.ledger, ReadQuestion(read="across 0"))
    assert (read.outcome, read.ended_at) == ("allowed", "2026-11-09T00:00:00.000Z")


def test_a_read_that_was_tried_again_after_its_month_was_moved_is_told_twice(kept: Kept) -> None:
    [first, _], [second, _] = records_of("again", 0), records_of("again", 0)
    append(kept, replace(first, context=ReadContext(run_id="one", root_run_id="one")))
    kept.store.at = "2026-11-09T00:00:00.000Z"
    append(kept, *others("until then", 256))
    archive_until(kept.ledger, "2026-10", by="ana")
    append(kept, replace(second, context=ReadContext(run_id="two", root_run_id="one")))
    found = list(find_reads(kept.ledger, ReadQuestion(read="again 0")))
    assert [read.run_id for read in found] == ["two", "one"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            ["UPDATE records SET body = x'7b7d' WHERE seq = 1"],
            "its copy in the database is another one",
        ),
        (["DELETE FROM records WHERE seq = 1"], "its copy in the database is missing"),
        (
            ["UPDATE archives SET digest = 'x' WHERE month = '2026-07'"],
            "is not found as it is on record",
        ),
        (["DELETE FROM archives WHERE month = '2026-07'"], "is not found as it is on record"),
        (["UPDATE archives SET deleted_at = '2026'"], "no signed tombstone says so"),
        (
            ["DELETE FROM records WHERE kind = 'archive'"],
            "an archive of 2026-07 is found that is not on record",
        ),
        (
            ["UPDATE records SET body = x'7b7d' WHERE kind = 'archive'"],
            "it tells of an archived month, and is not what was written",
        ),
        (
            [
                "INSERT INTO records (seq, record_id, kind, recorded_at, body) VALUES (3, 'x', 'policy', '2026', x'7b7d')"
            ],
            "its copy in the database is another one",
        ),
        (
            ["UPDATE reads SET rows = 17 WHERE seq = 2"],
            "the index does not say how this read ended",
        ),
    ],
)
def test_what_is_done_to_what_stayed_is_found(
    kept: Kept, folder: Path, changes: list[str], told: str
) -> None:
    archive_until(kept.ledger, "2026-08", by="ana")
    with sqlite3.connect(folder / "ledger.db") as raw:
        for (trigger,) in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {trigger}")
        for change in changes:
            raw.execute(change)
    raw.close()
    found = kept.ledger.verify().findings
    assert told in " ".join(item.text for item in found)
