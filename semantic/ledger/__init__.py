"""The record: no record, no data."""

from semantic.ledger.archive import ArchivedMonth
from semantic.ledger.asked_queries import AskedQuery, asked_queries
from semantic.ledger.backup import backup_to
from semantic.ledger.breakers import BreakerSettings
from semantic.ledger.budgets import Budget, Charge, Unit
from semantic.ledger.deletion import deletable_month, delete_month, is_taken_away
from semantic.ledger.erasable import ERASED, Erasable
from semantic.ledger.exposure import MostExposed
from semantic.ledger.finding import Finding, Harm
from semantic.ledger.journal import JournalEntry, JournalPlace
from semantic.ledger.ledger import STATE_FOLDER, Erased, Ledger
from semantic.ledger.note import Checkpoint, NoteError, open_note
from semantic.ledger.periods import Period
from semantic.ledger.read_counts import CountBy, ReadCount, count_reads
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_order import ReadOrder
from semantic.ledger.read_question import ReadQuestion
from semantic.ledger.reads import Read, ReadPage, find_reads, read_page
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
from semantic.ledger.retention import archive_until, archived_months
from semantic.ledger.terms import Admission, Settlement, Terms
from semantic.ledger.unused_grants import UnusedGrant, unused_grants
from semantic.ledger.verify import Verified

__all__ = [
    "ERASED",
    "STATE_FOLDER",
    "Admission",
    "ArchivedMonth",
    "AskedQuery",
    "BreakerSettings",
    "Budget",
    "Charge",
    "Checkpoint",
    "CountBy",
    "Erasable",
    "Erased",
    "Finding",
    "Harm",
    "JournalEntry",
    "JournalPlace",
    "Ledger",
    "MetricRead",
    "MostExposed",
    "NoteError",
    "Period",
    "Read",
    "ReadContext",
    "ReadCount",
    "ReadOrder",
    "ReadOutcome",
    "ReadPage",
    "ReadQuestion",
    "Record",
    "RecordKind",
    "Settlement",
    "Terms",
    "Touched",
    "Unit",
    "UnusedGrant",
    "Verified",
    "archive_until",
    "archived_months",
    "asked_queries",
    "backup_to",
    "count_reads",
    "deletable_month",
    "delete_month",
    "derived_id",
    "find_reads",
    "is_taken_away",
    "new_read_id",
    "open_note",
    "read_page",
    "unused_grants",
    "uuid7",
]
