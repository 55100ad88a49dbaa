"""The corner shop of `tests/projects/shop` once dbt has built it, and its seed rows as plain Python.

What an answer should be is worked out from these rows, by Python that knows nothing of metrics.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from tests.dbt_build import BuiltProject, build_dbt_project

SOURCE = Path(__file__).parents[1] / "projects" / "shop"
ORDERS = '"shop"."till_analytics"."orders"'
CUSTOMERS = '"shop"."till_analytics"."customers"'
DAYS = '"shop"."till_analytics"."days"'


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A line of `raw_customers.csv`."""

    customer_id: int
    full_name: str
    email: str
    region: str | None
    signed_up_on: date


@dataclass(frozen=True, kw_only=True)
class Order:
    """A line of `raw_orders.csv`, and the customer who placed it, where there is one."""

    order_id: int
    customer: Customer | None
    ordered_on: date
    status: str
    amount: Decimal

    @property
    def customer_id(self) -> int | None:
        return self.customer.customer_id if self.customer else None

    @property
    def region(self) -> str | None:
        return self.customer.region if self.customer else None


def build_shop(folder: Path) -> BuiltProject:
    """The shop, built by dbt in `folder`; by the first process that asks, where several share the folder."""
    return build_dbt_project(
        SOURCE, folder, warehouse="shop.duckdb", variable="CORNER_SHOP_WAREHOUSE"
    )


def seed_customers() -> list[Customer]:
    return [
        Customer(
            customer_id=int(line["customer_id"]),
            full_name=line["full_name"],
            email=line["email"],
            region=line["region"] or None,
            signed_up_on=date.fromisoformat(line["signed_up_on"]),
        )
        for line in _lines("raw_customers.csv")
    ]


def seed_orders() -> list[Order]:
    customers = {str(customer.customer_id): customer for customer in seed_customers()}
    return [
        Order(
            order_id=int(line["order_id"]),
            customer=customers.get(line["customer_id"]),
            ordered_on=date.fromisoformat(line["ordered_on"]),
            status=line["status"],
            amount=Decimal(line["amount_cents"]) / 100,
        )
        for line in _lines("raw_orders.csv")
    ]


def paid(orders: Iterable[Order]) -> Decimal | None:
    """What SQL's sum over the amounts of paid orders gives: nothing where there are none."""
    amounts = [order.amount for order in orders if order.status == "paid"]
    return sum(amounts, Decimal(0)) if amounts else None


def _lines(name: str) -> list[dict[str, str]]:
    with (SOURCE / "seeds" / name).open(newline="") as file:
        return list(csv.DictReader(file))
