"""Prompts: how to answer a question with governed metrics, and one for each saved query that a caller may ask."""

from collections.abc import Mapping

import mcp_types as types

from agent_resources.mcp_server.caller import Caller
from agent_resources.mcp_server.tools import prompt
from semantic.catalog_text import shown
from semantic.saved_query import SavedQuery

ANSWER = "answer_with_metrics"
_REPORT = "report_"
_LONGEST_QUESTION = 4_000
_LONGEST_DESCRIPTION = 300


def listed(caller: Caller) -> list[types.Prompt]:
    """The prompts of a caller, by name."""
    question = types.PromptArgument(
        name="question", description="What is to be answered", required=True
    )
    answering = types.Prompt(
        name=ANSWER,
        title="Answer a question with governed metrics",
        description="How to find the metrics, read them, and say what they rest on",
        arguments=[question],
    )
    return [answering, *(_report(saved) for saved in caller.saved_queries)]


def text_of(caller: Caller, name: str, arguments: Mapping[str, str]) -> str | None:
    """The text of a prompt; None where there is none, or it is not the caller's. Raises `ValueError` where an argument lacks."""
    if name == ANSWER:
        question = arguments.get("question", "").strip()
        if not question:
            raise ValueError("the argument 'question' is missing")
        return f"{prompt(ANSWER)}\n\n{question[:_LONGEST_QUESTION]}"
    for saved in caller.saved_queries:
        if name == _REPORT + saved.name:
            return prompt("report").replace("{saved_query}", saved.name)
    return None


def _report(saved: SavedQuery) -> types.Prompt:
    return types.Prompt(
        name=_REPORT + saved.name,
        title=shown(saved.label, 100),
        description=shown(saved.description, _LONGEST_DESCRIPTION) or None,
        arguments=[],
    )
