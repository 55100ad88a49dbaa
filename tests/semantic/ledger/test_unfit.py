"""What no store takes is refused alike on all of them, before anybody else is concerned."""

import pytest

from semantic.errors import LedgerUnavailable, QuestionError
from semantic.ledger import JournalEntry, JournalPlace, Ledger, ReadQuestion, read_page


@pytest.mark.parametrize("text", ["x" * 300, "a\0b", "a\ud800"])
def test_a_place_of_the_journal_is_text_that_fits(text: str) -> None:
    with pytest.raises(LedgerUnavailable):
        JournalPlace(root_run_id="run", step="step", partition=text)
    with pytest.raises(LedgerUnavailable):
        JournalEntry(attempt=1, call=text, run_id="run", fingerprint="", body=b"{}")


@pytest.mark.parametrize("limit", [0, -1, 10**7, 2**63])
def test_a_page_has_so_many_reads(ledger: Ledger, limit: int) -> None:
    with pytest.raises(QuestionError, match="is none"):
        read_page(ledger, ReadQuestion(), limit=limit)
