"""Who may call which tools: default deny, forbids beat permits, and the order of rules never matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.errors import PolicyError
from semantic.policy import Reader
from semantic.policy_file import parse_policy, policy_text
from semantic.tool_rule import ToolRule, ToolVerb, judge_call

POLICY = """
rules: []
tools:
  - {permit: watches convert, readers: ["*_watch"], tools: [miles_in_kilometres, "look_*"]}
  - {forbid: not the night watch, readers: night_watch, tools: look_up_flight}
"""
CALLED = ("miles_in_kilometres", "look_up_flight", "open_ticket")
READERS = ("day_watch", "night_watch", "planner")


@pytest.mark.parametrize(
    ("reader", "tool", "rules", "why"),
    [
        ("day_watch", "miles_in_kilometres", ("watches convert",), ""),
        ("day_watch", "look_up_flight", ("watches convert",), ""),
        ("night_watch", "look_up_flight", ("not the night watch",), "forbids it to 'night_watch'"),
        ("day_watch", "open_ticket", (), "no rule permits it to 'day_watch'"),
        ("planner", "miles_in_kilometres", (), "no rule permits it to 'planner'"),
    ],
)
def test_a_rule_decides_a_call(reader: str, tool: str, rules: tuple[str, ...], why: str) -> None:
    verdict = parse_policy(POLICY).may_call(Reader(name=reader), tool)
    assert verdict.is_permitted is (why == "")
    assert verdict.rules == rules
    assert why in verdict.why


def test_who_acts_for_another_calls_what_both_may() -> None:
    policy = parse_policy(POLICY)
    assert policy.may_call(Reader(name="day_watch"), "look_up_flight").is_permitted
    for other in ("planner", "night_watch"):
        assert not policy.may_call(
            Reader(name="day_watch", acting_for=other), "look_up_flight"
        ).is_permitted


names = st.sets(st.sampled_from([*READERS, "*_watch", "*"]), min_size=1)
tools = st.sets(st.sampled_from([*CALLED, "look_*", "*"]), min_size=1)
rules = st.builds(
    lambda verb, readers, tools: ToolRule(
        name=f"{verb} {sorted(readers)} {sorted(tools)}",
        verb=verb,
        readers=frozenset(readers),
        tools=frozenset(tools),
    ),
    st.sampled_from(ToolVerb),
    names,
    tools,
)


@given(st.lists(rules, max_size=6), st.sampled_from(READERS), st.sampled_from(CALLED), st.randoms())
def test_more_forbids_never_allow_and_the_order_never_matters(
    given_rules: list[ToolRule], reader: str, tool: str, random: object
) -> None:
    decided = judge_call(given_rules, [reader], tool)
    assert judge_call(given_rules[::-1], [reader], tool) == decided
    forbids = [rule for rule in given_rules if rule.verb is ToolVerb.FORBID]
    assert not judge_call(forbids, [reader], tool).is_permitted
    permits = [rule for rule in given_rules if rule.verb is ToolVerb.PERMIT]
    if decided.is_permitted:
        assert judge_call(permits, [reader], tool).is_permitted


def test_rules_on_tools_are_part_of_the_policy_that_is_published() -> None:
    policy = parse_policy(POLICY)
    again = parse_policy(policy_text(policy))
    assert set(again.tools) == set(policy.tools)
    assert again.hash == policy.hash != parse_policy("rules: []").hash
    assert policy.hash != parse_policy(POLICY.replace("night_watch", "day_watch")).hash


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{readers: a, tools: b}", "policy.yaml:3: tools.0: a rule on tools starts with one of"),
        ("{permit: x, forbid: y, readers: a, tools: b}", "starts with one of permit and forbid"),
        ("{permit: x, readers: a}", "policy.yaml:3: tools.0.tools: Field required"),
        ("{permit: x, readers: [], tools: b}", "policy.yaml:3: tools.0.readers"),
        ("{permit: x, readers: a, metrics: b}", "unknown key 'metrics'"),
        (
            "{permit: x, readers: a, tools: b}\n  - {forbid: x, readers: a, tools: b}",
            "policy.yaml:4: two rules on tools have the name 'x'",
        ),
    ],
)
def test_a_slip_is_pointed_at(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(f"rules: []\ntools:\n  - {text}\n")
    assert told in str(refused.value)
