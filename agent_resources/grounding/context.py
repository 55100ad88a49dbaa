"""A number of a text with what it is said of and the words around it, and a value that it may be."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from agent_resources.grounding.cues import AVERAGED, FELL, MEASURES, ROSE
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.statement import Scope, Statement
from agent_resources.grounding.words import is_same_word

_ABOUT = 0.05
_EXACT = 1e-9
_WORDS_AFTER = 4
_WORDS_BEFORE = 3
_OF_WHOLE = re.compile(
    r"\b(?:(?<!total )of|out of|out of a total of|from|against|versus|vs\.?|than)\s+(?:the\s+|its\s+|all\s+|a\s+total\s+of\s+|\w+'s\s+)*$",
    re.IGNORECASE,
)
_EACH = re.compile(
    r"\s*(?:(?!within|in|of|on|for|from|to)\w+\s+){0,2}(?:a|per|each)\s+(?:day|week|month)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A value that a number may be, in the way that it is counted; `how` it comes about in words, and the read that it is from."""

    value: float
    how: str
    read_id: str
    is_change: bool = False


@dataclass(frozen=True, kw_only=True)
class Context:
    """A number with what it is said of, and the words around it."""

    number: NumberMention
    scope: Scope
    statement: Statement
    tolerance: float

    @property
    def clause_words(self) -> list[str]:
        return self.statement.words(self.statement.clause(self.number.start))

    @property
    def sentence_words(self) -> list[str]:
        return self.statement.words(self.statement.sentence(self.number.start))

    @property
    def is_alone(self) -> bool:
        """Whether its sentence states no other number that may be of another metric."""
        start, end = self.statement.sentence(self.number.start)
        run = self.statement.run_of(self.number)
        return not any(
            start <= item.start < end and item not in run and not item.is_written
            for item in self.statement.numbers
        )

    @property
    def is_of_whole(self) -> bool:
        """Whether the words before it say that it is what something is a part of, or is held against."""
        return _OF_WHOLE.search(self.statement.text[: self.number.hedge_start]) is not None

    @property
    def following(self) -> list[str]:
        """The words right after the number, up to the end of its clause or the next number."""
        end = self.statement.clause(self.number.start)[1]
        later = [item.start for item in self.statement.numbers if item.start > self.number.start]
        return self.statement.words((self.number.end, min([end, *later])))[:_WORDS_AFTER]

    @property
    def around(self) -> list[str]:
        """The words right before the list of numbers that it stands in, and those that follow it."""
        first = self.statement.run_of(self.number)[0].start
        start = self.statement.clause(first)[0]
        earlier = [item.end for item in self.statement.numbers if item.end <= first]
        return [
            *self.statement.words((max([start, *earlier]), first))[-_WORDS_BEFORE:],
            *self.following,
        ]

    @property
    def is_averaged(self) -> bool:
        """Whether it is said to be an average, or of each day."""
        if _EACH.match(self.statement.text, self.number.end):
            return True
        return any(is_same_word(cue, word) for cue in AVERAGED for word in self.clause_words)

    @property
    def measure(self) -> str | None:
        """The unit of measure that it is stated in, None where it is stated in none."""
        if self.number.kind is not NumberKind.PLAIN:
            return None
        return next((MEASURES[word] for word in self.following[:2] if word in MEASURES), None)

    def has_cue(self, cues: Collection[str]) -> bool:
        return any(any(is_same_word(cue, word) for word in self.sentence_words) for cue in cues)

    def is_met_by(self, candidate: Candidate) -> bool:
        """Whether the number says this value, as exactly as it is stated."""
        value = candidate.value
        if candidate.is_change and not self._has_direction(value):
            return False
        value, stated = (
            (abs(value), abs(self.number.value))
            if candidate.is_change
            else (value, self.number.value)
        )
        slack = self.number.half_step + _EXACT + self.tolerance * abs(value)
        match self.number.hedge:
            case Hedge.EXACT:
                if self.number.kind is NumberKind.TIMES:
                    slack = max(slack, _ABOUT * abs(value)) if self.number.is_written else slack
                elif self.number.is_written:
                    slack = _EXACT
                return abs(value - stated) <= slack
            case Hedge.ABOUT:
                return abs(value - stated) <= max(
                    slack if not self.number.is_written else 0.0, _ABOUT * abs(value)
                )
            case Hedge.OVER:
                return value >= stated - slack
            case Hedge.UNDER:
                return value <= stated + slack

    def _has_direction(self, change: float) -> bool:
        rose, fell = (
            any(any(is_same_word(cue, word) for word in self.clause_words) for cue in cues)
            for cues in (ROSE, FELL)
        )
        if rose == fell:
            return True
        return change >= 0 if rose else change <= 0
