"""An agent as a Dagster resource. It has the governed metrics and a model, and no other way to data."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, TypeAdapter

from agent_resources.agent import AgentDefinition, Mode
from agent_resources.agent_file import load_agent
from agent_resources.agent_run import AgentRun, LimitedRun, ReadOfRun
from agent_resources.because import Because
from agent_resources.metrics_resource import GovernedMetricsResource
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.snapshot_record import SnapshotRecord


class AgentResource(dg.ConfigurableResource[None]):
    """An agent: its definition file, the metrics it reads through, and its chat model.

    `model`, `mode`, `api_key` and `base_url` override the file. Give the key as `dagster.EnvVar("...")`, never as text: text ends up
    in the definitions. With `base_url` the model is any OpenAI-compatible server. Both are for the provider of `model`, and for fallbacks of the
    same one.
    """

    definition: str = Field(description="Path of the agent's YAML file")
    metrics: dg.ResourceDependency[GovernedMetricsResource]
    model: str = Field(
        default="", description="provider:model, or scripted:package.module:function"
    )
    mode: str = Field(default="", description="tools or constrained")
    api_key: str = Field(default="", description="Key of the provider, as EnvVar")
    base_url: str = Field(default="", description="Address of an OpenAI-compatible server")

    def load_definition(self) -> AgentDefinition:
        """The agent as its file defines it, with this resource's model. Raises `AgentDefinitionError`."""
        mode = TypeAdapter(Mode).validate_python(self.mode) if self.mode else None
        return load_agent(Path(self.definition), model=self.model or None, mode=mode)

    def run(
        self,
        metrics: GovernedMetrics,
        context: ReadContext,
        *,
        question: str | None = None,
        because: Because | None = None,
        snapshot: SnapshotRecord | None = None,
        partition: str = "",
        on_read: Callable[[ReadOfRun], None] = lambda _: None,
        is_done: Callable[[str], bool] = lambda _: False,
        played: date | None = None,
    ) -> AgentRun | LimitedRun:
        """Runs the agent to its decision or to a limit, through a door that this resource's `metrics` opened; or goes on where an earlier try of
        the step ended, as `run_agent` does.

        Raises `AgentRunFailed`, `ModelUnavailable` or another error with a hint.
        """
        from agent_resources.priced_models import priced_models
        from agent_resources.runner import run_agent
        from agent_resources.trace_export import export_where_configured, flush

        definition = self.load_definition()
        models = priced_models(
            definition,
            api_key=self.api_key,
            base_url=self.base_url,
            prices=Path(self.definition).parent,
        )
        metrics.ledger.register_agent(definition.name, definition.hash, registered(definition))
        export_where_configured()
        try:
            return run_agent(
                definition,
                models,
                metrics,
                context,
                question=question,
                because=because,
                snapshot=snapshot,
                partition=partition,
                on_read=on_read,
                is_done=is_done,
                played=played,
            )
        finally:
            flush()

    def __repr__(self) -> str:
        return f"AgentResource(definition={self.definition!r}, model={self.model!r})"


def registered(definition: AgentDefinition) -> Mapping[str, Any]:
    """What the registry keeps of a definition: all of it, so that two versions can be told apart."""
    return definition.model_dump(mode="json") | {"definition_hash": definition.hash}
