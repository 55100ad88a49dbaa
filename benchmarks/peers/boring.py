"""boring-semantic-layer: semantic tables over ibis, asked with its declarative query, which gives a pandas data frame."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ibis
from boring_semantic_layer import time_dimension, to_semantic_table

from benchmarks.peers.peer import Answer, Cannot, Peer, copy_for

NAME = "boring-semantic-layer"
MONTH = "TIME_GRAIN_MONTH"
NO_WINDOW = Cannot(
    reason="has no cumulative measures: what is derived after aggregation is left to ibis"
)
NO_CONVERSION = Cannot(reason="has no conversion measures")


def open_boring(data_set: str, file: Path, folder: Path) -> Peer:
    """The peer over a copy of a published file."""
    connection = ibis.duckdb.connect(str(copy_for(NAME, file, folder)), read_only=True)
    return Peer(name=NAME, answers=_ANSWERS[data_set](connection.table))


def _flights(table: Callable[[str], Any]) -> Mapping[str, Answer]:
    airlines = to_semantic_table(table("dim_airlines"), name="airlines").with_dimensions(
        airline_name=lambda t: t.airline_name
    )
    planes = to_semantic_table(table("dim_planes"), name="planes").with_dimensions(
        manufacturer=lambda t: t.manufacturer, seat_band=lambda t: t.seat_band
    )
    flights = (
        to_semantic_table(table("fct_flights"), name="flights")
        .with_dimensions(
            carrier=lambda t: t.carrier_code,
            origin=lambda t: t.origin,
            flight_date=_days(lambda t: t.flight_date),
        )
        .with_measures(
            flights=lambda t: t.count(),
            cancelled=lambda t: t.is_cancelled.sum(),
            completed=lambda t: t.is_completed.sum(),
            on_time=lambda t: t.is_on_time.sum(),
            arrival_delay=lambda t: t.arrival_delay_minutes.sum(),
            departure_delay_of_completed=lambda t: t.departure_delay_minutes.sum(
                where=t.is_completed
            ),
            cancellation_rate=lambda t: t.cancelled / t.flights,
            on_time_rate=lambda t: t.on_time / t.completed,
            minutes_recovered=lambda t: t.departure_delay_of_completed - t.arrival_delay,
        )
    )
    of_planes = flights.join_one(planes, on=lambda one, two: one.tail_number == two.tail_number)
    of_airlines = flights.join_one(
        airlines, on=lambda one, two: one.carrier_code == two.carrier_code
    )
    of_both = of_airlines.join_one(planes, on=lambda one, two: one.tail_number == two.tail_number)
    three_by_two = {
        "dimensions": ["flights.flight_date", "airlines.airline_name"],
        "measures": ["flights.flights", "flights.cancellation_rate", "flights.on_time_rate"],
        "time_grain": MONTH,
    }
    return {
        "total": _asked(flights, measures=["flights"]),
        "by local dimension": _asked(flights, dimensions=["carrier"], measures=["flights"]),
        "by joined dimension": _asked(
            of_planes, dimensions=["planes.manufacturer"], measures=["flights.flights"]
        ),
        "three metrics by two": _asked(of_airlines, **three_by_two),
        "the same, filtered, half a year": _asked(
            of_both,
            **three_by_two,
            filters=[
                {"field": "flights.origin", "operator": "in", "values": ["JFK", "LGA"]},
                {"field": "planes.seat_band", "operator": "=", "value": "100 to 199 seats"},
            ],
            time_range={"start": "2013-03-01", "end": "2013-08-31"},
        ),
        "derived": _asked(
            flights, dimensions=["flight_date"], measures=["minutes_recovered"], time_grain=MONTH
        ),
        "cumulative": NO_WINDOW,
        "conversion": NO_CONVERSION,
    }


def _shop(table: Callable[[str], Any]) -> Mapping[str, Answer]:
    stores = to_semantic_table(table("stores"), name="stores").with_dimensions(
        region=lambda t: t.region
    )
    customers = to_semantic_table(table("customers"), name="customers").with_dimensions(
        country=lambda t: t.country
    )
    orders = (
        to_semantic_table(table("orders"), name="orders")
        .with_dimensions(
            status=lambda t: t.status,
            channel=lambda t: t.channel,
            ordered_on=_days(lambda t: t.ordered_on),
        )
        .with_measures(
            orders=lambda t: t.count(),
            revenue=lambda t: t.amount.sum(),
            average_order=lambda t: t.revenue / t.orders,
        )
    )
    items = (
        to_semantic_table(table("order_items"), name="items")
        .with_dimensions(category=lambda t: t.category, sold_on=_days(lambda t: t.sold_on))
        .with_measures(
            item_revenue=lambda t: t.amount.sum(),
            item_cost=lambda t: t.cost.sum(),
            item_margin=lambda t: t.item_revenue - t.item_cost,
        )
    )
    of_orders = items.join_one(orders, on=lambda one, two: one.order_id == two.order_id)
    of_stores = orders.join_one(stores, on=lambda one, two: one.store_id == two.store_id)
    of_both = of_stores.join_one(customers, on=lambda one, two: one.customer_id == two.customer_id)
    three_by_two = {
        "dimensions": ["orders.ordered_on", "stores.region"],
        "measures": ["orders.orders", "orders.revenue", "orders.average_order"],
        "time_grain": MONTH,
    }
    return {
        "total": _asked(items, measures=["item_revenue"]),
        "by local dimension": _asked(items, dimensions=["category"], measures=["item_revenue"]),
        "by joined dimension": _asked(
            of_orders, dimensions=["orders.channel"], measures=["items.item_revenue"]
        ),
        "three metrics by two": _asked(of_stores, **three_by_two),
        "the same, filtered, half a year": _asked(
            of_both,
            **three_by_two,
            filters=[
                {"field": "customers.country", "operator": "in", "values": ["DE", "FR"]},
                {"field": "orders.status", "operator": "=", "value": "completed"},
            ],
            time_range={"start": "2024-03-01", "end": "2024-08-31"},
        ),
        "derived": _asked(
            items, dimensions=["sold_on"], measures=["item_margin"], time_grain=MONTH
        ),
        "cumulative": NO_WINDOW,
        "conversion": NO_CONVERSION,
    }


_ANSWERS = {"flights": _flights, "shop": _shop}


def _days(column: Callable[[Any], Any]) -> Any:
    return time_dimension(column, smallest_time_grain="TIME_GRAIN_DAY")


def _asked(model: Any, **query: Any) -> Callable[[], Any]:
    return lambda: model.query(**query).execute()
