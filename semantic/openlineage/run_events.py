"""A run of an agent as OpenLineage tells it: the agent is the job, the metrics and the tables behind them are its inputs, its decision is its output."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openlineage.client.generated.base import (
    EventType,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunFacet,
)
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.output_statistics_output_dataset import (
    OutputStatisticsOutputDatasetFacet,
)
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet, Root, RootJob, RootRun
from openlineage.client.generated.parent_run import Run as ParentRun

from semantic.catalog import Catalog
from semantic.ledger import Read, ReadOutcome
from semantic.ledger.run_activity import RunActivity
from semantic.ledger.run_decisions import RunDecision
from semantic.ledger.uses import is_released
from semantic.openlineage.facets import PRODUCER, RUN, GovernedAgentsRunFacet, RefusedMetric
from semantic.openlineage.inputs import dataset_facets, metric_inputs, table_inputs
from semantic.openlineage.names import Names, as_uuid, run_id_of

_INTEGRATION = "GOVERNED_AGENTS"


class Ending(StrEnum):
    """How a run ended, as who ran it knows."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class RunElsewhere:
    """What who ran it knows of a run: the name of its job, and once it has ended how and when."""

    job: str
    ending: Ending | None = None
    ended_at: datetime | None = None


_TYPES = {
    Ending.SUCCEEDED: EventType.COMPLETE,
    Ending.FAILED: EventType.FAIL,
    Ending.CANCELLED: EventType.ABORT,
}
_FAILED = {
    Ending.FAILED: "The run failed before the agent came to a decision",
    Ending.CANCELLED: "The run was ended before the agent came to a decision",
}


