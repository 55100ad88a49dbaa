"""What the record answers is what its bodies say, on every store: checked against plain Python over the bodies alone."""

import sqlite3
import threading
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from semantic.errors import QuestionError
from semantic.ledger import (
    CountBy,
    Ledger,
    MetricRead,
    Period,
    ReadOrder,
    ReadOutcome,
    ReadQuestion,
    Record,
    RecordKind,
    count_reads,
    find_reads,
    read_page,
    unused_grants,
)
from semantic.ledger.periods import number_between, period_of, periods_between
from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.read_counts import MAX_COUNTS, Key, key_named
from semantic.ledger.read_order import SortField
from semantic.ledger.recorded_names import (
    Named,
    decisions_like,
    is_read_recorded,
    is_recorded,
    is_run_recorded,
    is_version_recorded,
    newest_decisions,
    recorded_names,
    runs_like,
    versions_like,
)
from semantic.ledger.sqlite_store import SqliteStore
from tests.semantic.ledger import history
from tests.semantic.ledger.conftest import OpenLedger
from tests.semantic.ledger.history import Clock, Row, clocked, decided, told_by_bodies


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


class Told:
    """A ledger with a history, and what its bodies say."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.rows = told_by_bodies(ledger)
        self.decided = decided(ledger)

    def __repr__(self) -> str:
        return "Told"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    clock = Clock()
    if request.param == "sqlite":
        store: Any = SqliteStore(tmp_path_factory.mktemp("history") / "ledger.db")
    else:
        store = PostgresStore(request.getfixturevalue("postgres").new_ledger())
    ledger = Ledger(clocked(store, clock), keys=tmp_path_factory.mktemp("keys"))
    history.write_history(ledger, clock)
    yield Told(ledger)
    ledger.close()


def several(*names: str) -> st.SearchStrategy[Any]:
    """One of the names, some of them, or none that exists."""
    one = st.sampled_from([*names, "nobody"])
    return st.none() | one | st.lists(one, min_size=1, max_size=3)


MOMENTS = st.datetimes(history.BEGIN, history.BEGIN + timedelta(days=120))
QUESTIONS = st.builds(
    ReadQuestion,
    metric=several(*history.METRICS),
    dimension=several(*history.DIMENSIONS),
    relation=several(*history.RELATIONS),
    dbt_model=several(*history.DBT_MODELS),
    agent=several(*history.READERS),
    acting_for=several("ana", "bob"),
    reader=several("ana", "bob", "watch_north"),
    team=several("north", "south"),
    run=several("a", "b3-run", "a-first", "b"),
    read=several("read-007", "read-100"),
    decision=several(*history.DECISIONS),
    version=several("a", "borders", f"dorders{'1' * 60}"[:64], "d"),
    outcome=several(*ReadOutcome),
    reason=several(*history.REASONS),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    covering=st.none() | st.dates(date(2025, 12, 30), date(2026, 4, 5)),
    without_agent=st.none() | st.sampled_from(history.READERS),
)
FIELDS = tuple(ReadQuestion.__dataclass_fields__)


@st.composite
def questions(draw: st.DrawFn) -> ReadQuestion:
    """A question in which few fields are set, so that most have an answer."""
    whole = draw(QUESTIONS)
    kept = draw(st.sets(st.sampled_from(FIELDS), max_size=3))
    if {"since", "until"} <= kept and whole.since is not None and whole.until is not None:
        assume(to_milliseconds(whole.since) < to_milliseconds(whole.until))
    return ReadQuestion(**{name: getattr(whole, name) for name in kept})


def means(question: ReadQuestion, row: Row, decided: dict[str, list[str]]) -> bool:
    """Whether a question means a row, in plain words."""

    def names(value: Any) -> list[str] | None:
        return [value] if isinstance(value, str) else value

    def touches(what: str, wanted: list[str]) -> bool:
        return bool(set(row["touches"].get(what, ())) & set(wanted))

    def starts(values: list[str | None], wanted: list[str]) -> bool:
        return any(value and value.startswith(text) for value in values for text in wanted)

    resting = [read for name in names(question.decision) or () for read in decided.get(name, ())]
    first, last = row["covers"]
    day = question.covering.isoformat() if question.covering else ""
    checks = {
        "metric": lambda wanted: row["metric"] in wanted,
        "dimension": lambda wanted: touches("dimension", wanted),
        "relation": lambda wanted: touches("relation", wanted),
        "dbt_model": lambda wanted: touches("dbt_model", wanted),
        "agent": lambda wanted: row["agent"] in wanted,
        "acting_for": lambda wanted: row["acting_for"] in wanted,
        "reader": lambda wanted: row["agent"] in wanted or row["acting_for"] in wanted,
        "team": lambda wanted: row["team"] in wanted,
        "run": lambda wanted: starts([row["run_id"], row["root_run_id"]], wanted),
        "read": lambda wanted: row["read_id"] in wanted,
        "decision": lambda wanted: row["read_id"] in resting,
        "version": lambda wanted: starts([row["data_version"], row["definition_hash"]], wanted),
        "outcome": lambda wanted: row["outcome"] in wanted,
        "reason": lambda wanted: row["reason"] in wanted,
    }
    at = datetime.fromisoformat(row["at"]).replace(tzinfo=None)
    return (
        all(
            check(wanted)
            for name, check in checks.items()
            if (wanted := names(getattr(question, name))) is not None
        )
        and (question.since is None or at >= to_milliseconds(question.since))
        and (question.until is None or at < to_milliseconds(question.until))
        and (not day or bool(first and last and first <= day <= last))
        and (question.without_agent is None or row["agent"] != question.without_agent)
    )


def to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def newest_first(rows: list[Row]) -> list[Row]:
    by_metric = sorted(rows, key=lambda row: row["metric"])
    return sorted(by_metric, key=lambda row: (row["at"], row["seq"]), reverse=True)


def identity(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["read_id"], row["metric"]) for row in rows]


def asked(told: Told, question: ReadQuestion, **more: Any) -> list[tuple[str, str]]:
    return [(read.read_id, read.metric) for read in find_reads(told.ledger, question, **more)]


def test_the_history_has_all_that_questions_ask_for(told: Told) -> None:
    assert set(history.outcomes_of(told.rows)) == set(ReadOutcome)
    assert len(told.rows) > history.READS
    at = [row["at"] for row in told.rows]
    assert len(set(at)) < len({row["seq"] for row in told.rows})
    assert told.ledger.verify().is_whole


@given(question=questions())
@settings(max_examples=50)
def test_a_question_means_the_reads_that_its_words_say(told: Told, question: ReadQuestion) -> None:
    expected = [row for row in told.rows if means(question, row, told.decided)]
    assert asked(told, question) == identity(newest_first(expected))


def test_a_read_is_told_as_its_bodies_tell_it(told: Told) -> None:
    for read, row in zip(
        find_reads(told.ledger, ReadQuestion()), newest_first(told.rows), strict=True
    ):
        wanted = {name: row[name] for name in row if name not in ("seq", "covers", "touches")}
        assert {name: getattr(read, name) for name in wanted} == wanted
        assert [read.covers_from, read.covers_to] == row["covers"]
        assert (read.why is not None) == (row["outcome"] == "refused" and read.at == read.ended_at)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("field", list(SortField))
def test_an_order_puts_what_is_not_known_last_and_the_newest_first_of_equals(
    told: Told, field: SortField, sign: str
) -> None:
    rows = newest_first(told.rows)
    if field is SortField.AT and not sign:
        rows = sorted(told.rows, key=lambda row: (row["at"], row["seq"], row["metric"]))
    known = [row for row in rows if row[field] is not None]
    known.sort(key=lambda row: row[field], reverse=bool(sign))
    expected = identity(known + [row for row in rows if row[field] is None])
    order = ReadOrder.of(f"{sign}{field}")
    assert asked(told, ReadQuestion(), order=order) == expected

    paged, after = [], None
    while True:
        page = read_page(told.ledger, ReadQuestion(), order=order, limit=37, after=after)
        paged += [(read.read_id, read.metric) for read in page.reads]
        if (after := page.after) is None:
            break
    assert paged == expected


@given(question=questions(), limit=st.integers(5, 60), sort=st.sampled_from(list(SortField)))
@settings(max_examples=15)
def test_pages_end_to_end_are_the_whole_answer(
    told: Told, question: ReadQuestion, limit: int, sort: SortField
) -> None:
    order = ReadOrder(field=sort)
    whole = asked(told, question, order=order)
    found, after = [], None
    while True:
        page = read_page(told.ledger, question, order=order, limit=limit, after=after)
        assert len(page.reads) <= limit
        found += [(read.read_id, read.metric) for read in page.reads]
        if (after := page.after) is None:
            break
    assert found == whole
    assert asked(told, question, order=order, limit=limit) == whole[:limit]


def test_paging_meets_every_read_once_while_others_are_recorded(open_ledger: OpenLedger) -> None:
    ledger, other = open_ledger(), open_ledger()
    metrics = (MetricRead(metric="orders"), MetricRead(metric="revenue"))

    def refuse(name: str) -> None:
        other.append(Record(record_id=name, kind=RecordKind.REFUSAL, metrics=metrics))

    for number in range(30):
        refuse(f"before {number}")

    def go_on(order: str) -> None:
        for number in range(120):
            refuse(f"meanwhile {order} {number}")

    for text in ("-at", "at", "metric", "-run_id"):
        writing = threading.Thread(target=go_on, args=(text,))
        writing.start()
        try:
            order, found, after = ReadOrder.of(text), [], None
            while True:
                page = read_page(ledger, ReadQuestion(), order=order, limit=7, after=after)
                found += [(read.read_id, read.metric) for read in page.reads]
                if (after := page.after) is None:
                    break
        finally:
            writing.join()
        assert len(found) == len(set(found))
        assert len([item for item in found if item[0].startswith("before")]) == 60
        if text == "at":
            assert set(found[:60]) == {
                (f"before {number}", item.metric) for number in range(30) for item in metrics
            }


@pytest.mark.parametrize("period", Period)
def test_periods_are_counted_as_they_are_made(period: Period) -> None:
    stamps = ["2023-12-31T23", "2024-01-01T00", "2024-02-29T08", "2026-11-17T08"]
    for first, last in pairwise(stamps):
        begin, end = period_of(first, period), period_of(last, period)
        made = list(periods_between(begin, end, period))
        assert number_between(begin, end, period) == len(made)


def test_too_many_counts_are_refused_before_they_are_made() -> None:
    ledger = Ledger.in_memory()
    since, until = datetime(1, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001 - the ledger keeps UTC
    asked = ReadQuestion(since=since, until=until)
    with pytest.raises(QuestionError, match="more than"):
        count_reads(ledger, asked, [Period.HOUR])
    tracemalloc.start()
    with pytest.raises(QuestionError, match="more than"):
        count_reads(ledger, asked, [Period.HOUR])
    assert count_reads(ledger, asked, [CountBy.METRIC, Period.HOUR]) == []
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MAX_COUNTS, "a byte for each that there may be"
    ledger.close()


# Hours have a test of their own: with two more keys they are too many.
KEYS: list[Key] = [*CountBy, *(item for item in Period if item is not Period.HOUR)]


def period(at: str, key: Period) -> str:
    moment = datetime.fromisoformat(at)
    if key is Period.WEEK:
        moment -= timedelta(days=moment.weekday())
    shape = {"hour": "%Y-%m-%dT%H", "month": "%Y-%m", "year": "%Y"}.get(key, "%Y-%m-%d")
    return moment.strftime(shape)


def values(row: Row, key: Key) -> list[str | None]:
    """What a row counts for."""
    if isinstance(key, Period):
        return [period(row["at"], key)]
    touched = {"dimension": "dimension", "table": "relation", "dbt_model": "dbt_model"}.get(key)
    if touched:
        return list(row["touches"].get(touched, ())) or [None]
    return [row[key]]


@given(
    question=questions(),
    by=st.lists(st.sampled_from(KEYS), min_size=0, max_size=3, unique=True).filter(
        lambda keys: sum(isinstance(key, Period) for key in keys) < 2
    ),
)
@settings(max_examples=50)
def test_counts_are_what_counting_the_reads_gives(
    told: Told, question: ReadQuestion, by: list[Key]
) -> None:
    groups: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in told.rows:
        if means(question, row, told.decided):
            places: list[tuple[str | None, ...]] = [()]
            for key in by:
                places = [(*place, value) for place in places for value in values(row, key)]
            for place in places:
                groups[place].append(row)
    counts = {
        tuple(count.by.values()): (count.reads, count.refused, count.rows, count.last_at)
        for count in count_reads(told.ledger, question, by)
        if count.reads
    }
    assert counts == {
        place: (
            len(rows),
            sum(row["outcome"] == "refused" for row in rows),
            sum(known) if (known := [r["rows"] for r in rows if r["rows"] is not None]) else None,
            max(row["at"] for row in rows),
        )
        for place, rows in groups.items()
    }


@pytest.mark.parametrize(
    ("key", "step"),
    [
        (Period.HOUR, timedelta(hours=1)),
        (Period.DAY, timedelta(days=1)),
        (Period.WEEK, timedelta(days=7)),
    ],
)
def test_a_trend_has_no_gaps(told: Told, key: Period, step: timedelta) -> None:
    counts = count_reads(told.ledger, ReadQuestion(agent="ana"), [CountBy.METRIC, key])
    assert any(count.reads == 0 for count in counts)
    ends = set()
    for metric in history.METRICS:
        named = [str(count.by[key]) for count in counts if count.by[CountBy.METRIC] == metric]
        begins = [datetime.fromisoformat(f"{name}:00" if "T" in name else name) for name in named]
        assert all(later - earlier == step for earlier, later in pairwise(begins))
        ends.add((named[0], named[-1]))
    assert len(ends) == 1


def test_a_trend_reaches_from_since_to_until(told: Told) -> None:
    question = ReadQuestion(since=at(2025, 11, 28, 5), until=at(2027, 2, 1))
    [first, *_, last] = counts = count_reads(told.ledger, question, [Period.MONTH])
    assert [count.by[Period.MONTH] for count in (first, last)] == ["2025-11", "2027-01"]
    assert len(counts) == 15
    assert sum(count.reads for count in counts) == len(told.rows)
    [year, _, _] = count_reads(told.ledger, question, [Period.YEAR])
    assert (year.by, year.reads, year.rows, year.last_at) == ({Period.YEAR: "2025"}, 0, None, None)


def test_a_trend_reaches_to_the_ends_of_time(told: Told) -> None:
    def ends(period: Period, **asked: datetime) -> tuple[Any, ...]:
        counts = count_reads(told.ledger, ReadQuestion(**asked), [period])
        return counts[0].by[period], counts[-1].by[period], len(counts)

    last = datetime.max.replace(tzinfo=UTC)
    assert ends(Period.YEAR, until=last) == ("2026", "9999", 7_974)
    assert ends(Period.MONTH, since=at(9999, 12, 31), until=last) == ("9999-12", "9999-12", 1)
    for period, name in ((Period.DAY, "9999-12-31"), (Period.WEEK, "9999-12-27")):
        assert ends(period, since=at(9999, 12, 31)) == (name, name, 1)
    assert ends(Period.HOUR, since=at(9999, 12, 31, 22)) == ("9999-12-31T22", "9999-12-31T22", 1)
    assert ends(Period.DAY, until=at(1, 1, 1)) == ("0001-01-01", "0001-01-01", 1)


def until_before(since: datetime) -> ReadQuestion:
    return ReadQuestion(since=since, until=at(2026, 11, 20))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (
            lambda ledger: count_reads(ledger, until_before(at(2026, 11, 25)), [Period.DAY]),
            "No time is from 2026-11-25T00:00:00.000Z until before 2026-11-20T00:00:00.000Z",
        ),
        (
            lambda ledger: read_page(ledger, until_before(at(2026, 11, 20))),
            "until is not included",
        ),
        (lambda ledger: list(find_reads(ledger, until_before(at(2027, 1, 1)))), "No time is from"),
        (
            lambda ledger: read_page(
                ledger, ReadQuestion(since=datetime.fromisoformat("0001-01-01T00:00+10:00"))
            ),
            "0001-01-01T00:00:00+10:00 is in no year from 1 to 9999 of UTC",
        ),
        (lambda ledger: read_page(ledger, ReadQuestion(), limit=0), "A page of 0 reads is none"),
        (
            lambda ledger: count_reads(ledger, ReadQuestion(), [Period.DAY, Period.HOUR]),
            "one period",
        ),
        (
            lambda ledger: count_reads(
                ledger,
                ReadQuestion(since=at(1990, 1, 1)),
                [CountBy.METRIC, Period.HOUR],
            ),
            f"more than {MAX_COUNTS:,} counts",
        ),
        (lambda ledger: key_named("metrc"), "did you mean 'metric'"),
        (lambda ledger: ReadOrder.of("-row"), "did you mean 'rows'"),
        (lambda ledger: read_page(ledger, ReadQuestion(), after="?"), "not the end of a page"),
        (lambda ledger: read_page(ledger, ReadQuestion(), after="WyItYXQi"), "not the end"),
        (lambda ledger: read_page(ledger, ReadQuestion(), after="WyItYXQiLCBbe31dXQ"), "not the"),
        (
            lambda ledger: read_page(ledger, ReadQuestion(), after="WyItYXQiLFsxXV0"),
            "another order",
        ),
        (
            lambda ledger: read_page(
                ledger,
                ReadQuestion(),
                order=ReadOrder.of("rows"),
                after=read_page(ledger, ReadQuestion(), limit=1).after,
            ),
            "sorted by -at, and this one is by rows",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(told: Told, ask: Any, says: str) -> None:
    with pytest.raises(QuestionError) as caught:
        ask(told.ledger)
    assert says in str(caught.value)


def test_a_grant_is_unused_that_nobody_was_given_the_metric_by(told: Told) -> None:
    since = history.BEGIN + timedelta(days=30)
    granted = {name: [*history.METRICS, "never"] for name in ("ana", "bob", "watch_north")}
    found = unused_grants(told.ledger, granted, since=since, without_agent="watch_south")
    expected = []
    for reader, metrics in granted.items():
        for metric in sorted(metrics):
            of_it = [
                row
                for row in told.rows
                if row["metric"] == metric
                and reader in (row["agent"], row["acting_for"])
                and row["agent"] != "watch_south"
            ]
            allowed = max((row["at"] for row in of_it if row["outcome"] == "allowed"), default=None)
            if allowed is None or allowed < since.isoformat():
                last = max((row["at"] for row in of_it), default=None)
                expected.append((reader, metric, allowed, last))
    told_of = [(item.reader, item.metric, item.last_read_at, item.last_asked_at) for item in found]
    assert told_of == expected
    assert {item.metric for item in found if item.is_never_read} >= {"never"}
    assert 3 < len(found) < len(granted) * 5


def test_the_names_on_record_are_known(told: Told) -> None:
    assert recorded_names(told.ledger, Named.METRIC) == set(history.METRICS)
    assert recorded_names(told.ledger, Named.AGENT) == set(history.READERS)
    assert recorded_names(told.ledger, Named.ACTING_FOR) == {"ana", "bob"}
    assert recorded_names(told.ledger, Named.TEAM) == {"north", "south"}
    assert recorded_names(told.ledger, Named.DIMENSION) == set(history.DIMENSIONS)
    assert recorded_names(told.ledger, Named.RELATION) == set(history.RELATIONS)
    assert recorded_names(told.ledger, Named.DBT_MODEL) == set(history.DBT_MODELS)
    assert set(newest_decisions(told.ledger)) == set(history.DECISIONS)
    for what in Named:
        name = min(recorded_names(told.ledger, what))
        assert is_recorded(told.ledger, what, name)
        assert not is_recorded(told.ledger, what, name[:-1])
    assert is_run_recorded(told.ledger, "b3")
    assert not is_run_recorded(told.ledger, "B3")
    assert runs_like(told.ledger, "a-firsd") == ["a-first"]
    assert runs_like(told.ledger, "zzzz") == []
    assert all(is_version_recorded(told.ledger, text) for text in ("aorders", "dvisits"))
    assert not is_version_recorded(told.ledger, "orders")
    assert f"dorders{'1' * 60}"[:64] in versions_like(told.ledger, "dorderz")
    assert is_read_recorded(told.ledger, "read-007")
    assert not is_read_recorded(told.ledger, history.DECISIONS[0])
    assert decisions_like(told.ledger, "decision-1") == ["decision-1"]
    assert decisions_like(told.ledger, "decision-") != []
    assert decisions_like(told.ledger, "read-001") == decisions_like(told.ledger, "") == []


def test_the_view_tells_the_same_reads(told: Told) -> None:
    renamed = {"at": "read_at"}
    names = [
        "read_id", "metric", "read_at", "agent", "acting_for", "team", "run_id", "root_run_id", "data_version", "definition_hash",
        "data_from", "data_to", "outcome", "reason", "rows", "ended_at",
    ]  # fmt: skip
    with told.ledger.reading() as connection:
        found = connection.execute(sa.text("SELECT * FROM agent_reads"))
        assert list(found.keys()) == names
        view = [dict(row) for row in found.mappings()]
    expected = [
        {
            **{
                renamed.get(name, name): row[name]
                for name in row
                if name not in ("seq", "covers", "touches")
            },
            "data_from": row["covers"][0],
            "data_to": row["covers"][1],
        }
        for row in told.rows
    ]
    by = ("read_id", "metric")
    assert sorted(view, key=lambda row: [row[name] for name in by]) == sorted(
        expected, key=lambda row: [row[name] for name in by]
    )


def test_nothing_can_be_written_through_the_view(ledger: Ledger) -> None:
    ledger.append(
        Record(record_id="a", kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),))
    )
    other = sqlite3.connect(str(ledger.path))
    for change in (
        "UPDATE agent_reads SET agent = 'bob'",
        "DELETE FROM agent_reads",
        "INSERT INTO agent_reads (read_id) VALUES ('x')",
    ):
        with pytest.raises(sqlite3.OperationalError, match="because it is a view"):
            other.execute(change)
    other.close()


def _plan(ledger: Ledger, question: ReadQuestion, order: ReadOrder | None = None) -> str:
    """How SQLite goes about a page."""
    seen: list[tuple[str, Any]] = []

    def remember(*arguments: Any) -> None:
        seen.append((arguments[2], arguments[3]))

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", remember)
    try:
        read_page(ledger, question, order=order or ReadOrder())
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", remember)
    statement, parameters = seen[-1]
    with ledger.reading() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (ReadQuestion(metric="orders"), "reads USING COVERING INDEX reads_by_metric (metric=?)"),
        (
            ReadQuestion(metric="orders", since=at(2026, 1, 1), until=at(2026, 1, 2)),
            "reads USING COVERING INDEX reads_by_metric (metric=? AND at>? AND at<?)",
        ),
        (ReadQuestion(), "SCAN reads USING INDEX reads_by_time"),
        (ReadQuestion(since=at(2026, 1, 1)), "reads_by_time (at>?)"),
        (ReadQuestion(agent="ana"), "reads_by_reader (reader=?)"),
        (ReadQuestion(acting_for="ana"), "reads_by_acting_for (acting_for=?)"),
        (ReadQuestion(team="north"), "reads_by_team (team=?)"),
        (ReadQuestion(run="a"), "reads_by_root_run (root_run_id>? AND root_run_id<?)"),
        (
            ReadQuestion(version="a"),
            "reads_by_definition (definition_hash>? AND definition_hash<?)",
        ),
        (ReadQuestion(outcome="refused"), "reads_by_outcome (outcome=?)"),
        (ReadQuestion(dimension="store"), "COVERING INDEX reads_by_scope (scope=?)"),
        (ReadQuestion(read="read-001"), "INDEX sqlite_autoindex_reads_1 (seq=?)"),
    ],
)
def test_an_index_serves_the_question(ledger: Ledger, question: ReadQuestion, index: str) -> None:
    """And the bodies are looked up for the rows of the page only."""
    plan = _plan(ledger, question)
    assert index in plan
    assert "MATERIALIZE page" in plan
    assert plan.index("SCAN page") < plan.index("SEARCH begun")
