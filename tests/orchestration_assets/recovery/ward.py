"""The shop with a doctor: failures, ticks of all the sensors that follow them, and people who answer."""

from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from agent_resources.agent_file import load_agent
from orchestration_assets.approvals.actions_asset import actions_key
from orchestration_assets.approvals.approvals_sensor import Proposer, follow
from orchestration_assets.approvals.notifying import FileNotifier
from orchestration_assets.recovery.following import Surroundings
from orchestration_assets.recovery.recovery_sensor import recover
from semantic.ledger.approval_steps import answer
from semantic.ledger.approvals import Approval, approvals
from semantic.ledger.tokens import holder_of, mint_token
from semantic.ledger.verdicts import Turned, turned_out
from tests.orchestration_assets.corner_shop import CORNER
from tests.orchestration_assets.location import PLATFORM, Ran, agent_key
from tests.orchestration_assets.platform.told_shop import ToldShop

DOCTOR = agent_key("doctor")
OWNER = "ana@example.com"
ONCE = "  - {permit: once by itself, readers: [doctor], tools: [retry], unattended: {times: 1, hours: 24, per: run_id}}\n"
REMEDIES = ["retry", "retry_with_more_resources", "refresh_upstream", "wait", "escalate"]


class Ward(ToldShop):
    """A shop in which the doctor may propose every remedy, and does without a person what `unattended` says."""

    def __init__(
        self,
        folder: Path,
        *,
        unattended: str = "",
        approval: dict[str, Any] | None = None,
        sensor_interval_seconds: int = 30,
        **recovery: Any,
    ) -> None:
        agents = folder / "doctors"
        agents.mkdir(exist_ok=True)
        (agents / "look.md").write_text((CORNER / "agents" / "look.md").read_text())
        doctor = {
            "name": "doctor",
            "description": "Looks after what fails in Dagster.",
            "owner": OWNER,
            "model": "scripted:tests.orchestration_assets.recovery.scripts:doctor",
            "instructions": "look.md",
            "metrics": ["dagster_failures"],
            "trigger": {"on": "run_failed", "at_most_every_minutes": 0},
            "memory": {"past_runs": True},
            "approval": approval or {},
            "recovery": {"remedies": REMEDIES, "more_resources": {"size": "large"}} | recovery,
        }
        (agents / "doctor.yaml").write_text(yaml.safe_dump(doctor))
        named = f"[{', '.join(REMEDIES)}]"
        rules = f"\ntools:\n  - {{permit: the doctor proposes, readers: [doctor], tools: {named}}}\n{unattended}"
        super().__init__(
            folder, agents=agents, policy=rules, sensor_interval_seconds=sensor_interval_seconds
        )

    def settle(self) -> None:
        """Has the doctor run once, where nothing has failed."""
        self.publish_policy()
        self.tick()
        assert self.run([PLATFORM]).success
        assert self.run([DOCTOR]).success

    def diagnose(self) -> None:
        """What failed is published, and the doctor runs because of it."""
        self.refresh()
        tick = self.tick()
        assert tick.agents == ["doctor"], tick.skipped
        self.run_all(tick)

    def act(self) -> None:
        """What was approved is asked for, as the sensor of approvals has it done."""
        definition = load_agent(self.agents / "doctor.yaml")
        with self.metrics.resource.open(self.instance) as metrics:
            proposer = Proposer(definition=definition, key=DOCTOR)
            requests = follow(self.instance, metrics, [proposer]).run_requests or ()
        for request in requests:
            ran = self.run_requested(request)
            assert ran.success, ran.failures
        assert [it.asset_selection for it in requests] == [[actions_key("doctor")]] * len(requests)

    def recover(self, *, now: datetime | None = None, tell: bool = True) -> dg.SensorResult:
        """One tick of the sensor of recoveries."""
        definition = load_agent(self.agents / "doctor.yaml")
        with self.metrics.resource.open(self.instance) as metrics:
            around = Surroundings(
                instance=self.instance,
                repository=self.repository,
                metrics=metrics,
                notifiers={"file": FileNotifier(self.told)} if tell else {},
                now=now or metrics.now(),
            )
            return recover(around, {"doctor": definition})

    def launch(self, result: dg.SensorResult) -> Ran:
        [request] = result.run_requests or ()
        return self.run_requested(request)

    def decide(self, *, is_approved: bool = True) -> Approval:
        with self.ledger() as ledger:
            secret, _ = mint_token(ledger, OWNER, by="the operator", days=1)
            person = holder_of(ledger, secret)
            return answer(
                ledger, approvals(ledger)[-1], person, is_approved=is_approved, why="it is so"
            )

    @property
    def told(self) -> Path:
        return self.folder / "told.jsonl"

    @property
    def proposals(self) -> list[Approval]:
        with self.ledger() as ledger:
            return approvals(ledger)

    @property
    def turned(self) -> list[Turned | None]:
        """How each decision that proposed something turned out."""
        with self.ledger() as ledger:
            decisions = [it.decision_id for it in approvals(ledger)]
            found = turned_out(ledger, decisions)
        return [found.get(it) for it in decisions]
