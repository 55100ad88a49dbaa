"""Which names of chat models can be meant, and whether their keys are there, told without loading what asks them: that takes seconds."""

from collections.abc import Mapping
from pathlib import Path

from agent_resources.agent import AgentDefinition
from agent_resources.import_path import wrong_import
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
    "elevenlabs",
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
    "sentence-transformers",
    "snowflake",
    "system-one",
    "together",
    "typesafe",
    "vercel",
    "vllm",
    "voyageai",
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


def wrong_model(definition: AgentDefinition, *, base_url: str = "") -> tuple[str, str] | None:
    """Why no chat model can be meant by a name of an agent, and what to do; None where one can. With `base_url` its own model, and fallbacks of the
    same provider, may have any name.
    """
    if not definition.model:
        return (
            f"agent '{definition.name}' names no model",
            "add `model: provider:model` to its file, or name one for all agents of the folder",
        )
    own = definition.model.rpartition(":")[0]
    for name in (definition.model, *definition.fallbacks):
        provider, colon, rest = name.partition(":")
        if provider == SCRIPT and colon:
            wrong = wrong_import("the script", rest)
            if wrong is not None:
                return wrong
        elif provider == RECORDING and colon:
            if not Path(rest).is_file():
                return (
                    f"the recording '{rest}' is not there",
                    "record a run of the agent: governed-agents recording RUN --to FILE",
                )
        elif not (base_url and name.rpartition(":")[0] == own):
            wrong = _wrong_name(name, provider, rest)
            if wrong is not None:
                return wrong
    return None


def _wrong_name(name: str, provider: str, rest: str) -> tuple[str, str] | None:
    how = "write provider:model, as openai:gpt-5-mini; a server of your own needs a base_url"
    if provider not in PROVIDERS and not provider.startswith("gateway/") and rest:
        hint = did_you_mean(provider, PROVIDERS) or how
        return f"the model '{name}' is of an unknown provider '{provider}'", hint
    return None if rest.strip() else (f"the model '{name}' names no provider and model", how)


def missing_key(
    definition: AgentDefinition,
    environment: Mapping[str, str],
    *,
    base_url: str = "",
    api_key_env: str = "",
) -> tuple[str, str] | None:
    """Which key of an agent's chat models is not in the environment, and what to do; None where none is missing that is known to be needed.

    `api_key_env` names the variable for its own model, and for fallbacks of the same provider. A server at a `base_url` may need none.
    """
    if not definition.model:
        return None
    own = definition.model.rpartition(":")[0]
    for name in (definition.model, *definition.fallbacks):
        provider = name.partition(":")[0]
        is_like_own = name.rpartition(":")[0] == own
        if provider in (SCRIPT, RECORDING):
            continue
        if api_key_env and is_like_own:
            wanted: tuple[str, ...] = (api_key_env,)
        else:
            wanted = () if base_url and is_like_own else KEYS.get(provider, ())
        if wanted and not any(environment.get(variable) for variable in wanted):
            return (
                f"the key of '{name}' is missing: {' or '.join(wanted)} is not set",
                f"set {wanted[0]} where definitions load and where agents run, or write `keys: at_run` into the "
                "component of the agents where only their runs have it",
            )
    return None
