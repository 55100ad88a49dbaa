"""`governed-agents run`: an agent, now, on its own task or on a question."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration_assets.cli.code_location import DEFINITIONS_VARIABLE, load_repository
from orchestration_assets.cli.output import print_json, print_text, say
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.token import TokenFile, holder_of_token
from semantic.errors import GovernedMetricsError, QuestionError, did_you_mean

if TYPE_CHECKING:
    import dagster as dg


def run(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent.")],
    question: Annotated[
        str, typer.Option("--ask", help="A question, in place of its own task.")
    ] = "",
    module: Annotated[
        str | None,
        typer.Option(
            "--module",
            "-m",
            help=f"The module with your definitions; without it what {DEFINITIONS_VARIABLE} or pyproject.toml names.",
        ),
    ] = None,
    token_file: TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Runs an agent in this process, as a run of the Dagster instance: a materialization, with its reads on record.

    Who is known by a token is on record as the one who asked, and does not answer what the run proposes. A run on a question does not stand for the agent's own task. Exits 1 where it comes to no decision.

    Example: governed-agents run operations_watch --ask "Which carrier was hit most by the blizzard?"
    """
    from dagster import DagsterInstance

    place = Place.of(context)
    who = holder_of_token(place.ledger, token_file, is_needed=False)
    with _quietly(), DagsterInstance.from_config(str(place.home)) as instance:
        repository = load_repository(module, place.home)
        told = _run(repository, instance, agent, question, who)
    if as_json:
        print_json([told])
    else:
        print_text("\n".join(_lines(told)))
    if told["state"] == "limited":
        raise typer.Exit(1)


def _run(
    repository: "dg.RepositoryDefinition",
    instance: "dg.DagsterInstance",
    agent: str,
    question: str,
    who: str | None,
) -> dict[str, Any]:
    """What a run came to, from its materialization. Raises `GovernedMetricsError` where it failed."""
    from orchestration_assets.agent_key import agent_asset_key
    from orchestration_assets.approvals.proposing import REQUESTER_TAG
    from orchestration_assets.asset_graph import whole_graph
    from orchestration_assets.read_events import AGENT_TAG

    key = agent_asset_key(agent)
    job = repository.get_implicit_global_asset_job_def()
    agents = [
        it.path[-1]
        for it in job.asset_layer.executable_asset_keys
        if it == agent_asset_key(it.path[-1])
    ]
    if agent not in agents:
        raise QuestionError(
            f"This code location has no agent '{agent}'",
            hint=did_you_mean(agent, agents) or f"its agents: {', '.join(sorted(agents))}",
        )
    step = "__".join(key.path)
    token = whole_graph.set(repository.asset_graph)
    try:
        done = job.get_subset(asset_selection={key}).execute_in_process(
            instance=instance,
            run_config={"ops": {step: {"config": {"question": question}}}} if question else {},
            tags={AGENT_TAG: agent, **({REQUESTER_TAG: who} if who else {})},
            raise_on_error=False,
        )
    finally:
        whole_graph.reset(token)
    if not done.success:
        raise GovernedMetricsError(
            _failure(done), hint=f"the run {done.run_id} stands in the Dagster UI"
        )
    [event] = done.asset_materializations_for_node(step)
    told = {name: value.value for name, value in event.metadata.items()}
    kept = ("state", "answer", "findings", "limit", "confidence", "output", "proposal", "because")
    return {"run": done.run_id, "agent": agent, **{it: told[it] for it in kept if it in told}}


def _failure(done: Any) -> str:
    for event in done.get_step_failure_events():
        failed = event.step_failure_data
        if failed.user_failure_data and failed.user_failure_data.description:
            return str(failed.user_failure_data.description)
        if failed.error:
            return str(failed.error.message).strip()
    return "The run failed"


@contextmanager
def _quietly() -> Iterator[None]:
    """Leaves the terminal to the answer; what Dagster has to say stands in its UI."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _lines(told: dict[str, Any]) -> list[str]:
    if "limit" in told:
        say(f"It came to no decision: {told['limit']}")
    lines = [str(told["answer"])] if "answer" in told else []
    if told.get("findings", "none") != "none":
        lines.append(str(told["findings"]))
    say(f"run {told['run']}")
    if "proposal" in told:
        say(f"It proposes something: governed-agents approvals {told['proposal']}")
    return lines
