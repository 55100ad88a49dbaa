"""Runs of agents that are expected to come to a decision, and to ask no chat model twice."""

from collections.abc import Sequence
from typing import Any

from pydantic_ai.models import Model

from agent_resources.agent import AgentDefinition
from agent_resources.agent_run import AgentRun
from agent_resources.patience import Patience
from agent_resources.recorded_model import PricedModel
from agent_resources.runner import run_agent
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext

IMPATIENT = Patience(tries=1)


def decide(
    definition: AgentDefinition,
    model: Model | Sequence[PricedModel],
    door: GovernedMetrics,
    context: ReadContext,
    **how: Any,
) -> AgentRun:
    """A run to its decision. A model that does not answer is not asked again, unless `patience` is given."""
    run = run_agent(definition, model, door, context, **{"patience": IMPATIENT, **how})
    assert isinstance(run, AgentRun), run
    return run
