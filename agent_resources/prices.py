"""What chat models cost: by the table of genai-prices, or by a file of one's own for models that it does not know.

    # agents/prices.yaml
    as_of: 2026-11-01
    models:
      llama-3: {input: 0.10, output: 0.30}

A model has the name that stands in `model:`. Prices are in US dollars per million tokens.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from agent_resources.errors import AgentDefinitionError
from semantic.ledger.budgets import MICROS
from semantic.yaml_file import load_yaml, validate

PRICES_FILE = "prices.yaml"
_PER_MILLION = Decimal(1_000_000)
_Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class Price(Protocol):
    """What one chat model costs."""

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        """The cost of so many tokens, in millionths of a US dollar, rounded up."""
        ...


class OwnPrice(BaseModel):
    """A price that somebody wrote down: US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: _Dollars
    output: _Dollars

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        dollars = (self.input * input_tokens + self.output * output_tokens) / _PER_MILLION
        return _rounded(dollars)


class Prices(BaseModel):
    """Prices by model, as they were on a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    models: Mapping[str, OwnPrice]


class _ListedPrice:
    """A price of the table of genai-prices."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        from genai_prices import Usage, calc_price

        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        found = calc_price(usage, self._model, provider_id=self._provider)
        return _rounded(found.total_price)


def load_prices(folder: Path) -> Prices | None:
    """The prices beside agents, None where there are none. Raises `AgentDefinitionError` with file and line."""
    path = folder / PRICES_FILE
    if not path.exists():
        return None
    return validate(Prices, load_yaml(path, AgentDefinitionError), AgentDefinitionError)


def price_of(model: str, own: Prices | None = None) -> Price | None:
    """The price of a model by its name, `provider:model`; None where nobody knows it. A script or a recording costs nothing.

    Takes seconds the first time: the table of genai-prices is large.
    """
    if model.startswith(("scripted:", "recorded:")):
        return OwnPrice(input=Decimal(0), output=Decimal(0))
    if own is not None and model in own.models:
        return own.models[model]
    provider, _, name = model.partition(":")
    listed = _ListedPrice(provider, name)
    try:
        listed.micros(1, 1)
    except LookupError:
        return None
    return listed


def _rounded(dollars: Decimal) -> int:
    return int((dollars * MICROS).to_integral_value(ROUND_CEILING))
