"""Doctors and rules that cannot be are refused when definitions load: file, line, what is wrong and what to do."""

from pathlib import Path
from typing import Any

import pytest

from agent_resources.agent_file import load_agent
from agent_resources.errors import AgentDefinitionError
from orchestration_assets.platform.settings import PlatformSettings
from semantic.errors import PolicyError
from semantic.policy import Reader
from semantic.policy_file import parse_policy, policy_text
from tests.orchestration_assets.corner_shop import build_definitions, load_shop
from tests.orchestration_assets.triggers.playing import write_agents

FAILURES = "dagster_failures"


def refused(folder: Path, tmp_path: Path, **more: Any) -> str:
    """What is said of a doctor in a shop whose platform tells nothing."""
    agents = write_agents(tmp_path / "agents", {"boss": {"on": "run_failed"}}, **more)
    with pytest.raises(AgentDefinitionError) as error:
        build_definitions(folder, load_shop(folder), agents=agents)
    return f"{error.value.message.removeprefix(str(tmp_path / 'agents'))} | {error.value.hint}"


def test_failed_runs_are_told_only_where_the_platform_tells_of_itself(
    built_shop: Path, tmp_path: Path
) -> None:
    told = refused(built_shop, tmp_path)
    assert told.startswith("/boss.yaml:")
    assert "Dagster's own health is not among the metrics" in told
    assert "set platform_metrics: true in the SemanticMetricsComponent" in told


def test_who_waits_for_failed_runs_is_granted_what_tells_of_them(
    built_platform: Path, tmp_path: Path
) -> None:
    shop = load_shop(built_platform, platform=PlatformSettings())
    for metrics, says in (
        (["orders"], f"watches '{FAILURES}', which 'north' does not ask for"),
        ([FAILURES], f"watches '{FAILURES}', which 'north' is not granted"),
    ):
        agents = write_agents(tmp_path / says[:9], {"north": {"on": "run_failed"}}, metrics=metrics)
        with pytest.raises(AgentDefinitionError) as error:
            build_definitions(built_platform, shop, agents=agents)
        assert says in error.value.message


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "masks: {dagster_failure__message: drop}",
            "is given only masked dagster_failure__message",
        ),
        (
            "masks: {dagster_failure__attempt: hash}",
            "is given only masked dagster_failure__attempt",
        ),
        ("smallest_group: 5", "is told no group smaller than 5"),
    ],
)
def test_what_is_told_of_failures_is_granted_whole(
    built_platform: Path, tmp_path: Path, rule: str, says: str
) -> None:
    narrowed = f"  - {{restrict: less, readers: [boss], metrics: [{FAILURES}], {rule}}}\n"
    assert says in narrow(built_platform, tmp_path, "[dagster_failures]", narrowed)


def test_a_dimension_of_failures_that_is_not_granted_is_told_at_load(
    built_platform: Path, tmp_path: Path
) -> None:
    some = "[dagster_failures], dimensions: [dagster_failure__run]"
    told = narrow(built_platform, tmp_path, some, "")
    assert "'boss' is not granted dagster_failure__attempt" in told


def test_a_rule_that_counts_by_no_argument_is_refused(built_platform: Path, tmp_path: Path) -> None:
    rule = "tools:\n  - {permit: p, readers: [boss], tools: [retry], unattended: {times: 1, hours: 1, per: runid}}\n"
    recovery = {"remedies": "retry"}
    told = narrow(built_platform, tmp_path, "[dagster_failures]", rule, recovery=recovery)
    assert "counts per 'runid', which is no argument of 'retry'" in told
    assert "did you mean 'run_id'?" in told


def narrow(folder: Path, tmp_path: Path, granted: str, rules: str, **more: Any) -> str:
    """What is said of a boss who waits for failed runs, of which it is granted so much."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "rules:\n  - {permit: measure, readers: [refresh], metrics: ['*']}\n"
        f"  - {{permit: some, readers: [boss], metrics: {granted}}}\n{rules}"
    )
    shop = load_shop(folder, policy=policy, platform=PlatformSettings())
    agents = write_agents(
        tmp_path / "agents",
        {"boss": {"on": "run_failed"}},
        metrics=[FAILURES],
        owner="ana@example.com",
        **more,
    )
    with pytest.raises(AgentDefinitionError) as error:
        build_definitions(folder, shop, agents=agents)
    return f"{error.value.message} | {error.value.hint}"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"recovery": {"remedies": ["retry"]}}, "asks for the metric dagster_failures"),
        ({"metrics": [FAILURES], "recovery": {"remedies": ["restart"]}}, "Input should be 'retry'"),
        ({"metrics": [FAILURES], "recovery": {"remedies": []}}, "at least 1 item"),
        (
            {"metrics": [FAILURES], "recovery": {"remedies": ["retry", "retry"]}},
            "names a remedy twice",
        ),
        (
            {"metrics": [FAILURES], "recovery": {"remedies": ["retry_with_more_resources"]}},
            "retry_with_more_resources and more_resources go together",
        ),
        (
            {
                "metrics": [FAILURES],
                "recovery": {"remedies": "retry", "more_resources": {"a": "b"}},
            },
            "retry_with_more_resources and more_resources go together",
        ),
        ({"metrics": [FAILURES], "recovery": {"remedies": "retry"}}, "nobody is named"),
        (
            {
                "metrics": [FAILURES],
                "owner": "ana@example.com",
                "recovery": {"remedies": "wait"},
                "tools": [
                    {"call": "tests.orchestration_assets.recovery.own:wait", "effect": "none"}
                ],
            },
            "the tool 'wait' has the name of a remedy",
        ),
    ],
)
def test_a_recovery_that_cannot_be(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    agents = write_agents(tmp_path, {"boss": {"on": "run_failed"}}, **more)
    with pytest.raises(AgentDefinitionError) as error:
        load_agent(agents / "boss.yaml")
    assert says in f"{error.value.message} | {error.value.hint}"


RULES = "rules:\n  - {permit: all, readers: ['*'], metrics: ['*']}\ntools:\n"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "{forbid: never, readers: [d], tools: [retry], unattended: {times: 1, hours: 1}}",
            "what is forbidden is never done",
        ),
        (
            "{permit: p, readers: [d], tools: [retry], unattended: {times: 0, hours: 1}}",
            "greater than or equal to 1",
        ),
        ("{permit: p, readers: [d], tools: [retry], unattended: {times: 1}}", "hours"),
        ("{permit: p, readers: [d], tools: [retry], unattended: true}", "unattended"),
    ],
)
def test_a_rule_that_cannot_be(rule: str, says: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(f"{RULES}  - {rule}\n")
    assert says in f"{error.value.message} | {error.value.hint}"


def test_a_rule_is_published_as_it_was_written() -> None:
    rule = (
        "{permit: p, readers: [d], tools: [retry], unattended: {times: 2, hours: 1.5, per: run_id}}"
    )
    policy = parse_policy(f"{RULES}  - {rule}\n")
    again = parse_policy(policy_text(policy))
    assert again.hash == policy.hash
    assert again.tools == policy.tools
    [allowed] = again.may_call(Reader(name="d"), "retry").unattended
    assert allowed.unattended is not None
    assert (allowed.unattended.times, allowed.unattended.hours) == (2, 1.5)
    plain = parse_policy(f"{RULES}  - {{permit: p, readers: [d], tools: [retry]}}\n")
    assert plain.hash != policy.hash
