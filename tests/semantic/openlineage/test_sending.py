"""Every event once: over files and addresses, over a server that refuses and breaks off, over several senders at once, on each store."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.catalog import Catalog
from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind, Touched, uuid7
from semantic.ledger.exports import exported
from semantic.openlineage.destination import DestinationError, destination
from semantic.openlineage.names import Names
from semantic.openlineage.run_events import Ending, RunElsewhere, RunEvents
from semantic.openlineage.sending import Sender, SendingFailed
from tests.semantic.openlineage.official import check

ENDED = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class Collector:
    """A server that takes events, and refuses as it is told to."""

    events: list[dict[str, Any]] = field(default_factory=list)
    refuse: Callable[[], bool] = lambda: False
    url: str = ""

    def counted(self) -> Counter[tuple[str, str, str]]:
        return Counter((it["run"]["runId"], it["eventType"], it["eventTime"]) for it in self.events)


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    writing = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with writing:
                if found.refuse():
                    self.send_error(503)
                    return
                found.events.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()


def read(
    ledger: Ledger,
    run_id: str | None,
    *,
    reader: str = "watch",
    refused: bool = False,
    ended: bool = True,
) -> str:
    read_id = str(uuid7())
    context = ReadContext(run_id=run_id, root_run_id=run_id)
    said: dict[str, Any] = {"record_id": read_id, "reader": reader, "context": context}
    asked = MetricRead(metric="revenue", data_version="a" * 64, definition_hash="b" * 64)
    details = {
        "query": {"metrics": ["revenue"], "group_by": []},
        "snapshot": "s1",
        "policy_hash": "c" * 64,
    }
    if refused:
        ledger.append(
            Record(
                **said, kind=RecordKind.REFUSAL, metrics=(asked,), reason="stale", details=details
            )
        )
        return read_id
    touches = Touched(relations=('"shop"."main"."orders"',))
    ledger.append(
        Record(**said, kind=RecordKind.INTENT, metrics=(asked,), details=details, touches=touches)
    )
    if ended:
        ledger.append(Record(**said, kind=RecordKind.OUTCOME, details={"rows": 3, "digest": "x"}))
    return read_id


def decide(
    ledger: Ledger,
    run_id: str,
    reads: list[str],
    *,
    reader: str = "watch",
    told: tuple[str, ...] = (),
) -> str:
    decision_id = str(uuid7())
    ledger.append(
        Record(
            record_id=decision_id,
            kind=RecordKind.DECISION,
            reader=reader,
            context=ReadContext(run_id=run_id, root_run_id=run_id),
            details={"reads": reads, "told": list(told)},
        )
    )
    return decision_id


def sender(
    ledger: Ledger, catalog: Catalog, place: str, known: dict[str, RunElsewhere] | None = None
) -> Sender:
    return Sender(
        ledger=ledger,
        events=RunEvents(catalog=catalog, names=Names(tables="duckdb://shop.duckdb")),
        destination=destination(place),
        runs_elsewhere=lambda ids: {it: known[it] for it in ids if known and it in known},
    )


def test_tells_what_a_run_was_given_and_decided_by_the_official_schemas(
    ledger: Ledger, shop_catalog: Catalog, tmp_path: Path
) -> None:
    run_id = str(uuid7())
    given, refused = read(ledger, run_id), read(ledger, run_id, refused=True)
    before = decide(ledger, str(uuid7()), [], reader="other")
    decision_id = decide(ledger, run_id, [given], told=(before,))
    file = tmp_path / "events.jsonl"
    sender(ledger, shop_catalog, str(file), {run_id: RunElsewhere(job="__ASSET_JOB")}).send()
    events = [json.loads(line) for line in file.read_text().splitlines()]
    for event in events:
        check(event)
    [start, complete] = [it for it in events if it["job"]["name"] == "watch"]
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert complete["run"]["facets"]["parent"]["run"]["runId"] == run_id
    inputs = {(it["namespace"], it["name"]): it for it in complete["inputs"]}
    assert set(inputs) == {
        ("governed_agents", "metrics/revenue"),
        ("duckdb://shop.duckdb", "shop.main.orders"),
        ("governed_agents", "agents/other"),
    }
    metric = inputs["governed_agents", "metrics/revenue"]
    assert metric["facets"]["version"]["datasetVersion"] == "a" * 64
    assert metric["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert [it["readId"] for it in metric["inputFacets"]["governedAgents_reads"]["reads"]] == [
        given
    ]
    governed = complete["run"]["facets"]["governedAgents_run"]
    assert [(it["readId"], it["reason"]) for it in governed["refusals"]] == [(refused, "stale")]
    [output] = complete["outputs"]
    assert output["name"] == "agents/watch"
    assert output["facets"]["version"]["datasetVersion"] == decision_id


def test_nothing_is_sent_twice_and_what_is_new_is_sent(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    run_id = str(uuid7())
    given = read(ledger, run_id)
    sending = sender(ledger, shop_catalog, collector.url)
    assert sending.send().events == 2  # that it began, and what it was given so far
    assert sending.send().events == 0
    decide(ledger, run_id, [given])
    assert sending.send().events == 1
    assert [it["eventType"] for it in collector.events] == ["START", "RUNNING", "COMPLETE"]
    size = ledger.covered()
    assert sending.send().events == 0
    # A look that sends nothing writes nothing but, once, the checkpoint over what was noted.
    assert ledger.covered() <= size + 2
    again = ledger.covered()
    sending.send()
    assert ledger.covered() == again


@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_fails_at_random_gets_each_event_once(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector, seed: int
) -> None:
    random = Random(seed)
    runs = [str(uuid7()) for _ in range(12)]
    collector.refuse = lambda: random.random() < 0.4
    sending = sender(ledger, shop_catalog, collector.url)
    waiting = {run: random.randrange(3) for run in runs}
    given: dict[str, list[str]] = {run: [] for run in runs}
    failures = 0
    for _ in range(200):
        if waiting:
            run = random.choice(sorted(waiting))
            if waiting[run]:
                given[run].append(read(ledger, run, refused=random.random() < 0.2))
                waiting[run] -= 1
            else:
                decide(ledger, run, given[run])
                del waiting[run]
        try:
            sending.send()
        except SendingFailed:
            failures += 1
    collector.refuse = lambda: False
    sending.send()
    assert failures > 5
    assert max(collector.counted().values()) == 1
    by_run: dict[str, list[dict[str, Any]]] = {}
    for event in collector.events:
        check(event)
        by_run.setdefault(event["run"]["facets"]["governedAgents_run"]["dagsterRunId"], []).append(
            event
        )
    assert set(by_run) == set(runs)
    for run, events in by_run.items():
        kinds = Counter(it["eventType"] for it in events)
        assert kinds["START"] == kinds["COMPLETE"] == 1
        assert events[0]["eventType"] == "START"
        last = events[-1]
        assert last["eventType"] == "COMPLETE"
        refused = [it["readId"] for it in last["run"]["facets"]["governedAgents_run"]["refusals"]]
        released = [
            it["readId"]
            for dataset in last["inputs"]
            for it in dataset.get("inputFacets", {})
            .get("governedAgents_reads", {})
            .get("reads", ())
        ]
        assert sorted(refused + released) == sorted(given[run])


def test_several_senders_send_each_event_once(
    open_ledger: Callable[[], Ledger], shop_catalog: Catalog, collector: Collector
) -> None:
    first = open_ledger()
    for _ in range(20):
        run_id = str(uuid7())
        decide(first, run_id, [read(first, run_id)])
    senders = [sender(open_ledger(), shop_catalog, collector.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda it: it.send(), senders))
    assert sum(it.events for it in sent) == 40
    assert len(collector.events) == 40
    assert max(collector.counted().values()) == 1


def test_a_run_that_was_ended_is_told_as_such_once(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    run_id = str(uuid7())
    read(ledger, run_id, ended=False)
    known: dict[str, RunElsewhere] = {}
    sending = sender(ledger, shop_catalog, collector.url, known)
    sending.send()
    known[run_id] = RunElsewhere(job="job", ending=Ending.CANCELLED, ended_at=ENDED)
    assert sending.send().events == 1
    assert sending.send().events == 0
    assert collector.events[-1]["eventType"] == "ABORT"
    assert not exported(ledger, sending.destination.name).unended
    check(collector.events[-1])


def test_a_read_in_no_run_is_told_when_it_has_ended(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    read(ledger, None, reader="notebook")
    read(ledger, None, reader="notebook", refused=True)
    sender(ledger, shop_catalog, collector.url).send()
    kinds = [it["eventType"] for it in collector.events]
    assert sorted(kinds) == ["COMPLETE", "FAIL", "START", "START"]
    for event in collector.events:
        check(event)


def test_what_there_was_no_time_for_is_sent_the_next_time(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    for _ in range(230):
        read(ledger, str(uuid7()))
    sending = sender(ledger, shop_catalog, collector.url)
    first = sending.send(seconds=0.0001)
    assert 0 < first.events < 460
    assert first.events + sending.send().events == 460
    assert max(collector.counted().values()) == 1


def test_each_destination_is_told_everything(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector, tmp_path: Path
) -> None:
    run_id = str(uuid7())
    decide(ledger, run_id, [read(ledger, run_id)])
    file = tmp_path / "events.jsonl"
    assert sender(ledger, shop_catalog, collector.url).send().events == 2
    assert sender(ledger, shop_catalog, str(file)).send().events == 2
    assert [json.loads(line) for line in file.read_text().splitlines()] == collector.events


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("", "no place to go"),
        ("ftp://host/events", "ftp:// is no address"),
        ("http://user:secret@127.0.0.1", "a password or a key in it would stand on record"),
        ("http://127.0.0.1/?api_key=secret", "a password or a key in it would stand on record"),
        (".", "is a folder"),
    ],
)
def test_a_place_that_is_none_is_refused(place: str, said: str) -> None:
    with pytest.raises(DestinationError, match=said) as raised:
        destination(place)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "configured for nothing"),
        ({"OPENLINEAGE_DISABLED": "true"}, "OPENLINEAGE_DISABLED is true"),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "carrier_pigeon"}, "configured wrongly"),
        (
            {
                "OPENLINEAGE__TRANSPORT__TYPE": "async_http",
                "OPENLINEAGE__TRANSPORT__URL": "http://127.0.0.1:1",
            },
            "does not tell whether an event arrived",
        ),
        (
            {
                "OPENLINEAGE__TRANSPORT__TYPE": "composite",
                "OPENLINEAGE__TRANSPORT__TRANSPORTS__ONE__TYPE": "http",
                "OPENLINEAGE__TRANSPORT__TRANSPORTS__ONE__URL": "http://127.0.0.1:1",
            },
            "send to each by itself",
        ),
        (
            {
                "OPENLINEAGE__TRANSPORT__TYPE": "transform",
                "OPENLINEAGE__TRANSPORT__TRANSFORMER_CLASS": "openlineage.client.transport.transform.JobNamespaceReplaceTransformer",
                "OPENLINEAGE__TRANSPORT__TRANSFORMER_PROPERTIES": '{"new_job_namespace": "other"}',
                "OPENLINEAGE__TRANSPORT__TRANSPORT__TYPE": "console",
            },
            "configured for nothing",
        ),
    ],
)
def test_a_client_that_loses_events_is_refused(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DestinationError, match=said):
        destination("configured")


def test_nothing_is_sent_to_nobody_where_openlineage_is_disabled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with pytest.raises(DestinationError, match="OPENLINEAGE_DISABLED is true"):
        destination(str(tmp_path / "events.jsonl"))


def test_filters_that_drop_events_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openlineage.yml").write_text(
        "transport: {type: http, url: 'http://127.0.0.1:1'}\nfilters: [{type: exact, match: watch}]\n"
    )
    with pytest.raises(DestinationError, match="filters"):
        destination("configured")


def test_each_endpoint_of_a_server_is_a_destination(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLINEAGE_URL", "http://user:secret@127.0.0.1:1/")
    one = destination("configured").name
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "other")
    two = destination("configured").name
    assert one != two
    assert "secret" not in one + two
    assert destination("HTTP://127.0.0.1:1/").name == destination("http://127.0.0.1:1").name


def test_an_address_that_leads_elsewhere_got_nothing(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    """A redirect would be followed without the event, and answered."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"{collector.url}/login")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run_id = str(uuid7())
    decide(ledger, run_id, [read(ledger, run_id)])
    sending = sender(ledger, shop_catalog, f"http://127.0.0.1:{server.server_address[1]}")
    with pytest.raises(SendingFailed):
        sending.send()
    server.shutdown()
    server.server_close()
    assert exported(ledger, sending.destination.name).through == 0


