"""What comes over HTTP and should not: refused shortly, and never with anything of the data."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from agent_resources.mcp_server.at_the_door import CallLimits
from semantic.errors import LedgerUnavailable
from semantic.ledger import ReadQuestion, find_reads
from semantic.ledger.tokens import mint_token
from semantic.open_snapshot import Fetched, OpenSnapshot
from tests.agent_resources.mcp_server.listening import VERSION, Listening, listening, request
from tests.agent_resources.mcp_server.serving import Served

FOR_HOURS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
ORDERS = {"metrics": ["orders"]}


@pytest.fixture
def token(served: Served) -> str:
    return mint_token(served.ledger, "analyst_desk", by="the operator", days=1)[0]


@pytest.fixture
def server(served: Served) -> Iterator[Listening]:
    with listening(served) as found:
        yield found


@pytest.fixture
def for_hours(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Queries take hours. It is set when one has begun."""
    execute, begun = OpenSnapshot.execute, threading.Event()

    def execute_long(snapshot: OpenSnapshot, *_: object) -> Fetched:
        begun.set()
        return execute(snapshot, FOR_HOURS, {}, 1)

    monkeypatch.setattr(OpenSnapshot, "execute", execute_long)
    return begun


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_another_host_or_origin_is_refused_whoever_calls(
    server: Listening, token: str, headers: dict[str, str]
) -> None:
    answered = server.post(request("tools/list"), token, headers=headers)
    assert answered.status_code in (403, 421)
    assert "tools" not in answered.text
    [record] = server.served.records("session")
    assert record["details"]["why"] == "a host or an origin that is none of the server's"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 5_000 + b', "method": "ping"}', -32700),
        (b"[" * 50_000, -32700),
        (b"[]", -32600),
        (b"null", -32600),
        (b'"tools/list"', -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "tools/list"}, -32600),
        ({"jsonrpc": "2.0", "id": {}, "method": "tools/list"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600),
        ([request("tools/list")], -32600),
        (request("tools/lists"), -32601),
        (request("tools/call"), None),
        (request("tools/call", name=["query_metrics"]), None),
        (request("tools/call", name="query_metrics", arguments="orders"), None),
        (request("resources/read", uri={"$gt": ""}), None),
    ],
)
def test_what_is_no_request_is_refused(
    server: Listening, token: str, body: Any, code: int | None
) -> None:
    answered = server.post(body, token)
    assert answered.status_code in (400, 404), answered.text
    error = answered.json()["error"]
    assert code is None or error["code"] == code
    assert "Traceback" not in answered.text
    assert not list(find_reads(server.served.ledger, ReadQuestion()))


@pytest.mark.parametrize("version", ["1999-01-01", "2027-01-01", "", "x" * 500, "2026-07-28, x"])
def test_an_unknown_version_of_the_protocol_is_refused(
    server: Listening, token: str, version: str
) -> None:
    answered = server.post(request("tools/list"), token, headers={"mcp-protocol-version": version})
    assert answered.status_code == 400
    assert "tools" not in answered.text.replace("tools/list", "")


def test_a_request_that_is_too_large_is_refused(server: Listening, token: str) -> None:
    answered = server.call(token, "query_metrics", metrics=["x" * 300_000])
    assert answered.status_code == 413
    whole = server.call(token, "query_metrics", metrics=["x" * 1_000])
    assert whole.json()["result"]["isError"]


def test_a_client_that_goes_has_its_query_stopped_and_that_is_on_record(
    server: Listening, token: str, for_hours: threading.Event
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            server.url,
            json=request("tools/call", name="query_metrics", arguments=ORDERS),
            headers={
                "authorization": f"Bearer {token}",
                "accept": "application/json, text/event-stream",
                "mcp-protocol-version": VERSION,
                "mcp-method": "tools/call",
                "mcp-name": "query_metrics",
            },
            timeout=2,
        )
    assert for_hours.is_set()
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        [read] = find_reads(server.served.ledger, ReadQuestion())
        if read.reason is not None:
            break
        time.sleep(0.05)
    assert (read.outcome, read.reason) == ("refused", "cancelled")


