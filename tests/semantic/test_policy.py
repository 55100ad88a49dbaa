"""The algebra of policies, as properties that hold for every policy, reader, metric and dimension."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from semantic.generalisation import AtGrain, Band, FirstCharacters
from semantic.metric import GRAINS, Dimension, DimensionKind, Metric, MetricType, Reach, Scope
from semantic.policy import (
    Clause,
    Denial,
    ForbidRule,
    Mask,
    Permit,
    PermitRule,
    Policy,
    Reader,
    RestrictRule,
    Rule,
    Selector,
    Use,
    everywhere,
)

MASKS = (*Mask, FirstCharacters(count=2), Band(width=5), AtGrain(grain="month"))
READERS = ("ana", "ana_2", "bob")
ATTRIBUTES = {
    "ana": {"region": "north", "customer": (1, 3)},
    "ana_2": {"region": "south"},
}


def metric(name: str, *, tag: str, tier: str | None, owner: str | None) -> Metric:
    return Metric(
        name=name,
        type=MetricType.SIMPLE,
        label=name,
        description="",
        owner=owner,
        tier=tier,
        unit=None,
        synonyms=(),
        tags=(tag,),
        scope=Scope(),
        semantic_models=(),
        dbt_models=(),
        inputs=(),
        filtered_by=(),
        reach=Reach(),
        needs_time=False,
        fresh_within=None,
        definition_hash="",
    )


def dimension(name: str, *, pii: bool = False) -> Dimension:
    return Dimension(name=name, kind=DimensionKind.CATEGORICAL, pii=pii)


METRICS = (
    metric("orders", tag="sales", tier="gold", owner="till"),
    metric("revenue", tag="sales", tier=None, owner=None),
    metric("sign_ups", tag="people", tier=None, owner="till"),
)
EMAIL = dimension("customer__email", pii=True)
REGION = dimension("customer__region")
STATUS = dimension("order__status")

reader_names = st.sampled_from(READERS)
reader_patterns = st.frozensets(
    st.sampled_from(("ana", "ana*", "bob", "*", "nobody")), min_size=1, max_size=2
)
selectors = st.just(Selector(names=frozenset({"*"}))) | st.builds(
    Selector,
    names=st.frozensets(st.sampled_from(("orders", "rev*", "*", "sign_ups")), max_size=2),
    tags=st.frozensets(st.sampled_from(("sales", "people")), max_size=1),
    tiers=st.frozensets(st.just("gold"), max_size=1),
    owners=st.frozensets(st.just("till"), max_size=1),
)
dimension_patterns = st.sampled_from(
    ("*", "customer__*", "customer__email", "customer__region", "order__status", "*email")
)


def dimensions(most: int) -> st.SearchStrategy[Mapping[Clause, frozenset[str]]]:
    """The same patterns in every clause, or other ones in each."""
    patterns = st.frozensets(dimension_patterns, max_size=most)
    return patterns.map(lambda found: everywhere(*found) if found else {}) | st.dictionaries(
        st.sampled_from(Clause), patterns
    )


cells = st.sampled_from((1, 2, 3, True, "1", "north", "south", "{region}", "{customer}"))
permit_rules = st.builds(
    PermitRule,
    name=st.sampled_from(("p1", "p2", "p3")),
    readers=reader_patterns,
    metrics=selectors,
    dimensions=dimensions(3),
)
forbid_rules = st.builds(
    ForbidRule,
    name=st.sampled_from(("f1", "f2")),
    readers=reader_patterns,
    metrics=selectors,
    dimensions=dimensions(2),
)
restrict_rules = st.builds(
    RestrictRule,
    name=st.sampled_from(("r1", "r2", "r3")),
    readers=reader_patterns,
    metrics=selectors,
    rows=st.dictionaries(
        st.sampled_from(("customer", "region")),
        st.lists(cells, max_size=4).map(tuple),
        max_size=2,
    ),
    exempt=st.frozensets(st.sampled_from(("orders", "revenue")), max_size=1),
    masks=st.dictionaries(dimension_patterns, st.sampled_from(MASKS), max_size=2),
    max_rows=st.none() | st.integers(1, 50),
    smallest_group=st.none() | st.integers(2, 20),
    max_days=st.none() | st.integers(1, 50),
    finest_grain=st.none() | st.sampled_from(GRAINS),
    max_age=st.none() | st.builds(timedelta, hours=st.integers(1, 50)),
)
rules = st.one_of(permit_rules, forbid_rules, restrict_rules)
WIDE = PermitRule(
    name="wide",
    readers=frozenset({"*"}),
    metrics=Selector(names=frozenset({"*"})),
    dimensions=everywhere("*", "customer__email"),
)
# Every other list has a rule that permits all, so that what forbids and restricts has something to take away.
rule_lists = st.builds(
    lambda first, others: [*first, *others],
    st.sampled_from(([WIDE], [])),
    st.lists(rules, max_size=6),
)
readers = st.builds(
    Reader,
    name=reader_names,
    asks=st.none() | st.frozensets(st.sampled_from(("orders", "revenue")), max_size=2),
    acting_for=st.none() | reader_names,
)
uses = st.builds(
    Use, dimension=st.sampled_from((EMAIL, REGION, STATUS)), clause=st.sampled_from(Clause)
)
questions = st.tuples(readers, st.sampled_from(METRICS), st.lists(uses, unique=True, max_size=3))
Question = tuple[Reader, Metric, list[Use]]


def policy(rules: Sequence[Rule]) -> Policy:
    return Policy(readers=ATTRIBUTES, rules=tuple(rules), hash="")


def decide(rules: Sequence[Rule], question: Question) -> Permit | Denial:
    reader, wanted, named = question
    return policy(rules).decide(reader, wanted, named)


def grouped(*dimensions: Dimension) -> list[Use]:
    return [Use(dimension=item, clause=Clause.GROUP_BY) for item in dimensions]


def is_within(narrow: Permit | Denial, wide: Permit | Denial) -> bool:
    """Whether all that `narrow` lets a reader see is let through by `wide` as well."""
    if isinstance(narrow, Denial):
        return True
    if isinstance(wide, Denial):
        return False
    kept = {item.element: set(map(repr, item.values)) for item in narrow.rows}
    return (
        all(kept.get(item.element, {"*"}) <= set(map(repr, item.values)) for item in wide.rows)
        and all(narrow.masks.get(name) in (mask, Mask.DROP) for name, mask in wide.masks.items())
        and narrow.max_rows <= wide.max_rows
        and (narrow.smallest_group or 0) >= (wide.smallest_group or 0)
        and (narrow.max_days or 99) <= (wide.max_days or 99)
        and coarseness(narrow) >= coarseness(wide)
        and (narrow.max_age or timedelta.max) <= (wide.max_age or timedelta.max)
    )


def coarseness(permit: Permit) -> int:
    return GRAINS.index(permit.finest_grain) if permit.finest_grain else 0


def permit_all(*names: str) -> PermitRule:
    return PermitRule(name="all", readers=frozenset(names), metrics=Selector(names=frozenset("*")))


@given(rule_lists, questions, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(
    rules: list[Rule], question: Question, random: object
) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = decide(rules, question), decide(shuffled, question)
    if isinstance(before, Permit) and isinstance(after, Permit):
        assert repr(before.rows) == repr(after.rows)
        assert before == after
    else:
        assert isinstance(before, Denial)
        assert isinstance(after, Denial)


def test_true_and_one_are_told_apart_in_whatever_order_they_come() -> None:
    one, true = (
        RestrictRule(
            name=name,
            readers=frozenset({"ana"}),
            metrics=Selector(names=frozenset("*")),
            rows={"customer": (value,)},
        )
        for name, value in (("one", 1), ("true", True))
    )
    question = (Reader(name="ana"), METRICS[0], [])
    first = decide([permit_all("ana"), one, true], question)
    second = decide([permit_all("ana"), true, one], question)
    assert isinstance(first, Permit)
    assert isinstance(second, Permit)
    assert first.rows[0].values == second.rows[0].values == ()


@given(rule_lists, questions)
def test_a_rule_said_twice_is_said_once(rules: list[Rule], question: Question) -> None:
    assert decide(rules + rules, question) == decide(rules, question)


@given(rule_lists, forbid_rules, questions)
def test_a_forbid_never_widens(rules: list[Rule], forbid: ForbidRule, question: Question) -> None:
    with_it, without = decide([*rules, forbid], question), decide(rules, question)
    assert isinstance(with_it, Denial) or with_it == without


@given(rule_lists, permit_rules, questions)
def test_a_permit_never_narrows(rules: list[Rule], permit: PermitRule, question: Question) -> None:
    assert is_within(decide(rules, question), decide([*rules, permit], question))


@given(rule_lists, permit_rules, selectors, questions)
def test_a_permit_never_beats_a_forbid(
    rules: list[Rule], permit: PermitRule, selector: Selector, question: Question
) -> None:
    reader, wanted, _ = question
    assume(selector.matches(wanted))
    forbid = ForbidRule(name="no", readers=frozenset({reader.name}), metrics=selector)
    assert isinstance(decide([permit, *rules, forbid], question), Denial)


@given(rule_lists, restrict_rules, questions)
def test_a_restriction_only_narrows(
    rules: list[Rule], restrict: RestrictRule, question: Question
) -> None:
    assert is_within(decide([*rules, restrict], question), decide(rules, question))


@given(questions)
def test_an_empty_policy_denies(question: Question) -> None:
    assert isinstance(decide([], question), Denial)


@given(st.lists(st.one_of(forbid_rules, restrict_rules), max_size=5), questions)
def test_nothing_is_allowed_that_no_rule_permits(rules: list[Rule], question: Question) -> None:
    assert isinstance(decide(rules, question), Denial)


@given(rule_lists, questions, st.text(min_size=1, max_size=5))
def test_an_attribute_that_the_reader_lacks_denies(
    rules: list[Rule], question: Question, attribute: str
) -> None:
    reader, wanted, _ = question
    assume(attribute not in ("region", "customer"))
    unresolvable = RestrictRule(
        name="who knows",
        readers=frozenset({reader.name}),
        metrics=Selector(names=frozenset({wanted.name})),
        rows={"customer": (f"{{{attribute}}}",)},
    )
    assert isinstance(decide([*rules, permit_all(*READERS), unresolvable], question), Denial)


@given(rule_lists, questions)
def test_acting_for_another_gives_only_what_both_have(
    rules: list[Rule], question: Question
) -> None:
    reader, wanted, dimensions = question
    assume(reader.acting_for is not None)
    together = decide(rules, question)
    alone = decide(rules, (replace(reader, acting_for=None), wanted, dimensions))
    other = decide(rules, (Reader(name=str(reader.acting_for)), wanted, dimensions))

    assert is_within(together, alone)
    assert is_within(together, other)
    assert isinstance(together, Permit) == (isinstance(alone, Permit) and isinstance(other, Permit))


def test_the_restrictions_of_both_hold_for_one_who_acts_for_another() -> None:
    ana, bob = (
        RestrictRule(
            name=name,
            readers=frozenset({name}),
            metrics=Selector(names=frozenset("*")),
            rows=rows,
            masks={mask: Mask.HASH},
            max_rows=max_rows,
            max_age=timedelta(hours=hours),
        )
        for name, rows, mask, max_rows, hours in (
            ("ana", {"customer": (1, 2)}, "customer__email", 5, 9),
            ("bob", {"customer": (2, 3), "region": ("north",)}, "order__status", 9, 5),
        )
    )
    for reader in (Reader(name="ana", acting_for="bob"), Reader(name="bob", acting_for="ana")):
        permit = decide([permit_all("ana", "bob"), ana, bob], (reader, METRICS[0], []))
        assert isinstance(permit, Permit)
        assert {item.element: item.values for item in permit.rows} == {
            "customer": (2,),
            "region": ("north",),
        }
        assert permit.masks == {"customer__email": Mask.HASH, "order__status": Mask.HASH}
        assert (permit.max_rows, permit.max_age) == (5, timedelta(hours=5))
        assert permit.rules == ("all", "ana", "bob")


@given(rule_lists, questions)
def test_a_reader_gets_nothing_that_it_does_not_ask_for(
    rules: list[Rule], question: Question
) -> None:
    reader, wanted, dimensions = question
    silent = replace(reader, asks=frozenset({"something else"}))
    assert isinstance(decide(rules, (silent, wanted, dimensions)), Denial)


@given(rule_lists, questions)
def test_naming_fewer_dimensions_never_shows_less(rules: list[Rule], question: Question) -> None:
    reader, wanted, dimensions = question
    assert is_within(decide(rules, question), decide(rules, (reader, wanted, dimensions[1:])))


@given(rule_lists, questions)
def test_a_personal_dimension_is_allowed_only_by_its_exact_name(
    rules: list[Rule], question: Question
) -> None:
    reader, wanted, dimensions = question
    named = any(
        isinstance(rule, PermitRule) and EMAIL.name in rule.dimensions.get(Clause.GROUP_BY, ())
        for rule in rules
    )
    assume(not named)
    assert isinstance(decide(rules, (reader, wanted, [*dimensions, *grouped(EMAIL)])), Denial)


@pytest.mark.parametrize("pattern", ["*", "customer__*", "*email", "customer__emai?"])
def test_no_pattern_reaches_a_personal_dimension(pattern: str) -> None:
    allowed = replace(permit_all("ana"), dimensions=everywhere(pattern))
    assert isinstance(decide([allowed], (Reader(name="ana"), METRICS[0], grouped(EMAIL))), Denial)


def test_the_exact_name_reaches_a_personal_dimension() -> None:
    allowed = replace(permit_all("ana"), dimensions=everywhere(EMAIL.name))
    question = (Reader(name="ana"), METRICS[0], grouped(EMAIL))
    assert isinstance(decide([allowed], question), Permit)


def test_the_time_of_a_metric_comes_with_its_permit_unless_it_is_forbidden() -> None:
    allowed = replace(permit_all("ana"), dimensions=everywhere())
    question = (Reader(name="ana"), METRICS[0], grouped(dimension("metric_time")))
    forbid = ForbidRule(
        name="timeless",
        readers=frozenset({"ana"}),
        metrics=Selector(names=frozenset("*")),
        dimensions=everywhere("metric_time"),
    )
    assert isinstance(decide([allowed], question), Permit)
    assert isinstance(decide([allowed, forbid], question), Denial)


def test_a_denied_dimension_is_what_is_denied_whether_forbidden_or_not_permitted() -> None:
    reader, all_dimensions = Reader(name="ana"), permit_all("ana")
    forbid = ForbidRule(
        name="no region",
        readers=frozenset({"ana"}),
        metrics=Selector(names=frozenset("*")),
        dimensions=everywhere("customer__*"),
    )
    forbidden = decide([all_dimensions, forbid], (reader, METRICS[0], grouped(STATUS, REGION)))
    missing = decide(
        [replace(all_dimensions, dimensions=everywhere(STATUS.name))],
        (reader, METRICS[0], grouped(STATUS, REGION)),
    )

    assert isinstance(forbidden, Denial)
    assert isinstance(missing, Denial)
    assert forbidden.what == missing.what == "customer__region"


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", {"ana", "ana_2", "bob"}),
        ("ana*", {"ana", "ana_2"}),
        ("ana_?", set()),
        ("ana_2", {"ana_2"}),
        ("Ana", set()),
        ("an", set()),
        ("*_2", {"ana_2"}),
    ],
)
def test_a_star_in_a_readers_name_stands_for_any_text(pattern: str, matched: set[str]) -> None:
    rules = [permit_all(pattern)]
    assert {
        name for name in READERS if policy(rules).is_readable(Reader(name=name), METRICS[0])
    } == matched


@pytest.mark.parametrize("name", ["bot[1]", "bot?", "[a-z]*", "bot\\"])
def test_only_the_star_has_a_meaning_in_a_name(name: str) -> None:
    rules = [
        permit_all("*"),
        ForbidRule(name="no", readers=frozenset({name}), metrics=Selector(names=frozenset({"*"}))),
    ]
    assert not policy(rules).is_readable(Reader(name=name), METRICS[0])
    assert policy(rules).is_readable(Reader(name="ana"), METRICS[0]) or name == "[a-z]*"


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        (Selector(names=frozenset({"orders"})), {"orders"}),
        (Selector(names=frozenset({"*r*"})), {"orders", "revenue"}),
        (Selector(tags=frozenset({"sales"})), {"orders", "revenue"}),
        (Selector(tiers=frozenset({"gold"})), {"orders"}),
        (Selector(owners=frozenset({"till"})), {"orders", "sign_ups"}),
        (Selector(names=frozenset({"revenue"}), tiers=frozenset({"gold"})), {"orders", "revenue"}),
        (Selector(), set()),
    ],
)
def test_a_rule_speaks_of_metrics_by_name_tag_tier_or_owner(
    selector: Selector, matched: set[str]
) -> None:
    assert {item.name for item in METRICS if selector.matches(item)} == matched


def test_readers_who_see_the_same_rows_share_a_key_and_others_do_not() -> None:
    def rows_key(**rows: tuple[object, ...]) -> str:
        restrict = RestrictRule(
            name="r",
            readers=frozenset({"ana"}),
            metrics=Selector(names=frozenset("*")),
            rows=rows,  # type: ignore[arg-type]
        )
        permit = decide([permit_all("ana"), restrict], (Reader(name="ana"), METRICS[0], []))
        assert isinstance(permit, Permit)
        return permit.rows_key

    assert (
        rows_key(customer=(1, 3))
        == rows_key(customer=(3, 1, 3))
        == rows_key(customer=("{customer}",))
    )
    keys = [
        rows_key(),
        rows_key(customer=()),
        rows_key(customer=(1,)),
        rows_key(customer=("1",)),
        rows_key(customer=(1, 3)),
        rows_key(region=(1, 3)),
    ]
    assert len(set(keys)) == len(keys)
    assert rows_key() == ""


def test_an_exempt_metric_is_read_whole() -> None:
    restrict = RestrictRule(
        name="own rows",
        readers=frozenset({"ana"}),
        metrics=Selector(names=frozenset("*")),
        rows={"customer": (1,)},
        exempt=frozenset({"revenue"}),
    )
    rules = [permit_all("ana"), restrict]
    restricted, whole = (decide(rules, (Reader(name="ana"), m, [])) for m in METRICS[:2])
    assert isinstance(restricted, Permit)
    assert isinstance(whole, Permit)
    assert (len(restricted.rows), whole.rows) == (1, ())
