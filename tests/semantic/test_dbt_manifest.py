"""dbt artifacts become a catalogue: the shop's own, and the shop's with one thing changed."""

import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from semantic.catalog import Catalog
from semantic.dbt_manifest import build_catalog, load_catalog
from semantic.errors import ManifestError
from semantic.metric import METRIC_TIME, MetricType, Scope, times_of
from tests.dbt_build import BuiltProject
from tests.semantic.shop import CUSTOMERS, DAYS, ORDERS

Json = dict[str, Any]
DAY = timedelta(days=1)


@pytest.fixture
def artifacts(shop: BuiltProject) -> tuple[Json, Json]:
    """The shop's `semantic_manifest.json` and `manifest.json`, for a test to change."""
    semantic = json.loads((shop.target / "semantic_manifest.json").read_text())
    return semantic, json.loads((shop.target / "manifest.json").read_text())


@pytest.fixture
def changed(artifacts: tuple[Json, Json]) -> Callable[[Callable[[Json], None]], Catalog]:
    """The catalogue of the shop after a change to its semantic manifest."""

    def changed(change: Callable[[Json], None]) -> Catalog:
        semantic, manifest = deepcopy(artifacts)
        change(semantic)
        return build_catalog(json.dumps(semantic), manifest)

    return changed


def named(semantic: Json, kind: str, name: str) -> Json:
    return next(item for item in semantic[kind] if item["name"] == name)


def test_each_metric_has_its_type(shop_catalog: Catalog) -> None:
    simple = ("orders", "revenue", "returned_orders", "paid_orders", "customers")
    assert {name: metric.type for name, metric in shop_catalog.metrics.items()} == {
        **dict.fromkeys(simple, MetricType.SIMPLE),
        "return_rate": MetricType.RATIO,
        "average_order": MetricType.DERIVED,
        "revenue_running": MetricType.CUMULATIVE,
        "first_order_rate": MetricType.CONVERSION,
    }


def test_a_metric_says_what_the_yaml_says_of_it(shop_catalog: Catalog) -> None:
    orders = shop_catalog.metrics["orders"]

    assert (orders.label, orders.description) == ("Orders", "Orders placed.")
    assert (orders.owner, orders.tier, orders.unit) == ("shop@example.com", "gold", "orders")
    assert orders.scope == Scope(days=3, dimensions=("customer__region",))
    assert shop_catalog.metrics["revenue"].scope == Scope(days=35)
    assert shop_catalog.metrics["revenue"].owner is None


def test_a_metric_leads_to_the_models_and_seeds_that_build_it(shop_catalog: Catalog) -> None:
    orders, rate = shop_catalog.metrics["orders"], shop_catalog.metrics["first_order_rate"]

    assert orders.dbt_models == ("model.corner_shop.orders",)
    assert rate.semantic_models == ("customers", "orders")
    assert rate.dbt_models == ("model.corner_shop.customers", "model.corner_shop.orders")
    assert shop_catalog.metrics["return_rate"].inputs == ("orders", "returned_orders")
    assert shop_catalog.upstream(orders.dbt_models) == {
        "model.corner_shop.orders",
        "seed.corner_shop.raw_orders",
    }


def test_only_the_relations_of_semantic_models_and_the_time_spine_are_governed(
    shop_catalog: Catalog,
) -> None:
    assert shop_catalog.relations() == (CUSTOMERS, DAYS, ORDERS)
    assert shop_catalog.database == "shop"


def test_a_metric_of_a_filter_names_the_elements_it_speaks_of(shop_catalog: Catalog) -> None:
    assert shop_catalog.metrics["paid_orders"].filtered_by == ("order__status",)
    assert shop_catalog.metrics["average_order"].filtered_by == ("order__status",)
    assert shop_catalog.metrics["orders"].filtered_by == ()


def test_windows_reach_back_and_conversions_reach_forward(shop_catalog: Catalog) -> None:
    reach = {name: (m.reach.before, m.reach.after) for name, m in shop_catalog.metrics.items()}

    assert reach.pop("revenue_running") == (3 * DAY, 0 * DAY)
    assert reach.pop("first_order_rate") == (0 * DAY, 14 * DAY)
    assert set(reach.values()) == {(0 * DAY, 0 * DAY)}


