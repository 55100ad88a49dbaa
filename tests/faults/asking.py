"""One read of the shop, and what it is where nothing can be recorded."""

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.governed_metrics import GovernedMetrics
from tests.semantic.door import BOSS


def ask(door: GovernedMetrics) -> MetricAnswer | Refusal:
    return door.query({"metrics": "orders"}, reader=BOSS)


def assert_unavailable(answered: MetricAnswer | Refusal) -> None:
    assert isinstance(answered, Refusal)
    assert answered.reason is Reason.LEDGER_UNAVAILABLE
