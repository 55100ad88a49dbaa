"""Whether each dbt model may be read: its tests, and those of everything it is built from, as Dagster's events tell.

Unknown is not passing: a test that did not run since its model was last built closes the gate like one that failed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.dbt_project import DbtAssets, DbtTest
from semantic.catalog import Catalog
from semantic.snapshot import ModelState, State

_OBSERVATIONS_LOOKED_AT = 500


def read_model_states(
    instance: DagsterInstance, catalog: Catalog, dbt: DbtAssets
) -> dict[str, ModelState]:
    """By unique id, the state of every dbt node behind the governed relations."""
    relations = catalog.relations()
    governed = catalog.upstream(catalog.dbt_models_of(relations))
    built = _latest_materializations(
        instance, [dbt.keys[node] for node in governed if node in dbt.keys]
    )
    own = _own_states(instance, dbt, governed, built)
    return {
        node: _worst(own[up] for up in catalog.upstream([node]) if up in own)
        for node in sorted(governed)
    }


def _own_states(
    instance: DagsterInstance,
    dbt: DbtAssets,
    governed: Iterable[str],
    built: Mapping[dg.AssetKey, int],
) -> dict[str, ModelState]:
    tests: dict[str, list[DbtTest]] = defaultdict(list)
    for test in dbt.tests:
        for node in test.nodes:
            tests[node].append(test)
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [test.check_key for test in dbt.tests if test.check_key]
    )
    found: dict[str, ModelState] = {}
    for node in governed:
        key = dbt.keys.get(node)
        if key is None:
            continue
        if key not in built:
            found[node] = ModelState(
                state=State.UNKNOWN, reason=f"{_named(node)} has not been built by Dagster yet"
            )
            continue
        observed: dict[str, tuple[bool, str]] | None = None
        states = []
        for test in tests[node]:
            if test.check_key is not None:
                states.append(_state_of_check(test, checks.get(test.check_key), built, node))
                continue
            if observed is None:
                observed = _observed_tests(instance, key, built[key])
            states.append(_state_of_observation(test, observed, node))
        found[node] = _worst(states)
    return found


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
    if target is None or target.storage_id < built.get(test.check_key.asset_key, 0):
        return _not_run(test, node)
    if evaluation.passed:
        return ModelState(state=State.PASSING)
    return _failed(test, datetime.fromtimestamp(event.timestamp, UTC) if event else None)


def _state_of_observation(
    test: DbtTest, observed: Mapping[str, tuple[bool, str]], node: str
) -> ModelState:
    if test.unique_id not in observed:
        return _not_run(test, node)
    passed, _ = observed[test.unique_id]
    return ModelState(state=State.PASSING) if passed else _failed(test, None)


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
            found.setdefault(
                str(metadata["unique_id"].value), (status in ("pass", "success"), status)
            )
    return found


def _latest_materializations(
    instance: DagsterInstance, keys: list[dg.AssetKey]
) -> dict[dg.AssetKey, int]:
    """By asset key, the storage id of its newest materialization."""
    found: dict[dg.AssetKey, int] = {}
    for record in instance.get_asset_records(keys):
        latest = record.asset_entry.last_materialization_record
        if latest is not None:
            found[record.asset_entry.asset_key] = latest.storage_id
    return found


def _worst(states: Iterable[ModelState]) -> ModelState:
    """Failing before unknown before passing; the reason is that of the first of the worst."""
    ordered = list(states)
    for state in (State.FAILING, State.UNKNOWN):
        for item in ordered:
            if item.state is state:
                return item
    return ModelState(state=State.PASSING)


def _failed(test: DbtTest, at: datetime | None) -> ModelState:
    since = f" at {at:%Y-%m-%d %H:%M} UTC" if at else ""
    models = " and ".join(_named(node) for node in test.nodes)
    return ModelState(
        state=State.FAILING, reason=f"the dbt test {test.name} on {models} failed{since}"
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
