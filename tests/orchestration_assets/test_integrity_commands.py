"""`governed-agents verify`, `prove` and `checkpoint`, as a person runs them."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from benchmarks.history import write_history
from orchestration_assets.cli import archive
from orchestration_assets.cli.app import main
from semantic.errors import GovernedMetricsError
from semantic.keys import load_mask_key, mask_key_id
from semantic.ledger import STATE_FOLDER, Erasable, Ledger, MetricRead, Record, RecordKind

VERIFIER = Path(__file__).parents[2] / "semantic" / "evidence" / "offline" / "verify_proof.py"
Command = Callable[..., int]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A DAGSTER_HOME with three records."""
    home = tmp_path / "home"
    ledger = Ledger.open(home / STATE_FOLDER / "ledger.db")
    for number in range(3):
        ledger.append(
            Record(
                record_id=f"read-{number}",
                kind=RecordKind.REFUSAL,
                reader="ana",
                metrics=(MetricRead(metric="orders"),),
            )
        )
    ledger.close()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `governed-agents`, and gives the code it ends with."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["governed-agents", *arguments])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return run


def forge(home: Path) -> None:
    with sqlite3.connect(home / STATE_FOLDER / "ledger.db") as connection:
        connection.execute("DROP TRIGGER records_no_update")
        connection.execute("UPDATE records SET reader = 'bob' WHERE seq = 2")
    connection.close()


