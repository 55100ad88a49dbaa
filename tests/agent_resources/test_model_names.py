"""Names of chat models, looked at when definitions load."""

import inspect
import re

import pytest
from pydantic_ai.providers import infer_provider_class

from agent_resources.agent import AgentDefinition
from agent_resources.model_names import PROVIDERS, wrong_model
from tests.agent_resources.test_runner import ANALYST


def agent(model: str | None, *fallbacks: str) -> AgentDefinition:
    return ANALYST.model_copy(update={"model": model, "fallbacks": fallbacks})


@pytest.mark.parametrize(
    "names",
    [
        ("openai:gpt-5-mini",),
        ("anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"),
        ("gateway/openai:gpt-5",),
        ("scripted:orchestration_assets.defs.scripts:carrier_analyst",),
        ("ollama:llama3:8b",),
    ],
)
def test_a_model_that_can_be_meant_is_taken(names: tuple[str, ...]) -> None:
    assert wrong_model(agent(*names)) is None


@pytest.mark.parametrize(
    ("names", "told", "hint"),
    [
        ((None,), "names no model", "add `model"),
        (("opnai:gpt-5",), "unknown provider 'opnai'", "did you mean 'openai'"),
        (("gpt-5",), "names no provider", "base_url"),
        (("openai:",), "names no provider", "base_url"),
        (("openai:gpt-5", "nobody:knows"), "unknown provider 'nobody'", "provider:model"),
        (("scripted:nobody.knows:it",), "cannot be imported", "package.module:name"),
    ],
)
def test_one_that_cannot_is_told_with_the_nearest(
    names: tuple[str, ...], told: str, hint: str
) -> None:
    wrong = wrong_model(agent(*names))
    assert wrong is not None
    assert told in wrong[0]
    assert hint in wrong[1]


def test_a_server_of_ones_own_knows_any_name() -> None:
    assert wrong_model(agent("llama-of-ours"), base_url="http://127.0.0.1:1/v1") is None
    both = agent("llama-of-ours", "opnai:gpt-5")
    assert wrong_model(both, base_url="http://127.0.0.1:1/v1") is not None


def test_the_providers_are_those_that_the_engine_knows() -> None:
    source = inspect.getsource(infer_provider_class)
    cases = re.findall(r"^        case (.+):$", source, re.MULTILINE)
    known = {name for case in cases for name in re.findall(r"'([a-z0-9-]+)'", case)}
    assert known <= set(PROVIDERS)
    assert set(PROVIDERS) - known <= {"gateway"}
