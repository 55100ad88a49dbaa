"""The policy file: what it says, that it keeps its hash, and that a slip in it is pointed at."""

from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from semantic.catalog import Catalog
from semantic.errors import PolicyError
from semantic.metric import GRAINS
from semantic.policy import Mask, Reader, RestrictRule
from semantic.policy_check import check_policy
from semantic.policy_file import Grain, load_policy, parse_policy, policy_text
from tests.semantic.door import POLICY

RULE = """
rules:
  - permit: for everybody
    readers: ["*"]
    metrics: orders
"""


def error(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    return str(caught.value)


def test_a_file_says_who_may_read_what(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)

    policy = load_policy(path)
    [restrict] = [rule for rule in policy.rules if isinstance(rule, RestrictRule)]

    assert policy.source == str(path)
    assert policy.readers == {"north": {"customer": (1, 3)}}
    assert restrict.rows == {"customer": ("{customer}",)}
    assert restrict.masks == {"customer__full_name": Mask.HASH}


def test_the_published_text_is_the_policy_again() -> None:
    policy = parse_policy(POLICY)
    again = parse_policy(policy_text(policy))

    assert again.hash == policy.hash
    assert policy_text(again) == policy_text(policy)
    assert sorted(again.rules, key=repr) == sorted(policy.rules, key=repr)


names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=12)
scalars = st.booleans() | st.integers(-(2**63), 2**63) | names


@given(
    reader=names,
    attributes=st.dictionaries(names, st.lists(scalars, min_size=1, max_size=3), max_size=2),
    values=st.lists(scalars, max_size=3),
    dimension=names,
    max_rows=st.none() | st.integers(1, 100),
    hours=st.none() | st.floats(0.001, 10_000),
    mask=st.sampled_from(["hash", "drop", {"first": 2}, {"band": 10}, {"grain": "week"}]),
)
def test_any_policy_survives_its_published_text(
    reader: str,
    attributes: dict[str, list[object]],
    values: list[object],
    dimension: str,
    max_rows: int | None,
    hours: float | None,
    mask: object,
) -> None:
    plain = {
        "readers": {reader: attributes},
        "rules": [
            {"permit": "p", "readers": [reader], "metrics": "*", "dimensions": [dimension]},
            {"forbid": "f", "readers": [reader], "tags": [dimension]},
            {
                "restrict": "r",
                "readers": ["*"],
                "owners": reader,
                "rows": {"element": values},
                "masks": {dimension: mask},
                "max_rows": max_rows,
                "smallest_group": max_rows and max_rows + 1,
                "max_days": max_rows,
                "finest_grain": "week" if max_rows else None,
                "max_age_hours": hours,
            },
        ],
    }
    policy = parse_policy(yaml.safe_dump(plain, allow_unicode=True))
    again = parse_policy(policy_text(policy))
    assert (again.readers, again.hash) == (policy.readers, policy.hash)
    assert set(map(repr, again.rules)) == set(map(repr, policy.rules))


def test_a_policy_that_was_published_keeps_its_hash() -> None:
    """With another hash every process would be refused until somebody publishes the same policy again."""
    assert parse_policy(POLICY).hash == "70f15fdaf79d96bc40bf0e1f00a10bef"


