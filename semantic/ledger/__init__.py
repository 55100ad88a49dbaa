"""The record: no record, no data."""

from semantic.ledger.ledger import STATE_FOLDER, Ledger
from semantic.ledger.reads import (
    AskedQuery,
    Read,
    ReadQuestion,
    asked_queries,
    find_reads,
    known_names,
)
from semantic.ledger.record import MetricRead, ReadContext, Record, RecordKind, new_read_id

__all__ = [
    "STATE_FOLDER",
    "AskedQuery",
    "Ledger",
    "MetricRead",
    "Read",
    "ReadContext",
    "ReadQuestion",
    "Record",
    "RecordKind",
    "asked_queries",
    "find_reads",
    "known_names",
    "new_read_id",
]
