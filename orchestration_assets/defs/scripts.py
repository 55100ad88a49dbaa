"""What the agents of the demonstration do when no language model is configured: scripts, and honest about it.

No figure stands in a text here. Every one is computed from the answers that the script was given.
"""

from collections.abc import Generator, Mapping, Sequence
from statistics import median
from typing import Any

from agent_resources.decision import Decision, Finding
from agent_resources.models import Told, ToolStep, query_metrics

LOOKED_AT = 14
HIT_MOST = 3
UNUSUAL = 3.0
DAY = "metric_time__day"

Steps = Generator[ToolStep, Told, Decision]


def operations_watch() -> Steps:
    """Cancellations of the last days against the days before, beside the weather."""
    flown = ["flights", "cancelled_flights", "cancellation_rate", "on_time_rate"]
    told = yield query_metrics(flown, group_by=DAY, order_by=f"-{DAY}", limit=LOOKED_AT)
    if told.is_refused:
        return _nothing_seen(told)
    days = [record for record in told.records() if record["cancellation_rate"] is not None]
    usual = median(record["cancellation_rate"] for record in days)
    worst = max(days, key=lambda record: record["cancellation_rate"])
    unusual = [
        record
        for record in reversed(days)
        if record["cancellation_rate"] > UNUSUAL * usual and record["cancelled_flights"] > 1
    ]
    shown = [
        day for day in unusual if day["cancellation_rate"] > worst["cancellation_rate"] / UNUSUAL
    ]
    findings = [_cancellations(told, record) for record in shown or [days[0]]]
    span = {"start": days[-1][DAY], "end": days[0][DAY]}
    weather = yield query_metrics(
        ["precipitation_inches", "average_wind_gust", "low_visibility_hour_share"],
        group_by=DAY,
        time_range=span,
    )
    if not weather.is_refused:
        by_day = {record[DAY]: record for record in weather.records()}
        findings += [_weather(weather, by_day[day[DAY]]) for day in shown if day[DAY] in by_day]
    if shown:
        stood_out = {"start": shown[0][DAY], "end": shown[-1][DAY]}
        hit = yield query_metrics(
            ["cancelled_flights", "flights"],
            group_by="carrier__airline_name",
            time_range=stood_out,
            order_by="-cancelled_flights",
            limit=HIT_MOST,
        )
        if not hit.is_refused:
            findings.append(_hit_most(hit))
        yield ToolStep(
            tool="notify_desk",
            arguments={
                "subject": f"Cancellations from {shown[0][DAY]} to {shown[-1][DAY]}",
                "text": _watch_answer(days[0], shown, usual),
            },
        )
    return Decision(
        answer=_watch_answer(days[0], shown, usual),
        findings=tuple(findings),
        confidence=len(days) / LOOKED_AT,
    )


def carrier_analyst() -> Steps:
    """The daily note of one carrier."""
    told = yield query_metrics(
        ["flights", "cancelled_flights", "on_time_rate", "average_arrival_delay"],
        group_by=DAY,
        order_by=f"-{DAY}",
        limit=LOOKED_AT,
    )
    if told.is_refused:
        return _nothing_seen(told)
    days = told.records()
    last = days[0]
    span = {"start": days[-1][DAY], "end": last[DAY]}
    rain = yield query_metrics("precipitation_inches", group_by=DAY, time_range=span)
    planes = yield query_metrics(
        ["average_arrival_delay", "flights"],
        group_by="plane",
        time_range=span,
        order_by="-average_arrival_delay",
        limit=HIT_MOST,
    )
    findings = [
        Finding(
            statement=f"On {last[DAY]} there were {last['flights']:,} flights, "
            f"{last['cancelled_flights']:,} of them cancelled.",
            figures=(
                told.figure("flights", f"flights on {last[DAY]}", last),
                told.figure("cancelled_flights", f"cancelled on {last[DAY]}", last),
            ),
        )
    ]
    punctual = [record for record in days if record["on_time_rate"] is not None]
    if punctual:
        best = max(punctual, key=lambda record: record["on_time_rate"])
        least = min(punctual, key=lambda record: record["on_time_rate"])
        findings.append(
            Finding(
                statement=f"Punctuality lay between {least['on_time_rate']:.1%} on {least[DAY]} and "
                f"{best['on_time_rate']:.1%} on {best[DAY]}.",
                figures=(
                    told.figure("on_time_rate", f"on-time rate on {least[DAY]}", least),
                    told.figure("on_time_rate", f"on-time rate on {best[DAY]}", best),
                ),
            )
        )
    if not rain.is_refused and rain.records():
        findings.append(_wettest(rain))
    if not planes.is_refused:
        findings.append(_latest_planes(planes))
    share = last["cancelled_flights"] / last["flights"] if last["flights"] else 0.0
    return Decision(
        answer=f"Until {last[DAY]}: {last['flights']:,} flights on the last day, {share:.1%} of them cancelled.",
        findings=tuple(findings),
        confidence=len(days) / LOOKED_AT,
    )


