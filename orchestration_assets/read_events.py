"""Reads -> Dagster: one observation per run and metric, run tags as the index, and a table on the agent's page."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent_run import ReadOfRun
from semantic.answer import MetricAnswer, Refusal

AGENT_TAG = "governed_agents/agent"
BECAUSE_TAG = "governed_agents/because"
RAN_TAG = "governed_agents.agent"
READ_TAG = "governed_agents.read"
DATA_VERSION_TAG = "dagster/data_version"
INPUT_VERSION_TAG = "dagster/input_data_version"
PROVENANCE_TAGS = ("dagster/code_version", INPUT_VERSION_TAG, "dagster/input_event_pointer")
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 63
_MOST_NAMES = 20
_LONGEST_NAME = 300
_MOST_LINKED = 100
_SHORT = 8


def read_observations(
    reads: Sequence[ReadOfRun],
    agent: str,
    agent_key: dg.AssetKey,
    keys: Mapping[str, dg.AssetKey],
    run_id: str,
    standing: Mapping[dg.AssetKey, Mapping[str, str]],
) -> list[dg.AssetObservation]:
    """One observation per metric of which a run was given data, with the data version at the moment of the read.

    The version is in Dagster's own tag: an observation without it would count as an update. `standing` are the tags of
    `standing_provenance`: Dagster takes an asset's newest event, this one, for what it is made of.
    """
    answers: dict[str, list[MetricAnswer]] = defaultdict(list)
    for answer in _answers(reads):
        for item in answer.provenance.metrics:
            answers[item.name].append(answer)
    return [
        _observation(
            keys[name], name, answers[name], agent, agent_key, run_id, standing.get(keys[name], {})
        )
        for name in sorted(answers)
        if name in keys
    ]


def standing_provenance(
    instance: DagsterInstance, keys: Iterable[dg.AssetKey]
) -> dict[dg.AssetKey, dict[str, str]]:
    """By asset, the tags of its newest materialization that say which code and which inputs it was made of."""
    found: dict[dg.AssetKey, dict[str, str]] = {}
    for record in instance.get_asset_records(list(keys)):
        latest = record.asset_entry.last_materialization
        materialization = latest.asset_materialization if latest else None
        tags = (materialization.tags if materialization else None) or {}
        found[record.asset_entry.asset_key] = {
            name: value for name, value in tags.items() if name.startswith(PROVENANCE_TAGS)
        }
    return found


def read_tags(reads: Sequence[ReadOfRun], keys: Mapping[str, dg.AssetKey]) -> dict[str, str]:
    """Tags of the Dagster run that tell which metrics it read: `allowed` where it was given data, else `refused`.

    Only metrics that there are: a model can ask for any name, and tags are an index.
    """
    tags: dict[str, str] = {}
    for item in reads:
        outcome = "allowed" if isinstance(item.result, MetricAnswer) else "refused"
        for name in asked_metrics(item):
            tag = f"{READ_TAG}/{tag_part(name)}"
            if name in keys and tags.get(tag) != "allowed":
                tags[tag] = outcome
    return tags


def input_version_tags(
    reads: Sequence[ReadOfRun], keys: Mapping[str, dg.AssetKey]
) -> dict[str, str]:
    """Tags of a materialization that name, for Dagster's own lineage, the data versions that were read."""
    return {
        f"{INPUT_VERSION_TAG}/{keys[item.name].to_user_string()}": item.data_version
        for answer in _answers(reads)
        for item in answer.provenance.metrics
        if item.name in keys
    }


def ran_tag(agent: str) -> str:
    """The tag of every Dagster run in which an agent ran. One run may run several."""
    return f"{RAN_TAG}/{tag_part(agent)}"


def reads_table(reads: Sequence[ReadOfRun]) -> dg.TableMetadataValue:
    """The reads of a run as a table: one row per read and metric."""
    rows = [row for item in reads for row in _rows_of(item)]
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in rows],
        schema=dg.TableSchema(
            [
                dg.TableColumn(name, kind)
                for name, kind in (
                    ("metric", "string"),
                    ("outcome", "string"),
                    ("data_version", "string"),
                    ("covers_from", "string"),
                    ("covers_to", "string"),
                    ("rows", "int"),
                    ("notes", "string"),
                    ("group_by", "string"),
                    ("read_id", "string"),
                )
            ]
        ),
    )