def test_a_whole_record_is_said_to_be_whole(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("checkpoint", "--to", "kept/today.checkpoint") == 1
    assert "There is no folder kept" in capsys.readouterr().err
    Path("kept").mkdir()
    assert command("checkpoint", "--to", "kept/today.checkpoint") == 0
    told = capsys.readouterr()
    note = told.out
    assert told.err == "It covers 3 records, of which 0 were exposed before\n"
    assert Path("kept/today.checkpoint").read_text() == note
    assert note.startswith("governed-agents/read-0\n3\n")
    assert command("verify", "--against", "kept/today.checkpoint") == 0
    assert capsys.readouterr().out.splitlines() == [
        "whole: 4 records in 2 streams, 1 checkpoint",
        "1 record after the checkpoint that was kept elsewhere: a change to these alone would not show",
    ]
    assert command("verify", "--json") == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found == {
        "is_whole": True,
        "records": 4,
        "streams": 2,
        "checkpoints": 1,
        "exposed": 1,
        "findings": [],
    }


def test_a_checkpoint_takes_the_place_of_the_one_before_whole(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("kept").write_text("what was there before, and is longer than a checkpoint " * 100)
    assert command("checkpoint", "--to", (tmp_path / "kept").as_uri()) == 0
    assert Path("kept").read_text() == capsys.readouterr().out
    spaced = (tmp_path / "a b%20c").as_uri()
    assert command("checkpoint", "--to", spaced) == 0
    assert Path("a b%20c").read_text() == capsys.readouterr().out
    assert command("verify", "--against", spaced) == 0
    assert command("verify", "--against", "kept") == 0
    assert not list(tmp_path.glob(".kept*"))


def test_a_checkpoint_is_written_to_an_object_store_and_read_from_it(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("checkpoint", "--to", "memory://kept/today.checkpoint") == 0
    written = fsspec.filesystem("memory").cat("/kept/today.checkpoint").decode()
    assert written == capsys.readouterr().out
    assert not Path("memory:").exists()
    assert command("verify", "--against", "memory://kept/today.checkpoint") == 0


def test_a_changed_record_is_named_and_the_command_fails(
    command: Command, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(home)
    assert command("verify") == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "record 2 edited: its columns do not say what its body says"
    assert said[1].startswith("NOT WHOLE: 3 records")
    assert command("verify", "--json") == 3
    [found] = json.loads(capsys.readouterr().out)
    assert [(item["seq"], item["harm"]) for item in found["findings"]] == [(2, "edited")]


def test_a_proof_is_written_that_others_can_check(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("prove", "read-1", "--to", "proofs") == 0
    told = capsys.readouterr()
    assert told.out == "proofs/read-1-refusal.tlog-proof\n"
    key = told.err.split()[-1]
    done = subprocess.run(
        [sys.executable, VERIFIER, "proofs/read-1-refusal.tlog-proof", key],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["record"]["id"] == "read-1"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("prove", "read-9"), "error: No read 'read-9' is on record"),
        (("verify", "--against", "hello.txt"), "error: This is no checkpoint of a ledger"),
        (("verify", "--against", "hello.txt", "--key", "x"), "error: This is no public key"),
        (("verify", "--against", "away.txt"), "error: Cannot read away.txt: No such file"),
        (("verify", "--against", "."), "error: Cannot read .: Is a directory"),
        (("verify", "--against", "s3://bucket/today"), "error: Cannot read s3://: Install s3fs"),
        (
            ("verify", "--against", "memory://away"),
            "error: Cannot read memory://away: FileNotFound",
        ),
        (("checkpoint", "--to", "hello.txt/under"), "error: There is no folder hello.txt"),
        (("checkpoint", "--to", "/proc/under"), "error: Cannot write /proc/under: "),
        (("checkpoint", "--to", "."), "error: . is a folder"),
        (("checkpoint", "--to", "file://kept/a"), "error: file://kept/a is on another machine"),
        (("checkpoint", "--to", "s3://bucket/today"), "error: Cannot write s3://: Install s3fs"),
        (("checkpoint", "--to", "near://today"), "error: Cannot write near://: Protocol not"),
        (("checkpoint", "--to", "data://today"), "error: Cannot write data://today: ValueError"),
        (("checkpoint", "--to", "ftp://127.0.0.1:1/a"), "error: Cannot write ftp://: "),
        (("backup", "--to", "hello.txt"), "error: hello.txt is no folder\nhint: name a new folder"),
        (("backup", "--to", "hello.txt/under"), "error: hello.txt is no folder\nhint: name a new"),
        (("archive", "delete", "2026-10", "--reason", " "), "' ' does not say why 2026-10 is"),
    ],
)
def test_what_cannot_be_done_is_said(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    Path("hello.txt").write_text("hello")
    assert command(*arguments) in (1, 2)
    assert told in capsys.readouterr().err


def test_a_checkpoint_of_another_ledger_is_said_to_be_one(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Ledger.open(tmp_path / "other" / "ledger.db")
    other.append(Record(record_id="another", kind=RecordKind.REFUSAL))
    Path("other.checkpoint").write_text(str(other.seal()))
    key = other.public_key
    other.close()
    assert command("verify", "--against", "other.checkpoint") == 1
    assert "not signed with a key that is known" in capsys.readouterr().err
    assert command("verify", "--against", "other.checkpoint", "--key", key) == 3
    assert "the checkpoint is of another ledger than this" in capsys.readouterr().out


def test_a_backup_is_the_record_with_its_keys_and_tells_what_came_after(
    home: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, to = home / STATE_FOLDER, tmp_path / "copies" / "today"
    assert command("backup", "--to", str(to)) == 0
    assert "4 records, their keys and a checkpoint are in" in capsys.readouterr().err
    assert {path.name for path in to.iterdir()} >= {"ledger.db", "signing.key", "checkpoint"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in to.iterdir() if "key" in path.name)
    assert command("backup", "--to", str(to)) == 1
    assert "is not empty" in capsys.readouterr().err

    ledger = Ledger.open(state / "ledger.db")
    ledger.append(Record(record_id="later", kind=RecordKind.REFUSAL))
    ledger.close()
    assert command("checkpoint", "--to", str(tmp_path / "kept")) == 0
    shutil.rmtree(state)
    shutil.copytree(to, state)
    capsys.readouterr()
    assert command("verify") == 0
    assert command("verify", "--against", str(state / "checkpoint")) == 0
    assert command("verify", "--against", str(tmp_path / "kept")) == 3
    assert (
        "rolled back: the checkpoint covers 5 records, and there are 4" in capsys.readouterr().out
    )


def test_a_copy_from_before_a_change_of_the_key_is_said_to_be_rolled_back(
    home: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, to, kept = home / STATE_FOLDER, tmp_path / "copy", str(tmp_path / "kept")
    assert command("backup", "--to", str(to)) == 0
    capsys.readouterr()
    assert command("keys", "change") == 0
    key = capsys.readouterr().out.strip()
    ledger = Ledger.open(state / "ledger.db")
    ledger.append(Record(record_id="later", kind=RecordKind.REFUSAL))
    ledger.close()
    assert command("checkpoint", "--to", kept) == 0
    shutil.rmtree(state)
    shutil.copytree(to, state)
    capsys.readouterr()
    assert command("verify", "--against", kept) == 1
    told = capsys.readouterr().err
    assert "not signed with a key that is known" in told
    assert "`governed-agents verify --key`" in told
    assert "newer than this copy of the record (rolled back)" in told
    assert command("verify", "--against", kept, "--key", key) == 3
    assert "rolled back: the checkpoint covers" in capsys.readouterr().out


def test_a_record_whose_key_is_lost_is_not_said_to_be_copied(
    home: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("checkpoint") == 0
    (home / STATE_FOLDER / "signing.key").unlink()
    assert command("backup", "--to", str(tmp_path / "copy")) == 1
    told = capsys.readouterr().err
    assert "a copy could not sign" in told
    assert "restore signing.key from an older backup" in told
    assert not (tmp_path / "copy").exists()


def test_keys_change_and_are_listed(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("checkpoint") == 0
    capsys.readouterr()
    assert command("keys", "change") == 0
    second = capsys.readouterr().out.strip()
    assert command("keys", "list") == 0
    assert capsys.readouterr().out.split()[1:] == [second]
    assert command("verify") == 0
    assert command("keys", "replace") == 1
    assert "looks like a forger's" in capsys.readouterr().err
    assert command("keys", "replace", "--yes") == 1
    assert "The signing key is not lost" in capsys.readouterr().err
    assert command("verify") == 0


def test_the_key_of_pseudonyms_is_changed_and_that_is_on_record(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    state = home / STATE_FOLDER
    first = load_mask_key(state)
    assert command("keys", "change-masking") == 1
    assert "every value has another pseudonym" in capsys.readouterr().err
    assert load_mask_key(state) == first
    assert command("keys", "change-masking", "--yes") == 0
    key_id = mask_key_id(load_mask_key(state))
    assert f"made with the masking key {key_id} from here on" in capsys.readouterr().err
    assert key_id != mask_key_id(first)
    with sqlite3.connect(state / "ledger.db") as connection:
        [(body,)] = connection.execute("SELECT body FROM records WHERE reason = 'masking_key'")
    connection.close()
    assert json.loads(body)["record"]["details"]["masking_key"] == key_id
    assert command("verify") == 0


@pytest.mark.parametrize("lost", [("signing.pub",), ("signing.pub", "signing.key")], ids=len)
def test_public_keys_that_are_missing_are_said_to_be_once(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str], lost: tuple[str, ...]
) -> None:
    state = home / STATE_FOLDER
    assert command("checkpoint") == 0
    assert command("keys", "list") == 0
    first = capsys.readouterr().out.split()[-1]
    ledger = Ledger.open(state / "ledger.db")
    for number in range(3):
        ledger.append(Record(record_id=f"later {number}", kind=RecordKind.REFUSAL))
        ledger.seal()
    ledger.close()
    assert command("keys", "change") == 0
    for name in lost:
        (state / name).unlink()
    capsys.readouterr()
    assert command("verify") == 3
    told = capsys.readouterr()
    assert told.out.count(f"signed with the key {first[:16]}..., which nobody vouches for") == 1
    assert told.err.count("signing.pub was missing") == 1
    assert "restore it from its backup, or name the first key that you know, --key" in told.err
    assert command("verify", "--key", first) == 0
    assert "missing" not in capsys.readouterr().err


def test_what_stands_of_a_person_is_erased_and_the_record_says_so(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger.open(home / STATE_FOLDER / "ledger.db")
    details = {"request": Erasable("orders of Jane Doe")}
    ledger.append(Record(record_id="jane", kind=RecordKind.REFUSAL, details=details))
    ledger.close()
    assert command("erase", "jane doe", "--reason", "as jane doe asked") == 1
    assert command("erase", "a", "--reason", "asked") == 1
    capsys.readouterr()
    assert command("erase", "jane doe", "--reason", " ") == 1
    assert "' ' does not say why something is erased" in capsys.readouterr().err
    assert command("erase", "jane doe", "--reason", "request 17") == 0
    assert "Erased 1 values of 1 records" in capsys.readouterr().err
    assert command("erase", "jane doe", "--reason", "request 17") == 0
    assert "Erased nothing: no value that can be erased holds this text" in capsys.readouterr().err
    assert command("erase", "Zoë", "--reason", "as Zoe\u0308 asked") == 1
    assert command("verify") == 0


def test_who_erases_beside_a_reader_is_told_to_do_it_again(
    home: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("semantic.ledger.sqlite_store.LOCK_TIMEOUT_SECONDS", 1)
    ledger = Ledger.open(home / STATE_FOLDER / "ledger.db")
    details = {"request": Erasable("orders of Jane Doe")}
    ledger.append(Record(record_id="jane", kind=RecordKind.REFUSAL, details=details))
    with ledger.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM records").scalar_one()
        assert command("erase", "jane doe", "--reason", "request 17") == 1
        told = capsys.readouterr().err
        assert "is gone from the record, and its bytes are still in" in told
        assert "governed-agents sweep" in told
        assert command("sweep") == 1
    assert command("sweep") == 0
    log = home / STATE_FOLDER / "ledger.db-wal"
    assert log.stat().st_size == 0
    ledger.close()


def test_no_month_is_named_where_none_was_deleted(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("prove", "gone") == 1
    assert "deleted" not in capsys.readouterr().err


def test_what_never_ended_is_closed(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("sweep") == 0
    assert "Nothing has been open for so long" in capsys.readouterr().err
    assert command("sweep", "--older-than", "1") == 2
    assert command("sweep", "--older-than", "3153600000") == 0
    capsys.readouterr()
    assert command("sweep", "--older-than", "99999999999") == 2
    assert "less than or equal to 3153600000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "jane\udcff", "--reason", "request 17"),
        ("erase", "jane", "--reason", "jane\udcff"),
        ("prove", "jane\udcff"),
    ],
)
def test_an_argument_that_is_no_text_is_refused(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert command(*arguments) == 2
    said = (
        "error: the argument 'jane\\xff' is no text in UTF-8\nhint: write every argument in UTF-8\n"
    )
    assert capsys.readouterr().err == said


def test_months_are_moved_listed_and_deleted(
    tmp_path: Path, home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    state, to = home / STATE_FOLDER, tmp_path / "copy"
    shutil.rmtree(state)
    write_history(state / "ledger.db", 300)
    ledger = Ledger.open(state / "ledger.db")
    with ledger.transaction() as transaction:
        for number in range(256):
            transaction.add(Record(record_id=f"later {number}", kind=RecordKind.MODEL_CALL))
    ledger.close()
    assert command("reads", "--limit", "5", "--format", "csv") == 0
    before = capsys.readouterr().out
    assert command("reads", "--limit", "1", "--json") == 0
    one = capsys.readouterr().out

    assert command("archive", "move", "2026-13") == 2
    assert "is not a month; write it like 2026-09" in capsys.readouterr().err
    assert command("archive", "move", "9999-12", "--by", "ana") == 1
    told = capsys.readouterr().err
    assert "has not been over for a week" in told
    assert "2026-10: 601 records are in" in told, "also where a later month stays"
    assert command("archive", "move", "2026-10") == 0
    assert "Nothing of 2026-10 or before is in the database" in capsys.readouterr().err
    assert command("reads", "--limit", "5", "--format", "csv") == 0
    assert capsys.readouterr().out == before
    assert command("archive", "list", "--json") == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["month"], listed["records"], listed["deleted_at"]) == ("2026-10", 601, None)
    assert Path(listed["file"]).exists()
    assert command("backup", "--to", str(to)) == 0
    assert {path.name for path in (to / "archive").iterdir()} == {
        "2026-10.checkpoint",
        "2026-10.parquet",
    }

    assert command("archive", "delete", "2026-10", "--reason", "old") == 1
    assert "in 2026-10 would be gone for good" in capsys.readouterr().err
    assert command("archive", "delete", "foo", "--reason", "old") == 2
    assert "'foo' is not a month; write it like 2026-09" in capsys.readouterr().err
    assert command("archive", "delete", "2026-09", "--reason", "old") == 1
    assert "2026-09 is not archived" in capsys.readouterr().err
    assert command("reads", "--read", json.loads(one)[0]["read_id"], "--json") == 0
    assert capsys.readouterr() == (one, "")
    assert command("archive", "delete", "2026-09", "--reason", "old", "--yes") == 1
    assert "archived are 2026-10" in capsys.readouterr().err
    assert command("archive", "delete", "2026-10", "--reason", "", "--yes") == 1
    assert "'' does not say why 2026-10 is deleted" in capsys.readouterr().err
    assert command("archive", "delete", "2026-10", "--reason", "old", "--yes") == 0
    assert "2026-10: 601 records are deleted" in capsys.readouterr().err
    assert command("archive", "list") == 0
    told = capsys.readouterr()
    assert ("2026-10" in told.out, told.err) == (True, "")
    back = Path(shutil.copy(to / "archive" / "2026-10.parquet", listed["file"]))
    assert command("archive", "list") == 0
    assert "2026-10: not all of it is gone yet" in capsys.readouterr().err
    assert command("archive", "delete", "2026-10", "--reason", "old") == 1
    assert "in 2026-10 would be gone for good" in capsys.readouterr().err
    assert command("archive", "delete", "2026-10", "--reason", "old", "--yes") == 0
    assert not back.exists()
    assert command("archive", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["is_taken_away"]
    assert command("reads", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == []
    assert "Records of 2026-10 were deleted: `governed-agents archive list` says when." in told.err
    assert command("archive", "delete", "2026-10", "--reason", "old") == 1
    assert "2026-10 was deleted at" in capsys.readouterr().err
    for asked, is_said in [
        (("--since", "2026-10-31T23:59"), True),
        (("--until", "2026-10-01T00:01", "--by", "metric"), True),
        (("--since", "2026-11-01"), False),
        (("--until", "2026-10-01", "--by", "metric"), False),
    ]:
        assert command("reads", *asked) == 0
        assert ("2026-10 were deleted" in capsys.readouterr().err) == is_said
    read_id = json.loads(one)[0]["read_id"]
    for asked in (
        ("reads", "--metric", "gone"),
        ("reads", "--agent", "gone"),
        ("reads", "--run", "gone"),
        ("reads", "--version", "gone"),
        ("reads", "--decision", "gone"),
        ("reads", "--read", read_id, "--by", "day"),
        ("prove", read_id),
    ):
        assert command(*asked) == 1
        error, *notes = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ")
        assert notes[-1] == "Records of 2026-10 were deleted: `governed-agents archive list` says when."  # fmt: skip
    assert command("verify") == 0


def test_why_a_month_could_not_be_moved_is_said_also_where_nothing_can_be_read_any_more(
    home: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def move(ledger: Ledger, month: str, *, by: str) -> None:
        (home / STATE_FOLDER / "ledger.db").write_bytes(b"broken" * 1_000)
        raise GovernedMetricsError(f"{month} cannot be moved by {by}")

    monkeypatch.setattr(archive, "archive_until", move)
    assert command("archive", "move", "2026-09", "--by", "ana") == 1
    assert capsys.readouterr().err == "error: 2026-09 cannot be moved by ana\n"
