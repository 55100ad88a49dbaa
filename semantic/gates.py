"""What must hold of the data before it is read: the definitions are those it was measured by, its checks pass, it is young enough."""

from collections.abc import Mapping
from datetime import datetime

from semantic.answer import Reason
from semantic.catalog import Catalog
from semantic.errors import listed
from semantic.notices import hours
from semantic.plan import QueryPlan
from semantic.plan_request import PlanRequest
from semantic.policy import Permit, Reader
from semantic.refused import Refused
from semantic.snapshot_record import SnapshotRecord, State, state_of_model
from semantic.value_types import can_be_compared, value_type

_REFRESH = "materialize governed_snapshot"


def refuse_closed(
    request: PlanRequest,
    plan: QueryPlan,
    reader: Reader,
    snapshot: SnapshotRecord,
    catalog: Catalog,
    now: datetime,
) -> None:
    """Raises `Refused` where a gate is closed to this query of this snapshot. Unknown is closed."""
    for permit in request.permits:
        _refuse_metric(permit, snapshot, catalog)
        _refuse_old(permit, reader, snapshot, now)
    _refuse_changed_elements(plan, snapshot, catalog)
    _refuse_failing_models(request, plan, snapshot, catalog)
    _refuse_ill_typed_rows(request, snapshot)


def _refuse_metric(permit: Permit, snapshot: SnapshotRecord, catalog: Catalog) -> None:
    metric, known = catalog.metrics[permit.metric], snapshot.metrics.get(permit.metric)
    if known is None or known.definition_hash != metric.definition_hash:
        raise Refused(
            Reason.DEFINITION_CHANGED,
            f"The definition of '{metric.name}' is not the one that snapshot {snapshot.version} was made with",
            hint=_REFRESH,
        )
    if known.state is not State.PASSING:
        raise Refused(Reason.CHECKS_NOT_PASSING, f"'{metric.name}' may not be read: {known.reason}")


def _refuse_old(permit: Permit, reader: Reader, snapshot: SnapshotRecord, now: datetime) -> None:
    age = now - snapshot.published([permit.metric])
    if permit.max_age is not None and age > permit.max_age:
        raise Refused(
            Reason.STALE,
            f"The data is {hours(age)} old, and '{reader.name}' may read data of at most "
            f"{hours(permit.max_age)}",
            hint=_REFRESH,
        )


def _refuse_changed_elements(plan: QueryPlan, snapshot: SnapshotRecord, catalog: Catalog) -> None:
    """The dimensions and entities of what is read must mean what they did when the data was measured."""
    for name, elements in catalog.element_hashes.items():
        if catalog.semantic_models[name].relation not in plan.relations:
            continue
        changed = _changed(elements, snapshot.elements.get(name, {}))
        if changed is not None:
            what = f"'{changed}' of the semantic model" if changed else "The semantic model"
            raise Refused(
                Reason.DEFINITION_CHANGED,
                f"{what} '{name}' is not the one that snapshot {snapshot.version} was made with",
                hint=_REFRESH,
            )


def _changed(elements: Mapping[str, str], known: Mapping[str, str]) -> str | None:
    """The first element with another digest than is known, "" for the semantic model itself."""
    return next(
        (name for name, digest in elements.items() if known.get(name, digest) != digest), None
    )


def _refuse_failing_models(
    request: PlanRequest, plan: QueryPlan, snapshot: SnapshotRecord, catalog: Catalog
) -> None:
    for unique_id in catalog.dbt_models_of(plan.relations):
        state = state_of_model(snapshot.models, unique_id)
        if state.state is not State.PASSING:
            raise Refused(
                Reason.CHECKS_NOT_PASSING,
                f"{listed(request.metrics)} in this form read what may not be read: {state.reason}",
            )


def _refuse_ill_typed_rows(request: PlanRequest, snapshot: SnapshotRecord) -> None:
    """A row restriction compares like with like, or nothing is read: DuckDB would cast, and show other rows."""
    for item in request.rows:
        types = {
            value_type(elements[item.element])
            for elements in snapshot.types.values()
            if item.element in elements
        }
        for value in item.values:
            if any(known and not can_be_compared(value, known) for known in types):
                raise Refused(
                    Reason.ROWS_NOT_RESTRICTABLE,
                    f"The policy restricts {item.element} by values of another type than it has",
                    hint="the owner of the policy can mend it",
                    detail=f"{value!r} is no {' or '.join(sorted(known for known in types if known))}",
                )
