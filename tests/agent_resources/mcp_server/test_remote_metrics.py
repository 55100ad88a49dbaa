"""A program that has only a token reads through the server what it would read at the door itself."""

import threading
from collections.abc import Iterator, Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from semantic.answer import Explanation, MetricAnswer, Reason, Refusal
from semantic.errors import NotAdmitted, ServerUnavailable
from semantic.ledger import ReadQuestion, RecordKind, find_reads
from semantic.ledger.tokens import mint_token, revoke_token, tokens
from semantic.metric_reading import MetricReading
from semantic.policy import Reader
from semantic.query import MetricQuery
from semantic.remote_metrics import RemoteMetrics
from tests.agent_resources.mcp_server.listening import Listening, Login, listening
from tests.agent_resources.mcp_server.serving import Served

QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "one number": {"metrics": "orders"},
    "by day": {"metrics": ["orders", "revenue"], "group_by": ["metric_time__day"]},
    "by a name, in order": {
        "metrics": "revenue",
        "group_by": "order__status",
        "order_by": "-revenue",
    },
    "days as dates": {
        "metrics": "orders",
        "time_range": {"start": date(2024, 3, 1), "end": date(2024, 3, 2)},
    },
    "the last days": {"metrics": "orders", "time_range": {"last": 7, "unit": "day"}},
    "a filter that models are not told of": {
        "metrics": "orders",
        "group_by": "order__status",
        "filters": {
            "any_of": [
                {"metric": "orders", "by": "customer", "operator": ">", "values": 1},
                {"all_of": {"dimension": "order__status", "values": "paid"}},
            ]
        },
    },
    "compared": {"metrics": "orders", "time_range": "last 7 days", "compare_to": "previous_period"},
}


@pytest.fixture
def server(served: Served) -> Iterator[Listening]:
    with listening(served) as found:
        yield found


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(tmp_path)


@pytest.fixture
def token(server: Listening) -> str:
    secret, _ = mint_token(server.served.ledger, "analyst_desk", by="the operator", days=1)
    return secret


@pytest.fixture
def remote(server: Listening, token: str) -> Iterator[RemoteMetrics]:
    with RemoteMetrics(server.url, token) as found:
        yield found


def at_the_door(served: Served, reader: str, question: Mapping[str, Any]) -> MetricAnswer:
    answered = served.door.served.published.current().query(question, reader=Reader(name=reader))
    assert isinstance(answered, MetricAnswer), answered
    return answered


def ask_orders(url: str, token: str) -> None:
    with RemoteMetrics(url, token) as remote:
        remote.query({"metrics": "orders"})


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_an_answer_is_the_same_as_at_the_door(
    served: Served, remote: RemoteMetrics, question: Mapping[str, Any]
) -> None:
    far = remote.query(question)
    assert isinstance(far, MetricAnswer), far
    near = at_the_door(served, "analyst_desk", question)
    assert (far.columns, far.types, far.rows) == (near.columns, near.types, near.rows)
    for one, other in zip(far.rows, near.rows, strict=True):
        assert list(map(type, one)) == list(map(type, other))
    assert far.provenance.metrics == near.provenance.metrics
    [outcome] = [it for it in served.records(RecordKind.OUTCOME) if it["id"] == far.read_id]
    assert far.digest == outcome["details"]["result_digest"]


def test_a_masked_name_stays_a_text(server: Listening) -> None:
    secret, _ = mint_token(server.served.ledger, "north", by="the operator", days=1)
    question = {"metrics": "revenue", "group_by": ["customer__full_name", "customer__region"]}
    with RemoteMetrics(server.url, secret) as remote:
        far = remote.query(question)
    assert isinstance(far, MetricAnswer)
    near = at_the_door(server.served, "north", question)
    assert far.rows == near.rows
    assert [it.kind for it in far.provenance.notices] == [it.kind for it in near.provenance.notices]


def test_a_query_that_is_made_already_is_taken(served: Served, remote: RemoteMetrics) -> None:
    query = MetricQuery(
        metrics=("revenue",),
        group_by=("order__status",),
        filters=[{"metric": "revenue", "by": "customer", "operator": ">", "values": 0.5}],
        time_range="last 3 months",
        order_by=("-revenue",),
    )
    far = remote.query(query)
    assert isinstance(far, MetricAnswer), far
    assert far.rows == at_the_door(served, "analyst_desk", query.model_dump()).rows


def test_values_and_explanations_are_those_of_the_door(
    served: Served, remote: RemoteMetrics
) -> None:
    def both(reading: MetricReading) -> tuple[Any, ...]:
        values = reading.dimension_values("order__status", "orders", contains="a")
        dates = reading.dimension_values(
            "order__status", ["orders"], time_range={"last": 2, "unit": "day"}, limit=1
        )
        explained = reading.explain({"metrics": "orders"})
        assert isinstance(values, MetricAnswer)
        assert isinstance(dates, MetricAnswer)
        assert isinstance(explained, Explanation)
        return values.rows, dates.rows, dates.truncated, explained.columns

    door = served.door.served.published.current()
    with door.session(Reader(name="analyst_desk")) as session:
        assert both(remote) == both(session)


