"""What one read writes to the ledger: its intent, and how it ended."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from semantic.answer import Notice, Reason, canonical_rows
from semantic.door import Door
from semantic.errors import BudgetSpent, PolicyNotCurrent, SourceUnavailable
from semantic.keys import mask_key_id
from semantic.ledger import (
    Admission,
    Charge,
    MetricRead,
    ReadContext,
    Record,
    RecordKind,
    Settlement,
    Terms,
    Touched,
    Unit,
)
from semantic.policy import REFRESH, Reader
from semantic.prepared import Prepared
from semantic.query import MetricQuery
from semantic.recorded_query import recorded_query
from semantic.refused import Refused


class ReadRecord:
    """The record of one read, under one id. With `values_only` it reads no metric."""

    def __init__(
        self,
        door: Door,
        reader: Reader,
        context: ReadContext,
        read_id: str,
        query: MetricQuery,
        *,
        values_only: bool,
    ) -> None:
        self._door = door
        self._reader = reader
        self._context = context
        self._read_id = read_id
        self._query = query
        self._values_only = values_only
        self._charges: tuple[Charge, ...] = ()

    def begin(self, ready: Prepared) -> None:
        """Writes what is about to be read, in one transaction with the look at the policy that allows it and with what it may take of
        its budgets; before that, with which key pseudonyms are made in it. Raises `Refused`.
        """
        self._charges = self._charged(ready)
        if ready.request.has_pseudonyms:
            self._door.ledger.record_masking_key(
                mask_key_id(self._door.mask_key),
                by=self._reader.name,
                run_id=self._context.run_id,
            )
        try:
            self._append_intent(ready)
        except PolicyNotCurrent as error:
            raise other_policy(error.message) from error
        except BudgetSpent as error:
            raise Refused(Reason.BUDGET_SPENT, error.message, hint=error.hint) from error
        except SourceUnavailable as error:
            raise Refused(Reason.SOURCE_UNAVAILABLE, error.message, hint=error.hint) from error

    def end(
        self,
        ready: Prepared,
        rows: Sequence[Sequence[Any]],
        notices: tuple[Notice, ...],
        elapsed: int,
    ) -> None:
        """Writes what is about to be released, which took so many microseconds. Raises `Refused` where something else is on record."""
        result = canonical_rows(ready.plan.columns, rows)
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
            terms=self._settlement(rows=len(rows), answered=_sources(ready)),
        )
        if not is_new:
            self._refuse_other_outcome(digest)

    def fail(
        self,
        ready: Prepared,
        reason: Reason,
        details: Mapping[str, object],
        *,
        is_of_warehouse: bool = False,
    ) -> None:
        """Writes why nothing is released of what was begun: by the query, by its metrics, or by the warehouse under them."""
        failed = _sources(ready) if is_of_warehouse else _metrics(ready)
        is_of_who_asked = reason in (Reason.INVALID_QUERY, Reason.CANCELLED)
        terms = self._settlement(rows=0, failed=() if is_of_who_asked else failed)
        self._append(RecordKind.OUTCOME, reason=reason.value, details=details, terms=terms)

    def _append_intent(self, ready: Prepared) -> None:
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
                "query": recorded_query(self._query, self._door.catalog),
                **({"values_only": True} if self._values_only else {}),
                "versions_as_read": {item.name: item.version_as_read for item in ready.versions},
                "snapshot": ready.snapshot.version,
                **(
                    {"covering": ready.snapshot.covering.isoformat()}
                    if ready.snapshot.covering
                    else {}
                ),
                "policy_hash": self._door.policy.hash,
                "rules": ready.rules,
                "rows": [[item.element, list(item.values)] for item in request.rows],
                "masked": [*(named.column for named, _ in request.masked), *request.dropped],
                "smallest_group": request.smallest_group,
                "plan_hash": plan.hash,
                **_reserved(self._charges),
            },
            touches=ready.touches,
            terms=Admission(
                policy_hash=self._door.policy.hash,
                charges=self._charges,
                # The refresh tries also what failed before: it looks at new data.
                sources=() if self._reader.name == REFRESH else _sources(ready),
                breaker=self._door.policy.breaker,
            ),
        )

    def _refuse_other_outcome(self, digest: str) -> None:
        """Of a read that is tried again only that is released which the record says was."""
        recorded = self._door.ledger.body_here(self._read_id, RecordKind.OUTCOME) or {}
        if recorded.get("reason") or recorded["details"]["result_digest"] != digest:
            raise Refused(
                Reason.QUERY_FAILED,
                "The same read ended in another way at the same time, and that is what is on record",
                hint="ask again",
            )

    def _settlement(
        self,
        *,
        rows: int,
        answered: tuple[str, ...] = (),
        failed: tuple[str, ...] = (),
    ) -> Settlement:
        """What this read took of its budgets: one query, so many rows, and all that it was to scan."""
        scanned = [item.most for item in self._charges if item.budget.unit is Unit.BYTES]
        return Settlement(
            charges=self._charges,
            spent={Unit.QUERIES: 1, Unit.ROWS: rows, Unit.BYTES: max(scanned, default=0)},
            answered=answered,
            failed=failed,
            breaker=self._door.policy.breaker,
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

    def _charged(self, ready: Prepared) -> tuple[Charge, ...]:
        """What this read may take of each budget that it is under."""
        policy = self._door.policy

        def most(unit: Unit) -> int | None:
            match unit:
                case Unit.QUERIES:
                    return 1
                case Unit.ROWS:
                    return ready.limit
                case Unit.BYTES:
                    return ready.data.bytes_of(ready.plan.relations)
                case _:
                    return None

        metrics = [permit.metric for permit in ready.request.permits]
        team = policy.team_of(self._reader)
        return tuple(
            charge
            for rule in policy.budgets
            for charge in rule.charges(self._reader.names, team, self._context, metrics, most)
        )


def _metrics(ready: Prepared) -> tuple[str, ...]:
    return tuple(f"metric {permit.metric}" for permit in ready.request.permits)


def _sources(ready: Prepared) -> tuple[str, ...]:
    """What has to answer: the metrics, and the warehouse that they are of."""
    return (*_metrics(ready), f"warehouse {ready.snapshot.database}")


def other_policy(detail: str) -> Refused:
    """The refusal of who has another policy than the published one."""
    return Refused(
        Reason.POLICY_NOT_CURRENT,
        "The policy of this process is not the one that is published",
        hint="the owner of the policy publishes it: materialize governed_snapshot, "
        "or run `governed-agents policy publish`",
        detail=detail,
    )


def _reserved(charges: tuple[Charge, ...]) -> dict[str, object]:
    """What is reserved, by budget; nothing where there are none."""
    return {"reserved": {item.budget.line: item.most for item in charges}} if charges else {}
