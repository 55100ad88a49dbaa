"""A rule that takes something away is never a dead letter: it reaches every path, or it is refused."""

import json

import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
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


@pytest.mark.parametrize(
    "rule",
    [
        'forbid: f, metrics: ["revnue*"]',
        'restrict: f, metrics: ["ordrs*"], rows: {customer: [1]}',
        'restrict: f, metrics: "*", exempt: ["weather*"], rows: {customer: [1]}',
    ],
)
def test_a_pattern_that_no_metric_is_called_by_is_refused(shop_catalog: Catalog, rule: str) -> None:
    policy = parse_policy(f"{PERMIT}  - {{{rule}, readers: [ana]}}\n")
    with pytest.raises(PolicyError, match="rule 'f' names"):
        check_policy(policy, shop_catalog)


BY_ITS_TIME = {"metrics": "customers", "group_by": "metric_time__day"}
BY_ITS_OWN_NAME = {"metrics": "customers", "group_by": "customer__signed_up_on__day"}


@pytest.mark.parametrize("name", ["signed_up_on", "customer__signed_up_on", "metric_time"])
@pytest.mark.parametrize("query", [BY_ITS_TIME, BY_ITS_OWN_NAME], ids=str)
def test_a_rule_reaches_the_time_of_a_metric_by_each_of_its_names(
    open_door: OpenDoor, name: str, query: dict[str, object]
) -> None:
    barred = open_door(
        policy=f"{PERMIT}  - {{forbid: f, readers: [ana], metrics: customers, dimensions: [{name}]}}\n"
    )
    refused = barred.query(query, reader=READER)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.NOT_AVAILABLE
    coarse = open_door(
        policy=f"{PERMIT}  - {{restrict: f, readers: [ana], metrics: customers, masks: {{{name}: {{grain: month}}}}}}\n"
    )
    refused = coarse.query(query, reader=READER)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.GRAIN_TOO_FINE
    assert isinstance(
        coarse.query({"metrics": "orders", "group_by": "metric_time__day"}, reader=READER),
        MetricAnswer,
    )


@pytest.mark.parametrize(
    "query",
    [
        {"group_by": ["NAME", "zzz"]},
        {"group_by": ["zzz", "NAME"]},
        {"filters": {"dimension": "NAME", "values": 5}},
        {"filters": {"dimension": "NAME", "values": "2.5"}, "group_by": "zzz"},
        {"filters": {"metric": "orders", "by": ["NAME"], "operator": ">", "values": 1}},
        {"filters": {"any_of": [{"dimension": "order__status", "values": "x"}, {"dimension": "NAME", "values": True}]}},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_not_be_used_answers_as_what_does_not_exist(
    open_door: OpenDoor, query: dict[str, object]
) -> None:
    """Wherever it stands in a query, and whatever type its values would have."""
    door = open_door(
        policy=f"{PERMIT}  - {{forbid: f, readers: [ana], metrics: '*', dimensions: [email]}}\n"
    )

    def told(name: str) -> tuple[str, str, str | None]:
        written = json.loads(json.dumps({"metrics": "orders", **query}).replace("NAME", name))
        refused = door.query(written, reader=READER)
        assert isinstance(refused, Refusal)
        return refused.reason, refused.message.replace(name, "NAME"), refused.hint

    assert told("customer__email") == told("customer__xmail")


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
