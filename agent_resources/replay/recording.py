"""What a chat model said in a past run, so that a test can have it say the same again."""

import json

from agent_resources.chat_json import response_from_json
from agent_resources.played_model import Recording
from agent_resources.replay.recorded_run import RecordedRun
from semantic.answer_json import answer_from_json
from semantic.ledger import JournalEntry, Ledger


def recording_of(ledger: Ledger, run: RecordedRun) -> Recording:
    """The recording of a run. It holds what the model said, and nothing of what it was told."""
    entries = ledger.journal(run.place)
    said = [
        json.loads(entry.body)["response"] for entry in entries if entry.call.startswith("model ")
    ]
    responses = [response_from_json(written) for written in said]
    calls = [
        f"read {step:03} {call.tool_call_id}"
        for step, response in enumerate(responses, start=1)
        for call in response.tool_calls
    ]
    place_of = {call: place for place, call in enumerate(calls)}
    read = [entry for entry in entries if entry.call.startswith("read ")]
    read.sort(key=lambda entry: (place_of.get(entry.call, len(calls)), entry.call))
    return Recording(
        agent=run.agent,
        run_id=run.run_id,
        definition_hash=run.definition_hash,
        model=next((it.model_name for it in responses if it.model_name), "unknown"),
        responses=tuple(said),
        reads=tuple(dict.fromkeys(filter(None, map(_read_id, read)))),
    )


def _read_id(entry: JournalEntry) -> str | None:
    return answer_from_json(json.loads(entry.body)).read_id
