"""A subset never says fewer rows than were read, and no value of a personal dimension."""

import json
from typing import Any

import attr
from hypothesis import given
from hypothesis import strategies as st

from semantic.catalog import Catalog
from semantic.ledger import Read
from semantic.openlineage.subset import subset_of

Json = dict[str, Any]
TEXTS = ("north", "south", "nowhere")
NAME = "order__status"


def read(query: Json, restricted_to: Any = (), covers: tuple[str, str] | None = None) -> Read:
    unknown: Json = dict.fromkeys(
        ("agent", "acting_for", "team", "run_id", "root_run_id", "data_version", "version_as_read")
    )
    unknown |= dict.fromkeys(("definition_hash", "reason", "snapshot", "rows", "purpose", "why"))
    unknown |= dict.fromkeys(("ended_at", "policy_hash"))
    first, last = covers or (None, None)
    return Read(
        **unknown,
        read_id="r",
        at="2026-11-01T00:00:00.000Z",
        metric="orders",
        outcome="allowed",
        covers_from=first,
        covers_to=last,
        group_by=(),
        notices=(),
        seq=1,
        relations=(),
        query={"metrics": ["orders"], **query},
        restricted_to=restricted_to,
    )


def condition(*reads: Read, catalog: Catalog) -> Json | None:
    found = subset_of(reads, catalog)
    return None if found is None else json.loads(json.dumps(attr.asdict(found.inputCondition)))


def says(said: Json | None, row: Json) -> bool:
    """Whether a condition of OpenLineage holds for a row."""
    if said is None:
        return True
    if said["type"] == "binary":
        pair = (says(said["left"], row), says(said["right"], row))
        return all(pair) if said["operator"] == "AND" else any(pair)
    value, bound = row[said["left"]["field"]], said["right"]["value"]
    if value is None:
        return False
    return {
        "EQUAL": value == bound,
        "LESS_THAN": value < bound,
        "LESS_EQUAL_THAN": value <= bound,
        "GREATER_THAN": value > bound,
        "GREATER_EQUAL_THAN": value >= bound,
    }[said["comparison"]]


def keeps(item: Json, row: Json) -> bool:
    """Whether a filter of a query keeps a row, as SQL does."""
    if "all_of" in item:
        return all(keeps(it, row) for it in item["all_of"])
    if "any_of" in item:
        return any(keeps(it, row) for it in item["any_of"])
    value, values, how = row[item["dimension"]], item["values"], item["operator"]
    if how in ("is_null", "is_not_null"):
        return (value is None) == (how == "is_null")
    if value is None:
        return False
    return {
        "=": lambda: value == values[0],
        "!=": lambda: value != values[0],
        "<": lambda: value < values[0],
        "<=": lambda: value <= values[0],
        ">": lambda: value > values[0],
        ">=": lambda: value >= values[0],
        "in": lambda: value in values,
        "not_in": lambda: value not in values,
        "between": lambda: values[0] <= value <= values[1],
        "starts_with": lambda: value.startswith(values[0]),
        "contains": lambda: values[0] in value,
    }[how]()


def filters() -> st.SearchStrategy[Json]:
    one, several = st.tuples(st.sampled_from(TEXTS)), st.lists(st.sampled_from(TEXTS), min_size=1)
    compared = st.one_of(
        st.tuples(
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "starts_with", "contains"]), one
        ),
        st.tuples(st.sampled_from(["in", "not_in"]), several),
        st.tuples(st.just("between"), st.tuples(*[st.sampled_from(TEXTS)] * 2)),
        st.tuples(st.sampled_from(["is_null", "is_not_null"]), st.just(())),
    ).map(lambda it: {"dimension": NAME, "operator": it[0], "values": list(it[1])})
    return st.recursive(
        compared,
        lambda inner: st.tuples(
            st.sampled_from(["all_of", "any_of"]), st.lists(inner, min_size=1, max_size=3)
        ).map(lambda it: {it[0]: it[1]}),
        max_leaves=6,
    )


@given(st.lists(st.lists(filters(), max_size=3), min_size=1, max_size=3))
def test_never_fewer_rows_than_were_read(shop_catalog: Catalog, asked: list[list[Json]]) -> None:
    said = condition(*(read({"filters": it}) for it in asked), catalog=shop_catalog)
    for value in (*TEXTS, None):
        row = {NAME: value}
        if any(all(keeps(item, row) for item in of_read) for of_read in asked):
            assert says(said, row)


def test_days_filters_and_rows_of_one_metric_are_told(shop_catalog: Catalog) -> None:
    asked = read(
        {"filters": [{"dimension": NAME, "operator": "=", "values": ["paid"]}]},
        restricted_to=(("region", ("north",)),),
        covers=("2024-03-01", "2024-03-05"),
    )
    said = json.dumps(condition(asked, catalog=shop_catalog))
    for text in ("2024-03-01", "2024-03-05", "paid", "north"):
        assert text in said


def test_rows_of_several_metrics_are_not_told(shop_catalog: Catalog) -> None:
    """Which of them the policy restricted is not on record: one may be exempt."""
    both = read({"metrics": ["orders", "revenue"]}, restricted_to=(("region", ("north",)),))
    assert condition(both, catalog=shop_catalog) is None
    filtered = {"filters": [{"metric": "revenue", "by": [NAME], "operator": ">", "values": [1]}]}
    by_another = read(filtered, restricted_to=(("region", ("north",)),))
    assert condition(by_another, catalog=shop_catalog) is None


def test_values_of_personal_and_unknown_dimensions_stay_in_the_record(
    shop_catalog: Catalog,
) -> None:
    for name in ("customer__email", "nobody__knows"):
        asked = read(
            {"filters": [{"dimension": name, "operator": "=", "values": ["ana@example.com"]}]}
        )
        assert condition(asked, catalog=shop_catalog) is None