@pytest.mark.parametrize(
    ("params", "before"),
    [
        ({"window": {"count": 2, "granularity": "week"}}, 14 * DAY),
        ({"grain_to_date": "month"}, 31 * DAY),
        ({}, None),
    ],
)
def test_a_cumulative_metric_reaches_as_far_back_as_its_window(
    changed: Callable[..., Catalog], params: Json, before: timedelta | None
) -> None:
    def change(semantic: Json) -> None:
        named(semantic, "metrics", "revenue_running")["type_params"] |= {
            "window": None,
            "grain_to_date": None,
            "cumulative_type_params": params,
        }

    assert changed(change).metrics["revenue_running"].reach.before == before


def test_the_meaning_of_a_metric_is_also_that_of_the_metrics_it_filters_by(
    changed: Callable[..., Catalog],
) -> None:
    def filtered(semantic: Json) -> None:
        template = "{{ Metric('revenue', group_by=['customer']) }} > 5"
        named(semantic, "metrics", "paid_orders")["filter"] = {
            "where_filters": [{"where_sql_template": template}]
        }

    def and_changed(semantic: Json) -> None:
        filtered(semantic)
        named(named(semantic, "semantic_models", "orders"), "measures", "amount_paid")["expr"] = "1"

    before, after = changed(filtered), changed(and_changed)
    for name in ("paid_orders", "average_order"):
        assert before.metrics[name].definition_hash != after.metrics[name].definition_hash
    assert before.metrics["orders"].definition_hash == after.metrics["orders"].definition_hash


def test_an_offset_adds_to_the_reach_of_the_metric_that_it_shifts(
    changed: Callable[..., Catalog],
) -> None:
    def change(semantic: Json) -> None:
        inputs = named(semantic, "metrics", "average_order")["type_params"]["metrics"]
        inputs[0] |= {
            "name": "revenue_running",
            "offset_window": {"count": 7, "granularity": "day"},
        }

    average = changed(change).metrics["average_order"]

    assert average.reach.before == 10 * DAY
    assert average.needs_time


def test_a_conversion_without_a_window_reaches_forward_without_bound(
    changed: Callable[..., Catalog],
) -> None:
    def change(semantic: Json) -> None:
        rate = named(semantic, "metrics", "first_order_rate")
        rate["type_params"]["conversion_type_params"]["window"] = None

    assert changed(change).metrics["first_order_rate"].reach.after is None


def test_only_a_window_has_no_total(shop_catalog: Catalog) -> None:
    needing = {name for name, metric in shop_catalog.metrics.items() if metric.needs_time}
    assert needing == {"revenue_running"}


def test_personal_columns_make_personal_dimensions(shop_catalog: Catalog) -> None:
    customers = shop_catalog.semantic_models["customers"].elements
    personal = {name for name, element in customers.items() if element.pii}
    assert personal == {"full_name", "email"}


@pytest.mark.parametrize("expression", ["lower(Email)", "full_name || ''", '"email"'])
def test_an_expression_over_a_personal_column_is_personal(
    changed: Callable[..., Catalog], expression: str
) -> None:
    def change(semantic: Json) -> None:
        customers = named(semantic, "semantic_models", "customers")
        named(customers, "dimensions", "region")["expr"] = expression

    assert changed(change).semantic_models["customers"].elements["region"].pii


@pytest.mark.parametrize(
    "config",
    [
        {"meta": {"pii": True}},
        {"meta": {"contains_pii": "yes"}},
        {"tags": ["Pii"]},
        {"tags": "PII"},
    ],
)
@pytest.mark.parametrize(("kind", "name"), [("dimensions", "region"), ("entities", "customer")])
def test_a_dimension_or_entity_can_be_declared_personal_itself(
    changed: Callable[..., Catalog], config: Json, kind: str, name: str
) -> None:
    def change(semantic: Json) -> None:
        named(named(semantic, "semantic_models", "customers"), kind, name)["config"] = config

    assert changed(change).semantic_models["customers"].elements[name].pii


