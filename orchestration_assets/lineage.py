"""Reads -> Dagster: one observation per run and metric, run tags as the index, and a table on the agent's page."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from agent_resources.agent_run import AgentRun, ReadOfRun
from semantic.answer import MetricAnswer, MetricVersion, Refusal

AGENT_TAG = "governed_agents/agent"
RAN_TAG = "governed_agents.agent"
READ_TAG = "governed_agents.read"
DATA_VERSION_TAG = "dagster/data_version"
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 63


def read_observations(
    run: AgentRun, agent_key: dg.AssetKey, keys: Mapping[str, dg.AssetKey], run_id: str
) -> list[dg.AssetObservation]:
    """One observation per metric that the run read, with the data version at the moment of the read.

    The version is in Dagster's own tag: an observation without it would count as an update.
    """
    read_ids: dict[str, list[str]] = defaultdict(list)
    versions: dict[str, MetricVersion] = {}
    for answer in run.answers():
        for item in answer.provenance.metrics:
            versions[item.name] = item
            read_ids[item.name].append(answer.read_id)
    return [
        dg.AssetObservation(
            asset_key=keys[name],
            description=f"Read by {run.agent}",
            metadata={
                "agent": dg.MetadataValue.asset(agent_key),
                "run": dg.MetadataValue.dagster_run(run_id),
                "reads": len(read_ids[name]),
                "read_ids": dg.MetadataValue.json(read_ids[name]),
                "snapshot": run.snapshot,
                "version_as_read": versions[name].version_as_read or "",
                "covers": _span(versions[name]),
            },
            tags={DATA_VERSION_TAG: versions[name].data_version, AGENT_TAG: run.agent},
        )
        for name in sorted(versions)
        if name in keys
    ]


def run_tags(run: AgentRun) -> dict[str, str]:
    """Tags of the Dagster run that tell which agent read which metric, and what it was refused."""
    tags: dict[str, str] = {}
    for item in run.reads:
        outcome = "allowed" if isinstance(item.result, MetricAnswer) else "refused"
        for name in asked_metrics(item):
            tags.setdefault(f"{READ_TAG}/{tag_part(name)}", outcome)
    return tags


def ran_tag(agent: str) -> str:
    """The tag of every Dagster run in which an agent ran. One run may run several."""
    return f"{RAN_TAG}/{tag_part(agent)}"


def reads_table(run: AgentRun) -> dg.TableMetadataValue:
    """The reads of a run as a table: one row per read and metric."""
    rows = [row for item in run.reads for row in _rows_of(item)]
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in rows],
        schema=dg.TableSchema(
            [
                dg.TableColumn(name, kind)
                for name, kind in (
                    ("metric", "string"),
                    ("outcome", "string"),
                    ("group_by", "string"),
                    ("covers", "string"),
                    ("rows", "int"),
                    ("data_version", "string"),
                    ("notes", "string"),
                    ("read_id", "string"),
                )
            ]
        ),
    )


def asked_metrics(item: ReadOfRun) -> list[str]:
    """The metrics that a read asked for, in whatever form it did."""
    asked = item.asked.get("metrics")
    names = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    return [name for name in names if isinstance(name, str)]


def tag_part(name: str) -> str:
    """A name as a part of a Dagster tag: at most 63 of the characters that tags may have."""
    safe = _NOT_IN_TAGS.sub("_", name)
    if len(safe) <= _LONGEST_TAG and safe == name:
        return safe
    return f"{safe[: _LONGEST_TAG - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _rows_of(item: ReadOfRun) -> Iterable[Mapping[str, Any]]:
    grouped = item.asked.get("group_by") or ()
    group_by = grouped if isinstance(grouped, str) else ", ".join(map(str, grouped))
    if isinstance(item.result, Refusal):
        for name in asked_metrics(item) or ["?"]:
            yield {
                "metric": name,
                "outcome": f"refused: {item.result.reason.value}",
                "group_by": group_by,
                "covers": "",
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
            "covers": _span(version),
            "rows": len(item.result.rows),
            "data_version": version.data_version,
            "notes": "; ".join(notice.text for notice in item.result.provenance.notices),
            "read_id": item.result.read_id,
        }


def _span(version: MetricVersion) -> str:
    if version.covers_from is None or version.covers_to is None:
        return ""
    return f"{version.covers_from} to {version.covers_to}"
