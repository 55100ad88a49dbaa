"""The record: no record, no data."""

from semantic.ledger.breakers import BreakerSettings
from semantic.ledger.budgets import Budget, Charge, Unit
from semantic.ledger.erasable import ERASED, Erasable
from semantic.ledger.ledger import STATE_FOLDER, Ledger
from semantic.ledger.note import Checkpoint, NoteError, open_note
from semantic.ledger.reads import (
    AskedQuery,
    Read,
    ReadQuestion,
    asked_queries,
    find_reads,
    known_names,
)
from semantic.ledger.record import (
    MetricRead,
    ReadContext,
    Record,
    RecordKind,
    Touched,
    derived_id,
    new_read_id,
    uuid7,
)
from semantic.ledger.terms import Admission, Settlement, Terms
from semantic.ledger.verify import Finding, Harm, Verified

__all__ = [
    "ERASED",
    "STATE_FOLDER",
    "Admission",
    "AskedQuery",
    "BreakerSettings",
    "Budget",
    "Charge",
    "Checkpoint",
    "Erasable",
    "Finding",
    "Harm",
    "Ledger",
    "MetricRead",
    "NoteError",
    "Read",
    "ReadContext",
    "ReadQuestion",
    "Record",
    "RecordKind",
    "Settlement",
    "Terms",
    "Touched",
    "Unit",
    "Verified",
    "asked_queries",
    "derived_id",
    "find_reads",
    "known_names",
    "new_read_id",
    "open_note",
    "uuid7",
]
