"""What a process keeps of the tree between checkpoints is what stands in the ledger."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.ledger import Ledger, Record, RecordKind
from semantic.ledger.schema import tiles
from semantic.ledger.tiles import TILE, JoinedTiles


def append(ledger: Ledger, names: Iterable[str]) -> None:
    with ledger.transaction() as transaction:
        for name in names:
            transaction.add(Record(record_id=name, kind=RecordKind.REFUSAL))


def of(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_who_seals_in_turn_with_others_signs_the_tree_of_all(tmp_path: Path) -> None:
    one, other = Ledger.open(tmp_path / "ledger.db"), Ledger.open(tmp_path / "ledger.db")
    for number, count in enumerate((3, TILE, 5 * TILE + 1, 1, 2 * TILE)):
        append(one, of(f"one-{number}", count))
        assert one.seal()
        append(other, of(f"other-{number}", 7 * count))
        assert other.seal()
        assert other.verify().is_whole
    one.close()
    other.close()


def test_a_checkpoint_that_could_not_be_written_harms_none_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, of("kept", 2 * TILE))
    ledger.seal()
    append(ledger, of("more", 2 * TILE))

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("semantic.ledger.transaction.Transaction.flush", fails)
        with pytest.raises(Exception, match="the disk is full"):
            ledger.seal()
    append(ledger, of("others", 3 * TILE))
    ledger.seal()
    assert ledger.verify().is_whole
    ledger.close()


def test_tiles_that_are_not_those_of_before_are_read_again(tmp_path: Path) -> None:
    known = JoinedTiles()
    for name, count in (("long", 9), ("short", 4), ("as_long", 4), ("empty", 0)):
        ledger = Ledger.open(tmp_path / name / "ledger.db")
        append(ledger, of(name, count * TILE))
        ledger.seal()
        with ledger.reading() as connection:
            known = known.with_new(connection)
            roots = connection.execute(sa.select(tiles.c.root).order_by(tiles.c.number)).all()
            assert known == JoinedTiles().with_new(connection)
        assert known.frontier.size == len(roots) == count
        ledger.close()