def linked_reads(
    reads: Sequence[ReadOfRun], keys: Mapping[str, dg.AssetKey], run_id: str
) -> dg.MarkdownMetadataValue:
    """The same, the first of them, as lines with links: to the asset of the metric and to the run in this UI, and with the command that shows the read."""
    lines = [
        f"- {_linked(row['metric'], keys)}: {_plainly(row['outcome'])}"
        + (f", data of {row['covers_from']} to {row['covers_to']}" if row["covers_from"] else "")
        + f", in [run {run_id[:_SHORT]}](/runs/{run_id})"
        + (f", `governed-agents reads --read {row['read_id']}`" if row["read_id"] else "")
        for item in reads
        for row in _rows_of(item)
    ]
    more = len(lines) - _MOST_LINKED
    shown = [*lines[:_MOST_LINKED], *([f"- and {more} more"] if more > 0 else [])]
    return dg.MetadataValue.md("\n".join(shown) or "none")


def _linked(metric: str, keys: Mapping[str, dg.AssetKey]) -> str:
    if metric not in keys:
        return f"`{_plainly(metric)}`"
    return f"[{metric}](/assets/{'/'.join(map(quote, keys[metric].path))})"


def _plainly(text: str) -> str:
    """What a model may have written, as text that is no Markdown."""
    return _NOT_IN_TAGS.sub(" ", text)


def checkpoint_metadata(note: str | None) -> dict[str, dg.MarkdownMetadataValue]:
    """The checkpoint with which a run ended, line by line, so that what is copied from the UI is the note that was signed."""
    return {"checkpoint": dg.MetadataValue.md(f"```\n{note}```")} if note else {}


def asked_metrics(item: ReadOfRun) -> list[str]:
    """The metrics that a read asked for, in whatever form it did; the first of them where it asked for very many."""
    asked = item.asked.get("metrics")
    names = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    found = [name[:_LONGEST_NAME] for name in names if isinstance(name, str)]
    return list(dict.fromkeys(found))[:_MOST_NAMES]


def tag_part(name: str) -> str:
    """A name as a part of a Dagster tag: at most 63 of the characters that tags may have."""
    safe = _NOT_IN_TAGS.sub("_", name)
    if len(safe) <= _LONGEST_TAG and safe == name:
        return safe
    return f"{safe[: _LONGEST_TAG - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _answers(reads: Iterable[ReadOfRun]) -> Iterable[MetricAnswer]:
    return (item.result for item in reads if isinstance(item.result, MetricAnswer))


def _observation(
    key: dg.AssetKey,
    name: str,
    answers: Sequence[MetricAnswer],
    agent: str,
    agent_key: dg.AssetKey,
    run_id: str,
    standing: Mapping[str, str],
) -> dg.AssetObservation:
    versions = [
        item for answer in answers for item in answer.provenance.metrics if item.name == name
    ]
    starts = [item.covers_from for item in versions if item.covers_from]
    ends = [item.covers_to for item in versions if item.covers_to]
    return dg.AssetObservation(
        asset_key=key,
        description=f"Read by {agent}",
        metadata={
            "agent": dg.MetadataValue.asset(agent_key),
            "run": dg.MetadataValue.dagster_run(run_id),
            "reads": len(answers),
            "read_ids": dg.MetadataValue.json([answer.read_id for answer in answers]),
            "snapshot": answers[-1].provenance.snapshot,
            "version_as_read": versions[-1].version_as_read or "",
            "covers": f"{min(starts)} to {max(ends)}" if starts and ends else "",
        },
        tags={**standing, DATA_VERSION_TAG: versions[-1].data_version, AGENT_TAG: agent},
    )


def _rows_of(item: ReadOfRun) -> Iterable[Mapping[str, Any]]:
    grouped = item.asked.get("group_by") or ()
    group_by = grouped if isinstance(grouped, str) else ", ".join(map(str, grouped))
    if isinstance(item.result, Refusal):
        for name in asked_metrics(item) or ["?"]:
            yield {
                "metric": name,
                "outcome": f"refused: {item.result.reason.value}",
                "group_by": group_by,
                "covers_from": "",
                "covers_to": "",
                "rows": 0,
                "data_version": "",
                "notes": item.result.message,
                "read_id": item.result.read_id or "",
            }
        return
    for version in item.result.provenance.metrics:
        yield {
            "metric": version.name,
            "outcome": "allowed",
            "group_by": group_by,
            "covers_from": _day(version.covers_from),
            "covers_to": _day(version.covers_to),
            "rows": len(item.result.rows),
            "data_version": version.data_version,
            "notes": ", ".join(
                dict.fromkeys(notice.kind for notice in item.result.provenance.notices)
            ),
            "read_id": item.result.read_id,
        }


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
