"""What the agents of the till do without a language model."""

from collections.abc import Generator

from agent_resources.decision import Decision, Finding
from agent_resources.models import Told, ToolStep, query_metrics


def cashier() -> Generator[ToolStep, Told, Decision]:
    """Counts the orders, and asks for customers, which it is not granted."""
    told = yield query_metrics(["orders", "revenue"])
    customers = yield query_metrics("customers")
    [total] = told.records()
    return Decision(
        answer=f"{total['orders']} orders brought {total['revenue']}.",
        findings=(
            Finding(
                statement="The till is open.",
                figures=(
                    told.figure("orders", "orders", total),
                    told.figure("revenue", "revenue", total),
                ),
            ),
        ),
        confidence=0.5 if customers.is_refused else 1.0,
    )
