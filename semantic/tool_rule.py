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
class ToolRule:
    """Lets readers call tools, or bars them from it; both by name, with `*`."""

    name: str
    verb: ToolVerb
    readers: frozenset[str]
    tools: frozenset[str]

    def speaks_of(self, reader: str, tool: str) -> bool:
        return matches_any(reader, self.readers) and matches_any(tool, self.tools)


@dataclass(frozen=True, kw_only=True)
class ToolVerdict:
    """Whether a tool may be called, and the rules that decided it. `why` is for the record."""

    is_permitted: bool
    rules: tuple[str, ...] = ()
    why: str = ""


def judge_call(rules: Iterable[ToolRule], readers: Iterable[str], tool: str) -> ToolVerdict:
    """Whether all of these readers, who act together, may call a tool."""
    permitting: set[str] = set()
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
    return ToolVerdict(is_permitted=bool(permitting), rules=tuple(sorted(permitting)))
