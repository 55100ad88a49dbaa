"""Names as people write them, and the names on record that they mean."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from orchestration_assets.cli.deleted import note_of_deleted
from orchestration_assets.cli.place import Place
from semantic.answer import Reason
from semantic.errors import (
    GovernedMetricsError,
    MetricCompileError,
    PolicyError,
    QuestionError,
    did_you_mean,
    listed,
)
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.recorded_names import (
    Named,
    decisions_like,
    is_read_recorded,
    is_recorded,
    is_run_recorded,
    is_version_recorded,
    newest_decisions,
    recorded_names,
    runs_like,
    versions_like,
)
from semantic.metric import EXTRACT, GRAINS
from semantic.policy import REFRESH, PermitRule
from semantic.policy import names as means_dimension

_CALLED = {
    Named.METRIC: "metric",
    Named.AGENT: "reader",
    Named.ACTING_FOR: "reader",
    Named.TEAM: "team",
    Named.DIMENSION: "dimension",
    Named.RELATION: "table",
    Named.DBT_MODEL: "dbt model",
}
_SHOWN = 20
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


def meant(place: Place, what: Named, asked: Sequence[str]) -> list[str]:
    """The names on record that were asked for. A dimension and a table may be given by the end of its name, a dbt model without its project.

    One that nobody ever read, and that does not exist now, is a slip of the pen: raises `GovernedMetricsError`.
    """
    return [name for text in asked for name in _meant(place, what, text)]


def known_run(place: Place, run: str) -> str:
    """A run on record, or the beginning of one."""
    if is_run_recorded(place.ledger, run):
        return run
    raise _not_on_record(
        place,
        f"No read of a run {run!r} is on record",
        hint="the runs of an agent stand on its page in the Dagster UI, and in `governed-agents agents --json`",
        alike=runs_like(place.ledger, run),
    )


def known_decision(place: Place, decision: str) -> str:
    """The id of a decision on record, of which the beginning may be given."""
    found = decisions_like(place.ledger, decision)
    if len(found) == 1:
        return found[0]
    if found:
        raise QuestionError(
            f"Several decisions begin with {decision!r}",
            hint=f"write more of one of: {', '.join(found)}",
        )
    raise _not_on_record(
        place,
        f"No decision {decision!r} is on record",
        hint=did_you_mean(decision, newest_decisions(place.ledger))
        or "`governed-agents decisions` shows them",
    )


def known_read(place: Place, read_id: str) -> str:
    """A read on record."""
    if is_read_recorded(place.ledger, read_id):
        return read_id
    raise unknown_read(place, read_id)


def unknown_read(place: Place, read_id: str) -> GovernedMetricsError:
    """That a read is not on record."""
    return _not_on_record(
        place, f"No read {read_id!r} is on record", hint="`governed-agents reads` shows the ids"
    )


def known_version(place: Place, version: str) -> str:
    """A data version or a definition on record, or the beginning of one; also one that is published now and that nobody read."""
    if is_version_recorded(place.ledger, version):
        return version
    if any(published.startswith(version) for published in _published_versions(place)):
        return version
    raise _not_on_record(
        place,
        f"No read at a data version or definition {version!r} is on record",
        hint="`governed-agents reads --by metric,data_version,definition_hash` shows them",
        alike=versions_like(place.ledger, version),
    )


def known_reason(reason: str) -> str:
    """Why a read can have ended without data."""
    reasons = [item.value for item in (*Reason, ReadOutcome.INDETERMINATE)]
    if reason in reasons:
        return reason
    raise GovernedMetricsError(
        f"There is no reason {reason!r}",
        hint=did_you_mean(reason, reasons) or f"one of {', '.join(reasons)}",
    )


def named_readers(place: Place) -> set[str]:
    """The agents that are registered, and the readers that the published policy names."""
    found = set(place.ledger.registered_agents())
    try:
        policy = place.policy
    except PolicyError:
        return found
    by_rules = {
        name for rule in policy.rules if isinstance(rule, PermitRule) for name in rule.readers
    }
    return found | set(policy.readers) | {name for name in by_rules if "*" not in name}


def _meant(place: Place, what: Named, text: str) -> list[str]:
    if what not in _MATCHES and is_recorded(place.ledger, what, text):
        return [text]
    on_record = recorded_names(place.ledger, what)
    matches = _MATCHES.get(what, str.__eq__)
    found = sorted(name for name in on_record if matches(text, name))
    if text in found and what is not Named.DIMENSION:
        return [text]
    if len(found) > 1 and what is not Named.DIMENSION:
        raise GovernedMetricsError(
            f"{text!r} is the name of several {_CALLED[what]}s",
            hint=f"name one of {listed(found[:_SHOWN])}",
        )
    exists_now = _published(place, what)
    if found or any(matches(text, name) for name in exists_now):
        return found or [text]
    known = on_record | exists_now
    near = {_short(name, what): name for name in known} | {name: name for name in known}
    raise _not_on_record(
        place,
        f"There is no {_CALLED[what]} {text!r}, and no read of one",
        hint=did_you_mean(text, near) or _some_of(known),
    )


def _not_on_record(
    place: Place, message: str, *, hint: str | None, alike: Sequence[str] = ()
) -> GovernedMetricsError:
    """The error that says so, with what is `alike` in place of the hint, and a note where months were deleted that may have had it."""
    error = GovernedMetricsError(message, hint=f"did you mean {listed(alike)}?" if alike else hint)
    note = note_of_deleted(place.ledger)
    if note:
        error.add_note(note)
    return error


def _published(place: Place, what: Named) -> set[str]:
    """The names that exist now, whether anybody read them or not."""
    if what in (Named.AGENT, Named.ACTING_FOR):
        return named_readers(place) | recorded_names(place.ledger, Named.AGENT) | {REFRESH}
    if what is Named.TEAM:
        return _teams(place)
    if not place.snapshots.current_version():
        return set()
    catalog = place.catalog
    if what is Named.METRIC:
        return set(catalog.metrics)
    if what is Named.RELATION:
        return set(catalog.relations())
    if what is Named.DBT_MODEL:
        return set(catalog.dbt_models_of(catalog.relations()))
    return _dimensions(place)


def _published_versions(place: Place) -> list[str]:
    """The data versions and definition hashes of the metrics that are published."""
    if not place.snapshots.current_version():
        return []
    states, metrics = place.snapshots.current().metrics, place.catalog.metrics
    return [
        *(state.data_version for state in states.values()),
        *(metric.definition_hash for metric in metrics.values()),
    ]


def _teams(place: Place) -> set[str]:
    try:
        found = {attributes.get("team") for attributes in place.policy.readers.values()}
    except PolicyError:
        return set()
    return {name for name in found if isinstance(name, str)}


def _dimensions(place: Place) -> set[str]:
    found: set[str] = set()
    for metric in place.catalog.metrics:
        with suppress(MetricCompileError):
            found |= set(place.engine.dimensions([metric]))
    return found


def _is_dimension(text: str, name: str) -> bool:
    """Also by the end of the name, as in a policy, and by a name without the grain that a refused query named."""
    base, _, last = name.rpartition("__")
    is_part_of_time = last in GRAINS or last.startswith(EXTRACT)
    return means_dimension(text, name) or (is_part_of_time and means_dimension(text, base))


def _is_relation(text: str, name: str) -> bool:
    asked = _parts(text)
    return bool(asked) and _parts(name)[-len(asked) :] == asked


def _is_dbt_model(text: str, name: str) -> bool:
    """`model.shop.orders` by all of it or by `orders`; with a version, `model.shop.orders.v2`, also by `orders.v2`."""
    asked, parts = text.split("."), name.split(".")
    return text == name or asked in (parts[2:], parts[2:3])


_MATCHES = {
    Named.DIMENSION: _is_dimension,
    Named.RELATION: _is_relation,
    Named.DBT_MODEL: _is_dbt_model,
}


def _parts(relation: str) -> list[str]:
    """The parts of a table's name, without their quotes."""
    return [quoted.replace('""', '"') or bare for quoted, bare in _PART.findall(relation)]


def _short(name: str, what: Named) -> str:
    """As people would write it."""
    match what:
        case Named.DIMENSION:
            return name.rpartition("__")[2]
        case Named.RELATION:
            return _parts(name)[-1]
        case Named.DBT_MODEL:
            return ".".join(name.split(".")[2:]) or name
        case _:
            return name


def _some_of(known: Iterable[str]) -> str | None:
    names = sorted(known)
    more = ", ..." if len(names) > _SHOWN else ""
    return f"known: {', '.join(names[:_SHOWN])}{more}" if names else None
