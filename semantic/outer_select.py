"""Our own SELECT around the compiled one: it masks, sets beside the previous period, orders and cuts."""

from semantic.metric import GRAINS, NamedDimension
from semantic.plan_request import PlanRequest
from semantic.policy import Mask, Masking

PREVIOUS = "__previous"
_DAY_OR_COARSER = frozenset(GRAINS[GRAINS.index("day") :])


def outer_select(compiled: str, previous: str | None, request: PlanRequest, prefix: str) -> str:
    """The whole SELECT. `previous` is the compiled one over the previous period."""
    dimensions = [
        _column(named, request.mask_of(named.dimension), prefix) for named in request.group_by
    ]
    metrics = [] if request.values_only else [_metric(name, previous) for name in request.metrics]
    metrics += [_count(name, previous) for name in request.counts]
    is_distinct = request.values_only and not request.counts
    names = columns_of(request)
    asked = dict(request.order_by)
    ties = {named.column: False for named in request.group_by if named.column not in asked}
    order = [
        f"{names.index(name) + 1} {'DESC' if descending else 'ASC'} NULLS LAST"
        for name, descending in {**asked, **ties}.items()
    ]
    lines = [
        f"SELECT {'DISTINCT ' if is_distinct else ''}{', '.join([*dimensions, *metrics])}",
        f"FROM (\n{compiled}\n) AS governed",
        *(
            [f"LEFT JOIN (\n{previous}\n) AS previous ON {_same_group(request, prefix)}"]
            if previous
            else []
        ),
        *([f"ORDER BY {', '.join(order)}"] if order else []),
        f"LIMIT ${prefix}limit OFFSET ${prefix}offset",
    ]
    return "\n".join(lines)


def columns_of(request: PlanRequest) -> tuple[str, ...]:
    """The columns of the answer: dimensions, then metrics, each with that of the previous period after it."""
    metrics: list[str] = []
    for name in () if request.values_only else request.metrics:
        metrics += [name, f"{name}{PREVIOUS}"] if request.previous else [name]
    return (*(named.column for named in request.group_by), *metrics)


def _metric(name: str, previous: str | None) -> str:
    quoted = _quoted(name)
    if previous is None:
        return f"governed.{quoted}"
    return f"governed.{quoted}, previous.{quoted} AS {_quoted(name + PREVIOUS)}"


def _count(name: str, previous: str | None) -> str:
    quoted = _quoted(name)
    now = f"governed.{quoted} AS {_quoted(name + '__count')}"
    if previous is None:
        return now
    return f"{now}, previous.{quoted} AS {_quoted(name + '__count_previous')}"


def _same_group(request: PlanRequest, prefix: str) -> str:
    """What rows of the two periods have in common: all dimensions, and the time as far apart as the periods."""
    unit = f"to_{request.previous.unit}" if request.previous else ""
    shifted = set(request.by_time)
    parts = []
    for named in request.group_by:
        name = _quoted(named.column)
        if named in shifted:
            kind = "DATE" if named.grain in _DAY_OR_COARSER else "TIMESTAMP"
            parts.append(
                f"CAST(governed.{name} AS {kind}) = "
                f"CAST(CAST(previous.{name} AS {kind}) + {unit}(${prefix}shift) AS {kind})"
            )
        else:
            parts.append(f"governed.{name} IS NOT DISTINCT FROM previous.{name}")
    return " AND ".join(parts) or "TRUE"


def _column(named: NamedDimension, mask: Masking | None, prefix: str) -> str:
    name = _quoted(named.column)
    if mask is Mask.HASH:
        key = f"${prefix}mask"
        inner = f"sha256({key} || ':' || CAST(governed.{name} AS VARCHAR))"
        return f"'masked-' || substr(sha256({key} || ':' || {inner}), 1, 16) AS {name}"
    if named.is_date and named.grain in _DAY_OR_COARSER:
        return f"CAST(governed.{name} AS DATE) AS {name}"
    return f"governed.{name}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
