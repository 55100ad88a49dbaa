"""The chat model of a run: every request is on record before it is made, within budgets, and made once."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import stamina
from opentelemetry.trace import Span, SpanKind
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from agent_resources.agent import AgentDefinition
from agent_resources.agent_run import Usage
from agent_resources.chat_json import (
    bytes_of_request,
    request_fingerprint,
    response_from_json,
    response_to_json,
)
from agent_resources.errors import LimitReached, ModelUnavailable
from agent_resources.guardrails.credentials import without_secrets
from agent_resources.model_budgets import ModelBudgets
from agent_resources.models import COMPATIBLE
from agent_resources.patience import Patience, did_not_answer, waits_for
from agent_resources.prices import Price
from agent_resources.run_journal import RunJournal
from semantic.answer import Reason
from semantic.errors import BudgetSpent, GovernedMetricsError, SourceUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import (
    Admission,
    BreakerSettings,
    Charge,
    JournalEntry,
    JournalPlace,
    Ledger,
    ReadContext,
    RecordKind,
    Settlement,
    Unit,
    derived_id,
    uuid7,
)
from semantic.ledger.budgets import MICROS
from semantic.read_session import ReadSession
from semantic.recordable import recordable, recordable_value
from semantic.spans import Attributes, GenAi, Ours, span, tell

# Another model would say the same. What is wrong with a key or a name is wrong with one model.
_REQUEST_IS_WRONG = (400, 413, 422)
_LONGEST_SOURCE = 400
# More than any model takes at once.
_MOST_TOKENS = 10**9
_NOT_CONNECTED = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError")


@dataclass(frozen=True, kw_only=True)
class PricedModel:
    """A chat model, and what it costs; None where nobody knows."""

    model: Model
    price: Price | None


@dataclass(frozen=True, kw_only=True)
class _Request:
    """A request as it is made, and its name within the run."""

    call: str
    fingerprint: str
    messages: list[ModelMessage]
    settings: ModelSettings | None
    parameters: ModelRequestParameters


def recorded_models(
    definition: AgentDefinition,
    models: Sequence[PricedModel],
    metrics: GovernedMetrics,
    session: ReadSession,
    journal: RunJournal,
    context: ReadContext,
    patience: Patience,
) -> "RecordedModel":
    """The chat models of one run of an agent, within its limits and the budgets of the policy."""
    return RecordedModel(
        models,
        session,
        ledger=metrics.ledger,
        journal=journal,
        budgets=ModelBudgets(
            policy=metrics.policy,
            reader=definition.reader,
            context=context,
            limits=definition.limits,
            run=context.root_run_id or context.run_id or str(uuid7()),
        ),
        breaker=metrics.policy.breaker,
        patience=patience,
    )


class RecordedModel(WrapperModel):
    """The first of some chat models, and the next one where it does not answer.

    A request is on record before it is made, with what is reserved for it, and with what it took before anybody is given its response. What an
    earlier try of the run has asked is not asked again. A model that failed is asked again after a while, as it says; one that failed again and
    again is left alone, by all processes. `answered` are the names of those that answered, in the order in which they first did, and `usage` what all
    requests of the run took.
    """

    def __init__(
        self,
        models: Sequence[PricedModel],
        session: ReadSession,
        *,
        ledger: Ledger,
        journal: RunJournal,
        budgets: ModelBudgets,
        breaker: BreakerSettings,
        patience: Patience,
    ) -> None:
        super().__init__(models[0].model)
        self._models = models
        self._session = session
        self._ledger = ledger
        self._journal = journal
        self._budgets = budgets
        self._breaker = breaker
        self._patience = patience
        self.answered: list[str] = []
        self.usage = Usage()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response, on record. Raises what the last model raises, also on record, `ModelUnavailable` where all are left alone,
        `LimitReached` where a budget is spent, `RunChanged` where an earlier try asked something else, and `LedgerUnavailable`.
        """
        settings = ModelSettings(max_tokens=self._budgets.limits.answer_tokens)
        settings |= model_settings or {}
        call = self._journal.next_request()
        sources = " ".join(source_of(item.model) for item in self._models)
        fingerprint = request_fingerprint(sources, messages, settings, model_request_parameters)
        kept = self._journal.found(call, fingerprint)
        if kept is not None:
            return self._told(response_from_json(kept["response"]), kept["cost_micros"])
        request = _Request(
            call=call,
            fingerprint=fingerprint,
            messages=messages,
            settings=settings,
            parameters=model_request_parameters,
        )
        *others, last = self._models
        for item in others:
            try:
                return self._told(*await self._ask_patiently(item, request))
            except (ModelAPIError, ModelUnavailable, ConnectionError, TimeoutError) as error:
                if isinstance(error, ModelHTTPError) and error.status_code in _REQUEST_IS_WRONG:
                    raise
        return self._told(*await self._ask_patiently(last, request))

    def _told(self, response: ModelResponse, cost_micros: int | None) -> ModelResponse:
        """The response, counted once, whether it was paid by this try or by an earlier one."""
        usage, before = response.usage, self.usage
        is_known = cost_micros is not None and before.cost_micros is not None
        self.usage = Usage(
            requests=before.requests + 1,
            input_tokens=before.input_tokens + usage.input_tokens,
            output_tokens=before.output_tokens + usage.output_tokens,
            cost_micros=(before.cost_micros or 0) + (cost_micros or 0) if is_known else None,
        )
        name = response.model_name or self.model_name
        if name not in self.answered:
            self.answered.append(name)
        return response

    async def _ask_patiently(
        self, item: PricedModel, request: _Request
    ) -> tuple[ModelResponse, int | None]:
        """The response of one model, which is asked again where it says that it may answer later."""
        patience = self._patience
        tries = stamina.retry_context(
            on=waits_for(patience),
            attempts=patience.tries,
            timeout=None,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        )
        async for attempt in tries:
            with attempt:
                return await self._ask(item, request)
        raise AssertionError("the last try returns or raises")

    async def _ask(self, item: PricedModel, request: _Request) -> tuple[ModelResponse, int | None]:
        """The response of one model to one request, and what it cost; on record before it is made and before it is told."""
        model = item.model
        attributes: Attributes = {
            GenAi.OPERATION: "chat",
            GenAi.PROVIDER: model.system,
            GenAi.REQUEST_MODEL: model.model_name,
            GenAi.MAX_TOKENS: (request.settings or {}).get("max_tokens"),
        }
        with span(f"chat {model.model_name}", attributes, kind=SpanKind.CLIENT) as asked:
            return await self._ask_in_span(item, request, asked)

    async def _ask_in_span(
        self, item: PricedModel, request: _Request, asked: Span
    ) -> tuple[ModelResponse, int | None]:
        source = source_of(item.model)
        charges = self._charges(item, request)
        record_id = await asyncio.to_thread(self._begin, item, request, source, charges)
        tell(asked, {Ours.RECORD: record_id})
        started = time.perf_counter()
        try:
            response = await _response_of(item.model, request)
        except Exception as error:
            spent = _most(charges) if isinstance(error, NoResponse) else {}
            failed = (source,) if did_not_answer(error) else ()
            terms = self._settled(charges, spent, failed=failed)
            took: dict[str, object] = {"error": type(error).__name__}
            await asyncio.to_thread(self._end, record_id, started, took, terms, "failed")
            raise
        except BaseException:
            terms = self._settled(charges, _most(charges))
            self._end(record_id, started, {}, terms, "stopped")
            raise
        usage = response.usage
        tokens = usage.input_tokens + usage.output_tokens
        cost = item.price.micros(usage.input_tokens, usage.output_tokens) if item.price else None
        took = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_micros": cost,
            "finish_reason": response.finish_reason,
        }
        # A server that tells of no tokens is taken to have used what was reserved.
        spent = {Unit.TOKENS: tokens, Unit.MONEY: cost or 0} if tokens else _most(charges)
        terms = self._settled(
            charges,
            spent,
            answered=(source,),
            kept=self._journal.entry(
                request.call,
                request.fingerprint,
                {"response": response_to_json(response), "cost_micros": cost},
            ),
        )
        await asyncio.to_thread(self._end, record_id, started, took, terms, None)
        reasons = (response.finish_reason,) if response.finish_reason else None
        tell(
            asked,
            {
                GenAi.RESPONSE_MODEL: response.model_name,
                GenAi.FINISH_REASONS: reasons,
                GenAi.INPUT_TOKENS: usage.input_tokens,
                GenAi.OUTPUT_TOKENS: usage.output_tokens,
                Ours.COST: None if cost is None else cost / MICROS,
            },
        )
        return response, cost

    def _charges(self, item: PricedModel, request: _Request) -> tuple[Charge, ...]:
        """The worst case: a token is a byte at least."""
        most = (request.settings or {}).get("max_tokens") or self._budgets.limits.answer_tokens
        return self._budgets.charges(
            input_tokens=bytes_of_request(request.messages, request.parameters),
            output_tokens=most,
            price=item.price,
        )

    def _begin(
        self, item: PricedModel, request: _Request, source: str, charges: tuple[Charge, ...]
    ) -> str:
        """Writes that a request is about to be made. Returns its id; one that an earlier try began and did not end stays as it is."""
        record_id = self._id_of(request)
        details = {
            "model": item.model.model_name,
            "provider": item.model.system,
            "reserved": {charge.budget.line: charge.most for charge in charges},
        }
        terms = Admission(charges=charges, sources=(source,), breaker=self._breaker)
        try:
            return self._session.record(
                RecordKind.MODEL_CALL, details, record_id=record_id, terms=terms
            )
        except SourceUnavailable as error:
            reason = Reason.SOURCE_UNAVAILABLE.value
            self._session.record(RecordKind.MODEL_CALL, details, reason=reason)
            raise ModelUnavailable(
                error.message, hint="run the agent later; its failed requests are on record"
            ) from error
        except BudgetSpent as error:
            reason = Reason.BUDGET_SPENT.value
            self._session.record(RecordKind.MODEL_CALL, details, reason=reason)
            raise LimitReached(error.message, hint=error.hint) from error

    def _id_of(self, request: _Request) -> str:
        """The id of a request: the same in another try of the run, unless one with it began already and nobody knows how it ended."""
        found = self._journal.record_id("model call", request.call, request.fingerprint)
        while self._ledger.body_here(found, RecordKind.MODEL_CALL) is not None:
            found = derived_id("model call", [found])
        return found

    def _end(
        self,
        record_id: str,
        started: float,
        took: Mapping[str, object],
        terms: Settlement,
        reason: str | None,
    ) -> None:
        latency = int((time.perf_counter() - started) * 1_000_000)
        self._session.record(
            RecordKind.OUTCOME,
            {"latency_us": latency, **took},
            record_id=record_id,
            reason=reason,
            terms=terms,
        )

    def _settled(
        self,
        charges: tuple[Charge, ...],
        spent: Mapping[Unit, int],
        *,
        answered: tuple[str, ...] = (),
        failed: tuple[str, ...] = (),
        kept: tuple[JournalPlace, JournalEntry] | None = None,
    ) -> Settlement:
        return Settlement(
            charges=charges,
            spent=spent,
            answered=answered,
            failed=failed,
            breaker=self._breaker,
            kept=kept,
        )


