"""What a change of a dbt project does to its metrics: told by columns, down to the sources."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestration_assets.definitions import DBT_PROJECT
from semantic.catalog import Catalog
from semantic.dbt_manifest import build_catalog
from semantic.errors import ManifestError
from semantic.lineage.change import Change
from semantic.lineage.changed import changed_metrics

Json = dict[str, Any]
FLIGHTS = "model.nyc_flights.fct_flights"
STAGED = "model.nyc_flights.stg_flights"


@pytest.fixture(scope="module")
def artifacts() -> tuple[str, str]:
    target = DBT_PROJECT / "target"
    return (target / "semantic_manifest.json").read_text(), (target / "manifest.json").read_text()


@pytest.fixture
def catalog(artifacts: tuple[str, str]) -> Catalog:
    return build_catalog(artifacts[0], json.loads(artifacts[1]))


Edit = Callable[[Json, Json], None]


def after(artifacts: tuple[str, str], edit: Edit) -> Catalog:
    semantic, manifest = json.loads(artifacts[0]), json.loads(artifacts[1])
    edit(semantic, manifest)
    return build_catalog(json.dumps(semantic), manifest)


def code(model: str, old: str, new: str) -> Edit:
    def edit(_: Json, manifest: Json) -> None:
        before = manifest["nodes"][model]["raw_code"]
        assert old in before
        manifest["nodes"][model]["raw_code"] = before.replace(old, new)

    return edit


def metric(name: str, **changes: Any) -> Edit:
    def edit(semantic: Json, _: Json) -> None:
        [found] = [item for item in semantic["metrics"] if item["name"] == name]
        found.update(changes)

    return edit


def names(changed: Any, change: Change) -> set[str]:
    return {item.name for item in changed if item.change is change}


ON_TIME = {"on_time_arrivals", "on_time_rate"}


def test_nothing_changed(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    assert changed_metrics(catalog, catalog) == []
    assert changed_metrics(catalog, after(artifacts, lambda *_: None)) == []


def test_on_time_means_fourteen_minutes(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    changed = changed_metrics(catalog, after(artifacts, code(FLIGHTS, "<= 15", "<= 14")))
    assert names(changed, Change.MEANING) == ON_TIME
    for item in changed:
        if item.change is Change.MEANING:
            [step] = item.path
            assert step.what == "column is_on_time of fct_flights"
            assert step.before == "COALESCE(stg_flights.arrival_delay_minutes <= 15, FALSE)"
            assert step.after == "COALESCE(stg_flights.arrival_delay_minutes <= 14, FALSE)"
    others = names(changed, Change.CODE)
    assert {"flights", "cancellation_rate"} <= others
    assert not {"weather_hours", "precipitation_inches"} & others


@pytest.mark.parametrize(
    "edit",
    [
        code(FLIGHTS, "with flights as (", "-- the flights\nwith flights as ("),
        code(FLIGHTS, "flights.is_corrected", "flights.is_corrected, 1 as one_more"),
    ],
)
def test_a_comment_and_a_new_column_change_code_only(
    catalog: Catalog, artifacts: tuple[str, str], edit: Edit
) -> None:
    changed = changed_metrics(catalog, after(artifacts, edit))
    assert names(changed, Change.MEANING) == set()
    assert {"flights", "on_time_rate"} <= names(changed, Change.CODE)


def test_a_change_far_above_is_told_where_it_is(
    catalog: Catalog, artifacts: tuple[str, str]
) -> None:
    edit = code(STAGED, "dep_time is null as is_cancelled", "dep_time < 0 as is_cancelled")
    changed = changed_metrics(catalog, after(artifacts, edit))
    assert {"cancelled_flights", "cancellation_rate", "distance_flown_miles"} <= names(
        changed, Change.MEANING
    )
    assert not {"flights", "on_time_rate"} & names(changed, Change.MEANING)
    [rate] = [item for item in changed if item.name == "cancellation_rate"]
    assert [step.what for step in rate.path] == ["column is_cancelled of stg_flights"]


JINJA = "\n{% if is_incremental() %} where flight_date > '2013-01-01' {% endif %}"


@pytest.mark.parametrize(
    ("model", "old", "new", "means"),
    [
        (
            STAGED,
            "dep_time is null as is_cancelled",
            "dep_time < 0 as is_cancelled",
            "cancelled_flights",
        ),
        (STAGED, "cast(arr_delay as integer)", "cast(arr_delay * 2 as integer)", "on_time_rate"),
        ("source.nyc_flights.raw.flights", "", "", "flights"),
    ],
)
def test_above_a_model_that_is_written_by_a_program_any_change_counts(
    artifacts: tuple[str, str], model: str, old: str, new: str, means: str
) -> None:
    """Of what such a model makes of its parents nobody knows."""

    def program(_: Json, manifest: Json) -> None:
        manifest["nodes"][FLIGHTS]["raw_code"] += JINJA

    def both(semantic: Json, manifest: Json) -> None:
        program(semantic, manifest)
        if model in manifest["sources"]:
            manifest["sources"][model]["relation_name"] = '"elsewhere"."raw"."flights"'
        else:
            code(model, old, new)(semantic, manifest)

    changed = changed_metrics(after(artifacts, program), after(artifacts, both))
    assert means in names(changed, Change.MEANING)


def test_the_keys_of_a_join_are_followed(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    staged = "model.nyc_flights.stg_planes"
    edit = code(staged, "tailnum as tail_number", "upper(tailnum) as tail_number")
    changed = names(changed_metrics(catalog, after(artifacts, edit)), Change.MEANING)
    assert "seats_flown" in changed
    assert "on_time_rate" not in changed


def test_a_macro_is_part_of_what_calls_it(artifacts: tuple[str, str]) -> None:
    def limit(minutes: int) -> Edit:
        def edit(_: Json, manifest: Json) -> None:
            node = manifest["nodes"][FLIGHTS]
            node["raw_code"] = node["raw_code"].replace("<= 15", "<= {{ late() }}")
            node["depends_on"]["macros"] = ["macro.nyc_flights.late"]
            manifest["macros"]["macro.nyc_flights.late"] = {"macro_sql": f"{minutes}"}

        return edit

    before, then = after(artifacts, limit(15)), after(artifacts, limit(14))
    assert "on_time_rate" in names(changed_metrics(before, then), Change.MEANING)
    kept = build_catalog(then.semantic_manifest, json.loads(then.manifest_subset))
    assert changed_metrics(then, kept) == [], "what is kept with a snapshot says the same"


def test_other_rows_change_every_metric_of_them(
    catalog: Catalog, artifacts: tuple[str, str]
) -> None:
    changed = changed_metrics(
        catalog, after(artifacts, code(STAGED, "from corrected", "from corrected where day > 1"))
    )
    assert {"flights", "on_time_rate", "cancellation_rate"} <= names(changed, Change.MEANING)
    [flights] = [item for item in changed if item.name == "flights"]
    assert "rows of stg_flights" in {step.what for step in flights.path}


def test_a_definition_is_told_by_what_stands_there(
    catalog: Catalog, artifacts: tuple[str, str]
) -> None:
    def edit(semantic: Json, _: Json) -> None:
        for model in semantic["semantic_models"]:
            for measure in model["measures"]:
                if measure["name"] == "on_time_arrivals":
                    measure["expr"] = "is_completed"

    changed = changed_metrics(catalog, after(artifacts, edit))
    assert names(changed, Change.MEANING) == ON_TIME
    for item in changed:
        assert ("is_on_time", "is_completed") in {(step.before, step.after) for step in item.path}


def test_words_for_people_change_nothing(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    assert changed_metrics(catalog, after(artifacts, metric("flights", description="Other."))) == []


def test_new_and_removed_metrics_are_told(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    def edit(semantic: Json, _: Json) -> None:
        semantic["metrics"] = [it for it in semantic["metrics"] if it["name"] != "seats_flown"]

    fewer = after(artifacts, edit)
    assert names(changed_metrics(catalog, fewer), Change.REMOVED) == {"seats_flown"}
    assert names(changed_metrics(fewer, catalog), Change.ADDED) == {"seats_flown"}


def test_two_projects_are_not_compared(catalog: Catalog, artifacts: tuple[str, str]) -> None:
    def edit(_: Json, manifest: Json) -> None:
        manifest["metadata"]["project_name"] = "another"

    with pytest.raises(ManifestError, match="two dbt projects, 'nyc_flights' and 'another'"):
        changed_metrics(catalog, after(artifacts, edit))
