"""`governed-agents reads` and `unused`, as a person asks them: every format gives the same answer, and a slip of the pen is said."""

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration_assets.cli.app import main
from orchestration_assets.cli.reads import COLUMNS
from semantic.ledger import (
    STATE_FOLDER,
    Ledger,
    MetricRead,
    Read,
    ReadContext,
    Record,
    RecordKind,
    Touched,
)

FORMULA = '=HYPERLINK("http://example.com")'
NASTY = "\x1b[31mred\x9b1m \u202e\nnew line"
RUN = "5a1c7c1e-8a0b-4d9e-9b5e-0d7c7a3b1f00"


@dataclass(frozen=True, kw_only=True)
class Said:
    out: str
    err: str
    code: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        parsed: list[dict[str, Any]] = json.loads(self.out)
        return parsed


Command = Callable[..., Said]


def write(ledger: Ledger) -> None:
    """Three reads of ana, two of them for bob and one of two metrics; one of the refresh; one refusal; and a decision."""
    for number, (reader, user, metrics) in enumerate(
        [
            ("ana", None, ["orders"]),
            ("ana", "bob", ["orders", "revenue"]),
            ("ana", "bob", ["revenue"]),
            ("refresh", None, ["orders"]),
        ]
    ):
        ledger.append(
            Record(
                record_id=f"read-{number}",
                kind=RecordKind.INTENT,
                reader=reader,
                acting_for=user,
                team="analytics" if reader == "ana" else None,
                context=ReadContext(run_id=RUN if number else None, purpose=FORMULA),
                metrics=tuple(MetricRead(metric=name, data_version="v1") for name in metrics),
                touches=Touched(
                    dimensions=("store", "customer__country"),
                    relations=(f'"shop"."{["main", "other"][number % 2]}"."orders"',),
                    dbt_models=("model.shop.orders",),
                ),
            )
        )
        ledger.append(
            Record(
                record_id=f"read-{number}",
                kind=RecordKind.OUTCOME,
                details={"rows": number, "notices": ["cut", FORMULA]},
            )
        )
    ledger.append(
        Record(
            record_id="read-9",
            kind=RecordKind.REFUSAL,
            reader="-ana",
            reason="not_available",
            metrics=(MetricRead(metric=FORMULA, definition_hash="meaning-1"),),
            touches=Touched(dimensions=("metric_time__month",)),
            details={"message": NASTY},
        )
    )
    ledger.append(
        Record(record_id="decision-1", kind=RecordKind.DECISION, details={"reads": ["read-1"]})
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    ledger = Ledger.open(home / STATE_FOLDER / "ledger.db")
    write(ledger)
    ledger.close()
    return home


@pytest.fixture
def command(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Command:
    """Runs `governed-agents` in a folder of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["governed-agents", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsysbinary.readouterr()
        out = told.out.decode("utf-8", errors="surrogateescape")
        return Said(out=out, err=" ".join(told.err.decode().split()), code=code)

    return run


def ids(said: Said) -> list[str]:
    assert said.code == 0, said.err
    return [row["read_id"] for row in said.rows]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--agent", "ana"], ["read-2", "read-1", "read-1", "read-0"]),
        (["--for", "bob"], ["read-2", "read-1", "read-1"]),
        (["--reader", "bob"], ["read-2", "read-1", "read-1"]),
        (["--metric", "orders"], ["read-1", "read-0"]),
        (["--metric", "orders", "--metric", "revenue"], ["read-2", "read-1", "read-1", "read-0"]),
        (["--metric", "orders", "--all"], ["read-3", "read-1", "read-0"]),
        (["--team", "analytics", "--limit", "1"], ["read-2"]),
        (["--dimension", "country", "--for", "bob"], ["read-2", "read-1", "read-1"]),
        (["--dimension", "metric_time"], ["read-9"]),
        (["--table", "main.orders"], ["read-2", "read-0"]),
        (["--table", '"shop"."other"."orders"'], ["read-1", "read-1"]),
        (["--dbt-model", "orders", "--metric", "orders"], ["read-1", "read-0"]),
        (["--dbt-model", "model.shop.orders", "--read", "read-0"], ["read-0"]),
        (["--run", RUN[:9]], ["read-2", "read-1", "read-1"]),
        (["--decision", "decision-1"], ["read-1", "read-1"]),
        (["--version", "v"], ["read-2", "read-1", "read-1", "read-0"]),
        (["--version", "meaning-1"], ["read-9"]),
        (["--read", "read-9", "--metric", "orders"], []),
        (["--outcome", "refused"], ["read-9"]),
        (["--refused", "--reason", "not_available"], ["read-9"]),
        (["--on", "today", "--refused"], ["read-9"]),
        (["--until", "2020-01-01"], []),
        (["--on", "9999-12-31"], []),
        (["--sort", "-rows"], ["read-2", "read-1", "read-1", "read-0", "read-9"]),
    ],
)
def test_reads_can_be_asked_by_what_they_are(
    command: Command, options: list[str], found: list[str]
) -> None:
    assert ids(command("reads", "--json", *options)) == found


def test_the_next_page_is_asked_for_with_what_the_last_one_said(command: Command) -> None:
    whole = command("reads", "--json").rows
    found, more = [], []
    while True:
        said = command("reads", "--json", "--limit", "2", *more)
        found += said.rows
        if "--after" not in said.err:
            break
        more = said.err[said.err.index("--after") :].split()[:2]
    assert found == whole
    assert len(found) == 5


def test_reads_are_counted_and_the_largest_comes_first(command: Command) -> None:
    rows = command("reads", "--by", "agent,metric", "--json").rows
    assert [(row["agent"], row["metric"], row["reads"], row["refused"], row["rows"]) for row in rows] == [
        ("ana", "orders", 2, 0, 1),
        ("ana", "revenue", 2, 0, 3),
        ("-ana", FORMULA, 1, 1, None),
    ]  # fmt: skip
    said = command("reads", "--by", "agent", "--by", "metric", "--limit", "2", "--json")
    assert said.rows == rows[:2]
    token = said.err[said.err.index("--after") :].split()[1]
    assert command("reads", "--by", "agent,metric", "--after", token, "--json").rows == rows[2:]
    by_table = command("reads", "--by", "table", "--sort", "table", "--json").rows
    assert [(row["table"], row["reads"]) for row in by_table] == [
        ('"shop"."main"."orders"', 2),
        ('"shop"."other"."orders"', 2),
        (None, 1),
    ]
    assert sum(row["reads"] for row in command("reads", "--by", "day", "--json").rows) == 5


def test_a_table_shows_no_control_character(command: Command) -> None:
    for options in ([], ["--by", "metric,reason"], ["--json"], ["--format", "csv"]):
        out = command("reads", "--refused", *options).out
        assert FORMULA in out.replace('\\"', '"').replace('""', '"')
        assert not set(out) & {"\x1b", "\x9b", "\u202e"}
    assert "\\u001b[31mred\\u009b1m \\u202e\\u000anew line" in command("reads", "--refused", "--format", "csv").out  # fmt: skip
    assert command("reads", "--refused", "--json").rows[0]["why"] == NASTY


def from_csv(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV, with what was done for spreadsheets undone."""
    assert all(
        cell[:1] not in "=+-@" for row in csv.reader(io.StringIO(text)) for cell in row if cell
    )
    rows: list[dict[str, Any]] = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        plain: dict[str, Any] = {
            name: cell.removeprefix("'") if cell else None for name, cell in row.items()
        }
        for name in ("group_by", "notices", "relations"):
            plain[name] = json.loads(plain[name])
        for name in ("rows", "seq"):
            plain[name] = None if plain[name] is None else int(plain[name])
        rows.append(plain)
    return rows


def from_arrow(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name in ("at", "ended_at"):
            row[name] = row[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return rows


def test_every_format_gives_the_same_reads(command: Command) -> None:
    expected = command("reads", "--all", "--json").rows
    assert len(expected) == 6
    for name in ("reads.json", "reads.csv", "reads.arrow"):
        assert command("reads", "--all", "--to", f"made/{name}").out == ""
    assert json.loads(Path("made/reads.json").read_text()) == expected
    told = from_csv(Path("made/reads.csv").read_bytes().decode())
    assert [row | {"why": None} for row in told] == [row | {"why": None} for row in expected]
    with pa.OSFile("made/reads.arrow") as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.schema.names == list(COLUMNS)
    # What was filtered by may be personal: it stays in the record.
    assert {item.name for item in fields(Read)} - set(COLUMNS) == {"query", "restricted_to"}
    assert table.schema.field("at").type == pa.timestamp("ms", tz="UTC")
    assert [row | {"why": None} for row in from_arrow(table)] == [
        row | {"why": None} for row in expected
    ]
    stream = command("reads", "--all", "--format", "arrow").out.encode(errors="surrogateescape")
    assert pa.ipc.open_stream(stream).read_all().equals(table)
    assert sorted(path.name for path in Path("made").iterdir()) == [
        "reads.arrow",
        "reads.csv",
        "reads.json",
    ]


def test_a_table_is_written_to_a_file_of_any_name_by_its_format(command: Command) -> None:
    assert command("reads", "--format", "table", "--to", "reads.txt").code == 0
    assert Path("reads.txt").read_text().startswith("at (UTC)")


def test_a_file_of_counts_has_what_the_terminal_shows(command: Command) -> None:
    rows = command("reads", "--by", "metric,outcome", "--json").rows
    command("reads", "--by", "metric,outcome", "--to", "counts.csv")
    with Path("counts.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [(row["metric"].removeprefix("'"), int(row["reads"])) for row in told] == [
        (row["metric"], row["reads"]) for row in rows
    ]


def test_without_pyarrow_it_is_said_what_to_install(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = command("reads", "--to", "reads.arrow")
    assert said.code == 1
    assert "pip install 'dagster-governed-agents[arrow]'" in said.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--metric", "order"], "There is no metric 'order', and no read of one hint: did you mean 'orders'?"),
        (["--dimension", "contry"], "no dimension 'contry', and no read of one hint: did you mean 'country'?"),
        (["--table", "order"], "There is no table 'order', and no read of one hint: did you mean"),
        (["--table", "orders"], "'orders' is the name of several tables hint: name one of '\"shop\".\"main\".\"orders\"' and"),
        (["--dbt-model", "oders"], "There is no dbt model 'oders', and no read of one hint: did you mean"),
        (["--team", "analytic"], "There is no team 'analytic', and no read of one hint: did you mean 'analytics'?"),
        (["--agent", "anna"], "There is no reader 'anna', and no read of one hint: did you mean 'ana'"),
        (["--for", "bo"], "There is no reader 'bo', and no read of one hint: did you mean 'bob'?"),
        (["--run", RUN[:-1] + "1"], f"did you mean '{RUN}'?"),
        (["--read", "nosuch"], "No read 'nosuch' is on record hint: `governed-agents reads` shows the ids"),
        (["--read", "read-0", "--read", "decision-1"], "No read 'decision-1' is on record"),
        (["--version", "zzz"], "No read at a data version or definition 'zzz' is on record hint: `governed-agents reads --by"),
        (["--version", "meaning-2"], "hint: did you mean 'meaning-1'?"),
        (["--to", "reads.parquet"], "the end of 'reads.parquet' names no format; end it with .json, .csv, .arrow"),
        (["--to", "reads"], "or name the format with --format"),
        (["--decision", "decision-2"], "No decision 'decision-2' is on record hint: did you mean 'decision-1'?"),
        (["--reason", "stal"], "did you mean 'stale'?"),
        (["--outcome", "fine"], "'fine' is not one of"),
        (["--by", "metrics"], "did you mean 'metric'?"),
        (["--by", "metric", "--sort", "read"], "did you mean 'reads'?"),
        (["--by", "metric", "--after", "WyItcmVhZHMgb2YgbWV0cmljIixbIngiXV0"], "is not among these"),
        (["--by", "day,hour"], "one period"),
        (["--sort", "size"], "Reads cannot be sorted by 'size'"),
        (["--after", "x"], "is not the end of a page"),
        (["--since", "2026-11-25", "--until", "2026-11-20"], "No time is from 2026-11-25T00:00:00.000Z until before 2026-11-20"),
        (["--by", "day", "--since", "today", "--until", "today"], "hint: until is not included, and comes after since"),
        (["--on", "2026-11-20", "--until", "2026-11-19"], "No time is from 2026-11-20"),
        (["--since", "0001-01-01T00:00+10:00"], "is in no year from 1 to 9999 of UTC"),
        (["--since", "last week"], "'last week' is not a moment or a day; write 2026-11-01T08:00, 2026-11-01, today,"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--json", "--format", "csv"], "do not go together"),
        (["--to", "/dev/null/reads.csv"], "Cannot write /dev/null/reads.csv"),
        (["--to", "."], "is a directory"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_shortly(command: Command, options: list[str], says: str) -> None:
    said = command("reads", *options)
    assert said.code in (1, 2)
    assert says in said.err.replace("│ ", "")
    assert said.out == ""
    assert not list(Path().iterdir())


def test_unused_grants_need_a_policy(command: Command) -> None:
    said = command("unused")
    assert said.code == 1
    assert "No policy has been published yet" in said.err
