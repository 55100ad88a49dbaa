"""What the tools take, as their schemas say it. The door looks at what came once more, and puts on record what it refuses."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from semantic.asked import MAX_FILTERS, MAX_GROUP_BY, MAX_METRICS, MAX_ROWS, MAX_TEXT, MAX_VALUES
from semantic.filters import Operator

Name = Annotated[str, Field(min_length=1, max_length=300)]
Scalar = str | int | float | bool


class Arguments(BaseModel):
    """The arguments of a tool. One that it does not have is refused."""

    model_config = ConfigDict(extra="forbid")


class ListMetrics(Arguments):
    search: Annotated[str, Field(max_length=300)] | None = None
    after: Name | None = None


class DescribeMetric(Arguments):
    name: Name


class ListSavedQueries(Arguments):
    after: Name | None = None


class Condition(Arguments):
    dimension: Name
    operator: Literal[tuple(item.value for item in Operator)] = "="  # type: ignore[valid-type]
    values: Annotated[list[Scalar], Field(max_length=MAX_VALUES)] = []


class AnyOf(Arguments):
    any_of: Annotated[list[Condition], Field(min_length=1, max_length=MAX_FILTERS)]


class Days(Arguments):
    start: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    end: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


TimeRange = Days | Annotated[str, Field(max_length=100)]


class DimensionValues(Arguments):
    dimension: Name
    metrics: Annotated[list[Name], Field(min_length=1, max_length=MAX_METRICS)]
    contains: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    time_range: TimeRange | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] | None = None


class QueryMetrics(Arguments):
    metrics: Annotated[list[Name], Field(max_length=MAX_METRICS)] = []
    saved_query: Name | None = None
    group_by: Annotated[list[Name], Field(max_length=MAX_GROUP_BY)] = []
    filters: Annotated[list[Condition | AnyOf], Field(max_length=MAX_FILTERS)] = []
    time_range: TimeRange | None = None
    compare_to: Literal["previous_period"] | None = None
    order_by: Annotated[list[Name], Field(max_length=MAX_GROUP_BY + MAX_METRICS)] = []
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] | None = None
    offset: Annotated[int, Field(ge=0, le=MAX_ROWS)] = 0


def plain_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Any:
    """The JSON schema of a model with what it refers to written out and no titles: some clients understand no more."""
    schema = model.model_json_schema(mode=mode)
    return _written_out(schema, schema.pop("$defs", {}))


def _written_out(schema: Any, known: dict[str, Any]) -> Any:
    match schema:
        case {"$ref": str() as reference}:
            return _written_out(known[reference.rpartition("/")[2]], known)
        case dict():
            return {
                key: {name: _written_out(item, known) for name, item in value.items()}
                if key == "properties"
                else _written_out(value, known)
                for key, value in schema.items()
                if not (key == "title" and isinstance(value, str))
                and not (key == "description" and isinstance(value, str))
            }
        case list():
            return [_written_out(item, known) for item in schema]
        case _:
            return schema
