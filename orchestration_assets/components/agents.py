"""`AgentComponent`: the agents of a folder."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import BaseModel, Field

from orchestration_assets.agents_project import ModelSettings, build_agents_definitions
from orchestration_assets.components.defs_folder import folder_of, load_component_in, name_of
from orchestration_assets.components.semantic_metrics import SemanticMetricsComponent, sensor_status
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
    metric: str = Field(description="A metric of the project, which the first agent asks for")


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
    """One asset per agent file in this folder, each below the metrics it may read, and a sensor that runs them."""

    metrics: Annotated[
        str,
        dg.Resolver.default(
            description="The folder in defs/ of the SemanticMetricsComponent that they read through."
        ),
    ]
    agents: Annotated[
        str,
        dg.Resolver.default(description="The folder of the agent files, from this file."),
    ] = "."
    chat_model: Annotated[
        str,
        dg.Resolver.default(
            description="One chat model for all of them, in place of the ones in their files.",
            examples=["openai:gpt-5-mini"],
        ),
    ] = ""
    base_url: Annotated[
        str, dg.Resolver.default(description="The address of an OpenAI-compatible server.")
    ] = ""
    api_key_env: Annotated[
        str,
        dg.Resolver.default(
            description="The *name* of the environment variable that holds the key; read when a run starts.",
            examples=["OPENAI_API_KEY"],
        ),
    ] = ""
    keys: Annotated[
        Literal["at_load", "at_run"],
        dg.Resolver.default(
            description="When a key that is missing is told: when definitions load, or, where only runs have the keys, by the run."
        ),
    ] = "at_load"
    notify: Annotated[
        list[str],
        dg.Resolver.default(
            description="Where people are told of what agents propose: file:<path>, a webhook, or an address of Apprise without a secret in it.",
            examples=[["file:/var/log/proposals.jsonl"]],
        ),
    ] = field(default_factory=list)
    notify_env: Annotated[
        list[str],
        dg.Resolver.default(
            description="The *names* of environment variables that hold such addresses; read at each tick.",
            examples=[["OPS_NOTIFY_URL"]],
        ),
    ] = field(default_factory=list)
    sensor_is_running: Annotated[
        bool,
        dg.Resolver.default(
            description="Whether the sensor that runs the agents runs from the start."
        ),
    ] = True
    sensor_interval_seconds: Annotated[
        int, dg.Resolver.default(description="How often the sensor looks for changed values.")
    ] = 30

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        with told_at_load():
            source = load_component_in(context, self.metrics, SemanticMetricsComponent)
            context.build_defs(self.metrics)  # so that what is wrong there is told there
            return build_agents_definitions(
                (folder_of(context) / self.agents).resolve(),
                source.load_project(context, context.defs_module_path / self.metrics),
                model=ModelSettings(
                    model=self.chat_model,
                    base_url=self.base_url,
                    api_key_env=self.api_key_env,
                    keys_at_run=self.keys == "at_run",
                ),
                default_sensor_status=sensor_status(is_running=self.sensor_is_running),
                sensor_name=f"{name_of(context)}_on_changed_values",
                minimum_interval_seconds=self.sensor_interval_seconds,
                notify=self.notify,
                notify_env=self.notify_env,
            )
