"""Errors of definitions, and the one place where ours become Dagster's."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from semantic.errors import GovernedMetricsError


class DefinitionsError(GovernedMetricsError):
    """A component or factory was given something that cannot be built. The developer can act."""


@contextmanager
def told_to_dagster() -> Iterator[None]:
    """Our errors as a `dagster.Failure` with a short message, and no retry: the same would happen again."""
    try:
        yield
    except GovernedMetricsError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"hint": error.hint} if error.hint else None,
            allow_retries=False,
        ) from None


@contextmanager
def told_at_load() -> Iterator[None]:
    """Our errors as Dagster's error for wrong definitions: one short message, without the way it took."""
    try:
        yield
    except GovernedMetricsError as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from None
