"""The whole year of flights of the demonstration's dbt project: 336,776 rows."""

from pathlib import Path

from benchmarks.data_sets.data_set import DataSet
from benchmarks.question import Question
from tests.conformance.flights_year import build_flights_year


def build_flights(folder: Path) -> DataSet:
    """The flights in `folder`, landed and built with dbt unless that was done before."""
    return DataSet(
        name="flights",
        built=build_flights_year(folder / "flights"),
        variable="NYC_FLIGHTS_WAREHOUSE",
        questions=QUESTIONS,
    )


_THREE_BY_TWO = {
    "metrics": ["flights", "cancellation_rate", "on_time_rate"],
    "group_by": ["metric_time__month", "carrier__airline_name"],
}
QUESTIONS = (
    Question(
        name="total",
        query={"metrics": ["flights"]},
        sql="SELECT count(*) FROM fct_flights",
    ),
    Question(
        name="by local dimension",
        query={"metrics": ["flights"], "group_by": ["carrier"]},
        sql="SELECT carrier_code, count(*) FROM fct_flights GROUP BY carrier_code",
    ),
    Question(
        name="by joined dimension",
        query={"metrics": ["flights"], "group_by": ["plane__manufacturer"]},
        sql="""
            SELECT manufacturer, count(*)
            FROM fct_flights LEFT JOIN dim_planes USING (tail_number)
            GROUP BY manufacturer
        """,
    ),
    Question(
        name="three metrics by two",
        query=_THREE_BY_TWO,
        sql="""
            SELECT date_trunc('month', flight_date), airline_name, count(*), avg(is_cancelled::INTEGER),
                avg(is_on_time::INTEGER) FILTER (is_completed)
            FROM fct_flights LEFT JOIN dim_airlines USING (carrier_code)
            GROUP BY ALL
        """,
    ),
    Question(
        name="the same, filtered, half a year",
        query={
            **_THREE_BY_TWO,
            "filters": [
                {"dimension": "origin", "operator": "in", "values": ["JFK", "LGA"]},
                {"dimension": "plane__seat_band", "operator": "=", "values": "100 to 199 seats"},
            ],
            "time_range": ["2013-03-01", "2013-08-31"],
        },
        where=(
            "{{ Entity('origin') }} IN ('JFK', 'LGA')",
            "{{ Dimension('plane__seat_band') }} = '100 to 199 seats'",
            "{{ TimeDimension('metric_time', 'day') }} BETWEEN DATE '2013-03-01' AND DATE '2013-08-31'",
        ),
        sql="""
            SELECT date_trunc('month', flight_date), airline_name, count(*), avg(is_cancelled::INTEGER),
                avg(is_on_time::INTEGER) FILTER (is_completed)
            FROM fct_flights
                JOIN dim_planes USING (tail_number)
                LEFT JOIN dim_airlines USING (carrier_code)
            WHERE origin IN ('JFK', 'LGA') AND seat_band = '100 to 199 seats'
                AND flight_date BETWEEN DATE '2013-03-01' AND DATE '2013-08-31'
            GROUP BY ALL
        """,
    ),
    Question(
        name="derived",
        query={"metrics": ["minutes_recovered_in_air"], "group_by": ["metric_time__month"]},
        sql="""
            SELECT date_trunc('month', flight_date),
                sum(departure_delay_minutes) FILTER (is_completed) - sum(arrival_delay_minutes)
            FROM fct_flights
            GROUP BY ALL
        """,
    ),
    Question(
        name="cumulative",
        query={
            "metrics": ["flights_trailing_7_days"],
            "group_by": ["metric_time__day"],
            "time_range": ["2013-01-01", "2013-12-31"],
        },
        where=(
            "{{ TimeDimension('metric_time', 'day') }} BETWEEN DATE '2013-01-01' AND DATE '2013-12-31'",
        ),
        sql="""
            WITH daily AS (SELECT flight_date, count(*) AS flights FROM fct_flights GROUP BY flight_date)
            SELECT flight_date, sum(flights) OVER (ORDER BY flight_date RANGE INTERVAL 6 DAYS PRECEDING)
            FROM daily
        """,
    ),
    Question(
        name="conversion",
        query={"metrics": ["grounded_plane_return_rate"], "group_by": ["metric_time__month"]},
        sql="""
            SELECT date_trunc('month', grounded.flight_date), count(flown.tail_number) / count(*)
            FROM fct_plane_days AS grounded LEFT JOIN fct_plane_days AS flown
                ON flown.tail_number = grounded.tail_number
                AND flown.flight_date = grounded.flight_date + 1
                AND flown.is_flown
            WHERE grounded.is_grounded
            GROUP BY ALL
        """,
    ),
)
