"""The report of who used what: against a count of every read on record, and as a picture."""

import base64
import re
from collections import Counter
from datetime import date
from xml.etree import ElementTree

import dagster as dg

from orchestration_assets.access_map import access_map, as_markdown
from semantic.ledger.access_counts import DayOfReads, PairOfReads
from semantic.lineage.access import AccessReport
from tests.orchestration_assets.location import Location

REPORT = dg.AssetKey("access_report")


def rows(location: Location, name: str) -> list[dict[str, object]]:
    table = location.latest(REPORT).metadata[name]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(row.data) for row in table.records]


def test_it_says_what_the_record_says(settled: Location) -> None:
    assert settled.run([REPORT]).success
    told = settled.metadata(REPORT)
    reads = [read for read in settled.all_reads() if read.agent not in (None, "refresh")]
    allowed = [read for read in reads if read.outcome == "allowed"]
    assert told["reads"] == len(allowed) > 0
    assert told["refused"] == len(reads) - len(allowed)
    assert told["readers"] == len({read.agent for read in allowed})
    expected = Counter(read.metric for read in allowed)
    assert {row["metric"]: row["reads"] for row in rows(settled, "most_read")} == expected
    named = {key.path[-1] for key in settled.metric_keys}
    assert {row["metric"] for row in rows(settled, "never_read")} == named - set(expected)
    assert told["metrics_never_read"] == len(named - set(expected))
    used = {(read.agent, read.metric) for read in allowed}
    assert not used & {(row["agent"], row["metric"]) for row in rows(settled, "unused")}
    spent = {row["agent"]: row for row in rows(settled, "spent")}
    assert set(spent) == {"boss", "greeter", "north"}


def test_what_is_read_next_is_in_the_next_report(settled: Location) -> None:
    settled.run([REPORT])
    before = settled.metadata(REPORT)["reads"]
    settled.run([dg.AssetKey(["agents", "boss"])])
    settled.run([REPORT])
    assert settled.metadata(REPORT)["reads"] > before
    settled.run([REPORT], config={"ops": {"access_report": {"config": {"days": 1}}}})
    told = settled.metadata(REPORT)
    assert told["from"] == told["to"]


def report(agent: str = "watch", metric: str = "orders") -> AccessReport:
    return AccessReport(
        first=date(2026, 11, 1),
        last=date(2026, 11, 30),
        pairs=[
            PairOfReads(agent=agent, metric=metric, allowed=3, reasons={"stale": 1}, last_at="")
        ],
        days=[
            DayOfReads(agent=agent, metric=metric, day="2026-11-02", allowed=3, refused=0),
            DayOfReads(agent=agent, metric=metric, day="2026-11-03", allowed=0, refused=1),
        ],
        unused={"idle": ["revenue"]},
        never_read=["revenue"],
        stale={},
        spent=[],
    )


def test_the_picture_has_a_row_for_each_pair_and_a_field_for_each_day_with_reads() -> None:
    tree = ElementTree.fromstring(access_map(report()))
    assert [it.text for it in tree.findall(".//{*}text")][-7:-3] == [
        "watch",
        "orders",
        "idle",
        "revenue",
    ]
    framed = [it for it in tree.findall(".//{*}rect") if it.get("stroke") == "#dc2626"]
    assert len(framed) == 1
    assert int(framed[0].get("x", "")) == 330 + 2 * 22


def test_a_name_is_text_in_the_picture_and_no_address_is_in_it() -> None:
    svg = access_map(report(agent="<script>", metric="a&b"))
    ElementTree.fromstring(svg)
    assert "<script>" not in svg
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    found = re.fullmatch(r"!\[Access map\]\(data:image/svg\+xml;base64,(.+)\)", as_markdown(svg))
    assert found is not None
    assert base64.b64decode(found[1]).decode() == svg
