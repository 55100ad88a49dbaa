"""Whether a reader may still have what it was given once."""

import hashlib

from semantic.canonical import canonical_json
from semantic.names import Sources
from semantic.plan_request import PlanRequest
from semantic.policy import Permit, Reader
from semantic.query import MetricQuery
from semantic.refused import Refused
from semantic.resolve import Resolver
from semantic.snapshot_record import SnapshotRecord


def standing(
    sources: Sources, reader: Reader, query: MetricQuery, snapshot: SnapshotRecord
) -> str | None:
    """A digest of what the query means and of what the reader is permitted of it: the definitions of its metrics, rows, masks and limits.
    None where it would be refused. Reads no data, and leaves no record.
    """
    try:
        request = Resolver(sources, reader, query, lambda: snapshot).resolve()
    except Refused:
        return None
    return hashlib.sha256(canonical_json(_said(request, sources))).hexdigest()


def _said(request: PlanRequest, sources: Sources) -> dict[str, object]:
    metrics = sources.catalog.metrics
    return {
        "definitions": {name: metrics[name].definition_hash for name in request.metrics},
        "permits": [_narrowing(permit) for permit in request.permits],
    }


def _narrowing(permit: Permit) -> dict[str, object]:
    """What a permit takes away. By which rules, and how old the data may be, is no matter of what was seen."""
    return {
        "metric": permit.metric,
        "rows": permit.rows_key,
        "masks": {pattern: repr(mask) for pattern, mask in permit.masks.items()},
        "max_rows": permit.max_rows,
        "smallest_group": permit.smallest_group,
        "max_days": permit.max_days,
        "finest_grain": permit.finest_grain,
    }
