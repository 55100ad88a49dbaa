"""The record: no record, no data."""

from semantic.ledger.ledger import Ledger
from semantic.ledger.reads import Read, ReadQuestion, find_reads, known_names
from semantic.ledger.record import MetricRead, ReadContext, Record, RecordKind, new_read_id

__all__ = [
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
