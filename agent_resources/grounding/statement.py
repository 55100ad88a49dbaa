"""A text taken apart: the numbers, days and labels that stand in it, and which of these belong together."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from agent_resources.grounding.days import DayMention, days_of
from agent_resources.grounding.evidence import Table
from agent_resources.grounding.numbers import NumberMention, numbers_of
from agent_resources.grounding.words import words_of
from semantic.time_range import DaySpan

_CLAUSE_ENDS = re.compile(
    r"[;:()]|,\s|\.\s|\s(?:and|but|while|whereas|against|versus|vs\.?|compared\s+(?:with|to)|than|with)\s",
    re.IGNORECASE,
)
_IN_A_ROW = re.compile(r"[\s,&/]*(?:\b(?:and|or|vs\.?|versus)\b)?\s*(?:%|the\s)?\s*")
_BRACKET = re.compile(r"\s*\w*\s*\(")
_SENTENCE_END = re.compile(r"(?<!\bvs)(?<!\bapprox)(?<!\bno)(?<!\bInc)[.!?;]\s+(?=[A-Z0-9(*])")
_READ_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_LONGEST_ALIAS_GAP = 2
_SHORT_LABEL = 3
_SHORTEST_BRAND = 4


@dataclass(frozen=True, kw_only=True)
class LabelMention:
    """What a group is called, standing in a text from `start` to before `end` of it: its value by each dimension that may be meant."""

    start: int
    end: int
    dimensions: frozenset[str]
    values: frozenset[str]


Mention = DayMention | LabelMention
MentionT = TypeVar("MentionT", bound=NumberMention | Mention)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What something is said of: labels, each of which holds, and days. Empty where nothing is named."""

    labels: tuple[LabelMention, ...] = ()
    days: tuple[DaySpan, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """What the reads of a run call their groups: by name each dimension, and its value, that may be meant."""

    labels: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Iterable[Table]) -> "Vocabulary":
        labels: dict[str, set[tuple[str, str]]] = {}
        by_dimension: dict[str, set[str]] = {}
        for dimension, value in {pair for table in tables for pair in table.labels()}:
            if any(letter.isalpha() for letter in value):
                labels.setdefault(value, set()).add((dimension, value))
                by_dimension.setdefault(dimension, set()).add(value)
        for dimension, values in by_dimension.items():
            for brand, value in _brands(values):
                labels.setdefault(brand, set()).add((dimension, value))
        return cls(labels={name: frozenset(meant) for name, meant in labels.items()})


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A text, and what stands in it, each in its order."""

    text: str
    numbers: tuple[NumberMention, ...]
    days: tuple[DayMention, ...]
    labels: tuple[LabelMention, ...]

    @classmethod
    def of(cls, text: str, vocabulary: Vocabulary, days: Sequence[DaySpan]) -> "Statement":
        """`days` are those of the reads that it cites: a day without its month is one of them."""
        labels = _labels_of(text, vocabulary)
        taken = [(item.start, item.end) for item in labels]
        named = [
            item
            for item in days_of(text, days)
            if not any(start < item.end and item.start < end for start, end in taken)
        ]
        taken += [(item.start, item.end) for item in named]
        taken += [match.span() for match in _READ_ID.finditer(text)]
        return cls(
            text=text,
            numbers=tuple(numbers_of(text, taken)),
            days=tuple(named),
            labels=tuple(labels),
        )

    @property
    def mentions(self) -> list[Mention]:
        """The days and labels, in their order."""
        mentions: list[Mention] = [*self.days, *self.labels]
        return sorted(mentions, key=lambda item: item.start)

    def clause(self, position: int) -> tuple[int, int]:
        """Where the part of the text begins and ends that a position lies in."""
        start, end = 0, len(self.text)
        for match in _CLAUSE_ENDS.finditer(self.text):
            if self._is_within_mention(match.start()):
                continue
            if match.end() <= position:
                start = match.end()
            elif match.start() >= position:
                end = match.start()
                break
        return start, end

    def sentence(self, position: int) -> tuple[int, int]:
        """Where the sentence begins and ends that a position lies in."""
        ends = [match.end() for match in _SENTENCE_END.finditer(self.text)]
        ends = [end for end in ends if not self._is_within_mention(end - 2)]
        start = max((end for end in ends if end <= position), default=0)
        return start, min((end for end in ends if end > position), default=len(self.text))

    def words(self, span: tuple[int, int]) -> list[str]:
        """The words in a part of the text that belong to no mention of days or labels, and do not say how exactly a number is stated."""
        kept, position = [], span[0]
        left_out = [(item.start, item.end) for item in self.mentions]
        left_out += [(item.hedge_start, item.start) for item in self.numbers]
        for start, end in sorted(left_out):
            if span[0] <= start < span[1] and end > position:
                kept.append(self.text[position:start])
                position = end
        return words_of(" ".join([*kept, self.text[position : span[1]]]))

    def run_of(self, number: NumberMention) -> tuple[NumberMention, ...]:
        """The list of numbers that a number stands in: `120, 127 and 90`. Itself alone where it stands in none."""
        return next(run for run in _runs(self.text, self.numbers) if number in run)

    def scope(self, mention: NumberMention) -> Scope:
        """What a number is said of."""
        paired = self._paired(mention) | self._in_brackets(mention)
        labels = [
            found
            for dimensions, named in self._label_groups.items()
            for found in paired.get(dimensions) or self._nearest(named, mention)
        ]
        days = paired.get(None) or self._nearest(self.days, mention)
        return Scope(
            labels=tuple(item for item in labels if isinstance(item, LabelMention)),
            days=tuple(item.span for item in days if isinstance(item, DayMention) and item.span),
        )

    def _nearest(self, mentions: Sequence[Mention], number: NumberMention) -> list[Mention]:
        """Those in the clause of a number; where there are none, those of the nearest clause before it that has some, or after it in
        its sentence.
        """
        if not mentions:
            return []
        start, end = self.clause(number.start)
        inside = [item for item in mentions if start <= item.start < end]
        if inside:
            return inside
        before = [item for item in mentions if item.start < start]
        sentence = self.sentence(number.start)
        after = [item for item in mentions if end <= item.start < sentence[1]]
        before = self._of_clause(before, before[-1]) if before else []
        after = self._of_clause(after, after[0]) if after else []
        if any(after and after[0].start < item.start < sentence[1] for item in self.numbers):
            after = []
        if before and (not after or not self._has_number(before[-1])):
            return before
        return after or before

    def _of_clause(self, mentions: Sequence[MentionT], one: MentionT) -> list[MentionT]:
        first, last = self.clause(one.start)
        return [item for item in mentions if first <= item.start < last]

    def _has_number(self, mention: Mention) -> bool:
        """Whether a number stands in the clause of a mention."""
        first, last = self.clause(mention.start)
        return any(first <= item.start < last for item in self.numbers)

    def _in_brackets(self, number: NumberMention) -> dict[frozenset[str] | None, list[Mention]]:
        """What follows a number in brackets of its own: `159 (8 February)`."""
        match = _BRACKET.match(self.text, number.end)
        if match is None:
            return {}
        found: dict[frozenset[str] | None, list[Mention]] = {}
        for dimensions, named in self._label_groups.items():
            for item in named:
                if item.start == match.end():
                    found[dimensions] = [item]
        for day in self.days:
            if day.start == match.end():
                found[None] = [day]
        return found

    def _paired(self, number: NumberMention) -> dict[frozenset[str] | None, list[Mention]]:
        """By dimensions, and None for days, what a number of a list belongs to where as many are named in another list, or before it."""
        run = self.run_of(number)
        if len(run) < 2:
            return {}
        place, start = run.index(number), self.sentence(number.start)[0]
        groups: list[tuple[frozenset[str] | None, Sequence[Mention]]] = [
            (None, self.days),
            *self._label_groups.items(),
        ]
        paired: dict[frozenset[str] | None, list[Mention]] = {}
        for name, mentions in groups:
            before = tuple(item for item in mentions if start <= item.start < run[0].start)
            for others in (*_runs(self.text, mentions), before):
                if len(others) == len(run):
                    paired[name] = [others[place]]
                    break
        return paired

    @cached_property
    def _label_groups(self) -> dict[frozenset[str], list[LabelMention]]:
        """The labels by the dimensions that they are of; those that may be of the same one together."""
        groups: dict[frozenset[str], list[LabelMention]] = {}
        for item in self.labels:
            shared = [dimensions for dimensions in groups if dimensions & item.dimensions]
            named = [it for dimensions in shared for it in groups.pop(dimensions)]
            groups[item.dimensions.union(*shared)] = sorted([*named, item], key=lambda it: it.start)
        return groups

    def _is_within_mention(self, position: int) -> bool:
        return any(start <= position < end for start, end in self._unbroken)

    @cached_property
    def _unbroken(self) -> list[tuple[int, int]]:
        """The parts of the text that are mentions, or lists of them."""
        runs: list[Sequence[NumberMention | Mention]] = [
            *_runs(self.text, self.days),
            *_runs(self.text, self.numbers),
        ]
        for named in self._label_groups.values():
            runs += _runs(self.text, named)
        return [(run[0].start, run[-1].end) for run in runs]


def _runs(text: str, mentions: Sequence[MentionT]) -> Iterator[tuple[MentionT, ...]]:
    """Mentions that stand in a list: `JFK, LGA and EWR`."""
    run: list[MentionT] = []
    for item in mentions:
        gap = text[run[-1].end : item.start] if run else None
        if gap is not None and (not gap.strip() or not _IN_A_ROW.fullmatch(gap)):
            yield tuple(run)
            run = []
        run.append(item)
    if run:
        yield tuple(run)


def _labels_of(text: str, vocabulary: Vocabulary) -> list[LabelMention]:
    """The labels that stand in a text, the longer before the shorter. `JetBlue Airways (B6)` is one of them."""
    found: list[LabelMention] = []
    lowered = text.lower()
    named = [name for name in vocabulary.labels if name in lowered]
    for name in sorted(named, key=len, reverse=True):
        pattern = rf"(?<![\w]){re.escape(name)}(?![\w])"
        for match in re.finditer(pattern, text, re.IGNORECASE):
            if not _is_written_as_label(match[0]) or any(
                item.start < match.end() and match.start() < item.end for item in found
            ):
                continue
            meant = vocabulary.labels[name]
            found.append(
                LabelMention(
                    start=match.start(),
                    end=match.end(),
                    dimensions=frozenset(dimension for dimension, _ in meant),
                    values=frozenset(value for _, value in meant),
                )
            )
    return _with_aliases(text, sorted(found, key=lambda item: item.start))


def _with_aliases(text: str, found: Sequence[LabelMention]) -> list[LabelMention]:
    joined: list[LabelMention] = []
    for item in found:
        before = joined[-1] if joined else None
        is_alias = (
            before is not None
            and before.dimensions != item.dimensions
            and item.start - before.end <= _LONGEST_ALIAS_GAP
            and text[before.end : item.start].endswith("(")
        )
        if before is not None and is_alias:
            joined[-1] = LabelMention(
                start=before.start,
                end=item.end + text[item.end :].startswith(")"),
                dimensions=before.dimensions | item.dimensions,
                values=before.values | item.values,
            )
        else:
            joined.append(item)
    return joined


def _is_written_as_label(written: str) -> bool:
    """Short codes are labels in capitals only: `AS` is a carrier, `as` a word."""
    return len(written) > _SHORT_LABEL or written.upper() == written


def _brands(values: set[str]) -> Iterator[tuple[str, str]]:
    """The first words that only one value begins with: `jetblue` of `jetblue airways`."""
    for value in values:
        brand = value.split()[0].rstrip(",.")
        is_alone = sum(other.split()[0].rstrip(",.") == brand for other in values) == 1
        if brand != value and len(brand) >= _SHORTEST_BRAND and is_alone:
            yield brand, value