def test_a_long_run_that_dagster_knows_to_have_ended_is_completed_once(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    """Its decision lies in a later part of the record than its first reads."""
    run_id = str(uuid7())
    reads = [read(ledger, run_id) for _ in range(230)]
    decide(ledger, run_id, reads)
    known = {run_id: RunElsewhere(job="job", ending=Ending.SUCCEEDED, ended_at=ENDED)}
    sender(ledger, shop_catalog, collector.url, known).send()
    kinds = [it["eventType"] for it in collector.events]
    assert (kinds.count("START"), kinds.count("COMPLETE")) == (1, 1)
    assert kinds[-1] == "COMPLETE"
    assert collector.events[-1]["outputs"]


def test_what_comes_after_a_decision_sends_nothing_again(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    run_id = str(uuid7())
    sending = sender(ledger, shop_catalog, collector.url)
    decide(ledger, run_id, [read(ledger, run_id)])
    sending.send()
    later = read(ledger, run_id)
    sending.send()
    decide(ledger, run_id, [later])
    sending.send()
    assert max(collector.counted().values()) == 1
    kinds = [it["eventType"] for it in collector.events]
    assert kinds == ["START", "COMPLETE", "OTHER", "COMPLETE"]


def test_who_ends_a_sender_has_nothing_sent_again(
    ledger: Ledger, shop_catalog: Catalog, collector: Collector
) -> None:
    for _ in range(3):
        run_id = str(uuid7())
        decide(ledger, run_id, [read(ledger, run_id)])
    stopped = []

    def stop() -> bool:
        if len(collector.events) == 3 and not stopped:
            stopped.append(True)
            sending.destination.client.transport.emit = interrupted  # type: ignore[method-assign]
        return False

    def interrupted(event: object) -> None:
        raise KeyboardInterrupt

    collector.refuse = stop
    sending = sender(ledger, shop_catalog, collector.url)
    with pytest.raises(KeyboardInterrupt):
        sending.send()
    before = len(collector.events)
    assert sender(ledger, shop_catalog, collector.url).send().events == 6 - before
    assert max(collector.counted().values()) == 1


def test_the_clients_own_configuration_is_used(
    ledger: Ledger,
    shop_catalog: Catalog,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLINEAGE_URL", collector.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "not-to-be-told")
    run_id = str(uuid7())
    decide(ledger, run_id, [read(ledger, run_id)])
    sending = sender(ledger, shop_catalog, "configured")
    assert sending.send().events == len(collector.events) == 2
    assert "not-to-be-told" not in sending.destination.name
    assert collector.url in sending.destination.name


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Ledger:
    return open_ledger()


@pytest.fixture
def open_ledger(place: Path | str) -> Iterator[Callable[[], Ledger]]:
    opened: list[Ledger] = []
    key = Ed25519PrivateKey.generate()

    def again() -> Ledger:
        opened.append(Ledger.open(place, key=key))
        return opened[-1]

    yield again
    for it in opened:
        it.close()
