"""A copy of the record can sign what comes next, whatever became of its key while it was copied."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.errors import GovernedMetricsError
from semantic.keys import SigningKeys
from semantic.ledger import Ledger, Record, RecordKind, backup, backup_to
from tests.postgres import PostgresServer


def append(ledger: Ledger, name: str) -> None:
    ledger.append(Record(record_id=name, kind=RecordKind.REFUSAL))


def assert_can_sign(folder: Path) -> None:
    copy = Ledger.open(folder / "ledger.db")
    append(copy, "in the copy")
    assert copy.seal()
    assert copy.verify().is_whole
    assert copy.public_keys[-1].public_bytes_raw().hex() == copy.public_key
    copy.close()


def test_after_a_change_that_died_the_key_that_counts_is_in_the_copy(tmp_path: Path) -> None:
    state, to = tmp_path / "state", tmp_path / "copy"
    ledger = Ledger.open(state / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    SigningKeys(state).change()
    kept = backup_to(ledger, state, to)
    assert not (to / "signing.key.before").exists()
    assert kept.size == 1
    assert_can_sign(to)
    ledger.close()


@pytest.mark.parametrize("to", [".", "copy", "archive/in", "../state/copy"])
def test_a_copy_in_the_folder_of_the_record_is_refused(tmp_path: Path, to: str) -> None:
    state = tmp_path / "state"
    ledger = Ledger.open(state / "ledger.db")
    append(ledger, "a")
    with pytest.raises(GovernedMetricsError, match=r"is in .*state, the folder of the record"):
        backup_to(ledger, state, state / to)
    assert not (state / "archive").exists()
    ledger.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_key_that_changes_while_the_record_is_copied(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, to = tmp_path / "state", tmp_path / "copy"
    ledger, other = Ledger.open(state / "ledger.db"), Ledger.open(state / "ledger.db")
    append(ledger, "a")
    copy = backup._copy

    def changing(path: Path, to: Path) -> None:
        if when == "before":
            other.change_signing_key()
        copy(path, to)
        if when == "after":
            other.change_signing_key()

    monkeypatch.setattr(backup, "_copy", changing)
    backup_to(ledger, state, to)
    assert_can_sign(to)
    ledger.close()
    other.close()


def test_a_key_that_was_given_is_not_in_the_copy(tmp_path: Path) -> None:
    key, state, to = Ed25519PrivateKey.generate(), tmp_path / "state", tmp_path / "copy"
    ledger = Ledger.open(state / "ledger.db", key=key)
    append(ledger, "a")
    kept = backup_to(ledger, state, to)
    ledger.close()
    assert not (to / "signing.key").exists()
    copy = Ledger.open(to / "ledger.db", key=key)
    assert copy.verify(against=kept).is_whole
    copy.close()


def test_who_keeps_a_record_in_postgres_is_told_what_is_in_no_dump(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    ledger = Ledger.open(postgres.new_ledger(), keys=tmp_path)
    with pytest.raises(GovernedMetricsError, match="with Postgres's own tools") as told:
        backup_to(ledger, tmp_path, tmp_path / "copy")
    assert f"copy {tmp_path}: the keys and the archive" in str(told.value.hint)
    ledger.close()
