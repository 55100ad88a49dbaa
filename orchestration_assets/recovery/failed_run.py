"""A failed run, and what of it is still to be made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from orchestration_assets.platform.failures import unmade_assets
from orchestration_assets.platform.run_facts import ended_at

_PARTITION = "dagster/partition"
_RANGE = "dagster/asset_partition_range"
_OF_DAGSTER = ("dagster/", ".dagster", "governed_agents")
_NEWEST = 50


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run that failed, when, and the assets that it did not make."""

    run: dg.DagsterRun
    failed_at: float
    unmade: tuple[dg.AssetKey, ...]

    @property
    def partition(self) -> str | None:
        return self.run.tags.get(_PARTITION)

    @property
    def tags(self) -> dict[str, str]:
        """Those that its author or operator gave it, and its range of partitions: a run in its place is to wait in the same queue, on as much of a machine."""
        return {
            tag: value
            for tag, value in self.run.tags.items()
            if tag.startswith(_RANGE) or not tag.startswith(_OF_DAGSTER)
        }

    def is_mended(self, instance: DagsterInstance) -> bool:
        """Whether all of it was made since, by whatever run: the same partitions, where it has any."""
        wanted = [(key, partition) for key in self.unmade for partition in self._partitions]
        return bool(wanted) and all(self._is_made(instance, *it) for it in wanted)

    def _is_made(self, instance: DagsterInstance, key: dg.AssetKey, partition: str | None) -> bool:
        asked = dg.AssetRecordsFilter(
            asset_key=key,
            after_timestamp=self.failed_at,
            asset_partitions=[partition] if partition is not None else None,
        )
        return bool(instance.fetch_materializations(asked, limit=1).records)

    @property
    def _partitions(self) -> list[str | None]:
        """The partition of the run, or the first and the last of its range; None alone where it has none."""
        ends = [value for tag, value in sorted(self.run.tags.items()) if tag.startswith(_RANGE)]
        return [self.partition] if self.partition is not None else [*ends] or [None]

    def upstream(self, graph: BaseAssetGraph[Any]) -> list[dg.AssetKey]:
        """The assets that Dagster can make and that those which were not made are made from."""
        parents = {parent for key in self.unmade for parent in graph.get(key).parent_keys}
        return sorted(parents & graph.materializable_asset_keys - set(self.unmade))

    def config(
        self, repository: dg.RepositoryDefinition, keys: Sequence[dg.AssetKey]
    ) -> Mapping[str, Any]:
        """The configuration of the run as far as it speaks of what makes these assets, and of resources."""
        makers = {
            definition.node_def.name
            for key in keys
            if (definition := repository.assets_defs_by_key.get(key)) is not None
        }
        given: Mapping[str, Any] = self.run.run_config
        ops = {name: it for name, it in (given.get("ops") or {}).items() if name in makers}
        resources = given.get("resources")
        return {
            **({"ops": ops} if ops else {}),
            **({"resources": resources} if resources else {}),
        }


def failed_run(instance: DagsterInstance, run_id: str) -> FailedRun | None:
    """The failed run with an id, None where there is none."""
    records = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))
    if not records or records[0].dagster_run.status is not dg.DagsterRunStatus.FAILURE:
        return None
    [record] = records
    return FailedRun(
        run=record.dagster_run,
        failed_at=ended_at(record),
        unmade=tuple(unmade_assets(instance, run_id)),
    )


def newest_failed(instance: DagsterInstance) -> list[str]:
    """The ids of the newest failed runs."""
    asked = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
    return [run.run_id for run in instance.get_runs(asked, limit=_NEWEST)]
