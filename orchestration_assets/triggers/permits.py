"""What an agent is permitted of each metric, decided once for as long as a policy and a catalogue stand: a sensor asks at every tick."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from semantic.governed_metrics import GovernedMetrics
from semantic.policy import Permit, Reader


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """The rows that are visible, as `Permit.rows_key`, and how old the data may be."""

    rows_key: str
    max_age: timedelta | None


_decided: dict[Reader, tuple[tuple[str, str], dict[str, Permitted | None]]] = {}


def permits_of(
    reader: Reader, names: Iterable[str], metrics: GovernedMetrics
) -> dict[str, Permitted]:
    """By metric what a reader is permitted, without those of which that is nothing."""
    ruled = (metrics.policy.hash, metrics.catalog.manifest_hash)
    of_reader, known = _decided.get(reader, (ruled, {}))
    if of_reader != ruled:
        known = {}
    found = {}
    for name in names:
        if name not in known:
            metric = metrics.catalog.metrics.get(name)
            permit = metrics.policy.decide(reader, metric) if metric else None
            known[name] = (
                Permitted(rows_key=permit.rows_key, max_age=permit.max_age)
                if isinstance(permit, Permit)
                else None
            )
        permitted = known[name]
        if permitted is not None:
            found[name] = permitted
    _decided[reader] = (ruled, known)
    return found
