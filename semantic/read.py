"""The path of one read: decide, plan, check the gates, record the intent, run, record the outcome, release."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import duckdb

from semantic.answer import (
    Explanation,
    MetricAnswer,
    MetricVersion,
    Notice,
    Provenance,
    Reason,
)
from semantic.asked import MAX_ROWS
from semantic.binding import values_of
from semantic.canonical import canonical_json, canonical_value
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import PolicyNotCurrent, SnapshotUnavailable
from semantic.gates import refuse_closed
from semantic.ledger import (
    Admission,
    Ledger,
    MetricRead,
    ReadContext,
    Record,
    RecordKind,
    Terms,
    Touched,
)
from semantic.metric import Metric
from semantic.notices import last_day, notices_of
from semantic.open_snapshot import Fetched, OpenSnapshot
from semantic.plan import Planner, QueryPlan
from semantic.plan_request import PlanRequest
from semantic.planned import planned
from semantic.policy import Policy, Reader
from semantic.query import MetricQuery
from semantic.recent import Recent
from semantic.refused import Refused
from semantic.resolve import Resolver
from semantic.result_cache import ResultCache
from semantic.snapshot_record import SnapshotRecord
from semantic.suppression import suppressed

Rows = list[tuple[Any, ...]]


# The policy, who asks, what exactly, whether for values only, and of which snapshot: all that a decision comes from.
DecisionKey = tuple[str, Reader, str, bool, str]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a query comes to under a policy: names that are looked up, and a plan. `limit` is how many rows it asks for, `touches` what it
    names and reads.
    """

    request: PlanRequest
    plan: QueryPlan
    limit: int | None
    touches: Touched


class Door(Protocol):
    """What every read goes through."""

    catalog: Catalog
    policy: Policy
    ledger: Ledger
    mask_key: str
    results: ResultCache | None
    decided: Recent[DecisionKey, Decided]

    @property
    def engine(self) -> MetricEngine: ...

    @property
    def planner(self) -> Planner: ...

    def now(self) -> datetime: ...


class Holding(Protocol):
    """Gives the snapshot that all reads of one session see. Raises `SnapshotUnavailable`."""

    def __call__(self) -> tuple[SnapshotRecord, OpenSnapshot]: ...


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """A read that may be done."""

    request: PlanRequest
    plan: QueryPlan
    snapshot: SnapshotRecord
    data: OpenSnapshot
    limit: int
    versions: tuple[MetricVersion, ...]
    touches: Touched


