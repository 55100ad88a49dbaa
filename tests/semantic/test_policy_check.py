"""A rule that takes something away is never a dead letter: it reaches every path, or it is refused."""

import pytest

from semantic.answer import MetricAnswer, Refusal
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import PolicyError
from semantic.policy import Reader
from semantic.policy_check import check_policy, check_reach
from semantic.policy_file import parse_policy
from tests.conftest import OpenDoor

READER = Reader(name="ana")
PERMIT = """
rules:
  - {permit: p, readers: [ana, refresh], metrics: "*", dimensions: ["*", customer__full_name]}
"""


@pytest.mark.parametrize("name", ["region", "customer__region", "*region", "customer__*"])
def test_a_forbid_reaches_a_dimension_by_its_own_name_and_by_its_path(
    open_door: OpenDoor, name: str
) -> None:
    rule = f'  - {{forbid: f, readers: ["*"], metrics: "*", dimensions: ["{name}"]}}\n'
    door = open_door(policy=PERMIT + rule)
    for query in (
        {"metrics": "orders", "group_by": "customer__region"},
        {"metrics": "orders", "filters": {"dimension": "customer__region", "values": "north"}},
    ):
        assert isinstance(door.query(query, reader=READER), Refusal)
    assert isinstance(
        door.query({"metrics": "orders", "group_by": "order__status"}, reader=READER), MetricAnswer
    )


@pytest.mark.parametrize(
    ("clause", "query", "is_refused"),
    [
        ("filters", {"filters": {"dimension": "customer__region", "values": "north"}}, True),
        ("filters", {"group_by": "customer__region"}, False),
        ("group_by", {"group_by": "customer__region"}, True),
        ("group_by", {"filters": {"dimension": "customer__region", "values": "north"}}, False),
        ("order_by", {"group_by": "customer__region", "order_by": "customer__region"}, True),
        ("order_by", {"group_by": "customer__region"}, False),
        (
            "filters",
            {
                "filters": {
                    "any_of": [
                        {"dimension": "order__status", "values": "paid"},
                        {"all_of": {"dimension": "customer__region", "values": "north"}},
                    ]
                }
            },
            True,
        ),
        (
            "filters",
            {
                "filters": {
                    "metric": "orders",
                    "by": "customer__region",
                    "operator": ">",
                    "values": 1,
                }
            },
            True,
        ),
    ],
)
def test_a_dimension_can_be_barred_from_one_clause(
    open_door: OpenDoor, clause: str, query: dict[str, object], is_refused: bool
) -> None:
    rule = f"  - {{forbid: f, readers: [ana], metrics: '*', dimensions: {{{clause}: [region]}}}}\n"
    found = open_door(policy=PERMIT + rule).query({"metrics": "orders", **query}, reader=READER)
    assert isinstance(found, Refusal) is is_refused, found


@pytest.mark.parametrize("name", ["full_name", "customer__full_name"])
def test_a_mask_reaches_a_dimension_by_its_own_name_and_by_its_path(
    open_door: OpenDoor, name: str
) -> None:
    rule = f"  - {{restrict: m, readers: [ana], metrics: '*', masks: {{{name}: hash}}}}\n"
    query = {"metrics": "orders", "group_by": "customer__full_name"}
    answered = open_door(policy=PERMIT + rule).query(query, reader=READER)
    assert isinstance(answered, MetricAnswer)
    assert all(str(row[0]).startswith("masked-") for row in answered.rows if row[0] is not None)


@pytest.mark.parametrize("name", ["nonsense__region", "order__nonsense", "regions", "custumer__*"])
def test_a_name_that_nothing_bears_is_refused(shop_catalog: Catalog, name: str) -> None:
    text = f'rules:\n  - {{forbid: f, readers: ["*"], metrics: "*", dimensions: ["{name}"]}}\n'
    with pytest.raises(PolicyError, match="names an unknown dimension"):
        check_policy(parse_policy(text), shop_catalog)


@pytest.mark.parametrize("rule", ["dimensions: [order__region]", "masks: {order__region: hash}"])
def test_a_path_that_leads_nowhere_is_refused(
    shop_catalog: Catalog, engine: MetricEngine, rule: str
) -> None:
    kind = "forbid" if rule.startswith("dimensions") else "restrict"
    policy = parse_policy(f'rules:\n  - {{{kind}: f, readers: ["*"], metrics: "*", {rule}}}\n')
    check_policy(policy, shop_catalog)
    with pytest.raises(PolicyError, match="bars 'order__region', and none") as caught:
        check_reach(policy, shop_catalog, engine)
    assert "customer__region" in str(caught.value.hint)