class NoResponse(ModelAPIError):
    """A server was asked, and what came is no response. What that cost nobody knows."""


async def _response_of(model: Model, request: _Request) -> ModelResponse:
    """The response of a model. Raises `ModelAPIError` also where what came is no response; a provider may have put a key into what it says."""
    try:
        return _recordable(
            await model.request(request.messages, request.settings, request.parameters)
        )
    except ModelHTTPError as error:
        body = None if error.body is None else without_secrets(str(error.body))
        raise ModelHTTPError(
            error.status_code, error.model_name, body, headers=error.headers
        ) from None
    except ModelAPIError as error:
        kind = ModelAPIError if _was_not_asked(error) else NoResponse
        raise kind(error.model_name, without_secrets(error.message)) from None
    except (GovernedMetricsError, UserError, ConnectionError, TimeoutError):
        raise
    except Exception as error:
        # A script is the author's own: what is wrong with it is told as it is.
        if isinstance(model, FunctionModel) and not isinstance(error, UnexpectedModelBehavior):
            raise
        told = without_secrets(f"{type(error).__name__}: {error}")
        raise NoResponse(
            model.model_name, f"It answered with what is no response: {told}"
        ) from None


def _was_not_asked(error: BaseException) -> bool:
    """Whether no connection was made, so that nothing was asked."""
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in _NOT_CONNECTED:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _recordable(response: ModelResponse) -> ModelResponse:
    """A response without halves of surrogate pairs and without more tokens than there are, which no record takes."""
    usage = response.usage
    is_told = all(0 <= it < _MOST_TOKENS for it in (usage.input_tokens, usage.output_tokens))
    return replace(
        response,
        parts=[_recordable_part(part) for part in response.parts],
        usage=usage if is_told else RequestUsage(),
    )


def _recordable_part(part: Any) -> Any:
    if isinstance(part, TextPart | ThinkingPart):
        return replace(part, content=recordable(part.content))
    if isinstance(part, ToolCallPart):
        name, given = recordable(part.tool_name), recordable_value(part.args)
        return replace(part, tool_name=name, args=given)
    return part


def source_of(model: Model) -> str:
    """The name that all processes know a chat model by: its provider and its own; a server of one's own by its address as well."""
    name = f"model {model.system}:{model.model_name}"
    address = urlsplit(model.base_url or "").netloc.rpartition("@")[2]
    return (f"{name} at {address}" if model.system == COMPATIBLE else name)[:_LONGEST_SOURCE]


def _most(charges: Sequence[Charge]) -> dict[Unit, int]:
    """What was reserved of each unit: the same of every budget."""
    return {charge.budget.unit: charge.most for charge in charges}
