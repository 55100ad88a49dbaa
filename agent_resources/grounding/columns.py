"""Which metrics of a read a number may be of, by the words around it."""

import re
from collections.abc import Sequence

from agent_resources.grounding.context import Context
from agent_resources.grounding.evidence import Column, Table
from agent_resources.grounding.numbers import NumberKind, NumberMention
from agent_resources.grounding.words import is_same_word, named_share, words_of

# Ratios lie between 0 and 1: a whole number says nothing of one.
_FINE_STEP = 0.05
_OF_NUMBER = re.compile(r"\s+(?:of|out of)\s+(?:the\s+|its\s+)?\d", re.IGNORECASE)


def columns_of(context: Context, table: Table) -> list[Column]:
    """The metrics that the words at a number name; all of them where they name none."""
    columns = [column for column in table.columns if _is_counted_so(context.number, column)]
    measure = context.measure
    if measure:
        columns = [
            column
            for column in columns
            if all(
                any(is_same_word(word, item) for item in words_of(column.unit or ""))
                for word in words_of(measure)
            )
        ]
    if context.is_of_whole or _OF_NUMBER.match(context.statement.text, context.number.end):
        return columns
    return narrowed(context, columns)


def narrowed(context: Context, columns: Sequence[Column]) -> list[Column]:
    """Those of these metrics that the words at a number name best; all of them where they name none.

    A unit that several have tells them apart only where no other word does: `472 flights were cancelled`.
    """
    kept = list(columns)
    units = [word for column in columns for word in words_of(column.unit or "")]
    shared = {word for word in units if units.count(word) > 1}
    for words, is_all in (
        (context.around, False),
        (context.clause_words, False),
        (context.sentence_words if context.is_alone else [], False),
        (context.around, True),
        (context.clause_words, True),
    ):
        if len(kept) < 2:
            break
        said = [
            word for word in words if is_all or not any(is_same_word(word, it) for it in shared)
        ]
        shares = {column.name: named_share(column.words, said) for column in kept}
        best = max(shares.values())
        if best[0]:
            kept = [column for column in kept if shares[column.name] == best]
    return kept


def _is_counted_so(number: NumberMention, column: Column) -> bool:
    match number.kind:
        case NumberKind.PERCENT:
            return column.is_ratio or column.is_percent
        case NumberKind.PLAIN:
            return not column.is_ratio or number.half_step <= _FINE_STEP
        case NumberKind.POINTS | NumberKind.TIMES:
            return False