def test_a_refusal_comes_as_one_and_is_on_record(served: Served, remote: RemoteMetrics) -> None:
    for asked, reason in (
        ({"metrics": "customers"}, Reason.NOT_AVAILABLE),
        ({"metrics": "no_such"}, Reason.NOT_AVAILABLE),
        ({"metrics": "orders", "group_by": "nothing"}, None),
        ({"metrics": "orders", "sql": "SELECT 1"}, Reason.INVALID_QUERY),
        (
            {
                "metrics": "orders",
                "filters": {"dimension": "order__status", "values": float("nan")},
            },
            None,
        ),
        (
            {"metrics": "orders", "filters": {"dimension": "order__status", "values": "\ud800"}},
            None,
        ),
    ):
        refused = remote.query(asked)
        assert isinstance(refused, Refusal), asked
        assert reason in (None, refused.reason)
        [read] = find_reads(served.ledger, ReadQuestion(read=refused.read_id))
        assert read.agent == "analyst_desk"


def test_metrics_and_saved_queries_are_listed_and_described(remote: RemoteMetrics) -> None:
    assert [it["name"] for it in remote.metrics()] == [
        "average_order",
        "orders",
        "revenue",
        "revenue_running",
    ]
    assert [it["name"] for it in remote.metrics("running")] == ["revenue_running"]
    assert list(remote.saved_queries()) == []
    described = remote.describe("orders")
    assert isinstance(described, Mapping)
    assert described["is_readable"]
    assert isinstance(remote.describe("customers"), Refusal)


def test_an_answer_is_read_in_pages(served: Served, remote: RemoteMetrics) -> None:
    question = {"metrics": "orders", "group_by": "metric_time__day", "order_by": "metric_time__day"}
    rows: list[Any] = []
    while True:
        page = remote.query({**question, "limit": 2, "offset": len(rows)})
        assert isinstance(page, MetricAnswer), page
        rows += page.rows
        if not page.truncated:
            break
    assert tuple(rows) == at_the_door(served, "analyst_desk", question).rows


def test_a_token_that_does_not_do_is_said(server: Listening, token: str) -> None:
    with pytest.raises(NotAdmitted, match="knows nobody by this token"):
        ask_orders(server.url, token[:-1])
    [minted] = tokens(server.served.ledger)
    revoke_token(server.served.ledger, minted.token_id, by="the operator", reason="lost")
    with pytest.raises(NotAdmitted, match="knows nobody by this token"):
        ask_orders(server.url, token)


def test_a_scope_that_is_missing_is_said(served: Served, login: Login) -> None:
    scopes = {"metrics:orders": {"metrics": ["orders"]}}
    with (
        listening(served, login, scopes=scopes) as server,
        pytest.raises(NotAdmitted, match="lacks a scope") as told,
    ):
        ask_orders(server.url, login.token(server.url))
    assert "metrics:orders" in str(told.value.hint)


def test_the_token_is_asked_for_at_each_call(server: Listening, token: str) -> None:
    ones = iter([token, "no longer"])
    with RemoteMetrics(server.url, lambda: next(ones)) as remote:
        assert isinstance(remote.query({"metrics": "orders"}), MetricAnswer)
        with pytest.raises(NotAdmitted):
            remote.query({"metrics": "orders"})


@pytest.mark.parametrize(
    "url",
    [
        "http://metrics.example.com/mcp",
        "http://127.0.0.1.example.com/mcp",
        "ftp://127.0.0.1/mcp",
        "metrics.example.com",
        "https://",
        "http://127.0.0.1:99999/mcp",
        "",
    ],
)
def test_no_token_is_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ServerUnavailable, match="no address to send a token to"):
        RemoteMetrics(url, "a token")


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(ServerUnavailable, match="does not answer") as told:
        ask_orders("http://127.0.0.1:9/mcp", "a token")
    assert "governed-agents serve" in str(told.value.hint)


ANSWERS: Mapping[str, tuple[int, str, bytes]] = {
    "a page": (200, "text/html", b"<html>hello</html>"),
    "a redirection": (302, "text/plain", b""),
    "an error": (500, "text/plain", b"oh"),
    "other JSON": (200, "application/json", b"[1]"),
    "no result": (200, "application/json", b'{"jsonrpc":"2.0","id":1}'),
    "an error of the protocol": (
        200,
        "application/json",
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no method"}}',
    ),
    "no structure": (200, "application/json", b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'),
    "another structure": (
        200,
        "application/json",
        b'{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"rows":[]}}}',
    ),
    "rows too short": (
        200,
        "text/event-stream",
        b'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{"structuredContent":'
        b'{"columns":["a"],"types":["DOUBLE"],"rows":[[]],"provenance":{}}}}\r\n\r\n',
    ),
    "another answer": (
        200,
        "text/event-stream",
        b'data: {"jsonrpc":"2.0","id":99,"result":{}}\n\n',
    ),
    "a broken stream": (200, "text/event-stream", b"data: {\n\n"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_server_that_is_none_of_metrics_is_said(answer: tuple[int, str, bytes]) -> None:
    status, kind, body = answer

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        with pytest.raises(ServerUnavailable) as told:
            ask_orders(f"http://127.0.0.1:{other.server_port}/mcp", "a token")
        thread.join(10)
    assert len(told.value.message) < 500
