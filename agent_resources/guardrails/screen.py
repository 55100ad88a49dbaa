"""What looks through a text for something that should not pass, and what is put in its place."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A stretch of a text, from `start` up to `end`, and what it is, in words: `e-mail address`."""

    what: str
    start: int
    end: int


class Passage(StrEnum):
    """What becomes of a text in which a screen finds something: what was found is masked, the whole text is withheld, or it passes as it is."""

    MASKED = "masked"
    WITHHELD = "withheld"
    AS_IT_IS = "as it is"


class Screen(Protocol):
    """Looks for one kind of thing. `name` is the guardrail's in the record."""

    name: str
    passage: Passage

    def find(self, text: str) -> Sequence[Finding]:
        """What it finds, in the order of the text."""
        ...


@dataclass(frozen=True, kw_only=True)
class Screened:
    """A value as it may pass. `found` counts by guardrail and by what was found."""

    value: Any
    found: Mapping[tuple[str, str], int]


def screen_value(value: Any, screens: Iterable[Screen]) -> Screened:
    """A value of plain JSON, in which `[what it is]` stands for what the screens found in its texts, also where these are keys of mappings."""
    found: Counter[tuple[str, str]] = Counter()
    seen: dict[str, str] = {}
    all_screens = tuple(screens)

    def passed(item: Any) -> Any:
        match item:
            case str():
                if item not in seen:
                    seen[item] = item
                    for screen in all_screens:
                        seen[item] = _masked(seen[item], screen, found)
                return seen[item]
            case Mapping():
                return _distinct((passed(key), passed(inner)) for key, inner in item.items())
            case list() | tuple():
                return [passed(inner) for inner in item]
            case _:
                return item

    return Screened(value=passed(value), found=found)


def _distinct(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping of all of these: a key that is there already gets a number."""
    found: dict[Any, Any] = {}
    for key, value in items:
        name, number = key, 2
        while name in found:
            name, number = f"{key} {number}", number + 1
        found[name] = value
    return found


def _masked(text: str, screen: Screen, found: Counter[tuple[str, str]]) -> str:
    findings = screen.find(text)
    if not findings:
        return text
    found.update((screen.name, finding.what) for finding in findings)
    match screen.passage:
        case Passage.AS_IT_IS:
            return text
        case Passage.WITHHELD:
            return f"[withheld: {findings[0].what}]"
        case Passage.MASKED:
            return _with_names(text, findings)


def _with_names(text: str, findings: Sequence[Finding]) -> str:
    masked, reached = "", 0
    for finding in findings:
        if finding.start >= reached:
            masked += f"{text[reached : finding.start]}[{finding.what}]"
            reached = finding.end
    return masked + text[reached:]