def test_the_time_of_a_metric_has_a_name_by_every_key_of_its_model(
    changed: Callable[..., Catalog],
) -> None:
    receipt = {"name": "receipt", "type": "unique", "expr": "receipt_id"}
    model = changed(
        lambda semantic: named(semantic, "semantic_models", "orders")["entities"].append(receipt)
    )
    orders, rate = model.metrics["orders"], model.metrics["first_order_rate"]
    names = {"order__ordered_on", "receipt__ordered_on"}

    assert orders.also_called("receipt__ordered_on") == {"receipt__ordered_on", METRIC_TIME}
    assert orders.also_called(METRIC_TIME) == {*names, METRIC_TIME}
    assert orders.also_called("customer__region") == {"customer__region"}
    assert times_of([orders]) == {*names, METRIC_TIME}
    assert names < rate.also_called(METRIC_TIME)
    assert times_of([orders, rate]) == {METRIC_TIME}


def test_a_private_metric_is_hidden_and_still_counts(changed: Callable[..., Catalog]) -> None:
    def change(semantic: Json) -> None:
        named(semantic, "metrics", "returned_orders")["type_params"]["is_private"] = True

    catalog = changed(change)

    assert "returned_orders" not in catalog.metrics
    assert set(catalog.private_metrics) == {"returned_orders"}
    assert catalog.metrics["return_rate"].dbt_models == ("model.corner_shop.orders",)


def test_a_new_wording_is_not_a_new_definition(
    shop_catalog: Catalog, changed: Callable[..., Catalog]
) -> None:
    def change(semantic: Json) -> None:
        for metric in semantic["metrics"]:
            metric |= {"description": "Now explained.", "label": "Renamed"}
            metric["config"] = {"meta": {"owner": "someone else"}}
        for model in semantic["semantic_models"]:
            for item in [model, *model["dimensions"], *model["entities"], *model["measures"]]:
                item["description"] = "Now explained."

    assert hashes(changed(change)) == hashes(shop_catalog)


def _change_measure(semantic: Json) -> None:
    measures = named(semantic, "semantic_models", "orders")["measures"]
    named({"measures": measures}, "measures", "amount_paid")["expr"] = "amount"


def _change_filter(semantic: Json) -> None:
    named(semantic, "metrics", "paid_orders")["filter"]["where_filters"][0][
        "where_sql_template"
    ] = "{{ Dimension('order__status') }} = 'open'"


def _change_filtered_dimension(semantic: Json) -> None:
    named(named(semantic, "semantic_models", "orders"), "dimensions", "status")["expr"] = "'paid'"


def _change_upstream_metric(semantic: Json) -> None:
    named(semantic, "metrics", "returned_orders")["type_params"]["measure"]["name"] = "order_count"


def _change_time(semantic: Json) -> None:
    customers = named(semantic, "semantic_models", "customers")
    named(customers, "dimensions", "signed_up_on")["expr"] = "signed_up_on + 1"


def _change_relation(semantic: Json) -> None:
    relation = named(semantic, "semantic_models", "customers")["node_relation"]
    relation["relation_name"] = '"shop"."till_analytics"."clients"'


def _change_window(semantic: Json) -> None:
    params = named(semantic, "metrics", "revenue_running")["type_params"]
    params["cumulative_type_params"]["window"]["count"] = 4


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        (_change_measure, {"revenue", "average_order", "revenue_running"}),
        (_change_filter, {"paid_orders", "average_order"}),
        (_change_filtered_dimension, {"paid_orders", "average_order"}),
        (_change_upstream_metric, {"returned_orders", "return_rate"}),
        (_change_time, {"customers", "first_order_rate"}),
        (_change_relation, {"customers", "first_order_rate"}),
        (_change_window, {"revenue_running"}),
    ],
)
def test_a_new_meaning_is_a_new_definition_of_all_that_rests_on_it(
    shop_catalog: Catalog,
    changed: Callable[..., Catalog],
    change: Callable[[Json], None],
    affected: set[str],
) -> None:
    before, after = hashes(shop_catalog), hashes(changed(change))
    assert {name for name in before if before[name] != after[name]} == affected


def test_a_catalogue_is_rebuilt_from_what_it_carries(shop_catalog: Catalog) -> None:
    subset = json.loads(shop_catalog.manifest_subset)
    rebuilt = build_catalog(shop_catalog.semantic_manifest, subset)

    assert rebuilt == shop_catalog
    assert {name: metric.meta for name, metric in rebuilt.metrics.items()} == {
        name: metric.meta for name, metric in shop_catalog.metrics.items()
    }


