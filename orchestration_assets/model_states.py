"""Whether each dbt model may be read: its tests, and those of everything it is built from, as Dagster's events tell.

Unknown is not passing: a test that did not run since its model was last built closes the gate like one that failed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.dbt_project import DbtAssets, DbtTest
from semantic.catalog import Catalog
from semantic.snapshot_record import ModelState, State

_OBSERVATIONS_LOOKED_AT = 500
# A test may warn up to one number of rows and fail above it.
_DID_NOT_FAIL = ("pass", "success", "warn")


def read_model_states(
    instance: DagsterInstance, catalog: Catalog, dbt: DbtAssets
) -> dict[str, ModelState]:
    """By unique id, the state of every dbt node behind the governed relations."""
    governed = governed_nodes(catalog)
    made = _last_made(instance, [dbt.keys[node] for node in governed if node in dbt.keys])
    built = {key: record.storage_id for key, record in made.items()}
    own = _own_states(instance, dbt, governed, built) | _outside_states(dbt, governed, made)
    return {
        node: _worst(own[up] for up in sorted(catalog.upstream([node])) if up in own)
        for node in sorted(governed)
    }


def governed_nodes(catalog: Catalog) -> frozenset[str]:
    """The dbt nodes that build the governed relations, and everything that these are built from."""
    return catalog.upstream(catalog.dbt_models_of(catalog.relations()))


def last_touched(
    instance: DagsterInstance,
    assets: Sequence[dg.AssetKey],
    checks: Sequence[dg.AssetCheckKey],
) -> float:
    """When Dagster last recorded that one of these assets was made, or that one of these checks gave a result: seconds
    since 1970, or 0 where none ever did.
    """
    made = (
        record.asset_entry.last_materialization_record
        for record in instance.get_asset_records(assets)
    )
    executions = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    ended = (
        execution.event
        for execution in executions.values()
        if execution.event and execution.event.asset_check_evaluation
    )
    moments = [
        *(record.timestamp for record in made if record),
        *(event.timestamp for event in ended),
    ]
    return max(moments, default=0.0)


def _own_states(
    instance: DagsterInstance,
    dbt: DbtAssets,
    governed: Iterable[str],
    built: Mapping[dg.AssetKey, int],
) -> dict[str, ModelState]:
    tests: dict[str, list[DbtTest]] = defaultdict(list)
    for test in dbt.tests:
        for node in _tested_nodes(test, dbt):
            tests[node].append(test)
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [test.check_key for test in dbt.tests if test.check_key]
    )
    found: dict[str, ModelState] = {}
    for node in governed:
        key = dbt.keys.get(node)
        if key is not None and key not in built:
            found[node] = ModelState(
                state=State.UNKNOWN,
                reason=f"{_named(node)} has not been built by Dagster yet, as the asset {key.to_user_string()}",
            )
            continue
        observed: dict[str, tuple[bool, str]] | None = None
        states = []
        for test in tests[node]:
            if test.check_key is not None:
                states.append(_state_of_check(test, checks.get(test.check_key), built, node))
                continue
            if key is None:
                continue
            if observed is None:
                observed = _observed_tests(instance, dbt.observed_keys[node], built[key])
            states.append(_state_of_observation(test, observed, node))
        found[node] = _worst(states)
    return found


def _tested_nodes(test: DbtTest, dbt: DbtAssets) -> tuple[str, ...]:
    """The nodes that a test speaks of: the one that its check is on, or where it has no check, all that it reads.

    A test on the relationship of a fact to a dimension is one of the fact: a wrong fact does not close the dimension.
    """
    if test.check_key is None:
        return test.nodes
    attached = tuple(node for node in test.nodes if dbt.keys.get(node) == test.check_key.asset_key)
    return attached or test.nodes


def _state_of_check(
    test: DbtTest,
    record: object | None,
    built: Mapping[dg.AssetKey, int],
    node: str,
) -> ModelState:
    event = getattr(record, "event", None)
    evaluation = event.asset_check_evaluation if event else None
    if evaluation is None or test.check_key is None:
        return _not_run(test, node)
    target = evaluation.target_materialization_data
    if (target.storage_id if target else 0) < built.get(test.check_key.asset_key, 0):
        return _not_run(test, node)
    if evaluation.passed or evaluation.severity is dg.AssetCheckSeverity.WARN:
        return ModelState(state=State.PASSING)
    return _failed(test, node, datetime.fromtimestamp(event.timestamp, UTC) if event else None)


def _state_of_observation(
    test: DbtTest, observed: Mapping[str, tuple[bool, str]], node: str
) -> ModelState:
    if test.unique_id not in observed:
        return _not_run(test, node)
    passed, _ = observed[test.unique_id]
    return ModelState(state=State.PASSING) if passed else _failed(test, node, None)


def _observed_tests(
    instance: DagsterInstance, key: dg.AssetKey, since: int
) -> dict[str, tuple[bool, str]]:
    """The results that dagster-dbt reports as observations: tests over several models without a model of their own."""
    found: dict[str, tuple[bool, str]] = {}
    records = instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=key, after_storage_id=since), limit=_OBSERVATIONS_LOOKED_AT
    ).records
    for record in records:
        observation = record.asset_observation
        metadata = observation.metadata if observation else {}
        if "unique_id" in metadata and "status" in metadata:
            status = str(metadata["status"].value)
            found.setdefault(str(metadata["unique_id"].value), (status in _DID_NOT_FAIL, status))
    return found


def _outside_states(
    dbt: DbtAssets, governed: Iterable[str], made: Mapping[dg.AssetKey, dg.EventLogRecord]
) -> dict[str, ModelState]:
    """The nodes that a shell built after Dagster did: of their data Dagster knows neither tests nor version."""
    found = {}
    for node, at in dbt.built_outside().items():
        key = dbt.keys.get(node)
        if node in governed and key is not None and key in made and at > made[key].timestamp:
            found[node] = ModelState(
                state=State.UNKNOWN,
                reason=f"{_named(node)} was built by dbt outside Dagster at "
                f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC; materialize it in Dagster",
            )
    return found


def _last_made(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, dg.EventLogRecord]:
    """By asset key, the record of its newest materialization."""
    records = (record.asset_entry for record in instance.get_asset_records(keys))
    return {
        entry.asset_key: entry.last_materialization_record
        for entry in records
        if entry.last_materialization_record
    }


def _worst(states: Iterable[ModelState]) -> ModelState:
    """Failing before unknown before passing; the reason is that of the first of the worst."""
    ordered = list(states)
    for state in (State.FAILING, State.UNKNOWN):
        for item in ordered:
            if item.state is state:
                return item
    return ModelState(state=State.PASSING)


def _failed(test: DbtTest, node: str, at: datetime | None) -> ModelState:
    since = f" at {at:%Y-%m-%d %H:%M} UTC" if at else ""
    return ModelState(
        state=State.FAILING, reason=f"the dbt test {test.name} on {_named(node)} failed{since}"
    )


def _not_run(test: DbtTest, node: str) -> ModelState:
    return ModelState(
        state=State.UNKNOWN,
        reason=f"the dbt test {test.name} has not run since {_named(node)} was built; use `dbt build`",
    )


def _named(unique_id: str) -> str:
    return (
        unique_id.split(".")[-1]
        if unique_id.startswith("source.")
        else ".".join(unique_id.split(".")[2:])
    )
