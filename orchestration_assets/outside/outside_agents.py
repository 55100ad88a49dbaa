"""`outside_agents.yaml`: the agents outside Dagster that a team knows of, each an external asset below the metrics that it may read.

agents:
  - name: research_desk
    description: Answers questions of the research team, in their own chat.
    owner: research@example.com
    metrics: [flights, on_time_rate]
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from agent_resources.errors import AgentDefinitionError
from agent_resources.written import Identifier, Written, an_address, as_list, no_blank
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.governed_snapshot import SNAPSHOT_KEY
from orchestration_assets.translator import valid_owners
from semantic.canonical import canonical_json
from semantic.catalog import Catalog
from semantic.errors import did_you_mean
from semantic.ledger.longest import fits_reader
from semantic.policy import Policy, Reader
from semantic.yaml_file import load_yaml, validate

AGENT = "governed_agents/name"


def _a_reader(name: str) -> str:
    if not name.strip() or not name.isprintable() or not fits_reader(name):
        raise ValueError("is no name that a token can be minted for")
    return name


class OutsideAgent(Written):
    """An agent that reads over a server. `known_as` is whom its token makes known, where that is not its name; it gets what is both asked here and granted by the policy."""

    name: Identifier
    description: Annotated[str, AfterValidator(no_blank), Field(max_length=1_000)]
    owner: Annotated[str, AfterValidator(an_address)] | None = None
    team: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,63}$")] | None = None
    known_as: Annotated[str, AfterValidator(_a_reader)] | None = None
    metrics: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]

    @property
    def reader(self) -> Reader:
        """The agent as the policy knows it."""
        return Reader(name=self.known_as or self.name, asks=frozenset(self.metrics))

    @property
    def key(self) -> dg.AssetKey:
        return agent_asset_key(self.name)

    @property
    def registered(self) -> Mapping[str, Any]:
        """What the registry keeps of it."""
        return self.model_dump(mode="json") | {"outside": True, "definition_hash": self.hash}

    @property
    def hash(self) -> str:
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()[:32]


class _OutsideAgents(Written):
    agents: Annotated[tuple[OutsideAgent, ...], Field(min_length=1, max_length=1_000)]


@dataclass(frozen=True, kw_only=True)
class ReadableAgent:
    """An agent from outside with the metrics that it both asks for and is granted, by name."""

    agent: OutsideAgent
    readable: tuple[str, ...]


def load_outside_agents(path: Path, catalog: Catalog, policy: Policy) -> tuple[ReadableAgent, ...]:
    """The agents of a file, with what they may read. Raises `AgentDefinitionError` with file and line."""
    file = load_yaml(path, AgentDefinitionError)
    agents = validate(_OutsideAgents, file, AgentDefinitionError).agents
    readers: set[str] = set()
    for place, agent in enumerate(agents):
        if {agent.name, agent.reader.name} & readers:
            raise AgentDefinitionError(
                f"{file.where('agents', place, 'name')}: a second agent is known as '{agent.reader.name}'",
                hint="give each another name",
            )
        readers |= {agent.name, agent.reader.name}
        for position, name in enumerate(agent.metrics):
            if name not in catalog.metrics:
                raise AgentDefinitionError(
                    f"{file.where('agents', place, 'metrics', position)}: asks for an unknown metric '{name}'",
                    hint=did_you_mean(name, catalog.metrics)
                    or f"known: {', '.join(list(catalog.metrics)[:20])}",
                )
    return tuple(
        ReadableAgent(
            agent=agent,
            readable=tuple(
                name
                for name, metric in catalog.metrics.items()
                if policy.is_readable(agent.reader, metric)
            ),
        )
        for agent in agents
    )


def outside_agent_specs(
    agents: Sequence[ReadableAgent], metric_keys: Mapping[str, dg.AssetKey]
) -> list[dg.AssetSpec]:
    """An external asset for each, below the metrics that it may read. Nothing runs it here: what it reads is observed."""
    return [
        dg.AssetSpec(
            key=it.agent.key,
            deps=[metric_keys[name] for name in it.readable if name in metric_keys]
            or [SNAPSHOT_KEY],
            group_name="agents",
            kinds={"agent", "mcp"},
            description=it.agent.description,
            owners=valid_owners(
                [it.agent.owner, f"team:{it.agent.team}" if it.agent.team else None]
            ),
            code_version=it.agent.hash,
            metadata={
                AGENT: it.agent.name,
                "known_as": it.agent.reader.name,
                "asks_for": list(it.agent.metrics),
                "may_read": list(it.readable),
            },
        )
        for it in agents
    ]