@dataclass(frozen=True, kw_only=True)
class RunEvents:
    """Makes the events of runs. Figures are in none of them, nor what was decided, nor values of personal dimensions."""

    catalog: Catalog
    names: Names

    def started(self, activity: RunActivity, elsewhere: RunElsewhere | None) -> RunEvent:
        """That a run began, at the moment of its first record."""
        return self._event(EventType.START, activity.began_at, activity, elsewhere)

    def reading(self, activity: RunActivity, elsewhere: RunElsewhere | None) -> RunEvent | None:
        """What a run that goes on was given so far, or after it had decided; None where that is nothing and nothing was refused."""
        if not activity.reads:
            return None
        at = max(read.ended_at or read.at for read in activity.reads)
        # OpenLineage's kind for what comes after the end.
        kind = EventType.OTHER if activity.decisions else EventType.RUNNING
        return self._event(kind, at, activity, elsewhere, with_data=True)

    def ended(
        self, activity: RunActivity, elsewhere: RunElsewhere | None, *, after: int = 0
    ) -> tuple[RunEvent, ...]:
        """How a run ended, with all that it was given: with a decision in a record `after` one, at a limit, or as who ran it says. Nothing where it goes on.

        A run that came to several decisions has an event for each. Who ran it is not believed where a decision is still to come.
        """
        if activity.decisions:
            new = (it for it in activity.decisions if it.seq > after)
            return tuple(self._decided(activity, it, elsewhere) for it in new)
        if activity.run.run_id is None:
            return self._read_alone(activity)
        if activity.is_decided_later or elsewhere is None:
            return ()
        if elsewhere.ending is None or elsewhere.ended_at is None:
            return ()
        facets: dict[str, RunFacet] = {}
        if elsewhere.ending in _FAILED:
            facets["errorMessage"] = _error(_FAILED[elsewhere.ending])
        at = elsewhere.ended_at.isoformat(timespec="milliseconds")
        kind = _TYPES[elsewhere.ending]
        return (self._event(kind, at, activity, elsewhere, facets=facets, with_data=True),)

    def _decided(
        self, activity: RunActivity, decision: RunDecision, elsewhere: RunElsewhere | None
    ) -> RunEvent:
        if not decision.is_one:
            facets: dict[str, RunFacet] = {
                "errorMessage": _error("The run ended at a limit, without a decision")
            }
            return self._event(
                EventType.FAIL, decision.at, activity, elsewhere, facets=facets, with_data=True
            )
        return self._event(
            EventType.COMPLETE, decision.at, activity, elsewhere, decision=decision, with_data=True
        )

    def _read_alone(self, activity: RunActivity) -> tuple[RunEvent, ...]:
        """How a read ended that was in no run."""
        if not activity.reads or any(it.outcome == ReadOutcome.OPEN for it in activity.reads):
            return ()
        is_refused = not any(is_released(it.outcome) for it in activity.reads)
        facets: dict[str, RunFacet] = (
            {"errorMessage": _error("The read was refused")} if is_refused else {}
        )
        kind = EventType.FAIL if is_refused else EventType.COMPLETE
        at = max(it.ended_at or it.at for it in activity.reads)
        return (self._event(kind, at, activity, None, facets=facets, with_data=True),)

    def _event(
        self,
        kind: EventType,
        at: str,
        activity: RunActivity,
        elsewhere: RunElsewhere | None,
        *,
        decision: RunDecision | None = None,
        facets: dict[str, RunFacet] | None = None,
        with_data: bool = False,
    ) -> RunEvent:
        reads = (*activity.earlier, *activity.reads) if with_data else ()
        told = {
            **self._parent(activity, elsewhere),
            RUN: self._governed(activity, reads, decision),
            **(facets or {}),
        }
        return RunEvent(
            eventType=kind,
            eventTime=at,
            producer=PRODUCER,
            run=Run(runId=run_id_of(activity.run), facets=told),
            job=self._job(activity),
            inputs=[
                *self._inputs(reads),
                *(self._told(it) for it in activity.told if with_data),
            ],
            outputs=[] if decision is None else [self._output(decision)],
        )

    def _job(self, activity: RunActivity) -> Job:
        kind = JobTypeJobFacet(
            processingType="BATCH", integration=_INTEGRATION, jobType="AGENT", producer=PRODUCER
        )
        return Job(
            namespace=self.names.namespace, name=activity.run.reader, facets={"jobType": kind}
        )

    def _parent(self, activity: RunActivity, elsewhere: RunElsewhere | None) -> dict[str, RunFacet]:
        run_id = as_uuid(activity.run.run_id)
        if run_id is None or elsewhere is None:
            return {}
        root = as_uuid(next((it.root_run_id for it in activity.reads if it.root_run_id), None))
        facet = ParentRunFacet(
            run=ParentRun(runId=run_id),
            job=ParentJob(namespace=self.names.namespace, name=elsewhere.job),
            root=None
            if root is None
            else Root(
                run=RootRun(runId=root),
                job=RootJob(namespace=self.names.namespace, name=elsewhere.job),
            ),
            producer=PRODUCER,
        )
        return {"parent": facet}

    def _governed(
        self, activity: RunActivity, reads: Sequence[Read], decision: RunDecision | None
    ) -> RunFacet:
        all_reads = (*activity.earlier, *activity.reads)
        return GovernedAgentsRunFacet(
            reader=activity.run.reader,
            actingFor=next((it.acting_for for it in all_reads if it.acting_for), None),
            team=next((it.team for it in all_reads if it.team), None),
            dagsterRunId=activity.run.run_id,
            decisionId=decision.decision_id if decision else None,
            policyHashes=sorted({it.policy_hash for it in reads if it.policy_hash}),
            refusals=[self._refused(it) for it in reads if it.outcome == ReadOutcome.REFUSED],
            producer=PRODUCER,
        )

    def _refused(self, read: Read) -> RefusedMetric:
        """A name that no metric has may be any text that a model was told."""
        return RefusedMetric(
            readId=read.read_id,
            refusedAt=read.ended_at or read.at,
            reason=read.reason or ReadOutcome.REFUSED.value,
            metric=read.metric if self.catalog.find(read.metric) else None,
        )

    def _inputs(self, reads: Iterable[Read]) -> list[InputDataset]:
        released = [read for read in reads if is_released(read.outcome)]
        return [
            *metric_inputs(released, self.catalog, self.names),
            *table_inputs(released, self.names),
        ]

    def _told(self, decision: RunDecision) -> InputDataset:
        return InputDataset(
            namespace=self.names.namespace,
            name=self.names.decision(decision.agent),
            facets=dataset_facets("DECISION", decision.decision_id),
        )

    def _output(self, decision: RunDecision) -> OutputDataset:
        return OutputDataset(
            namespace=self.names.namespace,
            name=self.names.decision(decision.agent),
            facets=dataset_facets("DECISION", decision.decision_id),
            outputFacets={
                "outputStatistics": OutputStatisticsOutputDatasetFacet(
                    rowCount=1, producer=PRODUCER
                )
            },
        )


def _error(message: str) -> ErrorMessageRunFacet:
    return ErrorMessageRunFacet(message=message, programmingLanguage="python", producer=PRODUCER)