def network_planner() -> Steps:
    """How much was flown, and a question that the policy refuses."""
    told = yield query_metrics(
        ["flights", "distance_flown_miles"], group_by=DAY, order_by=f"-{DAY}", limit=LOOKED_AT
    )
    if told.is_refused:
        return _nothing_seen(told)
    days = told.records()
    seats = yield query_metrics("seats_flown", group_by=DAY, order_by=f"-{DAY}", limit=LOOKED_AT)
    last = days[0]
    findings = [
        Finding(
            statement=f"On {last[DAY]} {last['flights']:,} flights were planned and "
            f"{last['distance_flown_miles']:,} miles flown.",
            figures=(
                told.figure("flights", f"flights on {last[DAY]}", last),
                told.figure("distance_flown_miles", f"miles on {last[DAY]}", last),
            ),
        )
    ]
    if seats.is_refused:
        findings.append(Finding(statement=f"I could not see the seats: {seats.message}."))
    return Decision(
        answer=f"{sum(day['distance_flown_miles'] for day in days):,} miles were flown from {days[-1][DAY]} "
        f"to {last[DAY]}." + (" The seats are not granted to me." if seats.is_refused else ""),
        findings=tuple(findings),
        confidence=0.5 if seats.is_refused else 1.0,
    )


def _cancellations(told: Told, record: Mapping[str, Any]) -> Finding:
    day = record[DAY]
    return Finding(
        statement=f"On {day}, {record['cancelled_flights']:,} of {record['flights']:,} flights were cancelled "
        f"({record['cancellation_rate']:.1%}).",
        figures=(
            told.figure("cancelled_flights", f"cancelled on {day}", record),
            told.figure("flights", f"flights on {day}", record),
            told.figure("cancellation_rate", f"cancellation rate on {day}", record),
        ),
    )


def _weather(told: Told, record: Mapping[str, Any]) -> Finding:
    day = record[DAY]
    words = {
        "precipitation_inches": "{:.2f} inches of precipitation over the three airports",
        "average_wind_gust": "gusts of {:.1f} miles per hour on average",
        "low_visibility_hour_share": "{:.1%} of the hours with less than a mile of visibility",
    }
    seen = {name: text for name, text in words.items() if record[name] is not None}
    return Finding(
        statement=f"The weather of {day}: "
        + ", ".join(text.format(record[name]) for name, text in seen.items())
        + ".",
        figures=tuple(told.figure(name, f"{name} on {day}", record) for name in seen),
    )


def _hit_most(told: Told) -> Finding:
    records = told.records()
    named = [
        f"{record['carrier__airline_name']} ({record['cancelled_flights']:,} of {record['flights']:,})"
        for record in records
    ]
    return Finding(
        statement=f"Most cancellations: {', '.join(named)}.",
        figures=tuple(
            told.figure(
                "cancelled_flights", f"cancelled by {record['carrier__airline_name']}", record
            )
            for record in records
        ),
    )


def _wettest(told: Told) -> Finding:
    wettest = max(told.records(), key=lambda record: record["precipitation_inches"] or 0)
    return Finding(
        statement=f"The wettest day was {wettest[DAY]}, with {wettest['precipitation_inches']:.2f} inches over "
        "the three airports.",
        figures=(told.figure("precipitation_inches", f"precipitation on {wettest[DAY]}", wettest),),
    )


def _latest_planes(told: Told) -> Finding:
    late = [
        record
        for record in told.records()
        if record["average_arrival_delay"] is not None and record["plane"] is not None
    ]
    named = [f"{item['plane']} ({item['average_arrival_delay']:.0f} minutes)" for item in late]
    return Finding(
        statement=f"The planes that arrived latest on average: {', '.join(named)}.",
        figures=tuple(
            told.figure("average_arrival_delay", f"average arrival delay of {item['plane']}", item)
            for item in late
        ),
    )


def _watch_answer(
    last: Mapping[str, Any], unusual: Sequence[Mapping[str, Any]], usual: float
) -> str:
    if not unusual:
        return (
            f"Nothing unusual until {last[DAY]}: {last['cancelled_flights']:,} of {last['flights']:,} flights "
            f"cancelled on the last day, {usual:.1%} on a usual one."
        )
    named = ", ".join(f"{record[DAY]} ({record['cancellation_rate']:.1%})" for record in unusual)
    return f"Cancellations stood out on {named}, against {usual:.1%} on a usual day."


def _nothing_seen(told: Told) -> Decision:
    return Decision(answer=f"I could read nothing: {told.message}.", confidence=0.0)
