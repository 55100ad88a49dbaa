"""sidemantic: its own models of the data, asked with `SemanticLayer.query`. It is under AGPL-3.0: for this benchmark only."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from sidemantic import Dimension, Metric, Model, Relationship, SemanticLayer
from sidemantic.core.consumption import Explore

from benchmarks.peers.peer import Answer, Cannot, Peer, copy_for

NAME = "sidemantic"
NO_CONVERSION = Cannot(
    reason="its conversion metrics count distinct entities that convert, not events"
)


def open_sidemantic(data_set: str, file: Path, folder: Path) -> Peer:
    """The peer over a copy of a published file."""
    layer = SemanticLayer(
        connection=f"duckdb:///{copy_for(NAME, file, folder)}", auto_register=False
    )
    return Peer(name=NAME, answers=_ANSWERS[data_set](layer))


def _flights(layer: SemanticLayer) -> Mapping[str, Answer]:
    _model(layer, "airlines", "dim_airlines", "carrier_code", [_text("airline_name")])
    _model(
        layer, "planes", "dim_planes", "tail_number", [_text("manufacturer"), _text("seat_band")]
    )
    _model(
        layer,
        "flights",
        "fct_flights",
        "flight_key",
        [_text("carrier_code"), _text("origin"), _day("flight_date")],
        metrics=[
            Metric(name="flights", agg="count"),
            _sum("cancelled", "CAST(is_cancelled AS INTEGER)"),
            _sum("completed", "CAST(is_completed AS INTEGER)"),
            _sum("on_time", "CAST(is_on_time AS INTEGER)"),
            _sum("arrival_delay", "arrival_delay_minutes"),
            _sum(
                "departure_delay_of_completed",
                "CASE WHEN is_completed THEN departure_delay_minutes END",
            ),
            _ratio("cancellation_rate", "flights.cancelled", "flights.flights"),
            _ratio("on_time_rate", "flights.on_time", "flights.completed"),
            _derived("minutes_recovered", "departure_delay_of_completed - arrival_delay"),
        ],
        belongs_to={"airlines": "carrier_code", "planes": "tail_number"},
    )
    layer.add_metric(
        _trailing("flights_trailing_7_days", "flights.flights", "6 days", "flight_date")
    )
    # Without an explore it begins at the table of the first dimension, and loses the flights whose plane is not known.
    layer.add_explore(Explore(name="all_flights", model="flights"))
    three_by_two = {
        "explore": "all_flights",
        "metrics": ["flights.flights", "flights.cancellation_rate", "flights.on_time_rate"],
        "dimensions": ["flights.flight_date__month", "airlines.airline_name"],
    }
    total = ["flights.flights"]
    return {
        "total": _asked(layer, metrics=total),
        "by local dimension": _asked(layer, metrics=total, dimensions=["flights.carrier_code"]),
        "by joined dimension": _asked(
            layer, explore="all_flights", metrics=total, dimensions=["planes.manufacturer"]
        ),
        "three metrics by two": _asked(layer, **three_by_two),
        "the same, filtered, half a year": _asked(
            layer,
            **three_by_two,
            filters=[
                "flights.origin IN ('JFK', 'LGA')",
                "planes.seat_band = '100 to 199 seats'",
                "flights.flight_date BETWEEN DATE '2013-03-01' AND DATE '2013-08-31'",
            ],
        ),
        "derived": _asked(
            layer,
            metrics=["flights.minutes_recovered"],
            dimensions=["flights.flight_date__month"],
        ),
        "cumulative": _asked(
            layer,
            metrics=["flights_trailing_7_days"],
            dimensions=["flights.flight_date__day"],
            post_process="SELECT flight_date__day, flights_trailing_7_days FROM ({inner}) "
            "WHERE flight_date__day BETWEEN DATE '2013-01-01' AND DATE '2013-12-31'",
        ),
        "conversion": NO_CONVERSION,
    }


def _shop(layer: SemanticLayer) -> Mapping[str, Answer]:
    _model(layer, "stores", "stores", "store_id", [_text("region")])
    _model(layer, "customers", "customers", "customer_id", [_text("country")])
    _model(
        layer,
        "orders",
        "orders",
        "order_id",
        [_text("status"), _text("channel"), _day("ordered_on")],
        metrics=[
            Metric(name="orders", agg="count"),
            _sum("revenue", "amount"),
            _ratio("average_order", "orders.revenue", "orders.orders"),
        ],
        belongs_to={"stores": "store_id", "customers": "customer_id"},
    )
    _model(
        layer,
        "order_items",
        "order_items",
        "item_id",
        [_text("category"), _day("sold_on")],
        metrics=[
            _sum("item_revenue", "amount"),
            _sum("item_cost", "cost"),
            _derived("item_margin", "item_revenue - item_cost"),
        ],
        belongs_to={"orders": "order_id"},
    )
    layer.add_metric(
        _trailing("revenue_trailing_30_days", "orders.revenue", "29 days", "ordered_on")
    )
    layer.add_explore(Explore(name="all_orders", model="orders"))
    layer.add_explore(Explore(name="all_items", model="order_items"))
    three_by_two = {
        "explore": "all_orders",
        "metrics": ["orders.orders", "orders.revenue", "orders.average_order"],
        "dimensions": ["orders.ordered_on__month", "stores.region"],
    }
    total = ["order_items.item_revenue"]
    return {
        "total": _asked(layer, metrics=total),
        "by local dimension": _asked(layer, metrics=total, dimensions=["order_items.category"]),
        "by joined dimension": _asked(
            layer, explore="all_items", metrics=total, dimensions=["orders.channel"]
        ),
        "three metrics by two": _asked(layer, **three_by_two),
        "the same, filtered, half a year": _asked(
            layer,
            **three_by_two,
            filters=[
                "customers.country IN ('DE', 'FR')",
                "orders.status = 'completed'",
                "orders.ordered_on BETWEEN DATE '2024-03-01' AND DATE '2024-08-31'",
            ],
        ),
        "derived": _asked(
            layer,
            metrics=["order_items.item_margin"],
            dimensions=["order_items.sold_on__month"],
        ),
        # A filter would take away what lies before the range and is in its first windows.
        "cumulative": _asked(
            layer,
            metrics=["revenue_trailing_30_days"],
            dimensions=["orders.ordered_on__day"],
            post_process="SELECT ordered_on__day, revenue_trailing_30_days FROM ({inner}) "
            "WHERE ordered_on__day BETWEEN DATE '2024-06-01' AND DATE '2024-06-30'",
        ),
        "conversion": NO_CONVERSION,
    }


_ANSWERS = {"flights": _flights, "shop": _shop}


def _model(
    layer: SemanticLayer,
    name: str,
    table: str,
    key: str,
    dimensions: list[Dimension],
    *,
    metrics: list[Metric] | None = None,
    belongs_to: Mapping[str, str] | None = None,
) -> None:
    """Puts a model into the layer."""
    model = Model(
        name=name,
        table=table,
        primary_key=key,
        dimensions=dimensions,
        metrics=metrics or [],
        relationships=[
            Relationship(name=other, type="many_to_one", foreign_key=column)
            for other, column in (belongs_to or {}).items()
        ],
    )
    layer.add_model(model)


def _text(name: str) -> Dimension:
    return Dimension(name=name, type="categorical", sql=name)


def _day(name: str) -> Dimension:
    grain: Literal["day"] = "day"
    return Dimension(name=name, type="time", granularity=grain, sql=name)


def _sum(name: str, expression: str) -> Metric:
    return Metric(name=name, agg="sum", sql=expression)


def _ratio(name: str, numerator: str, denominator: str) -> Metric:
    return Metric(name=name, type="ratio", numerator=numerator, denominator=denominator)


def _derived(name: str, expression: str) -> Metric:
    return Metric(name=name, type="derived", sql=expression)


def _trailing(name: str, metric: str, before: str, day: str) -> Metric:
    """A metric of the layer itself: what was on a day and so many days before."""
    return Metric(name=name, type="cumulative", sql=metric, window=before, window_order=day)


def _asked(layer: SemanticLayer, **query: Any) -> Callable[[], Any]:
    return lambda: layer.query(**query).fetchall()
