"""A policy decides as Cedar decides about the same rules. Cedar is a policy engine that knows nothing of this one.

The rules are translated from the plain text of the file, with the words that Cedar has for them: tags, tiers, owners and
groups are parents of a metric, stars are its `like`, and its forbids beat its permits. A restrict rule narrows what is seen,
which Cedar has no word for; but one that speaks of an attribute that the reader lacks forbids.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cedarpy import AuthzResult, is_authorized_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic.metric import Dimension, DimensionKind, Metric, MetricType, Reach, Scope
from semantic.policy import Clause, Permit, Reader, Use
from semantic.policy_file import parse_policy

Rule = Mapping[str, Any]
Document = Mapping[str, Any]

CLAUSES = ("group_by", "filters", "order_by")
SELECTED_BY = {"tags": "Tag", "tiers": "Tier", "owners": "Owner", "groups": "Group"}

READERS = ("ana", "ana_2", "bob", "bot?", "bot[1]", 'b"t\\')
ATTRIBUTES = ("region", "customer")
METRICS = ("orders", "orders_2", "revenue", "Revenue", "rev?nue")
DIMENSIONS = (
    "metric_time",
    "order__status",
    "customer__email",
    "customer__home_city",
    "vehicle__driver__home_city",
    "home_city",
    "city",
)
LABELS = ("sales", "people", "s*")


@dataclass(frozen=True, kw_only=True)
class Question:
    """Who asks for which metric, and the dimensions that the query names, each in a clause."""

    reader: Reader
    metric: Metric
    uses: tuple[Use, ...]


def one_or_many(names: st.SearchStrategy[str]) -> st.SearchStrategy[str | list[str]]:
    """Names as the file takes them: a list, or one alone."""
    return names | st.lists(names, min_size=1, max_size=2)


@st.composite
def patterns(draw: st.DrawFn, names: Sequence[str]) -> str:
    """A name, or one of which some part is a star."""
    name = draw(st.sampled_from(names))
    start, end = sorted((draw(st.integers(0, len(name))), draw(st.integers(0, len(name)))))
    return draw(st.sampled_from((name, "*", "*", f"{name[:start]}*{name[end:]}")))


reader_patterns = st.just("*") | one_or_many(patterns(READERS))
selections = st.just({"metrics": "*"}) | st.dictionaries(
    st.sampled_from(("metrics", *SELECTED_BY)), st.none(), min_size=1, max_size=2
).flatmap(
    lambda chosen: st.fixed_dictionaries(
        {
            key: one_or_many(patterns(METRICS) if key == "metrics" else st.sampled_from(LABELS))
            for key in chosen
        }
    )
)
dimension_names = patterns(DIMENSIONS) | st.sampled_from(DIMENSIONS)
some_dimensions = st.lists(dimension_names, max_size=3) | dimension_names
dimensions = some_dimensions | st.dictionaries(
    st.sampled_from(CLAUSES), some_dimensions, min_size=1
)
cells = st.sampled_from((1, True, "north", *(f"{{{name}}}" for name in ATTRIBUTES)))


def rules_of(kind: str, more: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda readers, chosen, rest: {kind: "", "readers": readers, **chosen, **rest},
        reader_patterns,
        selections,
        more,
    )


named_dimensions = st.one_of(st.just({}), *[st.fixed_dictionaries({"dimensions": dimensions})] * 3)
rules = (
    rules_of("permit", named_dimensions)
    | rules_of("forbid", named_dimensions)
    | rules_of(
        "restrict",
        st.fixed_dictionaries(
            {
                "rows": st.dictionaries(
                    st.sampled_from(("customer", "region")),
                    st.lists(cells, max_size=2),
                    min_size=1,
                )
            },
            optional={"exempt": one_or_many(st.sampled_from(METRICS))},
        ),
    )
)
# Every other policy begins by allowing all, so that what forbids has something to take away.
WIDE = {
    "permit": "",
    "readers": "*",
    "metrics": "*",
    "dimensions": ["*", "customer__email", "customer__home_city"],
}
rule_lists = st.builds(
    lambda first, others: [*first, *others],
    st.sampled_from(([WIDE], [])),
    st.lists(rules, min_size=1, max_size=4),
)
attributes = st.dictionaries(
    st.sampled_from(READERS),
    st.dictionaries(st.sampled_from(ATTRIBUTES), st.just("north")),
)


def documents_of(rules: st.SearchStrategy[list[Rule]]) -> st.SearchStrategy[Document]:
    return st.builds(
        lambda readers, rules: {
            "readers": readers,
            "rules": [named(*each) for each in enumerate(rules)],
        },
        attributes,
        rules,
    )


documents = documents_of(rule_lists)
EVERYBODY = {"readers": "*", "metrics": "*"}
# One rule alone takes away from all that is allowed, and all about it but one thing is as wide as can be.
bars_dimensions = st.builds(
    lambda clause, name: {"forbid": "", **EVERYBODY, "dimensions": {clause: name}},
    st.sampled_from(CLAUSES),
    dimension_names,
)
bars_readers = st.builds(
    lambda readers: {"forbid": "", **EVERYBODY, "readers": readers}, patterns(READERS)
)
bars_metrics = st.builds(
    lambda metrics: {"forbid": "", **EVERYBODY, "metrics": metrics}, patterns(METRICS)
)
needs_attributes = st.builds(
    lambda exempt: {
        "restrict": "",
        **EVERYBODY,
        "rows": {"region": ["{region}"]},
        "exempt": exempt,
    },
    st.lists(st.sampled_from(METRICS), max_size=2),
)
single_bars = documents_of(
    (bars_dimensions | bars_readers | bars_metrics | needs_attributes).map(
        lambda rule: [WIDE, rule]
    )
)
metrics = st.builds(
    lambda **known: Metric(
        type=MetricType.SIMPLE,
        label="",
        description="",
        unit=None,
        synonyms=(),
        scope=Scope(),
        semantic_models=(),
        dbt_models=(),
        inputs=(),
        filtered_by=(),
        reach=Reach(),
        needs_time=False,
        fresh_within=None,
        definition_hash="",
        **known,
    ),
    name=st.sampled_from(METRICS),
    tags=st.lists(st.sampled_from(LABELS), unique=True, max_size=2).map(tuple),
    tier=st.none() | st.sampled_from(LABELS),
    owner=st.none() | st.sampled_from(LABELS),
    group=st.none() | st.sampled_from(LABELS),
)
EVERY_USE = [
    Use(dimension=Dimension(name=name, kind=DimensionKind.CATEGORICAL, pii=pii), clause=clause)
    for name in DIMENSIONS
    for pii in (False, True)
    for clause in Clause
]
questions = st.builds(
    Question,
    reader=st.builds(
        Reader,
        name=st.sampled_from(READERS),
        asks=st.none() | st.frozensets(st.sampled_from(METRICS), min_size=3),
        acting_for=st.none() | st.sampled_from(READERS),
    ),
    metric=metrics,
    uses=st.lists(st.sampled_from(EVERY_USE), max_size=3).map(tuple),
)


def named(position: int, rule: Rule) -> Rule:
    """The rule under a name of its own."""
    kind = kind_of(rule)
    return {**rule, kind: f"{kind} {position}"}


def kind_of(rule: Rule) -> str:
    return next(iter(rule.keys() & {"permit", "forbid", "restrict"}))


def cedar_policies(document: Document) -> str:
    """The rules of a policy file in the language of Cedar."""
    translations: dict[str, Callable[[Rule], list[str]]] = {
        "permit": cedar_permits,
        "forbid": cedar_forbids,
        "restrict": cedar_needs,
    }
    only_what_is_asked_for = (
        "forbid (principal, action, resource)"
        " when { context has asks && !context.asks.contains(resource) };"
    )
    found = [only_what_is_asked_for]
    for rule in document["rules"]:
        kind = kind_of(rule)
        found += [f"@id({quoted(rule[kind])})\n{text}" for text in translations[kind](rule)]
    return "\n".join(found)


def cedar_permits(rule: Rule) -> list[str]:
    """Reading the metrics, and naming the dimensions. A star does not name personal ones; time comes with every permit."""
    found = [
        f'permit (principal, action == Action::"read", resource) when {{ {speaks_of(rule)} }};'
    ]
    for clause, names in by_clause(rule.get("dimensions", "*")).items():
        allowed = ['context.dimension == "metric_time"']
        for name in names:
            allowed.append(f"context.dimension == {quoted(name)}")
            allowed.append(f"!context.personal && context.dimension like {quoted(name)}")
        found.append(
            f'permit (principal, action == Action::"{clause}", resource)'
            f" when {{ {speaks_of(rule)} && ({any_of(allowed)}) }};"
        )
    return found


def cedar_forbids(rule: Rule) -> list[str]:
    """Everything about the metrics, or what ends as one of the names does, where there are any."""
    clauses = {
        clause: names for clause, names in by_clause(rule.get("dimensions", [])).items() if names
    }
    if not clauses:
        return [f"forbid (principal, action, resource) when {{ {speaks_of(rule)} }};"]
    return [
        f'forbid (principal, action == Action::"{clause}", resource) when {{ {speaks_of(rule)} && ('
        + any_of(
            f"context.dimension like {quoted(end)}"
            for name in names
            for end in (name, f"*__{name}")
        )
        + ") };"
        for clause, names in clauses.items()
    ]


def cedar_needs(rule: Rule) -> list[str]:
    """The attributes without which nobody reads, but for what is exempt."""
    needed = sorted(
        {
            cell.strip("{}")
            for cells in rule["rows"].values()
            for cell in cells
            if isinstance(cell, str) and cell.startswith("{")
        }
    )
    exempt = any_of(
        f"resource == Metric::{quoted(name)}" for name in listed(rule.get("exempt", []))
    )
    return [
        f"forbid (principal, action, resource)"
        f" when {{ {speaks_of(rule)} && !({exempt}) && !(principal has {quoted(name)}) }};"
        for name in needed
    ]


def speaks_of(rule: Rule) -> str:
    """Whether a rule is about this reader and this metric."""
    readers = [f"principal.name like {quoted(name)}" for name in listed(rule["readers"])]
    chosen = [f"resource.name like {quoted(name)}" for name in listed(rule.get("metrics", []))]
    for key, parent in SELECTED_BY.items():
        chosen += [f"resource in {parent}::{quoted(name)}" for name in listed(rule.get(key, []))]
    return f"({any_of(readers)}) && ({any_of(chosen)})"


def by_clause(named: str | list[str] | Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    """The names for each clause. What is no mapping holds in every clause; a clause that is not told has none."""
    clauses = named if isinstance(named, Mapping) else dict.fromkeys(CLAUSES, named)
    return {clause: listed(clauses.get(clause, [])) for clause in CLAUSES}


def listed(named: str | list[str]) -> list[str]:
    return [named] if isinstance(named, str) else named


def any_of(conditions: Iterable[str]) -> str:
    return " || ".join(f"({condition})" for condition in conditions) or "false"


def quoted(text: str) -> str:
    """The text as a literal of Cedar, in which a star is itself except after `like`."""
    return json.dumps(text, ensure_ascii=False)


def entity(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def cedar_entities(document: Document, question: Question) -> list[dict[str, Any]]:
    """The readers with their attributes, and the metric below what marks it."""
    metric = question.metric
    marks = [
        *(entity("Tag", tag) for tag in metric.tags),
        *(
            entity(kind, mark)
            for kind, mark in (
                ("Tier", metric.tier),
                ("Owner", metric.owner),
                ("Group", metric.group),
            )
            if mark is not None
        ),
    ]
    readers = [
        {
            "uid": entity("Reader", name),
            "attrs": {**document["readers"].get(name, {}), "name": name},
            "parents": [],
        }
        for name in READERS
    ]
    found = {"uid": entity("Metric", metric.name), "attrs": {"name": metric.name}, "parents": marks}
    return [*readers, found]


def cedar_requests(question: Question) -> list[dict[str, Any]]:
    """For the reader, and for the one on whose behalf it reads: the metric, and each dimension in its clause."""
    reader, metric = question.reader, question.metric
    asks: dict[str, Any] = {}
    if reader.asks is not None:
        asks["asks"] = [{"__entity": entity("Metric", name)} for name in sorted(reader.asks)]
    actions = [("read", asks)] + [
        (use.clause.value, {**asks, "dimension": use.dimension.name, "personal": use.dimension.pii})
        for use in question.uses
    ]
    return [
        {
            "principal": entity("Reader", name),
            "action": entity("Action", action),
            "resource": entity("Metric", metric.name),
            "context": context,
        }
        for name in (reader.name, reader.acting_for)
        if name is not None
        for action, context in actions
    ]


def ask_cedar(
    document: Document, questions: Sequence[Question]
) -> list[list[tuple[str, AuthzResult]]]:
    """By question about one metric, each action and what Cedar says to it. To Cedar a rule in error is one that does not
    match, so there is none.
    """
    requests = [cedar_requests(question) for question in questions]
    results = is_authorized_batch(
        [request for each in requests for request in each],
        cedar_policies(document),
        cedar_entities(document, questions[0]),
    )
    assert not [result for result in results if result.diagnostics.errors]
    told = iter(results)
    return [[(request["action"]["id"], next(told)) for request in each] for each in requests]


def rules_behind(results: Iterable[AuthzResult]) -> set[str]:
    """The names of the rules by which Cedar decided."""
    return {name for each in results for name in each.diagnostics.id_annotations_by_reason.values()}


def variants(question: Question) -> list[Question]:
    """The question of every reader, and with every dimension alone in every clause."""
    by_others = [replace(question, reader=replace(question.reader, name=name)) for name in READERS]
    alone = [replace(question, uses=(use,)) for use in EVERY_USE]
    return [question, *by_others, *alone]


@settings(max_examples=200)
@given(documents | single_bars, questions)
def test_a_policy_allows_exactly_what_cedar_allows_and_by_the_same_rules(
    document: Document, question: Question
) -> None:
    policy = parse_policy(json.dumps(document))
    asked = variants(question)
    for each, results in zip(asked, ask_cedar(document, asked), strict=True):
        decided = policy.decide(each.reader, each.metric, each.uses)
        assert isinstance(decided, Permit) == all(result.allowed for _, result in results)
        if isinstance(decided, Permit):
            permits = {rule for rule in decided.rules if rule.startswith("permit ")}
            reads = (result for action, result in results if action == "read")
            assert permits == rules_behind(reads)
        else:
            refusals = (result for _, result in results if not result.allowed)
            assert set(decided.rules) <= rules_behind(refusals)
