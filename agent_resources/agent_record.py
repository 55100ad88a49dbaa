"""What an agent run writes to the ledger beside its reads: each request to the chat model, and the decision."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from agent_resources.chat_json import request_fingerprint, response_from_json, response_to_json
from agent_resources.decision import Decision
from agent_resources.errors import ModelUnavailable
from agent_resources.models import COMPATIBLE
from agent_resources.run_journal import RunJournal
from semantic.answer import Reason
from semantic.errors import SourceUnavailable
from semantic.ledger import (
    BreakerSettings,
    Erasable,
    JournalEntry,
    JournalPlace,
    Ledger,
    RecordKind,
    Settlement,
    derived_id,
)
from semantic.read_session import ReadSession

_ASK_LATER = (408, 429)
_LONGEST_SOURCE = 400


class RecordedModel(WrapperModel):
    """A chat model whose requests are on record, with what they took, before anybody is given their response. One that failed again and
    again is left alone for a while, by all processes. What an earlier try of the run has asked is not asked again.
    """

    def __init__(
        self,
        wrapped: Model,
        session: ReadSession,
        *,
        ledger: Ledger,
        journal: RunJournal,
        breaker: BreakerSettings,
    ) -> None:
        super().__init__(wrapped)
        self._journal = journal
        self._session = session
        self._ledger = ledger
        self._breaker = breaker
        self._source = source_of(wrapped)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response, on record. Raises what the model raises, also on record, `ModelUnavailable` where it is left alone and was not
        asked, `RunChanged` where an earlier try asked something else, and `LedgerUnavailable`.
        """
        started = time.perf_counter()
        call = self._journal.next_request()
        fingerprint = request_fingerprint(
            source_of(self.wrapped), messages, model_settings, model_request_parameters
        )
        kept = self._journal.found(call, fingerprint)
        if kept is not None:
            return response_from_json(kept)
        await self._refuse_left_alone(started)
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        except Exception as error:
            await self._write(
                started,
                {"error": type(error).__name__},
                reason="failed",
                failed=(self._source,) if _is_of_provider(error) else (),
            )
            raise
        usage = response.usage
        await self._write(
            started,
            {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "finish_reason": response.finish_reason,
            },
            answered=(self._source,),
            kept=self._journal.entry(call, fingerprint, response_to_json(response)),
        )
        return response

    async def _refuse_left_alone(self, started: float) -> None:
        try:
            await asyncio.to_thread(self._ledger.let_through, (self._source,), self._breaker)
        except SourceUnavailable as error:
            await self._write(started, {}, reason=Reason.SOURCE_UNAVAILABLE.value)
            raise ModelUnavailable(
                error.message, hint="run the agent later; its failed requests are on record"
            ) from error

    async def _write(
        self,
        started: float,
        took: Mapping[str, object],
        *,
        reason: str | None = None,
        answered: tuple[str, ...] = (),
        failed: tuple[str, ...] = (),
        kept: tuple[JournalPlace, JournalEntry] | None = None,
    ) -> None:
        details = {
            "model": self.model_name,
            "provider": self.system,
            "latency_us": int((time.perf_counter() - started) * 1_000_000),
            **took,
        }
        terms = Settlement(answered=answered, failed=failed, breaker=self._breaker, kept=kept)
        await asyncio.to_thread(
            self._session.record, RecordKind.MODEL_CALL, details, reason=reason, terms=terms
        )


def source_of(model: Model) -> str:
    """The name that all processes know a chat model by: its provider and its own; a server of one's own by its address as well."""
    name = f"model {model.system}:{model.model_name}"
    address = urlsplit(model.base_url or "").netloc.rpartition("@")[2]
    return (f"{name} at {address}" if model.system == COMPATIBLE else name)[:_LONGEST_SOURCE]


def _is_of_provider(error: Exception) -> bool:
    """Whether the provider did not answer, or has too much to do; not where it answered that the request is wrong."""
    if isinstance(error, ModelHTTPError):
        return error.status_code >= 500 or error.status_code in _ASK_LATER
    return isinstance(error, ModelAPIError | ConnectionError | TimeoutError)


def record_decision(
    session: ReadSession,
    decision: Decision,
    *,
    ledger: Ledger,
    definition_hash: str,
    read_ids: Sequence[str],
) -> str:
    """Writes what an agent decided, as a text that can be erased, and the reads that it made. Returns the id of the record, the same for
    the same decision of a step that is tried again. Raises `LedgerUnavailable`.

    The id comes from the place and the reads only, since who guesses a text could confirm it by a digest of it. Another decision at the same
    place has the id that follows.
    """
    text, context = decision.model_dump_json(), session.context
    details = {
        "decision": Erasable(text),
        "definition_hash": definition_hash,
        "reads": list(read_ids),
        "cited": sorted({figure.read_id for figure in decision.figures()}),
    }
    if context.root_run_id is None:
        return session.record(RecordKind.DECISION, details)
    place = [session.reader.name, context.root_run_id, context.step_key, definition_hash]
    record_id = derived_id("decision", [*place, *read_ids])
    while True:
        session.record(RecordKind.DECISION, details, record_id=record_id)
        recorded = ledger.body_here(record_id, RecordKind.DECISION)
        if recorded is None or recorded["details"]["decision"] == text:
            return record_id
        record_id = derived_id("decision", [record_id])