def test_the_order_of_rules_and_names_is_not_part_of_the_hash() -> None:
    first = "{permit: a, readers: [x, y], metrics: [orders, revenue]}"
    second = "{forbid: b, readers: [x], metrics: [orders]}"
    swapped = first.replace("[x, y]", "[y, x]").replace("[orders, revenue]", "[revenue, orders]")

    assert (
        parse_policy(f"rules: [{first}, {second}]").hash
        == parse_policy(f"rules: [{second}, {swapped}]").hash
    )


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('"a\\x7fb"', "rules.0.rows.region: holds the control character U+007F"),
        ("2024-03-01", "rules.0.rows.region: holds 2024-03-01 (date); only texts and whole numbers stand here: put quotes around it"),
        ("null", "rules.0.rows.region: holds null; only texts and whole numbers stand here: put quotes around it"),
        ("[1, 1.5]", "rules.0.rows.region: holds 1.5 (float); only texts and whole numbers stand here: put quotes around it"),
    ],
)  # fmt: skip
def test_a_value_that_no_row_can_have_is_said_in_one_sentence(rows: str, told: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(
            f"rules: [{{restrict: a, readers: [a], metrics: x, rows: {{region: {rows}}}}}]"
        )
    assert error.value.message == f"policy.yaml:1: {told}"


def test_a_clause_that_there_is_not_is_said_with_those_that_there_are() -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy("rules: [{permit: a, readers: [a], metrics: x, dimensions: {groupby: [y]}}]")
    assert "'group_by', 'filters' or 'order_by'" in error.value.message


@pytest.mark.parametrize(
    "changed",
    [
        RULE.replace("orders\n", "revenue\n"),
        RULE.replace('["*"]', "[boss]"),
        RULE.replace("permit:", "forbid:"),
        RULE + "    dimensions: [order__status]\n",
        RULE + "readers: {boss: {region: north}}\n",
    ],
)
def test_another_rule_is_another_hash(changed: str) -> None:
    assert parse_policy(changed).hash != parse_policy(RULE).hash


def test_an_empty_set_of_rules_is_a_policy_that_grants_nothing(shop_catalog: Catalog) -> None:
    policy = parse_policy("rules: []")
    assert not any(
        policy.is_readable(Reader(name="boss"), metric) for metric in shop_catalog.metrics.values()
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "policy.yaml:1: is empty\nhint: known keys: breaker, budgets, readers, rules"),
        ("# to do\n", "policy.yaml:1: is empty"),
        ("- permit: all", "policy.yaml:1: is not a mapping"),
        ("everybody may", "policy.yaml:1: is not a mapping"),
        ("rules: [", "policy.yaml:1: expected the node content"),
        ("rules:\n  - permit: a\n  readers: [x", "policy.yaml:3: expected <block end>"),
        ("rules: []\n---\nrules: []", "policy.yaml:2: but found another document"),
        ("readers: {}\nrule: []", "policy.yaml:2: unknown key 'rule'\nhint: did you mean 'rules'?"),
        (
            RULE.replace("readers:", "reader:"),
            "policy.yaml:4: unknown key 'reader'\nhint: did you mean 'readers'?",
        ),
        (
            RULE + "    max_row: 5",
            "policy.yaml:6: unknown key 'max_row'\nhint: did you mean 'max_rows'?",
        ),
        (
            RULE + "    sql: select 1",
            "policy.yaml:6: unknown key 'sql'\nhint: known keys: dimensions",
        ),
        (
            RULE + "    forbid: also this",
            "policy.yaml:3: rules.0: a rule starts with one of permit, forbid or restrict",
        ),
        (
            "rules:\n  - readers: [x]\n    metrics: [y]",
            "policy.yaml:2: rules.0: a rule starts with one of permit, forbid or restrict",
        ),
        (RULE + "    readers: [x]", "policy.yaml:6: 'readers' stands here twice"),
        ("a: &all [x]\nb: *all", "policy.yaml:2: uses a YAML alias (*all)\nhint: write the value"),
        (
            RULE + RULE.removeprefix("\nrules:\n"),
            "policy.yaml:6: two rules have the name 'for every",
        ),
        (
            RULE.replace('["*"]', "[]"),
            "policy.yaml:4: rules.0.readers: List should have at least 1",
        ),
        (
            RULE.replace("metrics: orders", "metrics: []"),
            "policy.yaml:3: rules.0: a rule names metr",
        ),
        (RULE.replace("orders\n", "[3]\n"), "policy.yaml:5: rules.0.metrics.0: Input should be a"),
        (
            RULE + "    rows: {customer: [1]}",
            "policy.yaml:3: rules.0: rows, exempt, masks, max_rows, smallest_group, max_days, finest_grain and max_age_hours belong in a "
            "restrict rule, not in a permit rule",
        ),
        (
            RULE.replace("permit", "restrict"),
            "policy.yaml:3: rules.0: this restrict rule restricts no",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_rows: 5\n    dimensions: [a]",
            "policy.yaml:3: rules.0: a restrict rule takes no dimensions; mask or forbid them",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_rows: 0",
            "policy.yaml:6: rules.0.max_rows:",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_rows: true",
            "policy.yaml:6: rules.0.max_ro",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_age_hours: -1",
            "policy.yaml:6: rules.0.max",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_age_hours: .inf",
            "policy.yaml:6: rules.0.m",
        ),
        (
            RULE.replace("permit", "restrict") + "    max_age_hours: .nan",
            "policy.yaml:6: rules.0.m",
        ),
        (
            RULE.replace("permit", "restrict") + "    masks: {a: {first: 2, band: 3}}",
            "policy.yaml:6: rules.0.masks.a: a mask is one of hash, drop, first, band and grain",
        ),
        (
            RULE.replace("permit", "restrict") + "    masks: {a: {frist: 2}}",
            "policy.yaml:6: unknown key 'frist'\nhint: did you mean 'first'?",
        ),
        (
            RULE.replace("permit", "restrict") + "    masks: {a: {band: 1}}",
            "policy.yaml:6: rules.0.masks.a.band: Input should be greater than or equal to 2",
        ),
        (
            RULE.replace("permit", "restrict") + "    masks: {a: sha1}",
            "policy.yaml:6: rules.0.masks.a: a mask is hash, drop, {first: 2}, {band: 10} or {grain: month}",
        ),
        (
            RULE.replace("permit", "restrict") + "    rows: {a: 1.5}",
            "policy.yaml:6: rules.0.rows.a",
        ),
        (
            RULE + "readers: {boss: north}",
            "policy.yaml:6: readers.boss: Input should be a valid dic",
        ),
        ("[" * 30 + "]" * 30, "policy.yaml:1: is nested too deeply"),
        ("rules: !!python/object:os.system x", "policy.yaml:1: 'x' is not a value"),
    ],
)
def test_a_slip_is_pointed_at(text: str, told: str) -> None:
    assert error(text).startswith(told)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"Cannot read .*policy\.yaml: No such file"):
        load_policy(tmp_path / "policy.yaml")
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"policy\.yaml is not UTF-8"):
        load_policy(tmp_path / "policy.yaml")
    (tmp_path / "policy.yaml").write_text("#" * 1_000_001)
    with pytest.raises(PolicyError, match=r"policy\.yaml is larger than 1,000,000 bytes"):
        load_policy(tmp_path / "policy.yaml")


