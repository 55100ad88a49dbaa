"""What a run was given, as datasets of OpenLineage: metrics, and the tables that they were computed from."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from openlineage.client.generated.base import InputDataset
from openlineage.client.generated.dataset_type_dataset import DatasetTypeDatasetFacet
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.documentation_dataset import DocumentationDatasetFacet
from openlineage.client.generated.input_statistics_input_dataset import (
    InputStatisticsInputDatasetFacet,
)

from semantic.catalog import Catalog
from semantic.ledger import Read
from semantic.openlineage.facets import (
    PRODUCER,
    READS,
    GovernedAgentsReadsInputDatasetFacet,
    GovernedRead,
)
from semantic.openlineage.names import Names
from semantic.openlineage.subset import subset_of


def metric_inputs(reads: Iterable[Read], catalog: Catalog, names: Names) -> list[InputDataset]:
    """One dataset for each metric, however often it was read. `reads` are those that data was released by."""
    by_metric: dict[str, list[Read]] = defaultdict(list)
    for read in reads:
        by_metric[read.metric].append(read)
    return [_metric(name, by_metric[name], catalog, names) for name in sorted(by_metric)]


def table_inputs(reads: Iterable[Read], names: Names) -> list[InputDataset]:
    """One dataset for each table that was scanned, at the newest snapshot of it that was read."""
    snapshots: dict[str, str | None] = {}
    for read in sorted(reads, key=lambda it: it.at):
        snapshots.update(dict.fromkeys(read.relations, read.snapshot))
    return [
        InputDataset(
            namespace=names.tables,
            name=names.table(relation),
            facets=dataset_facets("TABLE", snapshots[relation]),
        )
        for relation in sorted(snapshots)
    ]


def _metric(name: str, reads: Sequence[Read], catalog: Catalog, names: Names) -> InputDataset:
    newest = max(reads, key=lambda it: (it.at, it.seq))
    metric = catalog.find(name)
    facets = dataset_facets("METRIC", newest.data_version)
    if metric is not None and metric.description:
        facets["documentation"] = DocumentationDatasetFacet(
            description=metric.description, producer=PRODUCER
        )
    subset = subset_of(reads, catalog)
    input_facets: dict[str, Any] = {
        "inputStatistics": InputStatisticsInputDatasetFacet(
            rowCount=sum(it.rows or 0 for it in reads), producer=PRODUCER
        ),
        READS: GovernedAgentsReadsInputDatasetFacet(
            reads=[_read(it) for it in reads], producer=PRODUCER
        ),
    }
    if subset is not None:
        input_facets["subset"] = subset
    return InputDataset(
        namespace=names.namespace,
        name=names.metric(name),
        facets=facets,
        inputFacets=input_facets,
    )


def dataset_facets(kind: str, version: str | None) -> dict[str, Any]:
    """What a dataset is, and at which version."""
    facets: dict[str, Any] = {
        "datasetType": DatasetTypeDatasetFacet(datasetType=kind, producer=PRODUCER)
    }
    if version is not None:
        facets["version"] = DatasetVersionDatasetFacet(datasetVersion=version, producer=PRODUCER)
    return facets


def _read(read: Read) -> GovernedRead:
    return GovernedRead(
        readId=read.read_id,
        readAt=read.at,
        dataVersion=read.data_version,
        versionAsRead=read.version_as_read,
        definitionHash=read.definition_hash,
        snapshot=read.snapshot,
        groupBy=list(read.group_by),
        coversFrom=read.covers_from,
        coversTo=read.covers_to,
        rows=read.rows,
    )
