"""The shop with what follows its proposals: the sensor, the people and the command line."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from agent_resources.agent_file import load_agent
from orchestration_assets.approvals.actions_asset import actions_key
from orchestration_assets.approvals.approvals_sensor import Proposer, follow
from orchestration_assets.approvals.notifying import FileNotifier, Notifier
from semantic.ledger.approval_steps import answer
from semantic.ledger.approvals import Approval, approvals
from semantic.ledger.tokens import holder_of, mint_token
from tests.orchestration_assets.location import Ran, agent_key
from tests.orchestration_assets.triggers.playing import Played

BOSS = agent_key("boss")
ACTIONS = actions_key("boss")


class Watched(Played):
    """A shop in which the boss proposes something."""

    @property
    def told(self) -> Path:
        return self.folder / "told.jsonl"

    def run_boss(self, **tags: str) -> Ran:
        ran = self.run([BOSS], tags=tags)
        assert ran.success, ran.failures
        return ran

    @property
    def proposals(self) -> list[Approval]:
        with self.ledger() as ledger:
            return approvals(ledger)

    @property
    def proposal(self) -> Approval:
        return self.proposals[-1]

    def answer(
        self, who: str, *, is_approved: bool = True, now: datetime | None = None
    ) -> Approval:
        """What somebody says to the newest proposal, who is known by a token."""
        with self.ledger() as ledger:
            secret, _ = mint_token(ledger, who, by="the operator", days=1)
            return answer(
                ledger,
                approvals(ledger)[-1],
                holder_of(ledger, secret),
                is_approved=is_approved,
                why="it is so",
                agents=tuple(ledger.registered_agents()),
                now=now,
            )

    def follow(
        self,
        *,
        now: datetime | None = None,
        tell: bool = False,
        notifiers: Mapping[str, Notifier] | None = None,
    ) -> dg.SensorResult:
        """One tick of the sensor."""
        told = {"file": FileNotifier(self.told)} if tell else {}
        definition = load_agent(self.agents / "boss.yaml")
        with self.metrics.resource.open(self.instance) as metrics:
            return follow(
                self.instance,
                metrics,
                [Proposer(definition=definition, key=BOSS)],
                told if notifiers is None else notifiers,
                now=now,
            )

    def act(self, requests: Sequence[dg.RunRequest] | None) -> list[Ran]:
        return [self.run_requested(request) for request in requests or ()]

    def rows(self, key: dg.AssetKey, name: str) -> list[dg.TableRecord]:
        """The rows of a table on the page of an asset."""
        table = self.latest(key).metadata[name]
        assert isinstance(table, dg.TableMetadataValue)
        return list(table.records)

    def notices(self) -> list[dict[str, object]]:
        if not self.told.exists():
            return []
        return [json.loads(line) for line in self.told.read_text().splitlines()]
