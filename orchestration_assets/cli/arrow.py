"""Arrow, for programs that compute with an answer."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any, BinaryIO

from orchestration_assets.cli.columns import Columns, Holds
from semantic.errors import GovernedMetricsError

_ROWS_AT_ONCE = 10_000


def write_arrow(
    rows: Iterable[Mapping[str, Any]], columns: Columns, out: BinaryIO, *, is_file: bool
) -> None:
    """Arrow IPC with typed columns: the format for files, or the one for streams. Raises `GovernedMetricsError` without pyarrow."""
    try:
        import pyarrow as pa  # an extra, and a tenth of a second
    except ImportError as error:
        raise GovernedMetricsError(
            "Arrow needs the package pyarrow",
            hint="pip install 'dagster-governed-agents[arrow]', or ask for csv or json",
        ) from error
    types = {
        Holds.TEXT: pa.string(),
        Holds.TEXTS: pa.list_(pa.string()),
        Holds.NUMBER: pa.int64(),
        Holds.TRUTH: pa.bool_(),
        Holds.MOMENT: pa.timestamp("ms", tz="UTC"),
        Holds.DAY: pa.date32(),
    }
    schema = pa.schema([(name, types[holds]) for name, holds in columns.items()])
    writer = (pa.ipc.new_file if is_file else pa.ipc.new_stream)(out, schema)
    with writer:
        for some in _some(rows):
            typed = [
                {name: _typed(row[name], holds) for name, holds in columns.items()} for row in some
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(typed, schema=schema))


def _some(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    found = iter(rows)
    while some := list(islice(found, _ROWS_AT_ONCE)):
        yield some


def _typed(value: Any, holds: Holds) -> Any:
    match value, holds:
        case str(), Holds.MOMENT:
            return datetime.fromisoformat(value)
        case str(), Holds.DAY:
            return date.fromisoformat(value)
        case _:
            return value
