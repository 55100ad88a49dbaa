"""The definition that a run is replayed with: the version that ran, or one that somebody is about to make."""

from pathlib import Path

from pydantic import ValidationError

from agent_resources.agent import AgentDefinition
from agent_resources.agent_file import load_agent
from agent_resources.replay.recorded_run import RecordedRun
from semantic.errors import QuestionError
from semantic.ledger import Ledger
from semantic.ledger.agent_versions import agent_versions


def replayed_definition(
    ledger: Ledger,
    run: RecordedRun,
    *,
    model: str | None = None,
    prompt: Path | None = None,
    file: Path | None = None,
) -> AgentDefinition:
    """The agent's version that ran, or that of a file, with this model and prompt in place of its own. Raises `QuestionError` or
    `AgentDefinitionError`.
    """
    definition = load_agent(file) if file else _version_of(ledger, run)
    if definition.name != run.agent:
        raise QuestionError(
            f"{file} defines '{definition.name}', and run {run.run_id} was of '{run.agent}'",
            hint="a replay is told what the agent may read, so it is of the same agent",
        )
    changes = {"model": model, "instructions": _text(prompt) if prompt else None}
    return definition.model_copy(update={key: it for key, it in changes.items() if it is not None})


def _version_of(ledger: Ledger, run: RecordedRun) -> AgentDefinition:
    found = [
        version.definition
        for version in agent_versions(ledger, run.agent)
        if version.definition_hash == run.definition_hash
    ]
    try:
        return AgentDefinition.model_validate(
            {key: value for key, value in found[-1].items() if key != "definition_hash"}
        )
    except (IndexError, ValidationError) as error:
        raise QuestionError(
            f"The version of '{run.agent}' that ran is not on record as a whole",
            hint="give its file: --definition agents/" + run.agent + ".yaml",
        ) from error


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(f"Cannot read the prompt {path}") from error
    if not text:
        raise QuestionError(f"The prompt {path} is empty")
    return text
