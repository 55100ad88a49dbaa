"""Which names of chat models can be meant, and whether their keys are there, told without loading what asks them: that takes seconds."""

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from agent_resources.agent import AgentDefinition
from agent_resources.import_path import imported, wrong_import
from semantic.errors import did_you_mean

SCRIPT = "scripted"
RECORDING = "recorded"
# Those that pydantic-ai knows; a test compares.
PROVIDERS = (
    "alibaba",
    "anthropic",
    "azure",
    "azure-responses",
    "bedrock",
    "bedrock-mantle",
    "cerebras",
    "cohere",
    "crusoe",
    "deepseek",
    "fireworks",
    "gateway",
    "github",
    "github-copilot",
    "google",
    "google-cloud",
    "google-decisions",
    "groq",
    "heroku",
    "huggingface",
    "litellm",
    "meta",
    "mistral",
    "moonshotai",
    "nebius",
    "ollama",
    "openai",
    "openai-chat",
    "openai-chatgpt",
    "openai-codex",
    "openai-decisions",
    "openai-responses",
    "openrouter",
    "ovhcloud",
    "sambanova",
    "snowflake",
    "system-one",
    "together",
    "typesafe",
    "vercel",
    "vllm",
    "xai",
    "zai",
)
# Where the providers that take a key and nothing else look for it; a test compares.
KEYS: Mapping[str, tuple[str, ...]] = {
    "alibaba": ("ALIBABA_API_KEY", "DASHSCOPE_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("CO_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "gateway": ("PYDANTIC_AI_GATEWAY_API_KEY", "PAIG_API_KEY"),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "huggingface": ("HF_TOKEN",),
    "mistral": ("MISTRAL_API_KEY",),
    "moonshotai": ("MOONSHOTAI_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openai-chat": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "xai": ("XAI_API_KEY",),
}


# What asks a provider, where that is not installed with this package: the module, and the extra of pydantic-ai-slim that brings it.
PACKAGES: Mapping[str, tuple[str, str]] = {
    "anthropic": ("anthropic", "anthropic"),
    "bedrock": ("boto3", "bedrock"),
    "cohere": ("cohere", "cohere"),
    "google": ("google.genai", "google"),
    "google-cloud": ("google.genai", "google"),
    "groq": ("groq", "groq"),
    "huggingface": ("huggingface_hub", "huggingface"),
    "mistral": ("mistralai", "mistral"),
    "xai": ("xai_sdk", "xai"),
}


class Wrong(NamedTuple):
    """What is wrong with a model of an agent, what to do about it, and where in the agent's file it stands."""

    message: str
    hint: str
    keys: tuple[str | int, ...] = ("model",)


def wrong_model(definition: AgentDefinition, *, base_url: str = "") -> Wrong | None:
    """Why no chat model can be meant by a name of an agent; None where one can. With `base_url` its own model, and fallbacks of the same provider, may
    have any name.
    """
    if not definition.model:
        return Wrong(
            f"agent '{definition.name}' names no model",
            "add `model: provider:model` to its file, or name one for all agents of the folder",
            (),
        )
    own = definition.model.rpartition(":")[0]
    for name, keys in _named(definition):
        is_served = bool(base_url) and name.rpartition(":")[0] == own
        wrong = _wrong_name(name, is_served=is_served)
        if wrong is not None:
            return Wrong(*wrong, keys)
    return None


def missing_for(
    definition: AgentDefinition,
    environment: Mapping[str, str],
    *,
    base_url: str = "",
    api_key_env: str = "",
) -> Wrong | None:
    """Which package or key for an agent's chat models is not there; None where none is missing that is known to be needed.

    `api_key_env` names the variable for its own model, and for fallbacks of the same provider. A server at a `base_url` may need none.
    """
    own = (definition.model or "").rpartition(":")[0]
    for name, keys in _named(definition):
        provider = name.partition(":")[0]
        is_like_own = name.rpartition(":")[0] == own
        if provider in (SCRIPT, RECORDING):
            continue
        is_served = bool(base_url) and is_like_own
        module, extra = PACKAGES.get(provider, ("", ""))
        if module and not is_served and not _is_installed(module):
            return Wrong(
                f"what asks '{name}' is not installed: {module}",
                f"pip install 'pydantic-ai-slim[{extra}]', {_OR_AT_RUN}",
                keys,
            )
        if api_key_env and is_like_own:
            wanted: tuple[str, ...] = (api_key_env,)
        else:
            wanted = () if is_served else _keys_of(provider)
        if wanted and not any(environment.get(variable) for variable in wanted):
            return Wrong(
                f"the key of '{name}' is missing: {' or '.join(wanted)} is not set",
                f"set {wanted[0]} where definitions load and where agents run, {_OR_AT_RUN}",
                keys,
            )
    return None


_OR_AT_RUN = (
    "or write `keys: at_run` into the component of the agents where only their runs have it"
)


def _named(definition: AgentDefinition) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """The models of an agent, each with where it stands in its file."""
    if definition.model:
        yield definition.model, ("model",)
    for place, name in enumerate(definition.fallbacks):
        yield name, ("fallbacks", place)


def _keys_of(provider: str) -> tuple[str, ...]:
    return KEYS["gateway"] if provider.startswith("gateway/") else KEYS.get(provider, ())


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _wrong_name(name: str, *, is_served: bool) -> tuple[str, str] | None:
    provider, colon, rest = name.partition(":")
    if colon and provider == SCRIPT:
        return _wrong_script(rest)
    if colon and provider == RECORDING:
        return _wrong_recording(Path(rest))
    if is_served:
        return None
    how = "write provider:model, as openai:gpt-5-mini; a server of your own needs a base_url"
    if provider not in PROVIDERS and not provider.startswith("gateway/") and rest:
        hint = did_you_mean(provider, PROVIDERS) or how
        return f"the model '{name}' is of an unknown provider '{provider}'", hint
    return None if rest.strip() else (f"the model '{name}' names no provider and model", how)


def _wrong_script(path: str) -> tuple[str, str] | None:
    wrong = wrong_import("the script", path)
    if wrong is None and not callable(imported(path)):
        return f"the script '{path}' cannot be called", "it is a function that yields steps"
    return wrong


def _wrong_recording(path: Path) -> tuple[str, str] | None:
    how = "record a run of the agent: governed-agents recording RUN --to FILE"
    try:
        written = json.loads(path.read_bytes())
    except OSError:
        return f"the recording '{path}' is not there, looked for in {Path.cwd()}", how
    except ValueError:
        written = None
    is_one = isinstance(written, dict) and {"format", "responses", "reads"} <= set(written)
    return None if is_one else (f"'{path}' is no recording", how)
