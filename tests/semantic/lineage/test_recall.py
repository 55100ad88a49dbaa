"""What rests on a metric that was wrong, against a look at every read and decision: by reads, by memory and by other decisions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from semantic.catalog import Catalog
from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind
from semantic.ledger.recalls import Wrong, recalls, record_recall
from semantic.lineage.recall import recall_scope, what_is_wrong

FIRST = date(2026, 1, 1)
DAYS = st.integers(0, 9)
READS = st.lists(
    st.tuples(
        st.sampled_from(["orders", "revenue"]),
        st.one_of(st.none(), st.tuples(DAYS, DAYS)),
        st.sampled_from(["allowed", "refused"]),
        st.sampled_from(["v1", "v2"]),
    ),
    min_size=1,
    max_size=8,
)
# Which reads, remembered reads and earlier decisions each decision rests on.
DECISIONS = st.lists(
    st.tuples(*(st.sets(st.integers(0, 7), max_size=3) for _ in range(3))), max_size=6
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def write(ledger: Ledger, reads: Sequence[tuple], decisions: Sequence[tuple]) -> None:  # type: ignore[type-arg]
    for number, (metric, covers, outcome, version) in enumerate(reads):
        begin, end = sorted(covers) if covers else (None, None)
        asked = MetricRead(
            metric=metric,
            data_version=version,
            definition_hash="d",
            covers_from=None if begin is None else day(begin),
            covers_to=None if end is None else day(end),
        )
        context = ReadContext(run_id=f"run-{number}", root_run_id=f"run-{number}")
        kind = RecordKind.INTENT if outcome == "allowed" else RecordKind.REFUSAL
        reason = None if outcome == "allowed" else "not_available"
        read_id = f"read-{number}"
        ledger.append(
            Record(
                record_id=read_id,
                kind=kind,
                reader="watch",
                context=context,
                metrics=(asked,),
                reason=reason,
                details={"query": {}},
            )
        )
        if outcome == "allowed":
            ended = {"rows": 1, "digest": "x"}
            ledger.append(
                Record(
                    record_id=read_id,
                    kind=RecordKind.OUTCOME,
                    reader="watch",
                    context=context,
                    details=ended,
                )
            )
    for number, (own, remembered, told) in enumerate(decisions):
        details = {
            "reads": [f"read-{it}" for it in sorted(own)],
            "remembered": [f"read-{it}" for it in sorted(remembered)],
            "told": [f"decision-{it}" for it in sorted(told) if it < number],
        }
        ledger.append(
            Record(
                record_id=f"decision-{number}",
                kind=RecordKind.DECISION,
                reader="watch",
                details=details,
            )
        )


@settings(max_examples=40)
@given(READS, DECISIONS, DAYS, DAYS, st.sampled_from([None, "v1"]))
def test_everything_that_rests_on_it_is_found_and_nothing_else(
    reads: Sequence[tuple],  # type: ignore[type-arg]
    decisions: Sequence[tuple],  # type: ignore[type-arg]
    one: int,
    other: int,
    version: str | None,
) -> None:
    first, last = sorted((one, other))
    ledger = Ledger.in_memory()
    write(ledger, reads, decisions)
    wrong = Wrong(metrics=("orders",), first=day(first), last=day(last), version=version)
    scope = recall_scope(ledger, wrong)
    touched = {
        f"read-{number}"
        for number, (metric, covers, outcome, at) in enumerate(reads)
        if metric == "orders"
        and outcome == "allowed"
        and version in (None, at)
        and (covers is None or (min(covers) <= last and max(covers) >= first))
    }
    assert scope.read_ids == touched
    taken: set[int] = set()
    for number, (own, remembered, told) in enumerate(decisions):
        if {f"read-{it}" for it in own | remembered} & touched or told & taken:
            taken.add(number)
    assert [item.decision.decision_id for item in scope.decisions] == [
        f"decision-{number}" for number in sorted(taken)
    ]
    ledger.close()


def test_a_recall_is_on_record_and_its_reason_can_be_erased(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    wrong = Wrong(metrics=("orders", "revenue"), first=day(0), last=day(3), version="v1")
    recall_id = record_recall(
        ledger, wrong, by="ana", reason="the feed of Bob was late", reads={"read-1"}, decisions=["decision-1"],
    )  # fmt: skip
    [found] = recalls(ledger)
    assert (found.recall_id, found.by, found.wrong) == (recall_id, "ana", wrong)
    assert recalls(ledger)[-1].reason == "the feed of Bob was late"
    ledger.erase("Bob", by="ana", reason="asked to")
    assert "Bob" not in recalls(ledger)[0].reason
    assert ledger.verify().is_whole
    ledger.close()


def test_what_was_made_of_it_before_was_wrong_as_well(shop_catalog: Catalog) -> None:
    """A metric that is made of others now was made of it when it was read."""
    fewer = replace(shop_catalog, metrics={"orders": shop_catalog.metrics["orders"]})
    now = what_is_wrong([fewer], "orders", day(0), day(1))
    assert now.metrics == ("orders",)
    before = what_is_wrong([fewer, shop_catalog], "orders", day(0), day(1))
    assert {"orders", "return_rate"} <= set(before.metrics)
    assert what_is_wrong([shop_catalog], "orders", day(0), day(1), "v1").metrics == ("orders",)
