"""The corner shop of `tests/projects/shop` once dbt has built it, and its seed rows as plain Python.

What an answer should be is worked out from these rows, by Python that knows nothing of metrics.
"""

import csv
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

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


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A dbt project folder with its artifacts and the warehouse that `dbt build` filled."""

    project: Path

    @property
    def target(self) -> Path:
        return self.project / "target"

    @property
    def warehouse(self) -> Path:
        return self.project / "shop.duckdb"

    @contextmanager
    def changed_warehouse(self, to: Path) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
        """A copy of the warehouse in the folder `to`, and a connection that can change it until the block ends."""
        to.mkdir(parents=True, exist_ok=True)
        path = to / self.warehouse.name
        shutil.copy(self.warehouse, path)
        with duckdb.connect(str(path)) as connection:
            yield path, connection


def build_shop(folder: Path) -> Shop:
    """The shop, built by dbt in `folder`; by the first process that asks, where several share the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shop = Shop(project=folder / "project")
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.copytree(SOURCE, shop.project)
            _run_dbt_build(shop)
            (folder / "built").touch()
    return shop


def _run_dbt_build(shop: Shop) -> None:
    where = ["--project-dir", shop.project, "--profiles-dir", shop.project]
    there = ["--target-path", shop.target, "--log-path", shop.project / "logs"]
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "build", *map(str, where + there)],
        env=os.environ | {"CORNER_SHOP_WAREHOUSE": str(shop.warehouse)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
