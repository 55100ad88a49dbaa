"""An agent's own type of output: what fits is part of its decision, what does not goes back to the model."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_resources.agent import AgentDefinition
from agent_resources.agent_file import load_agent
from agent_resources.decision import Decision, Figure, Finding
from agent_resources.errors import AgentDefinitionError, AgentRunFailed
from agent_resources.grounding import ground
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from agent_resources.runner import run_agent
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import RecordKind
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_agent import GOOD, _write
from tests.agent_resources.test_runner import ANALYST, CONTEXT, decision_text, written

CLASS = "tests.agent_resources.outputs:Alert"
SCHEMA = {
    "type": "object",
    "properties": {
        "severity": {"enum": ["low", "high"]},
        "regions": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["severity", "regions"],
    "additionalProperties": False,
}
GOOD_OUTPUT = {"severity": "high", "regions": ["north"]}


def having(output: Any) -> AgentDefinition:
    return ANALYST.model_copy(update={"output": output})


def answering(*outputs: Any) -> tuple[FunctionModel, list[AgentInfo]]:
    """A model that answers with these outputs, one at a time, and the last again and again; and what it was shown."""
    left, shown = list(outputs), []

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        shown.append(info)
        output = left.pop(0) if len(left) > 1 else left[0]
        decision = {"answer": "All is well.", "confidence": 1, "output": output}
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, decision)])

    return FunctionModel(respond), shown


@pytest.mark.parametrize("output", [CLASS, SCHEMA], ids=["class", "schema"])
def test_an_output_that_fits_is_part_of_the_decision(door: GovernedMetrics, output: Any) -> None:
    model, shown = answering(GOOD_OUTPUT)
    run = decide(having(output), model, door, CONTEXT)
    assert run.decision.output is not None
    assert run.decision.output["severity"] == "high"
    assert run.decision.output["regions"] == ["north"]
    assert '"severity":"high"' in decision_text(door, run.decision_id)
    told = shown[0].output_tools[0].parameters_json_schema
    assert "output" in told["required"]
    assert "severity" in str(told)


@pytest.mark.parametrize("output", [CLASS, SCHEMA], ids=["class", "schema"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"severity": "awful", "regions": []},
        {"severity": "low"},
        {**GOOD_OUTPUT, "more": 1},
        "high",
        None,
    ],
)
def test_an_output_that_does_not_fit_goes_back_to_the_model(
    door: GovernedMetrics, output: Any, wrong: Any
) -> None:
    model, shown = answering(wrong, GOOD_OUTPUT)
    run = decide(having(output), model, door, CONTEXT)
    assert len(shown) == 2
    assert run.decision.output is not None
    model, shown = answering(wrong)
    another = replace(CONTEXT, run_id="run-2", root_run_id="run-2")
    with pytest.raises(AgentRunFailed, match="came to no valid decision"):
        run_agent(having(output), model, door, another, patience=IMPATIENT)
    assert len(written(door, RecordKind.DECISION)) == 1


def test_an_agent_without_a_type_has_no_output(door: GovernedMetrics) -> None:
    model, shown = answering(GOOD_OUTPUT)
    with pytest.raises(AgentRunFailed):
        run_agent(ANALYST, model, door, CONTEXT, patience=IMPATIENT)
    assert "output" not in shown[0].output_tools[0].parameters_json_schema["properties"]


def test_a_script_gives_an_output(door: GovernedMetrics) -> None:
    def steps() -> Generator[ToolStep, Told, Decision]:
        told = yield query_metrics("orders")
        return Decision(
            answer="ok", confidence=1, output={**GOOD_OUTPUT, "regions": [told.data_until]}
        )

    run = decide(having(CLASS), ScriptedModel(steps), door, CONTEXT)
    assert run.decision.output is not None
    assert run.decision.output["until"] is None


def test_what_an_output_states_is_traced(door: GovernedMetrics) -> None:
    def steps() -> Generator[ToolStep, Told, Decision]:
        told = yield query_metrics("orders", group_by="customer__region", order_by="-orders")
        most = told.records()[0]
        figure: Figure = told.figure("orders", "orders", most)
        return Decision(
            answer="See the output.",
            findings=(Finding(statement="Orders by region.", figures=(figure,)),),
            confidence=1,
            output={
                "orders": most["orders"],
                "invented": 4711,
                "severity": 3,
                "say": "4712 orders",
            },
        )

    run = decide(having({"type": "object"}), ScriptedModel(steps), door, CONTEXT)
    untraced = [
        claim.text
        for text in ground(run.decision, run.reads, no_figures=("severity",))
        for claim in text.untraced
    ]
    assert untraced == ["invented: 4711", "4712"]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("'tests.agent_resources.outputs:Alarm'", "is not there"),
        ("'tests.agent_resources.outputs:NUMBER'", "is no type that JSON has"),
        ("'tests.agent_resources.outputs:Opaque'", "is no type that JSON has"),
        ("'nobody.knows:It'", "cannot be imported"),
        ("Alert", "is no import path"),
        ("{type: array}", "of another type than object"),
        ("{type: object, properties: {a: {type: strange}}}", "no JSON schema: properties.a.type"),
        ("{type: object, properties: {a: {$ref: 'https://x.example/s'}}}", "with $ref"),
        ("{type: object, properties: {a: {$dynamicRef: '#a'}}}", "with $ref"),
        ("[1]", "output"),
    ],
)
def test_what_is_no_type_of_an_output_is_told_with_its_line(
    tmp_path: Path, output: str, told: str
) -> None:
    with pytest.raises(AgentDefinitionError) as refused:
        load_agent(_write(tmp_path, GOOD + f"output: {output}\n"))
    assert told in str(refused.value)
    assert "watch.yaml:7" in str(refused.value)


def test_an_output_is_part_of_the_version_of_an_agent(tmp_path: Path) -> None:
    hashes = {
        load_agent(_write(tmp_path, GOOD + text)).hash
        for text in ("", f"output: '{CLASS}'\n", "output: {type: object}\n")
    }
    assert len(hashes) == 3


@pytest.mark.parametrize("value", ["NaN", "inf", float("nan"), float("-inf")])
def test_a_figure_is_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        Figure.model_validate({"name": "x", "value": value, "read_id": "r"})
