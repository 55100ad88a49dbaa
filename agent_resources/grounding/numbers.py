"""The numbers that a text states: `1,234`, `12.5 %`, `about 1.2 million`, `twice`, `three`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent_resources.grounding.written import CARDINALS, MULTIPLES, PARTS

_SCALES = {"thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9}


def _words(named: Iterable[str]) -> str:
    return "|".join(sorted(named, key=len, reverse=True))


_NUMBER = re.compile(
    r"(?<![\w.,/:])(?P<sign>[-−+±]?)(?P<money>[$€£]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:(?:\s|-)?(?P<scale>thousand|million|billion|k|m|bn)(?=[\s,.;:)]|$))?"
    r"(?:\s*(?P<percent>%|percentage[\s-]points?\b|percent\b|per\s+cent\b|pp\b|points?\b)|\s*-?(?P<times>x\b|×|times\b|fold\b))?"
    r"(?![\w])",
    re.IGNORECASE | re.ASCII,
)
_WRITTEN = re.compile(
    rf"\b(?P<some>one|{_words(CARDINALS)}|\d\d?)\s+(?:in|out\s+of)\s+(?:every\s+)?(?P<whole>{_words(CARDINALS)}|\d\d?)\b(?!-)"
    rf"|\b(?P<part>{_words(PARTS)})\b(?!-?\s*(?:an?\s+hour|hour|hourly|of\s+the\s+month))"
    rf"|\b(?P<multiple>{_words(MULTIPLES)})\b"
    rf"|\b(?P<named>{_words(CARDINALS)})\b(?!-)(?:(?P<times>\s+times\b|-?fold\b)|\s+(?P<percent>percentage[\s-]points?\b|percent\b|per\s+cent\b|points?\b))?",
    re.IGNORECASE | re.ASCII,
)
_ENUMERATED = re.compile(r"(?:^|[,;:\n]\s*)(\d{1,2}[.)])(?=\s+[A-Z*])")
_FACTOR = re.compile(
    r"\bfactor\s+of\s+(?:(?:about|around|roughly|nearly|almost|over|some)\s+)?$", re.IGNORECASE
)
_ABOUT = (
    r"about|around|roughly|approximately|approx\.?|nearly|almost|close to|some|~|≈|circa|just over|just under|slightly over|"
    r"slightly under|a little over|a little under|well over|an estimated|the order of"
)
_OVER = r"over|above|more than|greater than|at least|exceed(?:s|ed|ing)?|north of|upwards of|as (?:many|much) as"
_UNDER = r"under|below|less than|fewer than|at most|up to|no more than|within"
_LASTS = re.compile(r"\s+(?:full\s+)?(?:days|weeks|months|years)\b", re.IGNORECASE)
_HEDGE = re.compile(
    rf"(?:(?P<about>{_ABOUT})\s*(?:the\s+|a\s+)?|(?P<over>{_OVER})\s*|(?P<under>{_UNDER})\s*)$",
    re.IGNORECASE,
)


class NumberKind(StrEnum):
    """What a number counts in: as it stands, hundredths, percentage points, or multiples."""

    PLAIN = "number"
    PERCENT = "percentage"
    POINTS = "percentage points"
    TIMES = "multiple"


class Hedge(StrEnum):
    """How exactly a number is stated."""

    EXACT = "exact"
    ABOUT = "about"
    OVER = "over"
    UNDER = "under"


@dataclass(frozen=True, kw_only=True)
class NumberMention:
    """A number that stands in a text, from `start` to before `end` of it. It is stated to within `half_step` of its value, and
    the words that say how exactly begin at `hedge_start`.
    """

    start: int
    end: int
    value: float
    half_step: float
    kind: NumberKind
    hedge: Hedge
    hedge_start: int
    is_written: bool = False


def numbers_of(text: str, taken: Sequence[tuple[int, int]]) -> list[NumberMention]:
    """The numbers that a text states, in its order, but for what lies in the parts of it that are `taken`."""
    found = [_in_words(text, match) for match in _WRITTEN.finditer(text)]
    left_out = [*taken, *(match.span(1) for match in _ENUMERATED.finditer(text))]
    left_out += [(item.start, item.end) for item in found]
    found += [
        item
        for item in (_in_digits(text, match) for match in _NUMBER.finditer(text))
        if not _touches(item, left_out)
    ]
    return sorted(
        (item for item in found if not _touches(item, taken)), key=lambda item: item.start
    )


def _touches(item: NumberMention, parts: Sequence[tuple[int, int]]) -> bool:
    return any(start < item.end and item.start < end for start, end in parts)


def _in_digits(text: str, match: re.Match[str]) -> NumberMention:
    digits = match["digits"].replace(",", "")
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 1.0
    decimals = len(digits.partition(".")[2])
    value = float(digits) * scale * (-1 if match["sign"] in ("-", "−") else 1)
    is_length = _LASTS.match(text, match.end()) is not None
    hedge, hedge_start = _hedge(text, match.start())
    return NumberMention(
        start=match.start(),
        end=match.end(),
        value=value,
        half_step=0.5 * scale * 10.0**-decimals,
        kind=NumberKind.TIMES
        if _FACTOR.search(text[: match.start()])
        else _kind(match["percent"], match["times"]),
        hedge=Hedge.EXACT if is_length else hedge,
        hedge_start=hedge_start,
    )


def _in_words(text: str, match: re.Match[str]) -> NumberMention:
    written = match[0].lower()
    start, end = match.span()
    hedge, hedge_start = _hedge(text, start)
    kind = NumberKind.PERCENT
    if match["whole"]:
        some, whole = (_counted(match[name]) for name in ("some", "whole"))
        value = 100 * some / max(whole, 1.0)
    elif match["part"]:
        value = PARTS[re.sub(r"\s+", " ", written)]
    elif match["multiple"]:
        value, kind = MULTIPLES[written], NumberKind.TIMES
    else:
        value = CARDINALS[match["named"].lower()]
        kind = _kind(match["percent"], match["times"])
    if hedge is Hedge.EXACT and not match["named"]:
        hedge = Hedge.ABOUT
    return NumberMention(
        start=start,
        end=end,
        value=value,
        half_step=0.5,
        kind=kind,
        hedge=hedge,
        hedge_start=hedge_start,
        is_written=True,
    )


def _counted(written: str) -> float:
    if written.isdigit():
        return float(written)
    return CARDINALS.get(written.lower(), 1.0)


def _kind(percent: str | None, times: str | None) -> NumberKind:
    if times:
        return NumberKind.TIMES
    if not percent:
        return NumberKind.PLAIN
    return (
        NumberKind.POINTS
        if percent.lower().startswith(("pp", "point", "percentage"))
        else NumberKind.PERCENT
    )


def _hedge(text: str, start: int) -> tuple[Hedge, int]:
    """How exactly the number is stated that begins here, and where the words begin that say so."""
    before = text[:start].rstrip() + " "
    match = _HEDGE.search(before)
    if match is None:
        return Hedge.EXACT, start
    found = Hedge.ABOUT if match["about"] else Hedge.OVER if match["over"] else Hedge.UNDER
    return found, match.start()
