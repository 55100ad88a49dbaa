"""Names of chat models, looked at when definitions load."""

import inspect
import re
from pathlib import Path

import pytest
from pydantic_ai.providers import infer_provider_class

from agent_resources.agent import AgentDefinition
from agent_resources.model_names import KEYS, PACKAGES, PROVIDERS, missing_for, wrong_model
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
    assert known - {"elevenlabs", "sentence-transformers", "voyageai"} <= set(PROVIDERS)
    assert set(PROVIDERS) - known <= {"gateway"}


@pytest.mark.parametrize(
    ("names", "environment", "told"),
    [
        (("openai:gpt-5-mini",), {}, "the key of 'openai:gpt-5-mini' is missing: OPENAI_API_KEY"),
        (("openai:gpt-5-mini",), {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        (("openai:gpt-5-mini",), {"OPENAI_API_KEY": "it"}, None),
        (("openai:gpt-5", "deepseek:deepseek-x"), {"OPENAI_API_KEY": "it"}, "DEEPSEEK_API_KEY"),
        (("alibaba:qwen-x",), {"DASHSCOPE_API_KEY": "it"}, None),
        (("alibaba:qwen-x",), {}, "ALIBABA_API_KEY or DASHSCOPE_API_KEY"),
        (("gateway/openai:gpt-5",), {}, "PYDANTIC_AI_GATEWAY_API_KEY"),
        (("ollama:llama3",), {}, None),
        (("scripted:orchestration_assets.defs.scripts:carrier_analyst",), {}, None),
        ((None,), {}, None),
    ],
)
def test_a_key_that_is_needed_is_looked_for(
    names: tuple[str, ...], environment: dict[str, str], told: str | None
) -> None:
    missing = missing_for(agent(*names), environment)
    assert missing is None if told is None else missing is not None and told in missing[0]


def test_a_named_key_is_for_its_own_provider_and_a_server_of_ones_own_may_need_none() -> None:
    both = agent("openai:gpt-5", "deepseek:deepseek-x")
    missing = missing_for(both, {"OURS": "it"}, api_key_env="OURS")
    assert missing is not None
    assert "DEEPSEEK_API_KEY" in missing.message
    assert missing.keys == ("fallbacks", 0)
    unset = missing_for(agent("llama"), {}, base_url="http://127.0.0.1:1/v1", api_key_env="OURS")
    assert unset is not None
    assert "OURS is not set" in unset[0]
    assert missing_for(agent("openai:x"), {}, base_url="http://127.0.0.1:1/v1") is None


@pytest.mark.parametrize("provider", sorted(PACKAGES))
def test_what_asks_a_provider_is_looked_for(provider: str) -> None:
    environment = {name: "it" for names in KEYS.values() for name in names}
    missing = missing_for(agent("openai:gpt-5", f"{provider}:x"), environment)
    told = ""
    try:
        infer_provider_class(provider)
    except ImportError as error:
        told = str(error)
    assert bool(told) == (missing is not None)
    if missing is not None:
        assert f"pydantic-ai-slim[{PACKAGES[provider][1]}]" in told
        assert PACKAGES[provider][1] in missing.hint


def test_scripts_and_recordings_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")
    for name, told in (
        ("scripted:tests.agent_resources.tools:NUMBER", "cannot be called"),
        (f"recorded:{tmp_path / 'no.json'}", "is no recording"),
        (f"recorded:{tmp_path / 'gone.json'}", "is not there"),
    ):
        wrong = wrong_model(agent(name))
        assert wrong is not None
        assert told in wrong.message


@pytest.mark.parametrize("provider", sorted(set(KEYS) - {"gateway"}))
def test_keys_are_looked_for_where_the_engine_does(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for names in KEYS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    try:
        made = infer_provider_class(provider)
    except ImportError:
        pytest.skip(f"what asks {provider} is not installed")
    with pytest.raises(Exception, match=KEYS[provider][0]):
        made()
