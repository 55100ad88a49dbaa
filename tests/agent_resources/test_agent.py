"""An agent's file: what it says, and what is told to its author when it is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from agent_resources.agent_file import load_agent
from agent_resources.errors import AgentDefinitionError
from agent_resources.prices import load_prices, price_of

GOOD = """
name: watch
description: Watches orders.
model: openai:gpt-5-mini
instructions: watch.md
metrics: orders
"""


def _write(folder: Path, text: str, prompt: str | None = "Watch the orders.") -> Path:
    if prompt is not None:
        (folder / "watch.md").write_text(prompt)
    path = folder / "watch.yaml"
    path.write_text(text)
    return path


def test_a_file_and_its_prompt_make_an_agent(tmp_path: Path) -> None:
    agent = load_agent(_write(tmp_path, GOOD))
    assert agent.instructions == "Watch the orders."
    assert agent.metrics == ("orders",)
    assert agent.reader.asks == {"orders"}


def test_the_hash_changes_with_what_steers_a_run_and_not_with_the_description(
    tmp_path: Path,
) -> None:
    agent = load_agent(_write(tmp_path, GOOD))
    assert load_agent(_write(tmp_path, GOOD.replace("Watches", "Looks at"))).hash == agent.hash
    changed = [
        load_agent(_write(tmp_path, text, prompt=prompt)).hash
        for text, prompt in (
            (GOOD.replace("gpt-5-mini", "gpt-5"), "Watch the orders."),
            (GOOD.replace("metrics: orders", "metrics: [orders, revenue]"), "Watch the orders."),
            (GOOD, "Watch the orders well."),
            (GOOD + "limits: {turns: 3}\n", "Watch the orders."),
        )
    ]
    assert agent.hash not in changed
    assert len(set(changed)) == len(changed)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD.replace("metrics: orders", "metrcs: orders"), 6, "metrics"),
        (GOOD.replace("metrics: orders", "metrics: []"), 6, "metrics"),
        (GOOD + "limits: {turns: 0}\n", 7, "limits.turns"),
        (GOOD + "limits: {turns: many}\n", 7, "limits.turns"),
        (GOOD.replace("name: watch", "name: The Watch"), 2, "name"),
        (GOOD.replace("name: watch", "name: refresh"), 2, "the reader that measures"),
        (GOOD + "trigger: {on: full_moon}\n", 7, "trigger.on"),
        (GOOD.replace("watch.md", "other.md"), 5, "other.md"),
        (GOOD.replace("watch.md", "../watch.md"), 5, "outside"),
        (GOOD + "name: twice\n", 7, "twice"),
        (GOOD + "limits: {turns: true}\n", 7, "is no number"),
        (GOOD + "task: ' '\n", 7, "blank"),
        (GOOD.replace("Watches orders.", "' '"), 3, "blank"),
        (GOOD.replace("name: watch", "name: !!timestamp x"), 2, "is not a value"),
        (GOOD + "task: a\x07b\n", 7, "which YAML does not"),
        (GOOD.replace("watch.md", "gone.txt"), 5, "cannot read the prompt"),
        (GOOD.replace("watch.md", "watch.MD"), 5, "cannot read the prompt"),
        (GOOD.replace("watch.md", "prompts/watch"), 5, "cannot read the prompt"),
        (GOOD.replace("watch.md", "' '"), 5, "blank"),
        (GOOD.replace("metrics: orders", "metrics: [orders, revenue, orders]"), 6, "2 times"),
        (GOOD + "owner: bob\n", 7, "no e-mail address"),
        (GOOD + "team: the team\n", 7, "team"),
        (GOOD + "tags: {'a b': c}\n", 7, "no key of a tag"),
        (GOOD + "tags: {dagster/kind: c}\n", 7, "no key of a tag"),
        (GOOD + "tags: {area: 'a b'}\n", 7, "no value of a tag"),
        (GOOD + "grounding: {no_figures: severity}\n", 7, "no field 'severity'"),
        (
            GOOD + "output: {type: object, properties: {severity: {type: string}}}\n"
            "grounding: {no_figures: [severty]}\n",
            8,
            "no field 'severty'",
        ),
        (GOOD + "output: {type: object, propertes: {}}\n", 7, "no keyword of JSON schemas"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (tmp_path / "watch.md").write_text("An outsider.")
    with pytest.raises(AgentDefinitionError) as caught:
        load_agent(_write(folder, text))
    assert says in str(caught.value)
    assert f"watch.yaml:{line}" in str(caught.value)


OWN = "tools: [{call: 'tests.agent_resources.tools:%s', effect: none}]\n"


def test_tools_of_its_own_are_part_of_what_an_agent_is(tmp_path: Path) -> None:
    without = load_agent(_write(tmp_path, GOOD))
    agent = load_agent(_write(tmp_path, GOOD + OWN % "miles_in_kilometres"))
    [tool] = agent.tools
    assert (tool.name, tool.effect) == ("miles_in_kilometres", "none")
    assert tool.load()(10) == 16.093
    writes = GOOD + OWN.replace("none", "write") % "open_ticket"
    with pytest.raises(AgentDefinitionError, match="and nobody is named") as refused:
        load_agent(_write(tmp_path, writes))
    assert "give the agent an owner" in str(refused.value)
    writing = load_agent(_write(tmp_path, f"{writes}owner: ana@example.com\n"))
    assert writing.approvers == ("ana@example.com",)
    assert len({without.hash, agent.hash, writing.hash}) == 3


@pytest.mark.parametrize(
    ("approval", "says"),
    [
        ("{within_hours: 2, remind_after_hours: 3}", "comes after the proposal ended"),
        ("{escalate_after_hours: 3}", "escalate_after_hours and escalate_to go together"),
        ("{by: [], of: everything}", "actions"),
        ("{whom: ana}", "unknown key 'whom'"),
    ],
)
def test_approvals_that_cannot_be(tmp_path: Path, approval: str, says: str) -> None:
    with pytest.raises(AgentDefinitionError, match=says):
        load_agent(_write(tmp_path, f"{GOOD}owner: ana@example.com\napproval: {approval}\n"))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (OWN % "miles_in_kilometers", "is not there"),
        (OWN % "NUMBER", "is no function"),
        (OWN % "say_nothing", "has no docstring"),
        (
            OWN % "untyped",
            "the parameter 'x' of the tool 'tests.agent_resources.tools:untyped' has no type",
        ),
        (OWN % "any_number", "the parameter 'numbers'"),
        (OWN % "takes_a_thing", "takes what JSON does not have"),
        (OWN % "query_metrics", "has the name of one that agents have"),
        (OWN % "remember_fact", "has the name of one that agents have"),
        (OWN.replace("tests.agent_resources.tools", "nobody.knows") % "it", "cannot be imported"),
        (OWN.replace(", effect: none", "") % "open_ticket", "tools.0.effect"),
        (OWN.replace("none", "destroy") % "open_ticket", "tools.0.effect"),
        ("tools: [{call: 'os.system', effect: none}]\n", "tools.0.call"),
        ("tools: [{call: 'a.b:c', efect: none}]\n", "efect"),
    ],
)
def test_a_tool_that_cannot_be_called_is_told_with_its_line(
    tmp_path: Path, written: str, told: str
) -> None:
    with pytest.raises(AgentDefinitionError) as refused:
        load_agent(_write(tmp_path, GOOD + written))
    assert told in str(refused.value)
    assert "watch.yaml:7" in str(refused.value)


def test_the_nearest_function_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentDefinitionError) as refused:
        load_agent(_write(tmp_path, GOOD + OWN % "miles_in_kilometers"))
    assert refused.value.hint == "did you mean 'miles_in_kilometres'?"


def test_a_name_stands_for_one_tool(tmp_path: Path) -> None:
    twice = "tools:\n" + 2 * "- {call: 'tests.agent_resources.tools:look_up', effect: read}\n"
    with pytest.raises(AgentDefinitionError, match=r"watch\.yaml:9: two tools have the name"):
        load_agent(_write(tmp_path, GOOD + twice))


def test_the_nearest_prompt_field_and_keyword_are_named(tmp_path: Path) -> None:
    output = "output: {type: object, properties: {severity: {type: string}}}\n"
    for text, hint in (
        (GOOD.replace("watch.md", "wtach.md"), "did you mean 'watch.md'?"),
        (GOOD + output + "grounding: {no_figures: severty}\n", "did you mean 'severity'?"),
        (GOOD + output.replace("type: string", "tpye: string"), "did you mean 'type'?"),
    ):
        with pytest.raises(AgentDefinitionError) as refused:
            load_agent(_write(tmp_path, text))
        assert refused.value.hint == hint


def test_names_of_fields_are_no_keywords(tmp_path: Path) -> None:
    text = (
        GOOD + "output: {type: object, properties: {propertes: {type: array, items: {type: object,"
        " properties: {of: {enum: [a], default: a}}}}}, x-ours: {any: thing}}\n"
        "grounding: {no_figures: [of]}\n"
    )
    assert load_agent(_write(tmp_path, text)).grounding.no_figures == ("of",)


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentDefinitionError, match="is empty"):
        load_agent(_write(tmp_path, GOOD, prompt="  \n"))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AgentDefinitionError, match="Cannot read"):
        load_agent(tmp_path / "nobody.yaml")


UNPRICED = GOOD.replace("openai:gpt-5-mini", "llama-of-ours") + "limits: {dollars: 0.50}\n"
PRICES = "as_of: 2026-11-01\nmodels:\n  llama-of-ours: {input: 0.1, output: 0.3}\n"


def test_dollars_are_limited_where_the_price_is_known(tmp_path: Path) -> None:
    known = load_agent(_write(tmp_path, GOOD + "limits: {dollars: 0.50}\n"))
    assert known.limits.dollars == Decimal("0.5")
    with pytest.raises(AgentDefinitionError) as refused:
        load_agent(_write(tmp_path, UNPRICED))
    assert "watch.yaml:7: what 'llama-of-ours' costs is not known" in str(refused.value)
    assert "prices.yaml" in str(refused.value.hint)
    (tmp_path / "prices.yaml").write_text(PRICES)
    assert load_agent(_write(tmp_path, UNPRICED)).model == "llama-of-ours"


@pytest.mark.parametrize("fallbacks", ["openai:gpt-99-nobody", "[openai:gpt-5, nobody:knows]"])
def test_the_prices_of_all_its_models_are_known(tmp_path: Path, fallbacks: str) -> None:
    text = GOOD + f"fallbacks: {fallbacks}\nlimits: {{dollars: 5}}\n"
    with pytest.raises(AgentDefinitionError, match=r"watch\.yaml:8: what 'nobody|gpt-99-nobody"):
        load_agent(_write(tmp_path, text))


def test_a_model_that_replaces_its_own_is_priced_as_well(tmp_path: Path) -> None:
    path = _write(tmp_path, UNPRICED)
    assert load_agent(path, model="openai:gpt-5-mini").model == "openai:gpt-5-mini"
    with pytest.raises(AgentDefinitionError, match="'other-llama' costs is not known"):
        load_agent(path, model="other-llama")


def test_wrong_prices_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES.replace("0.1", "-1"))
    with pytest.raises(AgentDefinitionError, match=r"prices\.yaml:3"):
        load_agent(_write(tmp_path, GOOD))


def test_what_tokens_cost_is_rounded_up(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    price = price_of("llama-of-ours", load_prices(tmp_path))
    assert price is not None
    assert price.micros(1_000_000, 1_000_000) == 400_000
    assert price.micros(1, 0) == 1
    scripted = price_of("scripted:tests.nobody:knows")
    assert scripted is not None
    assert scripted.micros(10**6, 10**6) == 0
    listed = price_of("openai:gpt-5-mini")
    assert listed is not None
    assert 0 < listed.micros(1_000_000, 0) < listed.micros(0, 1_000_000)
