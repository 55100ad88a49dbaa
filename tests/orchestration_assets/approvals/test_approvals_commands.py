"""`governed-agents approvals`, `approve`, `reject` and `tokens`, as a person types them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestration_assets.approvals.notifying import (
    AppriseNotifier,
    FileNotifier,
    Notice,
    NotNotified,
    WebhookNotifier,
    notifier,
)
from semantic.ledger.approvals import ApprovalState
from tests.orchestration_assets.approvals.conftest import Open
from tests.orchestration_assets.approvals.watched import BOSS, Watched
from tests.orchestration_assets.commands import Command, typed_in

RING = ("ring", {"whom": "ana", "how_often": 2})


@pytest.fixture
def shop(watch: Open) -> Watched:
    return watch(RING)


@pytest.fixture
def command(
    shop: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return typed_in(shop.home, monkeypatch, capsys)


def test_a_person_looks_and_approves(shop: Watched, command: Command, tmp_path: Path) -> None:
    listed = command("approvals")
    code = shop.proposal.code
    for word in (code, "boss", "ring", "ana@example.com", "pending"):
        assert word in listed.out
    shown = command("approvals", code[:6])
    assert "Revenue is 133.1, somebody should know." in shown.out
    assert 'would call ring {"how_often": 2, "whom": "ana"}' in shown.out
    assert "rests on revenue at" in shown.out
    assert f"governed-agents approve {code} --why" in shown.out
    token = command("tokens", "mint", "ana@example.com").out.strip()
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    said = command("approve", code, "--why", "she knows", "--token-file", str(file))
    assert said.code == 0, said.err
    assert f"The proposal {code} of 'boss' is approved by ana@example.com." in said.err
    assert not shop.evaluation(BOSS, "approved").passed, "the sensor looks first"
    shop.follow()
    assert shop.evaluation(BOSS, "approved").passed
    assert code not in command("approvals").out
    assert "approved by ana@example.com" in command("approvals", "--all").out
    [row] = json.loads(command("approvals", "--all", "--json").out)
    assert (row["state"], row["why"]) == ("approved", "she knows")


def test_a_person_rejects_and_cannot_say_otherwise_later(shop: Watched, command: Command) -> None:
    code = shop.proposal.code
    token = command("tokens", "mint", "ana@example.com").out.strip()
    assert command("reject", code, "--why", "not now", token=token).code == 0
    late = command("approve", code, "--why", "now")
    assert late.code == 1
    assert f"The proposal {code} of 'boss' is rejected by ana@example.com: not now" in late.err


def test_nobody_answers_without_a_token_that_stands(shop: Watched, command: Command) -> None:
    code = shop.proposal.code
    nobody = command("approve", code, "--why", "x")
    assert nobody.code == 1
    assert "Nobody is known here without a token" in nobody.err
    forged = command("approve", code, "--why", "x", token="gat_" + "x" * 43)
    assert "The token is not known, has ended or was revoked" in forged.err
    token = command("tokens", "mint", "ana@example.com").out.strip()
    [minted] = json.loads(command("tokens", "list", "--json").out)
    command("tokens", "revoke", minted["token_id"], "--reason", "left")
    revoked = command("approve", code, "--why", "x", token=token)
    assert "The token is not known, has ended or was revoked" in revoked.err
    assert shop.proposal.state is ApprovalState.PENDING


def test_a_code_that_nothing_is_shown_as(command: Command) -> None:
    short = command("approve", "7", "--why", "x", token="gat_" + "x" * 43)
    assert "'7' is less than the 12 characters of a code" in short.err
    unknown = command("approvals", "zzzz")
    assert unknown.code == 1
    assert "No proposals are shown as 'zzzz'" in unknown.err


NOTICE = Notice(
    stage="reminder",
    agent="boss",
    proposal="7669fbd1c1ac",
    to=("ana@example.com",),
    actions=("ring",),
    until="2026-11-24T07:56:00.000Z",
    run_id=None,
)


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address on this machine, and what is posted to it."""
    sent: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if self.path == "/hook" else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_is_sent_the_notice_and_its_words() -> None:
    with hook() as (address, sent):
        WebhookNotifier(f"http://{address}/hook").notify(NOTICE)
        with pytest.raises(NotNotified, match="The webhook answered 403"):
            WebhookNotifier(f"http://{address}/other").notify(NOTICE)
    assert sent[0]["proposal"] == "7669fbd1c1ac"
    assert sent[0]["text"].startswith("reminder: 'boss' waits for an answer\nIt proposes: ring.")
    with pytest.raises(NotNotified, match="The webhook did not answer: ConnectError"):
        WebhookNotifier("http://127.0.0.1:9/secret-key").notify(NOTICE)


def test_an_address_names_its_notifier(tmp_path: Path) -> None:
    assert notifier(f"file:{tmp_path}/x") == FileNotifier(tmp_path / "x")
    assert isinstance(notifier("https://example.com/x"), WebhookNotifier)
    apprise = notifier("nonsense")
    assert isinstance(apprise, AppriseNotifier)
    with pytest.raises(NotNotified, match="Apprise knows no service of this address"):
        apprise.notify(NOTICE)


# A plugin of Apprise imports what Python 3.13 does not have any more.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_apprise_tells_a_service_on_this_machine() -> None:
    with hook() as (address, sent):
        AppriseNotifier(f"json://{address}/hook").notify(NOTICE)
    assert sent[0]["title"] == "reminder: 'boss' waits for an answer"
    assert "governed-agents approve 7669fbd1c1ac" in sent[0]["message"]
