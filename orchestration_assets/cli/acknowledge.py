"""`governed-agents acknowledge`: that metrics mean something else now, and that the agent's last decision may stand."""

import getpass
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.acknowledgements import record_acknowledgement


def acknowledge(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="An agent whose check definitions_current fails.")],
    reason: Annotated[str, typer.Option(help="Why its last decision may stand; it can be erased.")],
    by: Annotated[str | None, typer.Option(help="Who says so; by default your user name.")] = None,
) -> None:
    """Puts on record that somebody knows what the metrics of an agent mean now, so that its check definitions_current passes without a new run.

    Example: governed-agents acknowledge operations_watch --reason "on time by a minute less, which it does not speak of"
    """
    from dagster import DagsterInstance

    from orchestration_assets.agent_key import agent_asset_key
    from orchestration_assets.definitions_check import report_definitions

    place = Place.of(context)
    registered = place.ledger.registered_agents()
    if agent not in registered:
        raise QuestionError(
            f"There is no agent {agent!r}",
            hint=did_you_mean(agent, registered) or f"known: {', '.join(list(registered)[:20])}",
        )
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    record = place.snapshots.current()
    asks = registered[agent]["metrics"]
    meanings = {name: record.meanings[name] for name in asks if name in record.meanings}
    acknowledged = record_acknowledgement(
        place.ledger, agent, meanings, by=by or getpass.getuser(), reason=reason
    )
    with DagsterInstance.from_config(str(place.home)) as instance:
        report_definitions(instance, agent_asset_key(agent), (), record)
    say(f"On record as {acknowledged}.")
