"""What the record holds of a person can be erased, and the record stays whole."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from unicodedata import normalize

import pytest
import sqlalchemy as sa

from agent_resources.decision import Decision
from orchestration_assets.cli.app import main
from semantic.answer import Refusal
from semantic.errors import GovernedMetricsError
from semantic.ledger import ERASED, STATE_FOLDER, Erasable, Ledger, Record, RecordKind
from semantic.ledger.erasable import forget_values_of
from semantic.ledger.schema import records
from semantic.open_snapshot import Fetched
from semantic.snapshot import SnapshotStore
from tests.conftest import OpenDoor
from tests.semantic.door import BOSS, WatchedSnapshot, snapshot_file
from tests.semantic.ledger.conftest import OpenLedger

JANE = "jane.doe@example.com"


def refusal(record_id: str, *values: object) -> Record:
    details = {"query": {"filters": [{"values": Erasable(value)} for value in values]}, "rows": 3}
    return Record(record_id=record_id, kind=RecordKind.REFUSAL, reader="ana", details=details)


def values_of(ledger: Ledger, record_id: str) -> list[object]:
    body = ledger.body(record_id, RecordKind.REFUSAL)
    assert body is not None
    return [item["values"] for item in body["details"]["query"]["filters"]]


def test_a_value_is_told_until_it_is_erased_and_the_record_stays_whole(
    open_ledger: OpenLedger,
) -> None:
    one, two = open_ledger(), open_ledger()
    one.append(refusal("a", [JANE, "john@example.com"], ["x"], 'a "quoted" text'))
    one.append(refusal("b", f"please find {JANE.upper()} for me"))
    one.append(refusal("c", ["nobody"]))
    one.seal()
    assert values_of(two, "a") == [[JANE, "john@example.com"], ["x"], 'a "quoted" text']

    assert two.erase(JANE, by="data protection", reason="asked on 1 May") == (2, 2, 0)
    assert values_of(one, "a") == [ERASED, ["x"], 'a "quoted" text']
    assert values_of(one, "b") == [ERASED]
    assert values_of(one, "c") == [["nobody"]]
    assert one.erase('"quoted" text', by="x", reason="y") == (1, 1, 0)
    one.append(refusal("d", "MÜLLER"))
    assert one.erase("müller", by="x", reason="y") == (1, 1, 0)
    assert one.erase("100%", by="x", reason="y") == (0, 0, 0)
    assert one.seal()
    assert two.verify().is_whole
    assert set(two.prove("a")) == {"refusal"}


@pytest.mark.parametrize("reason", ["", "  ", "-", "\u200b"])
def test_nothing_is_erased_without_a_reason(open_ledger: OpenLedger, reason: str) -> None:
    ledger = open_ledger()
    ledger.append(refusal("a", JANE))
    with pytest.raises(GovernedMetricsError, match="does not say why something is erased"):
        ledger.erase(JANE, by="data protection", reason=reason)
    assert values_of(ledger, "a") == [JANE]


def test_the_body_holds_nothing_that_a_guess_can_be_checked_against(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    ledger.append(refusal("a", JANE))
    ledger.append(refusal("b", JANE))
    with ledger.reading() as connection:
        bodies = [json.loads(body) for body in connection.scalars(sa.select(records.c.body))]
    first, second = (
        body["record"]["details"]["query"]["filters"][0]["values"]["erasable"] for body in bodies
    )
    assert first != second, "each value has a key of its own"
    assert JANE not in json.dumps(bodies)


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_name_is_found_however_its_letters_are_encoded(
    tmp_path: Path, kept: Literal["NFC", "NFD"], asked: Literal["NFC", "NFD"]
) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.append(refusal("a", f"for {normalize(kept, 'Zoë Müller-Ångström')}, please"))
    assert ledger.erase("Zoe", by="x", reason="y") == (0, 0, 0), "another name"
    assert ledger.erase(normalize(asked, "ZOË MÜLLER-Å"), by="x", reason="y") == (1, 1, 0)
    ledger.close()


def test_what_looks_like_a_digest_shows_and_forgets_no_value_of_another_record(
    open_ledger: OpenLedger,
) -> None:
    """Whoever writes a record chooses what stands in it, and may know the digest in another one."""
    ledger = open_ledger()
    ledger.append(refusal("a", JANE))
    with ledger.reading() as connection:
        [digest] = connection.exec_driver_sql("SELECT digest FROM erasable_values").scalars()
    looks_alike = {"erasable": digest}
    details = {
        "arguments": looks_alike,
        "among others": [MappingProxyType(looks_alike), {"erasable": "short"}, {"x": looks_alike}],
        "text": json.dumps(looks_alike, separators=(",", ":")),
    }
    mine = {"mine": Erasable({"of": looks_alike}), **details}
    ledger.append(Record(record_id="probe", kind=RecordKind.TOOL_CALL, details=details))
    ledger.append(Record(record_id="with one", kind=RecordKind.TOOL_CALL, details=mine))

    def said(record_id: str) -> object:
        body = ledger.body(record_id, RecordKind.TOOL_CALL)
        return None if body is None else body["details"]

    plain = {**details, "among others": [looks_alike, {"erasable": "short"}, {"x": looks_alike}]}
    assert said("probe") == plain
    assert said("with one") == {**plain, "mine": {"of": looks_alike}}
    with ledger.transaction() as transaction:
        bodies = transaction.connection.scalars(
            sa.select(records.c.body).where(records.c.kind == RecordKind.TOOL_CALL.value)
        )
        forget_values_of(transaction.connection, bodies.all())
    assert values_of(ledger, "a") == [JANE]
    assert said("with one") == {**plain, "mine": ERASED}
    assert ledger.verify().is_whole


def test_a_metric_may_be_named_like_the_mark_of_a_digest(open_ledger: OpenLedger) -> None:
    ledger, hashes = open_ledger(), {"erasable": "a" * 64}
    assert ledger.record_definitions(hashes, by="ana", run_id=None) == ("erasable",)
    assert ledger.record_definitions(hashes, by="ana", run_id=None) == ()


def test_an_erased_value_stands_in_no_file(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    for number in range(50):
        ledger.append(refusal(f"r-{number}", f"{JANE} {number}"))
    assert any(JANE.encode() in path.read_bytes() for path in tmp_path.iterdir())
    ledger.erase(JANE, by="data protection", reason="asked")
    assert not [path for path in tmp_path.iterdir() if JANE.encode() in path.read_bytes()]
    ledger.close()


@pytest.mark.parametrize(
    "text",
    [
        "O'Brien",
        'Jane "JD" Doe',
        'O\'Neil "Bob"',
        "DOM\\jdoe",
        "Jane\nDoe",
        "Jane\tDoe",
        "Jane\u00a0Doe",
        "Ja\u200dne Doe",
        "12 Main St\u2028Bonn",
        "\u202aJane Doe\u202c",
        "\U0001f469\u200d\U0001f4bb Jo",
        "C:\\users\\new",
    ],
    ids=ascii,
)
def test_a_text_is_erased_however_it_is_escaped_where_it_stands(
    open_door: OpenDoor, text: str
) -> None:
    door = open_door()
    read_id = str(door.query({"metrics": [text]}, reader=BOSS).read_id)
    decision = Decision(answer=f"Refund {text} now", confidence=1).model_dump_json()
    message = f"Metric {text!r} is not available to 'ops'"
    door.ledger.append(refusal("as told", message, decision, f"the agent said {decision!r}"))

    assert door.ledger.erase(text.upper(), by="owner", reason="request 17")[1] == 2
    body = door.ledger.body(read_id, RecordKind.REFUSAL)
    assert body is not None
    assert body["details"]["request"] == ERASED
    assert values_of(door.ledger, "as told") == [ERASED] * 3


class TellingSnapshot(WatchedSnapshot):
    """Data whose errors tell a value that stands in it."""

    def execute(self, sql: str, parameters: object, limit: int) -> Fetched:
        return super().execute("SELECT CAST('jane.doe@example.com' AS INTEGER)", {}, limit)


def test_what_duckdb_said_of_a_failure_is_erased_by_the_command(
    open_door: OpenDoor,
    published: SnapshotStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = tmp_path / STATE_FOLDER
    data = TellingSnapshot(snapshot_file(published, published.current()))
    ledger = Ledger.open(state / "ledger.db")
    with open_door(ledger=ledger).session(BOSS, data=data) as session:
        refused = session.query({"metrics": "orders"})
    data.close()
    assert isinstance(refused, Refusal)
    assert "jane" not in f"{refused.message} {refused.hint}"

    def said() -> str:
        outcome = ledger.body(str(refused.read_id), RecordKind.OUTCOME)
        assert outcome is not None
        return str(outcome["details"]["error"])

    def written() -> bytes:
        return b"".join(path.read_bytes() for path in state.glob("ledger.db*"))

    assert "jane.doe@example.com" in said()
    with ledger.reading() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM records").scalars().all()
    assert not [body for body in bodies if b"jane" in body], "the record has its digest"
    assert b"jane.doe" in written()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    arguments = ["governed-agents", "erase", "jane.doe@example.com", "--reason", "request 17"]
    monkeypatch.setattr(sys, "argv", arguments)
    with suppress(SystemExit):
        main()
    assert said() == str(ERASED)
    assert b"jane.doe" not in written()
    assert ledger.verify().is_whole
    ledger.close()
