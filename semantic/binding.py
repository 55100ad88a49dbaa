"""The parameters of a plan: their names, the texts of conditions that hold them, and the values that a query gives them.

Names begin with a prefix that comes from the shape of the query, so that no definition can hold one, and no value of one plan can be
bound to another.
"""

from collections.abc import Container, Iterator
from typing import Any

from semantic.engine import ConditionText, Operand, SpanCondition
from semantic.filters import SEVERAL_VALUES, Operator
from semantic.plan_request import Comparison, Condition, Junction, PlanRequest

_COMPARISONS = {
    Operator.EQUALS: "=",
    Operator.NOT_EQUALS: "<>",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
}


def padded(item: Comparison) -> tuple[object, ...]:
    """The values of a comparison, lists filled up to a power of two with their last value, so that few shapes arise."""
    if item.operator not in SEVERAL_VALUES:
        return item.values
    size = 1 << (len(item.values) - 1).bit_length()
    return item.values + (item.values[-1],) * (size - len(item.values))


def condition_texts(request: PlanRequest, prefix: str) -> tuple[ConditionText, ...]:
    """The conditions of a request as templates over parameters."""
    texts = []
    position = 0
    for condition in request.conditions:
        operands: list[Operand] = []
        template, position = _template(condition, prefix, position, operands)
        texts.append(ConditionText(template=template, operands=tuple(operands)))
    texts += [ConditionText(template=text, operands=()) for text in request.fixed]
    return tuple(texts)


def span_condition(request: PlanRequest, prefix: str) -> SpanCondition | None:
    """The time range of a request with its ends as parameters."""
    if not (request.span and request.time):
        return None
    return SpanCondition(
        time=request.time,
        start=f"${prefix}from",
        end=f"${prefix}to",
        aligned_to=request.span_grain,
    )


def parameter_names(request: PlanRequest, prefix: str) -> frozenset[str]:
    """The names of all parameters that the plan of a request has."""
    return frozenset(f"{prefix}{name}" for name in _names(request))


def values_of(
    request: PlanRequest, prefix: str, parameters: Container[str], *, limit: int, mask_key: str
) -> dict[str, Any]:
    """The values of a request by the names of these parameters."""
    values: dict[str, Any] = {"limit": limit, "offset": request.offset, "mask": mask_key}
    for position, item in enumerate(request.comparisons):
        for index, value in enumerate(padded(item)):
            values[f"f{position}_{index}"] = value
    if request.span:
        values |= {"from": request.span.start, "to": request.span.end}
    if request.previous:
        values |= {
            "from_previous": request.previous.span.start,
            "to_previous": request.previous.span.end,
            "shift": request.previous.count,
        }
    for restriction in request.rows:
        for index, value in enumerate(restriction.values):
            values[f"r_{restriction.element}_{index}"] = value
    named = {f"{prefix}{name}": value for name, value in values.items()}
    return {name: value for name, value in named.items() if name in parameters}


def _template(
    condition: Condition, prefix: str, position: int, operands: list[Operand]
) -> tuple[str, int]:
    """The text of a condition, and the position of the comparison after it. Adds to `operands`."""
    if isinstance(condition, Junction):
        parts = []
        for part in condition.parts:
            text, position = _template(part, prefix, position, operands)
            parts.append(text)
        return f"({f' {condition.joined_by} '.join(parts)})", position
    names = [f"${prefix}f{position}_{index}" for index in range(len(padded(condition)))]
    text = _compared(f"{{{len(operands)}}}", condition.operator, names)
    operands.append(condition.operand)
    return text, position + 1


def _compared(name: str, operator: Operator, values: list[str]) -> str:
    match operator:
        case Operator.IS_NULL:
            return f"{name} IS NULL"
        case Operator.IS_NOT_NULL:
            return f"{name} IS NOT NULL"
        case Operator.IN:
            return f"{name} IN ({', '.join(values)})"
        case Operator.NOT_IN:
            return f"{name} NOT IN ({', '.join(values)})"
        case Operator.BETWEEN:
            return f"{name} BETWEEN {values[0]} AND {values[1]}"
        case Operator.STARTS_WITH:
            return f"STARTS_WITH({name}, {values[0]})"
        case Operator.CONTAINS:
            return f"CONTAINS({name}, {values[0]})"
        case _:
            return f"{name} {_COMPARISONS[operator]} {values[0]}"


def _names(request: PlanRequest) -> Iterator[str]:
    yield from ("limit", "offset")
    for position, item in enumerate(request.comparisons):
        yield from (f"f{position}_{index}" for index in range(len(padded(item))))
    if request.span and request.time:
        yield from ("from", "to")
    if request.previous:
        yield from ("from_previous", "to_previous")
        if any(request.by_time):
            yield "shift"
    for restriction in request.rows:
        yield from (f"r_{restriction.element}_{i}" for i in range(len(restriction.values)))
    if request.has_pseudonyms:
        yield "mask"