def test_missing_artifacts_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no dbt artifact .*semantic_manifest\.json") as caught:
        load_catalog(tmp_path)
    assert "dbt parse" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"null", b"\xff\xfe{}"])
@pytest.mark.parametrize("name", ["semantic_manifest.json", "manifest.json"])
def test_an_artifact_that_is_no_json_object_is_named(
    shop: BuiltProject, tmp_path: Path, name: str, content: bytes
) -> None:
    for artifact in ("semantic_manifest.json", "manifest.json"):
        shutil.copy(shop.target / artifact, tmp_path)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ManifestError, match=name):
        load_catalog(tmp_path)


@pytest.mark.parametrize(
    ("key", "missing"), [("semantic_models", "semantic models"), ("metrics", "metrics")]
)
def test_a_project_without_metrics_is_told_what_to_add(
    changed: Callable[..., Catalog], key: str, missing: str
) -> None:
    with pytest.raises(ManifestError, match=f"declares no {missing}"):
        changed(lambda semantic: semantic.update({key: []}))


def test_another_warehouse_is_refused_by_name(artifacts: tuple[Json, Json]) -> None:
    semantic, manifest = artifacts
    manifest["metadata"]["adapter_type"] = "snowflake"
    with pytest.raises(ManifestError, match="runs on 'snowflake'"):
        build_catalog(json.dumps(semantic), manifest)


def test_semantic_models_in_two_databases_are_refused(changed: Callable[..., Catalog]) -> None:
    def change(semantic: Json) -> None:
        semantic["semantic_models"][0]["node_relation"]["database"] = "other"

    with pytest.raises(ManifestError, match="several databases: other, shop"):
        changed(change)


@pytest.mark.parametrize(
    "scope",
    [
        "monthly",
        {"day": 3},
        {"days": 0},
        {"days": 4000},
        {"days": "3"},
        {"days": True},
        {"days": None},
        {"dimensions": "customer__region"},
        {"dimensions": None},
        {"dimensions": 3},
    ],
)
def test_a_scope_that_is_none_is_refused_with_the_name_of_its_metric(
    changed: Callable[..., Catalog], scope: object
) -> None:
    def change(semantic: Json) -> None:
        named(semantic, "metrics", "orders")["config"]["meta"]["scope"] = scope

    with pytest.raises(ManifestError, match="Metric 'orders' declares the scope"):
        changed(change)


@pytest.mark.parametrize("hours", [0, -1, True, "12"])
def test_a_freshness_that_is_no_number_of_hours_is_refused(
    changed: Callable[..., Catalog], hours: object
) -> None:
    def change(semantic: Json) -> None:
        named(semantic, "metrics", "orders")["config"]["meta"]["fresh_within_hours"] = hours

    with pytest.raises(ManifestError, match="Metric 'orders' declares fresh_within_hours"):
        changed(change)


@pytest.mark.parametrize("file", ["models/semantics.yml", "models/models.yml", "models/orders.sql"])
def test_artifacts_older_than_a_project_file_are_refused(
    shop: BuiltProject, tmp_path: Path, file: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(shop.folder, project)
    parsed_at = (project / "target" / "semantic_manifest.json").stat().st_mtime
    os.utime(project / file, (parsed_at + 120, parsed_at + 120))

    with pytest.raises(ManifestError, match=f"older than .*{file}"):
        load_catalog(project / "target", project_dir=project)


def test_artifacts_as_new_as_their_project_are_taken(
    shop: BuiltProject, shop_catalog: Catalog
) -> None:
    assert load_catalog(shop.target, project_dir=shop.folder) == shop_catalog


def hashes(catalog: Catalog) -> dict[str, str]:
    return {name: metric.definition_hash for name, metric in catalog.metrics.items()}


def test_the_grains_that_time_spines_declare_are_words_of_names(
    changed: Callable[[Callable[[Json], None]], Catalog],
) -> None:
    def declare(semantic: Json) -> None:
        spines = semantic["project_configuration"]["time_spines"]
        spines[0]["custom_granularities"] = [{"name": "fiscal_year"}]

    assert changed(declare).has_dimension("metric_time__fiscal_year")
    assert not changed(lambda semantic: None).has_dimension("metric_time__fiscal_year")
