"""The chat models of an agent, its own and then its fallbacks, each with what it costs."""

from collections.abc import Sequence
from pathlib import Path

from agent_resources.agent import AgentDefinition
from agent_resources.errors import ModelUnavailable
from agent_resources.models import resolve_model
from agent_resources.prices import load_prices, price_of
from agent_resources.recorded_model import PricedModel


def priced_models(
    definition: AgentDefinition, *, api_key: str = "", base_url: str = "", prices: Path | None
) -> Sequence[PricedModel]:
    """The models in the order in which they are asked. `prices` is the folder of the agent's file. Raises `ModelUnavailable`."""
    if not definition.model:
        raise ModelUnavailable(
            f"Agent '{definition.name}' names no model",
            hint="add `model:` to its file, or give the AgentResource one",
        )
    own = load_prices(prices) if prices else None
    return [
        PricedModel(
            model=resolve_model(name, **access_to(name, definition.model, api_key, base_url)),
            price=price_of(name, own),
        )
        for name in (definition.model, *definition.fallbacks)
    ]


def access_to(name: str, first: str, api_key: str, base_url: str) -> dict[str, str | None]:
    """The key and the server that a model is asked with. They are those of the first model's provider: another provider is given neither, and
    takes its own key from the environment.
    """
    if name.rpartition(":")[0] != first.rpartition(":")[0]:
        return {}
    return {"api_key": api_key or None, "base_url": base_url or None}