def test_one_who_asks_too_much_at_once_is_refused_and_others_are_answered(
    served: Served, token: str, for_hours: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, _ = mint_token(served.ledger, "boss", by="the operator", days=1)
    answers: list[httpx.Response] = []
    served = replace(served, limits=CallLimits(at_once=8, of_one=3))
    with listening(served) as server:
        threads = [
            threading.Thread(
                target=lambda: answers.append(server.call(token, "query_metrics", **ORDERS)),
                daemon=True,
            )
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        give_up = time.monotonic() + 20
        while len(answers) < 9 and time.monotonic() < give_up:
            time.sleep(0.05)
        told = [it.json()["result"]["structuredContent"] for it in answers]
        assert len(told) == 9
        assert {it["refused"] for it in told} == {"too_many_at_once"}
        monkeypatch.undo()
        answered = server.call(other, "query_metrics", **ORDERS)
        assert not answered.json()["result"].get("isError")
        served.now += 61
        served.door.refused.sweep()
    records = [it["details"] for it in served.records("session") if it["reason"] == "refused"]
    assert sum(it["calls"] for it in records) == 9
    assert len(records) == 2


def test_a_client_that_does_not_send_what_it_announced_is_left(served: Served, token: str) -> None:
    with listening(served, limits={"patience_seconds": 1}) as server:
        where = urlsplit(server.url)
        with socket.create_connection((where.hostname, where.port), timeout=10) as sent:
            sent.sendall(
                f"POST /mcp HTTP/1.1\r\nhost: {where.netloc}\r\nauthorization: Bearer {token}\r\n"
                f"content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
                f"mcp-protocol-version: {VERSION}\r\ncontent-length: 500\r\n\r\n{{".encode()
            )
            begun = time.monotonic()
            answered = sent.recv(100)
            assert time.monotonic() - begun < 8
            assert answered.startswith(b"HTTP/1.1 408")


def test_where_the_record_cannot_be_read_nobody_learns_where_it_is(
    server: Listening, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.served.ledger, "reading", _cannot)
    answered = server.call(token, "query_metrics", **ORDERS)
    assert answered.status_code == 503
    assert answered.json() == {"error": "temporarily_unavailable"}


def test_refusals_that_could_not_be_written_are_written_later(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = served.door.refused
    with monkeypatch.context() as patch:
        patch.setattr(served.ledger, "append", _cannot)
        with pytest.raises(LedgerUnavailable):
            refused.add("token: expired")
    for _ in range(3):
        refused.add("token: expired")
    served.now += 61
    with monkeypatch.context() as patch:
        patch.setattr(served.ledger, "append", _cannot)
        with pytest.raises(LedgerUnavailable):
            refused.sweep()
    refused.sweep()
    assert [it["details"]["calls"] for it in served.records("session")] == [1, 2]


def _cannot(*_: object) -> None:
    raise LedgerUnavailable("/srv/state/ledger.db: the disk is full")


def test_a_call_that_takes_long_tells_who_asked_that_it_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = OpenSnapshot.execute

    def slowly(snapshot: OpenSnapshot, *asked: Any) -> Fetched:
        time.sleep(2.2)
        return execute(snapshot, *asked)

    monkeypatch.setattr(OpenSnapshot, "execute", slowly)
    heard: list[float] = []

    async def asking(client: Any) -> Any:
        async def progress(seconds: float, *_: object) -> None:
            heard.append(seconds)

        return await client.call_tool("query_metrics", ORDERS, progress_callback=progress)

    assert not served.ask(asking).is_error
    assert heard[:3] == [0, 1, 2]


def test_a_token_is_taken_from_its_header_alone(server: Listening, token: str) -> None:
    url = f"{server.url}?access_token={token}"
    headers = {"cookie": f"access_token={token}", "mcp-protocol-version": VERSION}
    assert httpx.post(url, json=request("tools/list"), headers=headers).status_code == 401


def test_two_principals_over_one_server_get_each_their_own(served: Served) -> None:
    names = ("boss", "north", "analyst_desk")
    secrets = {it: mint_token(served.ledger, it, by="the operator", days=1)[0] for it in names}
    asked = {"metrics": ["orders"], "group_by": ["customer__region"]}
    found: list[tuple[str, Any]] = []
    with listening(served) as server:

        def call(name: str) -> None:
            for _ in range(15):
                answered = server.call(secrets[name], "query_metrics", **asked).json()["result"]
                found.append((name, answered["structuredContent"]))

        threads = [threading.Thread(target=call, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(found) == 45
    for name in names:
        own = [it for who, it in found if who == name]
        assert {it["provenance"]["reader"] for it in own} == {name}
        assert len({str(it["rows"]) for it in own}) == 1
    rows = {name: next(it["rows"] for who, it in found if who == name) for name in names}
    assert rows["north"] != rows["boss"] == rows["analyst_desk"]
