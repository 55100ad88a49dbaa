"""Who may call which tools beside those that read metrics.

As with metrics: nothing is allowed unless a rule permits it, a rule that forbids beats every permit, and the order of rules never matters.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from semantic.pattern import matches_any


class ToolVerb(StrEnum):
    """What a rule on tools does."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, kw_only=True)
class Unattended:
    """How often a call that changes something outside may be made without a person: so many `times` in so many `hours`; with `per` for each value of that
    argument, and where that is the id of a Dagster run for each run with its retries.
    """

    times: int
    hours: float
    per: str | None = None


@dataclass(frozen=True, kw_only=True)
class ToolRule:
    """Lets readers call tools, or bars them from it; both by name, with `*`. Where a rule that permits says `unattended`, no person has to approve so many calls."""

    name: str
    verb: ToolVerb
    readers: frozenset[str]
    tools: frozenset[str]
    unattended: Unattended | None = None

    def speaks_of(self, reader: str, tool: str) -> bool:
        return matches_any(reader, self.readers) and matches_any(tool, self.tools)


@dataclass(frozen=True, kw_only=True)
class ToolVerdict:
    """Whether a tool may be called, and the rules that decided it, those of them that say how often it may be without a person too. `why` is for the record."""

    is_permitted: bool
    rules: tuple[str, ...] = ()
    why: str = ""
    unattended: tuple[ToolRule, ...] = ()


def judge_call(rules: Iterable[ToolRule], readers: Iterable[str], tool: str) -> ToolVerdict:
    """Whether all of these readers, who act together, may call a tool."""
    permitting: set[str] = set()
    unattended: list[list[ToolRule]] = []
    known = tuple(rules)
    for reader in readers:
        speaking = [rule for rule in known if rule.speaks_of(reader, tool)]
        barring = sorted(rule.name for rule in speaking if rule.verb is ToolVerb.FORBID)
        if barring:
            return ToolVerdict(
                is_permitted=False, rules=tuple(barring), why=f"a rule forbids it to '{reader}'"
            )
        if not speaking:
            return ToolVerdict(is_permitted=False, why=f"no rule permits it to '{reader}'")
        permitting.update(rule.name for rule in speaking)
        unattended.append([rule for rule in speaking if rule.unattended is not None])
    return ToolVerdict(
        is_permitted=bool(permitting),
        rules=tuple(sorted(permitting)),
        unattended=tuple(sorted(unattended[0], key=lambda rule: rule.name))
        if len(unattended) == 1
        else (),
    )
