"""The path of one read: decide, plan, check the gates, record the intent, run, record the outcome, release."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
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
from semantic.cancellation import Cancellation, Cancelled
from semantic.door import Decided, DecisionKey, Door
from semantic.errors import SnapshotUnavailable
from semantic.gates import refuse_closed
from semantic.ledger import Erasable, ReadContext, Touched
from semantic.metric import Metric
from semantic.notices import last_day, notices_of
from semantic.open_snapshot import Fetched, OpenSnapshot
from semantic.plan_request import PlanRequest
from semantic.planned import planned
from semantic.policy import Reader
from semantic.prepared import Prepared
from semantic.query import MetricQuery
from semantic.read_record import ReadRecord, other_policy
from semantic.refused import Refused
from semantic.resolve import Resolver
from semantic.snapshot_record import SnapshotRecord
from semantic.suppression import suppressed
from semantic.told_values import ToldValues

Rows = list[tuple[Any, ...]]
# What says that the data does not answer, whoever asks for what. Anything else may be the query's own fault.
_OF_WAREHOUSE = (duckdb.IOException, duckdb.ConnectionException, duckdb.FatalException)


class Holding(Protocol):
    """Gives the snapshot that all reads of one session see. Raises `SnapshotUnavailable`."""

    def __call__(self) -> tuple[SnapshotRecord, OpenSnapshot]: ...


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
        cancellation: Cancellation,
        *,
        values_only: bool = False,
    ) -> None:
        self._door = door
        self._reader = reader
        self._read_id = read_id
        self._query = query
        self._hold = hold
        self._cancellation = cancellation
        self._record = ReadRecord(door, reader, context, read_id, query, values_only=values_only)
        self._values_only = values_only

    def run(self) -> MetricAnswer:
        """The answer, on record. Raises `Refused`, and `LedgerUnavailable` where it cannot be recorded."""
        try:
            ready = self._prepare()
        except Refused:
            self._refuse_other_policy()
            raise
        self._begin(ready)
        started = time.perf_counter()
        found = self._execute(ready)
        elapsed = int((time.perf_counter() - started) * 1_000_000)
        rows, notices = self._told(ready, found.rows)
        self._record.end(ready, rows, notices, elapsed)
        return MetricAnswer(
            columns=ready.plan.columns,
            types=found.types[: len(ready.plan.columns)],
            rows=tuple(rows),
            provenance=self._provenance(ready, notices),
        )

    def tell(self, measured: ToldValues) -> MetricAnswer:
        """What a snapshot was measured to answer, on record like any other read of it. Raises `Refused`, where the query would be refused now, and
        `LedgerUnavailable`.
        """
        self._refuse_other_policy()
        now = self._prepare()
        if len(measured.rows) > now.limit:
            raise Refused(
                Reason.INVALID_QUERY,
                f"There is more to tell than the {now.limit:,} rows that '{self._reader.name}' may have",
            )
        days = measured.days
        ready = replace(
            now,
            snapshot=replace(
                now.snapshot, version=measured.snapshot, published_at=measured.published_at
            ),
            versions=tuple(
                replace(
                    item,
                    data_version=measured.versions[item.name],
                    version_as_read=None,
                    covers_from=min(days, default=item.covers_from),
                    covers_to=max(days, default=item.covers_to),
                )
                for item in now.versions
            ),
        )
        self._begin(ready)
        notices = (Notice(kind="measured", text=f"as of {measured.snapshot}, what moved of it"),)
        self._record.end(ready, measured.rows, notices, 0)
        return MetricAnswer(
            columns=ready.plan.columns,
            types=measured.types,
            rows=measured.rows,
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

    def _prepare(self) -> Prepared:
        decided = self._decided()
        request, plan = decided.request, decided.plan
        snapshot, data = self._held()
        refuse_closed(request, plan, self._reader, snapshot, self._door.catalog, self._door.now())
        limit = min(decided.limit or request.max_rows, request.max_rows)
        return Prepared(
            request=request,
            plan=plan,
            snapshot=snapshot,
            data=data,
            limit=limit,
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
            raise other_policy(f"published {published}, presented {self._door.policy.hash}")

    def _begin(self, ready: Prepared) -> None:
        """Puts on record what is about to be read, with what it may take. Raises `Refused`."""
        try:
            self._record.begin(ready)
        except duckdb.Error as error:
            raise Refused(
                Reason.QUERY_FAILED, "The query failed", detail=str(error)[:2000]
            ) from error

    def _execute(self, ready: Prepared) -> Fetched:
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

    def _asked_of_data(self, ready: Prepared, values: Mapping[str, Any], most: int) -> Fetched:
        try:
            with ready.data.stopped_by(self._cancellation):
                return ready.data.execute(ready.plan.sql, values, most)
        except Cancelled as error:
            message = "The read was stopped, because nobody waits for it any more"
            raise self._failed(ready, Reason.CANCELLED, message, {}) from error
        except duckdb.Error as error:
            reason, message = _failure(error)
            raise self._failed(
                ready,
                reason,
                message,
                {"error": Erasable(str(error)[:2000])},
                is_of_warehouse=isinstance(error, _OF_WAREHOUSE),
            ) from error

    def _failed(
        self,
        ready: Prepared,
        reason: Reason,
        message: str,
        details: Mapping[str, object],
        *,
        hint: str | None = None,
        is_of_warehouse: bool = False,
    ) -> Refused:
        """The refusal of a read whose intent is on record: this is its outcome."""
        self._record.fail(ready, reason, details, is_of_warehouse=is_of_warehouse)
        return Refused(reason, message, hint=hint, is_recorded=True)

    def _told(self, ready: Prepared, found: Rows) -> tuple[Rows, tuple[Notice, ...]]:
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

    def _without_small_groups(self, ready: Prepared, found: Rows) -> tuple[Rows, int]:
        """The rows from the offset on that may be told, without their counts; and how many may not."""
        request, plan = ready.request, ready.plan
        if len(found) > MAX_ROWS:
            raise self._failed(
                ready,
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

    def _notices(self, ready: Prepared) -> tuple[Notice, ...]:
        age = self._door.now() - ready.snapshot.published(ready.request.metrics)
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

    def _provenance(self, ready: Prepared, notices: tuple[Notice, ...]) -> Provenance:
        snapshot, plan = ready.snapshot, ready.plan
        published_at = snapshot.published(item.name for item in ready.versions)
        return Provenance(
            read_id=self._read_id,
            reader=self._reader.name,
            metrics=ready.versions,
            snapshot=snapshot.version,
            published_at=published_at,
            age=self._door.now() - published_at,
            as_of=last_day([item.name for item in ready.versions], snapshot),
            relations=plan.relations,
            dbt_models=ready.touches.dbt_models,
            policy_hash=self._door.policy.hash,
            rules=tuple(ready.rules),
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
