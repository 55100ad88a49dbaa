"""Triggers that cannot be are refused when definitions load: file, line, what is wrong and the nearest valid thing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_resources.agent_file import load_agent
from agent_resources.errors import AgentDefinitionError
from orchestration_assets.circles import way_back
from orchestration_assets.triggers.refused import refuse_triggers
from tests.orchestration_assets.corner_shop import build_definitions, load_shop
from tests.orchestration_assets.triggers.playing import write_agents


def load(folder: Path, tmp_path: Path, **triggers: Any) -> str:
    """What is said of agents with these triggers when they load."""
    agents = write_agents(tmp_path / "agents", triggers)
    with pytest.raises(AgentDefinitionError) as refused:
        build_definitions(folder, load_shop(folder), agents=agents)
    error = refused.value
    return f"{error.message.removeprefix(str(tmp_path / 'agents'))} | {error.hint}"


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        (
            {"value_changed": {"metrics": "revenu", "crosses": 1}},
            "watches an unknown metric 'revenu' | did you mean 'revenue'?",
        ),
        (
            {"value_changed": {"metrics": "customers"}},
            "watches 'customers', which 'boss' does not ask for | add it to the agent's metrics",
        ),
        (
            {"value_changed": {"metrics": "revenue", "by": "customer__regoin"}},
            "groups by an unknown dimension 'customer__regoin' | did you mean 'customer__region' or ",
        ),
        ({"cron": "0 0 31 4 *"}, "'0 0 31 4 *' is a time that never comes"),
        (
            {"cron": "@daily   "},
            "'@daily   ' is no time of the calendar; write five fields of cron",
        ),
        ({"cron": {"at": "0 7 * * *", "time_zone": "Mars"}}, "'Mars' is no time zone"),
        ({"decision": {"of": "boss"}}, "runs because of its own decision, without end"),
        ({"decision": {"of": "nort"}}, "waits for an unknown agent 'nort' | did you mean 'north'?"),
        (
            {"decision": {"of": "north", "where": {"severity": "high"}}},
            "looks at 'severity', which is no field of the output of 'north' | it has no output",
        ),
        ({"value_changed": {"crosses": 1}}, "names no metrics; figures and groups are those of"),
        (
            {"value_changed": {"metrics": "revenue", "crosses": 1, "at_least": 2}},
            "has at_least and crosses; write one entry for each",
        ),
        (
            {"value_changed": {"metrics": "revenue", "by": "customer__region", "only": {"x": "y"}}},
            "only: 'x' is not one of the groups in by",
        ),
        ({"freshness": {"becomes": "old"}}, "Input should be 'stale' or 'fresh'"),
        ("check", "'check' says too little alone; write check: {becomes: failed}"),
        ("full_moon", "full_moon"),
    ],
)
def test_a_trigger_that_cannot_be(
    built_shop: Path, tmp_path: Path, trigger: Any, says: str
) -> None:
    told = load(built_shop, tmp_path, boss={"on": [trigger]}, north={})
    assert told.startswith("/boss.yaml:")
    assert says in told


def test_what_an_agent_asks_for_and_is_not_granted_is_no_trigger(
    built_shop: Path, tmp_path: Path
) -> None:
    watch = {"value_changed": {"metrics": "revenue"}}
    told = load(built_shop, tmp_path, stranger={"on": watch})
    assert "watches 'revenue', which 'stranger' is not granted" in told
    assert "no grant, no data, and no run because of it" in told


def test_agents_that_run_because_of_each_other_in_a_circle(
    built_shop: Path, tmp_path: Path
) -> None:
    told = load(
        built_shop,
        tmp_path,
        boss={"on": {"decision": {"of": "boss_third"}}},
        boss_second={"on": {"decision": {"of": "boss"}}},
        boss_third={"on": [{"decision": {"of": "boss_second"}}]},
    )
    assert "in a circle: boss <- boss_third <- boss_second <- boss" in told
    assert way_back("a", {"a": ["b"], "b": ["c", "b"]}) == []


def test_a_level_for_a_metric_without_numbers(built_shop: Path, tmp_path: Path) -> None:
    catalog = load_shop(built_shop).catalog
    dated = replace(catalog.metrics["revenue"], has_numbers=False)
    catalog = replace(catalog, metrics={**catalog.metrics, "revenue": dated})
    trigger = {"on": {"value_changed": {"metrics": "revenue", "crosses": 3}}}
    path = write_agents(tmp_path / "agents", {"boss": trigger}) / "boss.yaml"
    with pytest.raises(AgentDefinitionError, match="its values are no numbers"):
        refuse_triggers([load_agent(path)], [path], [("orders", "revenue")], catalog)


@pytest.mark.parametrize(
    "written", ["{start: 22:00, end: 06:00}", '{start: "22:00Z", end: "06:00"}']
)
def test_hours_that_yaml_makes_numbers_of(built_shop: Path, tmp_path: Path, written: str) -> None:
    path = write_agents(tmp_path / "agents", {"boss": {}}) / "boss.yaml"
    path.write_text(path.read_text().replace("trigger:", f"trigger:\n  quiet_hours: {written}"))
    with pytest.raises(AgentDefinitionError, match="is no time of the day; write it in quotes"):
        load_agent(path)
