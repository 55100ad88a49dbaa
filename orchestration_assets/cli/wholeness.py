"""That the record is not whole, which is said before anything is told from it."""

from orchestration_assets.cli.output import say
from semantic.ledger import Ledger

_MOST_SAID = 3


def say_where_broken(ledger: Ledger) -> tuple[str, ...]:
    """Says what is wrong with the record as far as can be told at once, and returns it; nothing where nothing is."""
    findings = ledger.glance()
    if not findings:
        return ()
    said = [
        f"THE RECORD IS NOT WHOLE: {f'record {it.seq} ' if it.seq else ''}{it.harm}: {it.text}"
        for it in findings[:_MOST_SAID]
    ]
    if len(findings) > _MOST_SAID:
        said.append(f"... and {len(findings) - _MOST_SAID:,} more")
    said.append(
        "What follows is told from what is there; `governed-agents verify` tells all that is wrong."
    )
    for line in said:
        say(line)
    return tuple(said)