def test_only_true_and_false_are_booleans() -> None:
    """In YAML 1.1, the codes of Norway and Ontario are False and True."""
    restrict = RULE.replace("permit", "restrict")
    policy = parse_policy(restrict + "    rows: {state: [NO, ON, yes, y, truest, true, FALSE]}")
    [rule] = policy.rules
    assert isinstance(rule, RestrictRule)
    assert rule.rows == {"state": ("NO", "ON", "yes", "y", "truest", True, False)}


def checked(text: str, catalog: Catalog) -> str:
    """What is wrong with a policy that parses, in the light of a catalogue."""
    with pytest.raises(PolicyError) as caught:
        check_policy(parse_policy(text), catalog)
    return str(caught.value)


RESTRICT = """
readers:
  north: {customer: [1, 3]}
rules:
  - restrict: own rows
    readers: [north]
    metrics: "*"
    rows: {customer: "{customer}"}
    exempt: [customers]
    masks: {customer__full_name: hash}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            RULE.replace("orders\n", "order\n"),
            "policy.yaml: rule 'for everybody' names an unknown metric 'order'\n"
            "hint: did you mean 'orders'",
        ),
        (
            RULE.replace("orders\n", "zzz\n"),
            "policy.yaml: rule 'for everybody' names an unknown metric 'zzz'\n"
            "hint: known: average_order, customers",
        ),
        (
            RESTRICT.replace("[customers]", "[customer]"),
            "policy.yaml: rule 'own rows' names an unknown metric 'customer'\n"
            "hint: did you mean 'customers'",
        ),
        (
            RESTRICT.replace('{customer: "{customer}"}', "{custumer: 1}"),
            "policy.yaml: rule 'own rows' restricts rows by an unknown element 'custumer'\n"
            "hint: did you mean 'customer'",
        ),
        (
            RESTRICT.replace('"{customer}"', '"{costumer}"'),
            "policy.yaml: rule 'own rows' needs the attribute 'costumer' of reader 'north'\n"
            "hint: did you mean 'customer'?",
        ),
        (
            RESTRICT.replace('"{customer}"', '"{costumer}"').replace("[north]", '["n*"]'),
            "policy.yaml: rule 'own rows' needs the attribute 'costumer' of reader 'north'",
        ),
        (
            RESTRICT.replace("[north]", "[south]"),
            "policy.yaml: rule 'own rows' needs the attribute 'customer' of reader 'south'",
        ),
        (
            RESTRICT.replace("customer__full_name", "customer__fullname"),
            "policy.yaml: rule 'own rows' names an unknown dimension 'customer__fullname'\n"
            "hint: did you mean 'full_name'?",
        ),
        (
            RULE.replace("permit", "forbid") + "    dimensions: [customer__emial]",
            "policy.yaml: rule 'for everybody' names an unknown dimension "
            "'customer__emial'\nhint: did you mean 'email'?",
        ),
        (
            RULE.replace("metrics: orders", "tiers: golden"),
            "policy.yaml: rule 'for everybody' names a tier that no metric has: 'golden'\n"
            "hint: did you mean 'gold'?",
        ),
        (
            RULE.replace("metrics: orders", "tags: monie"),
            "policy.yaml: rule 'for everybody' names a tag that no metric has: 'monie'",
        ),
        (
            RULE + "    dimensions: [customer__signed_up_on__day]",
            "policy.yaml: rule 'for everybody' names an unknown dimension",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest_that_does(
    shop_catalog: Catalog, text: str, told: str
) -> None:
    assert checked(text, shop_catalog).startswith(told)


@pytest.mark.parametrize(
    "text",
    [
        POLICY,
        RESTRICT,
        RULE.replace("orders\n", '"ord*"\n'),
        RULE + '    dimensions: [metric_time, "customer__*", customer, order__ordered_on]',
        RESTRICT.replace("[north]", '["s*"]'),
    ],
)
def test_a_policy_whose_names_exist_is_taken(shop_catalog: Catalog, text: str) -> None:
    check_policy(parse_policy(text), shop_catalog)


def test_the_grains_of_a_policy_are_those_of_every_time() -> None:
    assert get_args(Grain) == GRAINS
