"""The impact of a changed definition of "on time" on the demonstration, from 15 to 14 minutes, through git and dbt."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration_assets.definitions import DBT_PROJECT
from tests.story.conftest import Said, Told

Command = Callable[..., Said]
ON_TIME = {"on_time_arrivals", "on_time_rate"}


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dbt project of the demonstration in a repository, with a change that is not committed."""
    top = tmp_path_factory.mktemp("repository")
    project = top / "transform"
    left_out = shutil.ignore_patterns("target", "logs", "data", "dbt_packages")
    shutil.copytree(DBT_PROJECT, project, ignore=left_out)
    # What is left out of archives is part of a revision all the same.
    (top / ".gitattributes").write_text("fct_flights.sql export-ignore\n")
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "On time is fifteen minutes")
    model = project / "models" / "marts" / "fct_flights.sql"
    model.write_text(model.read_text().replace("<= 15", "<= 14"))
    return project


def test_who_rests_on_what_on_time_meant(command: Command, changed: Path, told: Told) -> None:
    said = command("impact", "--base", "HEAD", "--project", str(changed), "--json")
    assert said.code == 3, said.err
    rows: list[dict[str, Any]] = json.loads(said.out)
    meant = {row["metric"]: row for row in rows if row["change"] == "meaning"}
    assert set(meant) == ON_TIME
    [step] = meant["on_time_rate"]["path"]
    assert step["what"] == "column is_on_time of fct_flights"
    ledger = sqlite3.connect(f"file:{told.home}/governed_agents/ledger.db?mode=ro", uri=True)
    expected = ledger.execute(
        "SELECT reader, count(*), max(at) FROM reads WHERE metric = 'on_time_rate' AND outcome = 'allowed'"
        " AND reader <> 'refresh' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [tuple(it.values()) for it in meant["on_time_rate"]["read_by"]] == expected != []
    newest: dict[str, dict[str, Any]] = {}
    for [body] in ledger.execute("SELECT body FROM records WHERE kind = 'decision' ORDER BY seq"):
        record = json.loads(body)["record"]
        newest[record["reader"]] = record
    of_metric = {
        row[0] for row in ledger.execute("SELECT read_id FROM reads WHERE metric = 'on_time_rate'")
    }
    ledger.close()
    assert {it["decision_id"] for it in meant["on_time_rate"]["standing_decisions"]} == {
        record["id"] for record in newest.values() if of_metric & set(record["details"]["reads"])
    }
    assert set(meant["on_time_rate"]["granted"]) == {
        "analyst_b6", "analyst_dl", "analyst_ua", "operations_watch",
    }  # fmt: skip


def test_it_is_fit_for_a_pull_request(command: Command, changed: Path) -> None:
    said = command("impact", "--base", "HEAD", "--project", str(changed), "--exit-zero")
    assert said.code == 0
    assert "### 2 change their meaning" in said.out
    assert "- COALESCE(stg_flights.arrival_delay_minutes <= 15, FALSE)\n+ COALESCE" in said.out
    assert "`on_time_rate` | analyst_b6, analyst_dl" in said.out


def test_what_cannot_be_compared_is_said(command: Command, changed: Path, tmp_path: Path) -> None:
    for arguments, told in (
        (["--base", "nope"], "has no revision 'nope'"),
        (["--base", "--all"], "has no revision '--all'"),
        (["--base-target", str(tmp_path)], "There is no dbt artifact"),
    ):
        said = command("impact", "--project", str(changed), *arguments)
        assert said.code == 1, said.out
        assert told in said.err
    other = tmp_path / "other"
    shutil.copytree(DBT_PROJECT / "target", other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["metadata"]["project_name"] = "another_shop"
    (other / "manifest.json").write_text(json.dumps(manifest))
    mine = str(DBT_PROJECT / "target")
    said = command("impact", "--base-target", str(other), "--target", mine)
    assert (said.code, "These are two dbt projects, 'another_shop' before" in said.err) == (1, True)
    said = command("impact", "--base-target", str(other), "--target", str(other))
    assert (said.code, "The record here is of the dbt project 'nyc_flights'" in said.err) == (
        1,
        True,
    )
    assert command("impact", "--project", str(changed)).code == 2
    nowhere = command("impact", "--project", str(tmp_path), "--base", "HEAD")
    assert "is in no git repository" in nowhere.err
