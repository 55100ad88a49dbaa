"""Which names of chat models can be meant, told without loading what asks them: that takes seconds."""

from agent_resources.agent import AgentDefinition
from agent_resources.import_path import wrong_import
from semantic.errors import did_you_mean

SCRIPT = "scripted"
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
