"""`AgentComponent`: the agents of a folder."""

import re
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from orchestration_assets.agents_project import ModelSettings, build_agents_definitions
from orchestration_assets.components.semantic_metrics import (
    SemanticMetricsComponent,
    folder_of,
    sensor_status,
)
from orchestration_assets.errors import told_at_load

AGENT_TEMPLATE = """\
name: {name}
description: What this agent watches, in one sentence.
owner: team@example.com
model: openai:gpt-5-mini
instructions: {name}.md
# What it asks for. It gets what is asked here and granted in policy.yaml.
metrics: [{metric}]
trigger: {{at_most_every_minutes: 15}}
"""
PROMPT_TEMPLATE = """\
Say how the metrics stand, what has changed over the last days, and what deserves a person's attention.
"""


class AgentScaffoldParams(BaseModel):
    """What `dg scaffold defs` asks for."""

    metrics: str = Field(
        default="metrics", description="Folder in defs/ of the SemanticMetricsComponent"
    )
    metric: str = Field(default="your_metric", description="A metric that the first agent asks for")


class AgentScaffolder(dg.Scaffolder[AgentScaffoldParams]):
    """Writes `defs.yaml`, a first agent and its prompt."""

    @classmethod
    def get_scaffold_params(cls) -> type[AgentScaffoldParams]:
        return AgentScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[AgentScaffoldParams]) -> None:
        attributes: dict[str, Any] = {"metrics": request.params.metrics}
        dg.scaffold_component(request, attributes)
        name = "first_agent"
        files = {
            f"{name}.yaml": AGENT_TEMPLATE.format(name=name, metric=request.params.metric),
            f"{name}.md": PROMPT_TEMPLATE,
        }
        for file, text in files.items():
            if not (request.target_path / file).exists():
                (request.target_path / file).write_text(text)


@dg.scaffold_with(AgentScaffolder)
@dataclass
class AgentComponent(dg.Component, dg.Resolvable):
    """One asset per agent file in this folder, each below the metrics it may read, and a sensor that runs them.

    `metrics` is the folder in `defs/` of the `SemanticMetricsComponent` they read through. `chat_model`, `base_url` and `api_key_env`
    override the files; `api_key_env` is the *name* of the variable that holds the key.
    """

    metrics: str
    agents: str = "."
    chat_model: str = ""
    base_url: str = ""
    api_key_env: str = ""
    sensor_is_running: bool = True
    sensor_interval_seconds: int = 30

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        source = context.load_component(self.metrics, SemanticMetricsComponent)
        with told_at_load():
            return build_agents_definitions(
                (folder_of(context) / self.agents).resolve(),
                source.load_project(context, context.defs_module_path / self.metrics),
                model=ModelSettings(
                    model=self.chat_model, base_url=self.base_url, api_key_env=self.api_key_env
                ),
                default_sensor_status=sensor_status(is_running=self.sensor_is_running),
                sensor_name=f"{_identifier(folder_of(context).name)}_on_changed_values",
                minimum_interval_seconds=self.sensor_interval_seconds,
            )


def _identifier(name: str) -> str:
    """A folder's name as Dagster takes names: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
