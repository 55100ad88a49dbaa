"""What an agent run writes to the ledger beside its reads: each request to the chat model, and the decision."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from agent_resources.decision import Decision
from semantic.ledger import RecordKind, derived_id
from semantic.read_session import ReadSession


class RecordedModel(WrapperModel):
    """A chat model whose requests are on record, with what they took, before anybody is given their response."""

    def __init__(self, wrapped: Model, session: ReadSession) -> None:
        super().__init__(wrapped)
        self._session = session

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response, on record. Raises what the model raises, also on record, and `LedgerUnavailable`."""
        started = time.perf_counter()
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        except Exception as error:
            await self._write(started, {"error": type(error).__name__}, reason="failed")
            raise
        usage = response.usage
        await self._write(
            started,
            {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "finish_reason": response.finish_reason,
            },
        )
        return response

    async def _write(
        self, started: float, took: Mapping[str, object], *, reason: str | None = None
    ) -> None:
        details = {
            "model": self.model_name,
            "provider": self.system,
            "latency_us": int((time.perf_counter() - started) * 1_000_000),
            **took,
        }
        await asyncio.to_thread(self._session.record, RecordKind.MODEL_CALL, details, reason=reason)


def record_decision(
    session: ReadSession, decision: Decision, *, definition_hash: str, read_ids: Sequence[str]
) -> str:
    """Writes what an agent decided, and the reads that it made. Returns the id of the record, the same for the same decision of a step
    that is tried again. Raises `LedgerUnavailable`.
    """
    text, context = decision.model_dump_json(), session.context
    place = [session.reader.name, context.root_run_id, context.step_key, definition_hash, text]
    return session.record(
        RecordKind.DECISION,
        {
            "decision": text,
            "definition_hash": definition_hash,
            "reads": list(read_ids),
            "cited": sorted({figure.read_id for figure in decision.figures()}),
        },
        record_id=derived_id("decision", [*place, *read_ids]) if context.root_run_id else None,
    )
