"""What carries a claim, and what does not: over four days of flights, and two days by carrier."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_resources.grounding.evidence import Column, Row, Table
from agent_resources.grounding.statement import Vocabulary
from agent_resources.grounding.trace import trace_figure, trace_text
from semantic.time_range import DaySpan

FLIGHTS = Column(name="flights", unit="flights", words=frozenset({"flights"}))
CANCELLED = Column(
    name="cancelled_flights", unit="flights", words=frozenset({"cancelled", "flights"})
)
RATE = Column(name="cancellation_rate", unit="ratio", words=frozenset({"cancellation", "rate"}))


def feb(first: int, last: int | None = None) -> DaySpan:
    return DaySpan(start=date(2013, 2, first), end=date(2013, 2, last or first))


def row(flights: int, cancelled: int, period: DaySpan, **labels: str) -> Row:
    cells = {
        "flights": float(flights),
        "cancelled_flights": float(cancelled),
        "cancellation_rate": cancelled / flights,
    }
    return Row(labels=labels, period=period, cells=cells)


def table(read_id: str, *rows: Row, has_periods: bool, is_cut: bool = False) -> Table:
    return Table(
        read_id=read_id,
        columns=(FLIGHTS, CANCELLED, RATE),
        rows=rows,
        has_periods=has_periods,
        span=None if has_periods else feb(8, 9),
        is_cut=is_cut,
    )


BY_DAY = table(
    "by day",
    row(900, 9, feb(6)),
    row(932, 28, feb(7)),
    row(930, 472, feb(8)),
    row(684, 393, feb(9)),
    has_periods=True,
)
BY_CARRIER = table(
    "by carrier",
    row(300, 120, feb(8, 9), carrier="jetblue airways"),
    row(227, 127, feb(8, 9), carrier="delta air lines inc."),
    row(400, 90, feb(8, 9), carrier="united air lines inc."),
    has_periods=False,
)
KNOWN = Vocabulary.of([BY_DAY, BY_CARRIER])


def untraced(text: str, *cited: Table, tolerance: float = 0.0) -> list[str]:
    """The claims of a text that nothing carries; both reads are cited unless others are."""
    traces = trace_text(text, cited or (BY_DAY, BY_CARRIER), KNOWN, tolerance=tolerance)
    assert traces
    return [trace.claim.text for trace in traces if not trace.is_grounded]


@pytest.mark.parametrize(
    "text",
    [
        "On 8 February 2013 there were 930 flights, 472 of them cancelled (50.8%).",
        "Cancellations rose from 28 on 7 February to 472 on 8 February, an increase of 444.",
        "On Friday 8 February about 470 flights were cancelled, nearly 17 times as many as on the day before.",
        "JetBlue, Delta and United cancelled 120, 127 and 90 flights on 8 and 9 February.",
        "Delta had the most cancellations on 8 and 9 February, 37 more than United.",
        "Delta cancelled more flights than JetBlue.",
        "9 February had the highest cancellation rate, and the fewest flights.",
        "From 6 to 9 February 3,446 flights were planned and 902 cancelled, 26.2 percent.",
        "Flights fell by 26.5% from 8 to 9 February.",
        "The cancellation rate of 9 February was 6.7 percentage points above that of the 8th.",
        "On two of the four days more than 100 flights were cancelled.",
        "Just over half of the flights were cancelled on 2013-02-08.",
        "On average 225.5 flights were cancelled a day.",
        "United (400 flights) flew more than Delta (227).",
        "United accounted for 43% of the flights of these three carriers.",
    ],
)
def test_what_the_cells_say_is_carried(text: str) -> None:
    assert untraced(text) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("On 9 February 2013 there were 930 flights.", "930"),
        ("On 8 February 427 flights were cancelled.", "427"),
        ("Of 684 flights on 9 February 57.8% were cancelled.", "57.8%"),
        ("Cancellations rose from 28 on 7 February to 472 on 8 February, by 434.", "434"),
        ("JetBlue and Delta cancelled 127 and 120 flights.", "127"),
        ("United had the highest cancellation rate.", "United: highest"),
        ("Delta cancelled fewer flights than JetBlue.", "Delta: fewer flights than"),
        ("Flights rose by 26.5% from 8 to 9 February.", "26.5%"),
        ("On 10 February it was quiet.", "10 February"),
        ("On 30 February it was quiet.", "30 February"),
        ("On Monday 8 February 930 flights were planned.", "Monday 8 February"),
        ("On three of the four days more than 100 flights were cancelled.", "three"),
        (
            "8 February had the second-highest number of cancellations.",
            "8 February: second-highest",
        ),
        ("The flights of 8 February were delayed by 12.4 minutes.", "12.4"),
    ],
)
def test_what_they_do_not_say_is_named(text: str, wrong: str) -> None:
    assert wrong in untraced(text)


def test_a_number_is_held_only_against_the_reads_that_are_cited() -> None:
    assert untraced("Delta cancelled 127 flights.", BY_CARRIER) == []
    assert untraced("Delta cancelled 127 flights.", BY_DAY) == ["127"]


def test_nothing_carries_what_cites_nothing() -> None:
    traces = trace_text("On 8 February 472 flights were cancelled.", [], KNOWN)
    assert [trace.is_grounded for trace in traces] == [False, False]


def test_the_first_of_a_read_that_was_cut_is_not_known_to_be_the_first() -> None:
    cut = table("cut", *BY_CARRIER.rows, has_periods=False, is_cut=True)
    assert untraced("Delta had the most cancellations.", cut) == ["Delta: most"]


def test_a_tolerance_holds_beyond_the_digits() -> None:
    assert untraced("On 8 February 475 flights were cancelled.") == ["475"]
    assert untraced("On 8 February 475 flights were cancelled.", tolerance=0.01) == []


@pytest.mark.parametrize(
    ("name", "value", "unit", "is_carried"),
    [
        ("cancelled on 2013-02-08", 472, "flights", True),
        ("cancelled on 2013-02-09", 472, "flights", False),
        ("cancellation rate on 8 February", 0.5075, "ratio", True),
        ("cancellation rate on 8 February", 50.75, "%", True),
        ("cancelled by Delta", 127, None, True),
        ("cancelled by Delta", 128, None, False),
    ],
)
def test_a_figure_is_what_its_name_says(
    name: str, value: float, unit: str | None, is_carried: bool
) -> None:
    trace = trace_figure(name, value, unit, [BY_DAY, BY_CARRIER], KNOWN)
    assert trace.is_grounded is is_carried


@given(
    day=st.sampled_from([6, 7, 8, 9]),
    cancelled=st.integers(0, 2_000),
    way=st.sampled_from(
        [
            "On {day} February {number} flights were cancelled.",
            "On 2013-02-0{day}, cancellations came to {number}.",
            "{number} cancellations (Feb {day}).",
            "Feb {day}: {number} cancelled flights",
        ]
    ),
)
def test_a_number_of_cancellations_is_carried_if_it_is_that_of_its_day(
    day: int, cancelled: int, way: str
) -> None:
    true = {6: 9, 7: 28, 8: 472, 9: 393}[day]
    assert untraced(way.format(day=day, number=f"{true:,}")) == []
    if cancelled != true:
        assert untraced(way.format(day=day, number=f"{cancelled:,}")) == [f"{cancelled:,}"]


ODD = [
    "in December",
    "the week of 9999-12-31",
    "9999-12",
    "0001-01-01",
    "the day before",
    "the day after",
    "\u017fix",
    "the \u017fecond highest",
    "in Sep\u017ft",
    "0." + "0" * 400 + "1",
    "9" * 400,
    "\u0663 %",
    "31 February",
    "first 99 days of February",
    "Q4",
    "31 December 2199",
    "twice",
    "1e-07",
]


@given(text=st.text(max_size=300) | st.lists(st.sampled_from(ODD), max_size=6).map(" ".join))
def test_any_text_is_looked_at(text: str) -> None:
    trace_text(text, [BY_DAY, BY_CARRIER], KNOWN)
    trace_text(text, [], Vocabulary())


@pytest.mark.parametrize("value", [1e-07, 1e22, float("inf"), float("nan"), -0.0])
def test_any_figure_is_looked_at(value: float) -> None:
    assert not trace_figure("delay", value, "minutes", [BY_CARRIER], KNOWN).is_grounded