class Read:
    """One read on its way through the door. With `values_only` it reads the values of the dimensions and no metric."""

    def __init__(
        self,
        door: Door,
        reader: Reader,
        context: ReadContext,
        read_id: str,
        query: MetricQuery,
        hold: Holding,
        *,
        values_only: bool = False,
    ) -> None:
        self._door = door
        self._reader = reader
        self._context = context
        self._read_id = read_id
        self._query = query
        self._hold = hold
        self._values_only = values_only

    def run(self) -> MetricAnswer:
        """The answer, on record. Raises `Refused`, and `LedgerUnavailable` where it cannot be recorded."""
        try:
            ready = self._prepare()
        except Refused:
            self._refuse_other_policy()
            raise
        self._record_intent(ready)
        started = time.perf_counter()
        found = self._execute(ready)
        elapsed = int((time.perf_counter() - started) * 1_000_000)
        rows, notices = self._told(ready, found.rows)
        self._record_outcome(ready.plan, rows, notices, elapsed)
        return MetricAnswer(
            columns=ready.plan.columns,
            types=found.types[: len(ready.plan.columns)],
            rows=tuple(rows),
            provenance=self._provenance(ready, notices),
        )

    def explain(self) -> Explanation:
        """The plan that `run` would run, and nothing of the data. Raises `Refused`."""
        self._refuse_other_policy()
        ready = self._prepare()
        return Explanation(
            sql=ready.plan.sql,
            columns=ready.plan.columns,
            parameters=tuple(sorted(ready.plan.parameters)),
            provenance=self._provenance(ready, self._notices(ready)),
        )

    def _prepare(self) -> _Prepared:
        decided = self._decided()
        request, plan = decided.request, decided.plan
        snapshot, data = self._held()
        refuse_closed(request, plan, self._reader, snapshot, self._door.catalog, self._door.now())
        return _Prepared(
            request=request,
            plan=plan,
            snapshot=snapshot,
            data=data,
            limit=min(decided.limit or request.max_rows, request.max_rows),
            versions=self._versions(request, snapshot),
            touches=decided.touches,
        )

    def _decided(self) -> Decided:
        """What was decided on this query of this reader before, or is now. Refusals are decided each time."""
        key = self._decision_key()
        found = self._door.decided.get(key) if key else None
        if found is None:
            found = self._decide()
            if key:
                self._door.decided.put(key, found)
        return found

    def _decision_key(self) -> DecisionKey | None:
        """All that a decision comes from. None where nothing is published to decide upon."""
        try:
            record, _ = self._hold()
        except SnapshotUnavailable:
            return None
        return (
            self._door.policy.hash,
            self._reader,
            repr(self._query),
            self._values_only,
            record.identity,
        )

    def _decide(self) -> Decided:
        resolver = Resolver(
            self._door,
            self._reader,
            self._query,
            lambda: self._held()[0],
            values_only=self._values_only,
        )
        request = resolver.resolve()
        plan = planned(self._door.planner, request, self._reader)
        touches = Touched(
            dimensions=tuple(item.dimension.name for item in request.named),
            relations=plan.relations,
            dbt_models=self._door.catalog.dbt_models_of(plan.relations),
        )
        return Decided(request=request, plan=plan, limit=resolver.limit, touches=touches)

    def _held(self) -> tuple[SnapshotRecord, OpenSnapshot]:
        try:
            return self._hold()
        except SnapshotUnavailable as error:
            raise Refused(
                Reason.NOTHING_PUBLISHED,
                error.message,
                hint=error.hint,
                detail=str(error.__cause__),
            ) from error

    def _refuse_other_policy(self) -> None:
        published = self._door.ledger.current_policy_hash()
        if published != self._door.policy.hash:
            raise self._other_policy(f"published {published}, presented {self._door.policy.hash}")

    def _other_policy(self, detail: str) -> Refused:
        return Refused(
            Reason.POLICY_NOT_CURRENT,
            "The policy of this process is not the one that is published",
            hint="the owner of the policy publishes it: materialize governed_snapshot, "
            "or run `governed-agents policy publish`",
            detail=detail,
        )

    def _execute(self, ready: _Prepared) -> Fetched:
        """All rows that were found: one more than the limit where there are more, every group where these are counted."""
        plan, request = ready.plan, ready.request
        most = MAX_ROWS + 1 if plan.counts else ready.limit + 1
        values = values_of(
            request if not plan.counts else request.having(offset=0),
            plan.prefix,
            plan.parameters,
            limit=most,
            mask_key=self._door.mask_key,
        )
        results = self._door.results
        if results is None:
            return self._asked_of_data(ready, values, most)
        key = results.key(self._door.policy.hash, ready.snapshot.identity, plan.hash, values)
        found = results.get(key)
        if found is None:
            found = self._asked_of_data(ready, values, most)
            results.put(key, found)
        return found

    def _asked_of_data(self, ready: _Prepared, values: Mapping[str, Any], most: int) -> Fetched:
        try:
            return ready.data.execute(ready.plan.sql, values, most)
        except duckdb.Error as error:
            reason, message = _failure(error)
            raise self._failed(reason, message, {"error": str(error)[:2000]}) from error

    def _failed(
        self,
        reason: Reason,
        message: str,
        details: Mapping[str, object],
        *,
        hint: str | None = None,
    ) -> Refused:
        """The refusal of a read whose intent is on record: this is its outcome."""
        self._append(RecordKind.OUTCOME, reason=reason.value, details=details)
        return Refused(reason, message, hint=hint, is_recorded=True)

    def _told(self, ready: _Prepared, found: Rows) -> tuple[Rows, tuple[Notice, ...]]:
        """The rows that the reader is given, and what it must know of them."""
        notices = list(self._notices(ready))
        if ready.plan.counts:
            found, hidden = self._without_small_groups(ready, found)
            if hidden:
                notices.append(
                    Notice(
                        kind="suppressed",
                        text=f"{hidden:,} groups are not told, because they or what could be worked out from them have fewer "
                        f"than {ready.request.smallest_group} rows",
                    )
                )
        if len(found) > ready.limit:
            whose = (
                "asked for"
                if self._query.limit == ready.limit
                else f"that '{self._reader.name}' may have"
            )
            notices.append(
                Notice(kind="cut", text=f"there are more rows than the {ready.limit:,} {whose}")
            )
        return found[: ready.limit], tuple(notices)

    def _without_small_groups(self, ready: _Prepared, found: Rows) -> tuple[Rows, int]:
        """The rows from the offset on that may be told, without their counts; and how many may not."""
        request, plan = ready.request, ready.plan
        if len(found) > MAX_ROWS:
            raise self._failed(
                Reason.INVALID_QUERY,
                f"There are more than {MAX_ROWS:,} groups, too many to look for small ones",
                {"rows": len(found)},
                hint="group by fewer dimensions, or filter",
            )
        width = len(plan.columns)
        groups = [row[: len(request.group_by)] for row in found]
        counts = [
            [int(row[place] or 0) for row in found] for place in range(width, width + plan.counts)
        ]
        hidden = suppressed(groups, counts, request.smallest_group or 0)
        told = [row[:width] for position, row in enumerate(found) if position not in hidden]
        return told[request.offset :], len(hidden)

    def _notices(self, ready: _Prepared) -> tuple[Notice, ...]:
        age = self._door.now() - ready.snapshot.published_at
        return tuple(notices_of(ready.request, self._door.catalog, ready.snapshot, age))

    def _versions(
        self, request: PlanRequest, snapshot: SnapshotRecord
    ) -> tuple[MetricVersion, ...]:
        versions = []
        for permit in request.permits:
            metric, known = (
                self._door.catalog.metrics[permit.metric],
                snapshot.metrics[permit.metric],
            )
            first, last = _covered_days(request, metric, known.first_day, known.until_day)
            as_read = snapshot.as_read.get(permit.rows_key, {}).get(permit.metric)
            versions.append(
                MetricVersion(
                    name=metric.name,
                    definition_hash=metric.definition_hash,
                    data_version=known.data_version,
                    version_as_read=(as_read.data_version if as_read else None)
                    if permit.rows
                    else known.data_version,
                    unit=metric.unit,
                    covers_from=first,
                    covers_to=last,
                )
            )
        return tuple(versions)

    def _record_intent(self, ready: _Prepared) -> None:
        """Writes what is about to be read, in one transaction with the look at the policy that allows it."""
        try:
            self._append_intent(ready)
        except PolicyNotCurrent as error:
            raise self._other_policy(error.message) from error

    def _append_intent(self, ready: _Prepared) -> None:
        request, plan = ready.request, ready.plan
        self._append(
            RecordKind.INTENT,
            metrics=tuple(
                MetricRead(
                    metric=item.name,
                    data_version=item.data_version,
                    definition_hash=item.definition_hash,
                    covers_from=item.covers_from,
                    covers_to=item.covers_to,
                )
                for item in ready.versions
            ),
            details={
                "query": self._query.canonical(),
                **({"values_only": True} if self._values_only else {}),
                "versions_as_read": {item.name: item.version_as_read for item in ready.versions},
                "snapshot": ready.snapshot.version,
                "policy_hash": self._door.policy.hash,
                "rules": _rules_of(request),
                "rows": [[item.element, list(item.values)] for item in request.rows],
                "masked": [*(named.column for named, _ in request.masked), *request.dropped],
                "smallest_group": request.smallest_group,
                "plan_hash": plan.hash,
            },
            touches=ready.touches,
            terms=Admission(policy_hash=self._door.policy.hash),
        )

    def _record_outcome(
        self, plan: QueryPlan, rows: Rows, notices: tuple[Notice, ...], elapsed: int
    ) -> None:
        cells = [[canonical_value(cell) for cell in row] for row in rows]
        result = canonical_json([list(plan.columns), cells])
        digest = hashlib.sha256(result).hexdigest()
        is_new = self._append(
            RecordKind.OUTCOME,
            details={
                "rows": len(rows),
                "bytes": len(result),
                "result_digest": digest,
                "notices": [f"{item.kind}: {item.text}" for item in notices],
                "latency_us": elapsed,
            },
        )
        if not is_new:
            self._refuse_other_outcome(digest)

    def _refuse_other_outcome(self, digest: str) -> None:
        """Of a read that is tried again only that is released which the record says was."""
        recorded = self._door.ledger.body(self._read_id, RecordKind.OUTCOME) or {}
        if recorded.get("reason") or recorded["details"]["result_digest"] != digest:
            raise Refused(
                Reason.QUERY_FAILED,
                "The same read ended in another way at the same time, and that is what is on record",
                hint="ask again",
            )

    def _append(
        self,
        kind: RecordKind,
        *,
        metrics: tuple[MetricRead, ...] = (),
        reason: str | None = None,
        details: Mapping[str, object],
        touches: Touched | None = None,
        terms: Terms | None = None,
    ) -> bool:
        return self._door.ledger.append(
            Record(
                record_id=self._read_id,
                kind=kind,
                reader=self._reader.name,
                acting_for=self._reader.acting_for,
                team=self._door.policy.team_of(self._reader),
                context=self._context,
                reason=reason,
                metrics=metrics,
                touches=touches or Touched(),
                details=details,
            ),
            terms,
        )

    def _provenance(self, ready: _Prepared, notices: tuple[Notice, ...]) -> Provenance:
        snapshot, plan = ready.snapshot, ready.plan
        return Provenance(
            read_id=self._read_id,
            reader=self._reader.name,
            metrics=ready.versions,
            snapshot=snapshot.version,
            published_at=snapshot.published_at,
            age=self._door.now() - snapshot.published_at,
            as_of=last_day([item.name for item in ready.versions], snapshot),
            relations=plan.relations,
            dbt_models=ready.touches.dbt_models,
            policy_hash=self._door.policy.hash,
            rules=tuple(_rules_of(ready.request)),
            plan_hash=plan.hash,
            notices=notices,
        )


def _failure(error: duckdb.Error) -> tuple[Reason, str]:
    """What a reader is told of an error of the data. Its own text stays on record."""
    match error:
        case duckdb.InterruptException():
            return Reason.TIMED_OUT, "The query took too long and was stopped"
        case duckdb.OutOfMemoryException():
            return Reason.OUT_OF_MEMORY, "The query needed too much memory and was stopped"
        case duckdb.ConversionException():
            return Reason.INVALID_QUERY, "A filter value has another type than its dimension"
        case _:
            return Reason.QUERY_FAILED, "The query failed"


def _rules_of(request: PlanRequest) -> list[str]:
    return sorted({rule for permit in request.permits for rule in permit.rules})


def _covered_days(
    request: PlanRequest, metric: Metric, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The days of data that make up this answer for one metric."""
    if first is None or last is None:
        return first, last
    start, end = first, last
    if request.span:
        asked_from = request.previous.span.start if request.previous else request.span.start
        start, end = max(asked_from, first), min(request.span.end, last)
    if start > end:
        return None, None
    before, after = metric.reach.before, metric.reach.after
    start = first if before is None or start - first <= before else start - before
    end = last if after is None or last - end <= after else end + after
    return start, end
