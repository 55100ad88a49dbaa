"""What a run is asked: a person's question, or the agent's own task and why it is to be done now."""

from agent_resources.agent import AgentDefinition
from agent_resources.agent_engine import screened_data, screened_question
from agent_resources.because import Because
from agent_resources.guardrails.findings import Findings
from agent_resources.metric_tools import MetricReader
from semantic.answer import MetricAnswer


def task_of(
    definition: AgentDefinition,
    question: str | None,
    because: Because | None,
    reader: MetricReader,
    findings: Findings,
) -> str:
    """The words. The values in them are reads of this run: where one is refused, none is told. Raises `LedgerUnavailable`."""
    if question:
        return screened_question(question, definition, findings)
    if because is None:
        return definition.task
    results = [reader.tell(told, f"told {place:03}") for place, told in enumerate(because.told, 1)]
    answers = [result for result in results if isinstance(result, MetricAnswer)]
    words = because.words(
        tuple(answer.read_id for answer in answers), with_values=len(answers) == len(results)
    )
    if not words:
        return definition.task
    return f"{definition.task}\n\n{screened_data(words, definition, findings)}"
