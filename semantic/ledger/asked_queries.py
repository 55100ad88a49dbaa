"""The queries that were really asked."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.ledger.erasable import is_erased, restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.query import MetricQuery

_AT_ONCE = 2_000
_ASKED = (RecordKind.INTENT, RecordKind.REFUSAL)


@dataclass(frozen=True, kw_only=True)
class AskedQuery:
    """A query that a reader asked, as often as it did."""

    reader: str
    acting_for: str | None
    query: MetricQuery
    times: int


def asked_queries(ledger: Ledger, *, since: datetime, without_reader: str) -> list[AskedQuery]:
    """The distinct queries that were asked since then, also those that were refused; most often asked first. Those of which a value was
    erased cannot be asked again, and are left out.
    """
    asked = sa.select(records.c.reader, records.c.acting_for, records.c.body).where(
        records.c.kind.in_([kind.value for kind in _ASKED]),
        records.c.recorded_at >= as_recorded(since),
        records.c.reader != without_reader,
    )
    found: Counter[tuple[str, str | None, bytes]] = Counter()
    with ledger.reading() as connection:
        archived = ledger.archive.since(connection, as_recorded(since), _ASKED)
        others = [row for row in archived if row[0] != without_reader]
        # What was archived stands in the database too until it is taken out.
        through = max((month.through for month in ledger.archive.months(connection)), default=0)
        left = connection.execute(asked.where(records.c.seq > through))
        for rows in chain([others], left.partitions(_AT_ONCE)):
            contents = restored(connection, [body for _, _, body in rows])
            for (reader, acting_for, _), content in zip(rows, contents, strict=True):
                query = content["details"].get("query")
                if query is not None and not is_erased(query):
                    found[reader, acting_for, canonical_json(query)] += 1
    return [
        AskedQuery(
            reader=reader,
            acting_for=acting_for,
            query=MetricQuery.model_validate(json.loads(query)),
            times=times,
        )
        for (reader, acting_for, query), times in found.most_common()
    ]
