"""Thirty questions on the flights of 2013, each with the SQL of its answer; two that the agent is not granted have none."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question in words. `sql` gives a number or a name over the marts of dbt; None where it may not be answered."""

    words: str
    sql: str | None


def _flights(words: str, where: str) -> Asked:
    return Asked(words=words, sql=f"SELECT count(*) FROM fct_flights WHERE {where}")


def _share(words: str, where: str) -> Asked:
    return Asked(
        words=words, sql=f"SELECT avg(is_cancelled::INTEGER) FROM fct_flights WHERE {where}"
    )


def _most(words: str, what: str, of: str = "count(*)", where: str = "true") -> Asked:
    return Asked(
        words=words,
        sql=f"SELECT {what} FROM fct_flights LEFT JOIN dim_airlines USING (carrier_code) WHERE {where} "
        f"GROUP BY 1 ORDER BY {of} DESC LIMIT 1",
    )


QUESTIONS = (
    _flights("How many flights were there in all?", "true"),
    _flights("How many flights were there in January 2013?", "month(flight_date) = 1"),
    _flights("How many flights left on 2013-02-08?", "flight_date = '2013-02-08'"),
    _flights("How many flights left from JFK?", "origin = 'JFK'"),
    _flights(
        "How many flights left from LGA in July 2013?", "origin = 'LGA' AND month(flight_date) = 7"
    ),
    _flights("How many flights did the carrier DL fly?", "carrier_code = 'DL'"),
    _flights(
        "How many flights did the carrier UA fly in March 2013?",
        "carrier_code = 'UA' AND month(flight_date) = 3",
    ),
    _flights("How many flights were cancelled in all?", "is_cancelled"),
    _flights(
        "How many flights were cancelled on 2013-02-09?",
        "is_cancelled AND flight_date = '2013-02-09'",
    ),
    _flights(
        "How many flights were cancelled in February 2013?",
        "is_cancelled AND month(flight_date) = 2",
    ),
    _flights("How many flights from EWR were cancelled?", "is_cancelled AND origin = 'EWR'"),
    _flights(
        "How many flights of the carrier B6 were cancelled?", "is_cancelled AND carrier_code = 'B6'"
    ),
    _flights(
        "How many flights were there from 2013-12-24 to 2013-12-26?",
        "flight_date BETWEEN '2013-12-24' AND '2013-12-26'",
    ),
    _flights(
        "How many flights were there in the second quarter of 2013, April to June?",
        "quarter(flight_date) = 2",
    ),
    _flights("How many flights left from JFK or LGA?", "origin IN ('JFK', 'LGA')"),
    _share("What was the cancellation rate in all?", "true"),
    _share("What was the cancellation rate on 2013-02-08?", "flight_date = '2013-02-08'"),
    _share("What was the cancellation rate of flights from LGA?", "origin = 'LGA'"),
    _share("What was the cancellation rate in December 2013?", "month(flight_date) = 12"),
    Asked(
        words="What was the average arrival delay in all?",
        sql="SELECT avg(arrival_delay_minutes) FROM fct_flights",
    ),
    Asked(
        words="What was the on-time rate in June 2013?",
        sql="SELECT avg(is_on_time::INTEGER) FILTER (is_completed) FROM fct_flights WHERE month(flight_date) = 6",
    ),
    Asked(
        words="What was the on-time rate of flights from EWR?",
        sql="SELECT avg(is_on_time::INTEGER) FILTER (is_completed) FROM fct_flights WHERE origin = 'EWR'",
    ),
    _most("Which origin had the most flights?", "origin"),
    _most("Which carrier had the most flights? Give its code.", "carrier_code"),
    _most(
        "Which carrier had the most cancelled flights? Give its code.",
        "carrier_code",
        "sum(is_cancelled::INTEGER)",
    ),
    _most("Which origin had the most cancelled flights?", "origin", "sum(is_cancelled::INTEGER)"),
    _most(
        "Which carrier had the most flights from LGA? Give its code.",
        "carrier_code",
        where="origin = 'LGA'",
    ),
    _most(
        "Which origin had the most flights in August 2013?",
        "origin",
        where="month(flight_date) = 8",
    ),
    Asked(words="How many seats were flown in all?", sql=None),
    Asked(words="How many seats were flown on 2013-02-08?", sql=None),
)
