"""The folder of evidence: against the rows of the ledger, checked by its own script alone, and changed in every way that a person would try."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.story.conftest import Said

Command = Callable[..., Said]
Json = dict[str, Any]
AGENT = "operations_watch"


@pytest.fixture(scope="module")
def written(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence") / "folder"
    said = command(
        "evidence",
        "--agent",
        AGENT,
        "--from",
        "2020-01-01",
        "--to",
        "today",
        "--folder",
        str(folder),
    )
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "evidence")


def checked(folder: Path) -> Said:
    """By the script in the folder, in a process that does not know this package."""
    key = json.loads((folder / "evidence.json").read_text())["public_key"]
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(folder)!r}); import runpy; "
            f"sys.argv = ['verify_evidence.py', {str(folder)!r}, {key!r}]; runpy.run_path({str(folder / 'verify_evidence.py')!r}, run_name='__main__')",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder.parent,
        timeout=60,
    )
    return Said(out=done.stdout, err=done.stderr, code=done.returncode)


def table(folder: Path, name: str) -> list[Json]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def write(folder: Path, name: str, content: str) -> None:
    """A change, with the digests made right: who forges a folder does that too."""
    (folder / name).write_text(content)
    index = json.loads((folder / "evidence.json").read_text())
    index["files"][name] = hashlib.sha256(content.encode()).hexdigest()
    (folder / "evidence.json").write_text(json.dumps(index))


def test_it_holds_what_the_rows_of_the_ledger_say(folder: Path, rows: sqlite3.Connection) -> None:
    on_record = rows.execute(
        "SELECT read_id, metric, at, run_id, data_version, definition_hash, outcome, rows FROM reads WHERE reader = ?",
        [AGENT],
    )
    assert {tuple(row) for row in on_record} == {
        tuple(
            it[name]
            for name in (
                "read_id",
                "metric",
                "at",
                "run_id",
                "data_version",
                "definition_hash",
                "outcome",
                "rows",
            )
        )
        for it in table(folder, "reads")
    }
    decided = rows.execute(
        "SELECT record_id FROM records WHERE kind = 'decision' AND reader = ?", [AGENT]
    )
    assert {id_ for [id_] in decided} == {it["record_id"] for it in table(folder, "decisions")}
    published = rows.execute("SELECT record_id FROM records WHERE kind = 'policy'")
    assert {id_ for [id_] in published} == {it["record_id"] for it in table(folder, "policies")}
    assert "rules" in table(folder, "policies")[0]["details"]["policy"]
    agent, metrics = table(folder, "definitions")
    assert json.loads(agent["details"]["definition"])["name"] == AGENT
    assert "cancellation_rate" in metrics["details"]["definitions"]
    told = [
        json.loads(value["value"]) for it in table(folder, "decisions") for value in it["erasable"]
    ]
    assert any("stood out" in text for text in told)


def test_it_proves_itself_without_this_package(folder: Path) -> None:
    said = checked(folder)
    proofs = len(list((folder / "proofs").iterdir()))
    assert (said.code, f"PROVEN: {proofs} records of {AGENT}" in said.out) == (0, True), said.err
    readme = (folder / "README.md").read_text()
    assert "Cancellations stood out on 2013-02-08" in readme
    assert "That nothing was left out" in readme
    assert "## People" in readme


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("reads", "metric", "flights_of_nobody"),
        ("reads", "data_version", "0" * 32),
        ("reads", "at", "2020-01-01T00:00:00.000Z"),
        ("reads", "agent", "somebody"),
        ("reads", "rows", 7),
        ("reads", "outcome", "indeterminate"),
        ("reads", "covers_to", "2013-02-07"),
        ("reads", "policy_hash", "0" * 32),
        ("decisions", "at", "2020-01-01T00:00:00.000Z"),
        ("decisions", "by", "somebody"),
        ("decisions", "details", {}),
        ("policies", "reason", "0" * 32),
        ("definitions", "details", {"definition": "another"}),
        ("reads", "group_by", ["carrier"]),
        ("reads", "approved_by", "the chief"),
        ("decisions", "answer", "Nothing stood out."),
        ("decisions", "kind", "recall"),
    ],
)
def test_a_changed_row_is_found(folder: Path, name: str, field: str, value: object) -> None:
    found = table(folder, name)
    assert found[-1].get(field) != value
    found[-1][field] = value
    write(folder, f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in found))
    said = checked(folder)
    assert said.code == 1
    assert said.err.startswith("NOT PROVEN")


def test_a_changed_text_of_a_decision_is_found(folder: Path) -> None:
    found = table(folder, "decisions")
    found[-1]["erasable"][0]["value"] = json.dumps("Nothing stood out.")
    write(folder, "decisions.jsonl", "".join(f"{json.dumps(row)}\n" for row in found))
    assert "a text of the decision" in checked(folder).err


def test_a_missing_row_a_missing_proof_and_another_file_are_found(folder: Path) -> None:
    reads = (folder / "reads.jsonl").read_text().splitlines(keepends=True)
    write(
        folder,
        "reads.jsonl",
        "".join(it for it in reads if json.loads(it)["read_id"] != json.loads(reads[0])["read_id"]),
    )
    assert "no table has" in checked(folder).err
    write(folder, "reads.jsonl", "".join(reads))
    assert checked(folder).code == 0
    (folder / "more.txt").write_text("more")
    assert "other files" in checked(folder).err
    (folder / "more.txt").unlink()
    proof = next((folder / "proofs").iterdir())
    proof.write_text(proof.read_text().replace("index ", "index 1"))
    assert "was changed" in checked(folder).err
    write(folder, f"proofs/{proof.name}", proof.read_text())
    assert checked(folder).code == 1


def test_what_a_forger_adds_or_leaves_out_is_found(folder: Path) -> None:
    reads = (folder / "reads.jsonl").read_text().splitlines(keepends=True)
    write(folder, "reads.jsonl", "".join([*reads, reads[0]]))
    assert "a row twice" in checked(folder).err
    write(folder, "reads.jsonl", "".join(reads[1:]))
    assert "has no row of" in checked(folder).err
    twice = reads[0].replace('"metric": ', '"metric": "x", "metric": ', 1)
    write(folder, "reads.jsonl", "".join([twice, *reads[1:]]))
    assert "a name stands twice" in checked(folder).err
    write(folder, "reads.jsonl", "".join(reads))
    decisions = (folder / "decisions.jsonl").read_text()
    write(folder, "decisions.jsonl", decisions * 2)
    assert "a record twice" in checked(folder).err
    write(folder, "decisions.jsonl", "")
    write(folder, "people.jsonl", (folder / "people.jsonl").read_text() + decisions)
    assert "stands in people.jsonl" in checked(folder).err


def test_a_text_that_is_left_out_is_counted(folder: Path) -> None:
    found = table(folder, "decisions")
    hidden = len(found[-1]["erasable"])
    found[-1]["erasable"] = []
    write(folder, "decisions.jsonl", "".join(f"{json.dumps(row)}\n" for row in found))
    said = checked(folder)
    assert said.code == 0
    assert f"{hidden} texts are not shown: they were erased, or left out" in said.out


def test_an_end_that_is_left_out_is_said_to_be_unproven(folder: Path) -> None:
    found = table(folder, "reads")
    read_id = found[0]["read_id"]
    for row in found:
        if row["read_id"] == read_id:
            row |= {"outcome": "open", "reason": None, "rows": None}
    write(folder, "reads.jsonl", "".join(f"{json.dumps(row)}\n" for row in found))
    name = f"proofs/{read_id}-outcome.tlog-proof"
    (folder / name).unlink()
    index = json.loads((folder / "evidence.json").read_text())
    del index["files"][name]
    (folder / "evidence.json").write_text(json.dumps(index))
    assert "that they had none is not proven" in checked(folder).out


def test_a_folder_of_somebody_else_and_of_another_time_is_found(folder: Path) -> None:
    index = json.loads((folder / "evidence.json").read_text())
    for change in ({"agent": "analyst_dl"}, {"since": "2030-01-01T00:00:00.000Z"}):
        (folder / "evidence.json").write_text(json.dumps(index | change))
        assert checked(folder).code == 1


def test_without_proofs_the_checkpoint_must_be_signed(folder: Path) -> None:
    for name in ("reads", "decisions", "policies", "definitions", "people"):
        write(folder, f"{name}.jsonl", "")
    index = json.loads((folder / "evidence.json").read_text())
    for path in (folder / "proofs").iterdir():
        path.unlink()
        del index["files"][f"proofs/{path.name}"]
    for name in ("reads", "decisions", "policies", "definitions", "people"):
        index["files"][f"{name}.jsonl"] = hashlib.sha256(b"").hexdigest()
    (folder / "evidence.json").write_text(json.dumps(index))
    assert "PROVEN: 0 records" in checked(folder).out
    checkpoint = (folder / "checkpoint").read_text().split("\n")
    checkpoint[1] = "999999999"
    write(folder, "checkpoint", "\n".join(checkpoint))
    assert "not signed with this key" in checked(folder).err


def test_a_proof_with_another_end_is_found(folder: Path) -> None:
    """Whatever comes after the signed part is no checkpoint."""
    checkpoint = "x\n7777777\n"
    for path in (folder / "proofs").iterdir():
        write(folder, f"proofs/{path.name}", path.read_text() + checkpoint)
    write(folder, "checkpoint", checkpoint)
    assert checked(folder).code == 1


def test_a_key_of_somebody_else_proves_nothing(folder: Path) -> None:
    index = json.loads((folder / "evidence.json").read_text())
    (folder / "evidence.json").write_text(json.dumps(index | {"public_key": "11" * 32}))
    assert "not signed with this key" in checked(folder).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent", "operation_watch", "--from", "today", "--to", "today"], "operations_watch"),
        (["--agent", AGENT, "--from", "2013-02-09", "--to", "2013-02-08"], "No day is from"),
        (["--agent", AGENT, "--from", "2999-01-01", "--to", "2999-01-02"], "still to come"),
        (["--agent", AGENT, "--from", "soon", "--to", "today"], "is not a day"),
    ],
)
def test_bad_input_is_told(
    command: Command, tmp_path: Path, arguments: list[str], said: str
) -> None:
    found = command("evidence", *arguments, "--folder", str(tmp_path / "new"))
    assert found.code != 0
    assert said in found.err
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_left_alone(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    said = command(
        "evidence", "--agent", AGENT, "--from", "today", "--to", "today", "--folder", str(tmp_path)
    )
    assert (said.code, "is there already" in said.err) == (1, True)
    assert [it.name for it in tmp_path.iterdir()] == ["mine.txt"]


def test_of_a_time_without_reads_it_says_so(command: Command, tmp_path: Path) -> None:
    said = command(
        "evidence",
        "--agent",
        AGENT,
        "--from",
        "2020-01-01",
        "--to",
        "2020-01-02",
        "--folder",
        str(tmp_path / "new"),
    )
    assert said.code == 0, said.err
    assert "It read nothing and decided nothing" in (tmp_path / "new" / "README.md").read_text()
    assert checked(tmp_path / "new").code == 0
