"""The plan of a request, or the refusal that its reader is given where there is none."""

from semantic.answer import Reason
from semantic.errors import MetricCompileError, listed
from semantic.plan import MixedRestrictions, Planner, QueryPlan, RowsNotRestrictable
from semantic.plan_request import PlanRequest
from semantic.policy import Reader
from semantic.refused import Refused


def planned(planner: Planner, request: PlanRequest, reader: Reader) -> QueryPlan:
    """The plan of a request. Raises `Refused`."""
    try:
        return planner.plan(request)
    except RowsNotRestrictable as error:
        raise Refused(
            Reason.ROWS_NOT_RESTRICTABLE,
            f"Metric '{error.metric}' has no {error.element}, and '{reader.name}' may see "
            f"only its own {error.element}",
            hint="ask without this metric; the owner of the policy can exempt it by name",
        ) from error
    except MixedRestrictions as error:
        raise Refused(
            Reason.ROWS_NOT_RESTRICTABLE,
            f"{listed(request.metrics)} see different rows of the same data for '{reader.name}'",
            hint="ask for them one at a time",
        ) from error
    except MetricCompileError as error:
        raise Refused(
            Reason.QUERY_FAILED,
            f"{listed(request.metrics)} cannot be answered in this form",
            hint="ask for fewer metrics or other dimensions; the record has the reason",
            detail=str(error),
        ) from error
