"""`policy.yaml` -> `Policy`. One file, owned by the platform team.

readers:
  analyst_ua: {carrier: UA}
rules:
  - permit: carrier analysts read flight metrics
    readers: ["analyst_*"]
    metrics: [flights, on_time_rate]
    dimensions: ["*", tail_number]
  - restrict: carrier analysts see their own carrier
    readers: ["analyst_*"]
    metrics: ["*"]
    rows: {carrier: ["{carrier}"]}
    masks: {tail_number: hash}
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    model_validator,
)

from semantic.budget_file import BudgetText, plain_budget
from semantic.canonical import canonical_json
from semantic.errors import PolicyError
from semantic.generalisation import AtGrain, Band, FirstCharacters
from semantic.ledger import BreakerSettings
from semantic.policy import (
    Clause,
    Dimensions,
    ForbidRule,
    Mask,
    Masking,
    PermitRule,
    Policy,
    RestrictRule,
    Rule,
    Scalar,
    Selector,
    everywhere,
)
from semantic.policy_words import Names, Values, Word
from semantic.tool_file import ToolRuleText, plain_tool_rule
from semantic.yaml_file import YamlFile, load_yaml, parse_yaml, validate

_LONGEST_AGE_HOURS = 1_000_000
_NARROWING = (
    "rows",
    "exempt",
    "masks",
    "max_rows",
    "smallest_group",
    "max_days",
    "finest_grain",
    "max_age_hours",
)


Grain = Literal["second", "minute", "hour", "day", "week", "month", "quarter", "year"]


def _written_out(value: object) -> object:
    """`hash` as `{hash: true}`."""
    if isinstance(value, str) and value in list(Mask):
        return {value: True}
    if isinstance(value, Mapping):
        return value
    raise ValueError("a mask is hash, drop, {first: 2}, {band: 10} or {grain: month}")


class _MaskText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hash: Literal[True] | None = None
    drop: Literal[True] | None = None
    first: StrictInt | None = Field(default=None, ge=1, le=1_000)
    band: StrictInt | None = Field(default=None, ge=2, le=10**12)
    grain: Grain | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if len(self.model_fields_set) != 1 or None in self.model_dump(exclude_unset=True).values():
            raise ValueError("a mask is one of hash, drop, first, band and grain")
        return self


Masks = dict[str, Annotated[_MaskText, BeforeValidator(_written_out)]]


class _RuleText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    permit: Word | None = None
    forbid: Word | None = None
    restrict: Word | None = None
    readers: Names = Field(min_length=1)
    metrics: Names = []
    tags: Names = []
    tiers: Names = []
    owners: Names = []
    groups: Names = []
    dimensions: (
        Annotated[
            Annotated[Names, Tag("list")] | Annotated[dict[Clause, Names], Tag("by clause")],
            Discriminator(lambda value: "by clause" if isinstance(value, Mapping) else "list"),
        ]
        | None
    ) = None
    rows: dict[str, Values] = {}
    exempt: Names = []
    masks: Masks = {}
    max_rows: StrictInt | None = Field(default=None, ge=1)
    smallest_group: StrictInt | None = Field(default=None, ge=2)
    max_days: StrictInt | None = Field(default=None, ge=1)
    finest_grain: Grain | None = None
    max_age_hours: float | None = Field(default=None, gt=0, le=_LONGEST_AGE_HOURS)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        kinds = [
            kind for kind in ("permit", "forbid", "restrict") if getattr(self, kind) is not None
        ]
        if len(kinds) != 1:
            raise ValueError("a rule starts with one of permit, forbid or restrict, and its name")
        if not (self.metrics or self.tags or self.tiers or self.owners or self.groups):
            raise ValueError("a rule names metrics, tags, tiers, owners or groups")
        narrowing = any(getattr(self, name) for name in _NARROWING)
        if kinds != ["restrict"] and narrowing:
            raise ValueError(
                f"{', '.join(_NARROWING[:-1])} and {_NARROWING[-1]} belong in a restrict rule, "
                f"not in a {kinds[0]} rule"
            )
        if kinds == ["restrict"] and not narrowing:
            raise ValueError("this restrict rule restricts nothing")
        if kinds == ["restrict"] and self.dimensions is not None:
            raise ValueError("a restrict rule takes no dimensions; mask or forbid them")
        return self


class _BreakerText(BaseModel):
    """After how many failures in a row a metric is left alone, and for how many seconds."""

    model_config = ConfigDict(extra="forbid")

    failures: StrictInt = Field(default=BreakerSettings.failures, ge=1, le=1_000)
    seconds: StrictInt = Field(default=int(BreakerSettings.seconds), ge=1, le=86_400)


class _PolicyText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    readers: dict[Word, dict[Word, Values]] = {}
    rules: list[_RuleText] = []
    budgets: list[BudgetText] = []
    tools: list[ToolRuleText] = []
    breaker: _BreakerText = _BreakerText()


def load_policy(path: Path) -> Policy:
    """The policy of a file. Raises `PolicyError` with file and line."""
    return _build(load_yaml(path, PolicyError))


def parse_policy(text: str, *, source: str = "policy.yaml") -> Policy:
    """The policy of YAML text, as it stands in a file or in the ledger."""
    return _build(parse_yaml(text, path=Path(source), error=PolicyError))


def policy_text(policy: Policy) -> str:
    """The policy as the canonical text that is published to the ledger; `parse_policy` reads it back unchanged."""
    return canonical_json(_plain(policy)).decode()


def _build(file: YamlFile) -> Policy:
    text = validate(_PolicyText, file, PolicyError)
    rules = tuple(_rule(raw) for raw in text.rules)
    tools = tuple(raw.rule() for raw in text.tools)
    _refuse_twins(file, "rules", [rule.name for rule in rules])
    _refuse_twins(file, "budgets", [raw.budget for raw in text.budgets])
    _refuse_twins(file, "tools", [rule.name for rule in tools], what="rules on tools")
    policy = Policy(
        readers={
            name: {key: _attribute(values) for key, values in attributes.items()}
            for name, attributes in text.readers.items()
        },
        rules=rules,
        hash="",
        source=str(file.path),
        budgets=tuple(raw.rule() for raw in text.budgets),
        tools=tools,
        breaker=BreakerSettings(failures=text.breaker.failures, seconds=text.breaker.seconds),
    )
    digest = hashlib.sha256(canonical_json(_plain(policy))).hexdigest()[:32]
    return replace(policy, hash=digest)


def _refuse_twins(file: YamlFile, section: str, names: list[str], what: str = "") -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise PolicyError(
                f"{file.where(section, position)}: two {what or section} have the name '{name}'"
            )


def _attribute(values: list[str | int | bool]) -> Scalar | tuple[Scalar, ...]:
    return values[0] if len(values) == 1 else tuple(values)


def _rule(raw: _RuleText) -> Rule:
    readers = frozenset(raw.readers)
    selector = Selector(
        names=frozenset(raw.metrics),
        tags=frozenset(raw.tags),
        tiers=frozenset(raw.tiers),
        owners=frozenset(raw.owners),
        groups=frozenset(raw.groups),
    )
    if raw.permit is not None:
        return PermitRule(
            name=raw.permit,
            readers=readers,
            metrics=selector,
            dimensions=_by_clause(["*"] if raw.dimensions is None else raw.dimensions),
        )
    if raw.forbid is not None:
        return ForbidRule(
            name=raw.forbid,
            readers=readers,
            metrics=selector,
            dimensions=_by_clause(raw.dimensions or {}),
        )
    return RestrictRule(
        name=str(raw.restrict),
        readers=readers,
        metrics=selector,
        rows={element: tuple(values) for element, values in raw.rows.items()},
        exempt=frozenset(raw.exempt),
        masks={name: _mask(mask) for name, mask in raw.masks.items()},
        max_rows=raw.max_rows,
        smallest_group=raw.smallest_group,
        max_days=raw.max_days,
        finest_grain=raw.finest_grain,
        max_age=timedelta(hours=raw.max_age_hours) if raw.max_age_hours else None,
    )


def _by_clause(named: list[str] | dict[Clause, list[str]]) -> Dimensions:
    """The dimensions of a rule by clause. A list holds for every clause."""
    if isinstance(named, list):
        return everywhere(*named)
    return {clause: frozenset(names) for clause, names in named.items() if names}


def _plain_dimensions(dimensions: Dimensions) -> object:
    plain = {clause.value: sorted(names) for clause, names in dimensions.items()}
    return plain["group_by"] if dimensions == everywhere(*plain.get("group_by", ())) else plain


def _plain(policy: Policy) -> dict[str, object]:
    """The policy as plain values in the form of the file, sorted so that the order of rules does not show."""
    plain: dict[str, object] = {
        "readers": {
            name: {
                key: list(value) if isinstance(value, tuple) else [value]
                for key, value in attributes.items()
            }
            for name, attributes in policy.readers.items()
        },
        "rules": sorted((_plain_rule(rule) for rule in policy.rules), key=canonical_json),
    }
    if policy.budgets:
        plain["budgets"] = sorted(map(plain_budget, policy.budgets), key=canonical_json)
    if policy.tools:
        plain["tools"] = sorted(map(plain_tool_rule, policy.tools), key=canonical_json)
    if policy.breaker != BreakerSettings():
        plain["breaker"] = {
            "failures": policy.breaker.failures,
            "seconds": int(policy.breaker.seconds),
        }
    return plain


def _mask(raw: _MaskText) -> Masking:
    if raw.first is not None:
        return FirstCharacters(count=raw.first)
    if raw.band is not None:
        return Band(width=raw.band)
    if raw.grain is not None:
        return AtGrain(grain=raw.grain)
    return Mask.HASH if raw.hash else Mask.DROP


def _plain_mask(mask: Masking) -> str | dict[str, object]:
    match mask:
        case Mask():
            return mask.value
        case FirstCharacters():
            return {"first": mask.count}
        case Band():
            return {"band": mask.width}
        case AtGrain():
            return {"grain": mask.grain}


def _plain_rule(rule: Rule) -> dict[str, object]:
    selector = rule.metrics
    plain: dict[str, object] = {
        "readers": sorted(rule.readers),
        "metrics": sorted(selector.names),
        "tags": sorted(selector.tags),
        "tiers": sorted(selector.tiers),
        "owners": sorted(selector.owners),
    }
    match rule:
        case PermitRule():
            plain |= {"permit": rule.name, "dimensions": _plain_dimensions(rule.dimensions)}
        case ForbidRule():
            plain |= {"forbid": rule.name, "dimensions": _plain_dimensions(rule.dimensions)}
        case RestrictRule():
            plain |= {
                "restrict": rule.name,
                "rows": {element: list(values) for element, values in rule.rows.items()},
                "exempt": sorted(rule.exempt),
                "masks": {name: _plain_mask(mask) for name, mask in rule.masks.items()},
                "max_rows": rule.max_rows,
                "max_age_hours": None
                if rule.max_age is None
                else str(rule.max_age.total_seconds() / 3600),
            }
    return plain | _later_keys(rule)


def _later_keys(rule: Rule) -> dict[str, object]:
    """What the first form of the text did not have stands in it only where it is set: a policy that was published keeps its hash."""
    found: dict[str, object] = {"groups": sorted(rule.metrics.groups)}
    if isinstance(rule, RestrictRule):
        found |= {
            "smallest_group": rule.smallest_group,
            "max_days": rule.max_days,
            "finest_grain": rule.finest_grain,
        }
    return {name: value for name, value in found.items() if value}
