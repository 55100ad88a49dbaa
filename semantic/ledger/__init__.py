"""The record: no record, no data."""

from semantic.ledger.ledger import STATE_FOLDER, Ledger
from semantic.ledger.reads import Read, ReadQuestion, find_reads, known_names
from semantic.ledger.record import MetricRead, ReadContext, Record, RecordKind, new_read_id

__all__ = [
    "STATE_FOLDER",
    "Ledger",
    "MetricRead",
    "Read",
    "ReadContext",
    "ReadQuestion",
    "Record",
    "RecordKind",
    "find_reads",
    "known_names",
    "new_read_id",
]
