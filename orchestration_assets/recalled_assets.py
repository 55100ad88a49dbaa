"""What a recall does in Dagster: the check `not_recalled` fails on the agents whose decisions it takes back, and on what was built on them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from agent_resources.agent_run import Run
from orchestration_assets.agent_key import agent_asset_key
from semantic.ledger.recalls import Recall
from semantic.ledger.run_decisions import RunDecision

NOT_RECALLED = "not_recalled"
_POINTER = "dagster/input_event_pointer/"
_DECISION = "decision_id"
_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """A materialization that is taken back, and the decision that it is or that it was built on."""

    asset: dg.AssetKey
    storage_id: int
    run_id: str
    timestamp: float
    decision_id: str


def not_recalled_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check of an agent's asset."""
    return dg.AssetCheckSpec(
        NOT_RECALLED,
        asset=key,
        description="Nothing that the agent's decision rests on was taken back: `governed-agents recall`",
    )


def check_not_recalled(
    run: Run, decision: RunDecision | None, known: Sequence[Recall], key: dg.AssetKey
) -> dg.AssetCheckResult:
    """The result for a run that has just ended: fails where something that it read or was told of is taken back, or is of data that was and stands as it was.
    `known` are the recalls on record.
    """
    found = [
        recall
        for recall in known
        if (decision is not None and recall.concerns(decision)) or _was_read(run, recall)
    ]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NOT_RECALLED,
        passed=not found,
        description="; ".join(dict.fromkeys(map(_why, found))) or None,
    )


def _was_read(run: Run, recall: Recall) -> bool:
    return any(
        answer.read_id in recall.reads
        or recall.is_of(item.name, item.data_version, item.covers_from, item.covers_to)
        for answer in run.answers()
        for item in answer.provenance.metrics
    )


def mark_recalled(
    instance: DagsterInstance, recall: Recall, decisions: Collection[RunDecision]
) -> list[Recalled]:
    """Has the check fail on each asset whose newest materialization is one of these decisions, or was built on one, however far. Returns these.

    Dagster's own events say what was built on what: a materialization names the events of its inputs.
    """
    newest = dict(_newest(instance))
    found = {item.storage_id: item for item in _materialized(instance, decisions)}
    for pointers, item in sorted(newest.values(), key=lambda it: it[1].storage_id):
        above = next((found[pointer] for pointer in pointers if pointer in found), None)
        if above is not None and item.storage_id not in found:
            found[item.storage_id] = Recalled(**{**vars(item), "decision_id": above.decision_id})
    standing = {item.storage_id for _, item in newest.values()}
    marked = [item for storage_id, item in found.items() if storage_id in standing]
    for item in marked:
        instance.report_runless_asset_event(_failed(item, recall))
    return marked


def _materialized(
    instance: DagsterInstance, decisions: Collection[RunDecision]
) -> Iterator[Recalled]:
    """The materializations that tell these decisions, of those that Dagster still has."""
    wanted = {item.decision_id for item in decisions}
    for key in sorted(_agents(instance, decisions)):
        asked = dg.AssetRecordsFilter(asset_key=key)
        cursor, has_more = None, True
        while has_more:
            page = instance.fetch_materializations(asked, limit=_AT_ONCE, cursor=cursor)
            cursor, has_more = page.cursor, page.has_more
            for record in page.records:
                materialization = record.asset_materialization
                told = materialization.metadata.get(_DECISION) if materialization else None
                if told is not None and told.value in wanted:
                    yield _recalled(key, record, str(told.value))


def _agents(instance: DagsterInstance, decisions: Collection[RunDecision]) -> set[dg.AssetKey]:
    """The assets that tell decisions: those of these agents by their usual keys, and every one of which the newest materialization tells one."""
    told = {
        materialization.asset_key
        for record in instance.get_asset_records()
        if (entry := record.asset_entry.last_materialization_record) is not None
        and (materialization := entry.asset_materialization) is not None
        and _DECISION in materialization.metadata
    }
    return told | {agent_asset_key(item.agent) for item in decisions}


def _recalled(key: dg.AssetKey, record: dg.EventLogRecord, decision_id: str) -> Recalled:
    return Recalled(
        asset=key,
        storage_id=record.storage_id,
        run_id=record.run_id,
        timestamp=record.timestamp,
        decision_id=decision_id,
    )


def _newest(
    instance: DagsterInstance,
) -> Iterator[tuple[dg.AssetKey, tuple[frozenset[int], Recalled]]]:
    """By asset, its newest materialization and the events that it was made of."""
    for record in instance.get_asset_records():
        entry = record.asset_entry.last_materialization_record
        materialization = entry.asset_materialization if entry else None
        if entry is None or materialization is None:
            continue
        tags: Mapping[str, str] = materialization.tags or {}
        pointers = frozenset(
            int(value)
            for name, value in tags.items()
            if name.startswith(_POINTER) and value.isdecimal()
        )
        yield (
            materialization.asset_key,
            (
                pointers,
                Recalled(
                    asset=materialization.asset_key,
                    storage_id=entry.storage_id,
                    run_id=entry.run_id,
                    timestamp=entry.timestamp,
                    decision_id="",
                ),
            ),
        )


def _failed(item: Recalled, recall: Recall) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=item.asset,
        check_name=NOT_RECALLED,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_why(recall),
        metadata={
            "recall": dg.MetadataValue.text(recall.recall_id),
            "decision_id": dg.MetadataValue.text(item.decision_id),
            "metrics": dg.MetadataValue.text(", ".join(recall.wrong.metrics)),
            "run": dg.MetadataValue.dagster_run(item.run_id),
        },
        target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
            storage_id=item.storage_id, run_id=item.run_id, timestamp=item.timestamp
        ),
        blocking=False,
    )


def _why(recall: Recall) -> str:
    days = f"{recall.wrong.first} to {recall.wrong.last}"
    return f"{recall.wrong.metrics[0]} was wrong for {days}: {recall.reason}"
