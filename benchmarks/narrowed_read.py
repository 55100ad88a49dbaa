"""Reads of those from whom something is withheld: masks and small groups, beside the SQL for those from whom nothing is."""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks.door import POLICY
from benchmarks.figure import Figure
from benchmarks.published import UNKEPT, Published, published
from benchmarks.question import Question
from benchmarks.setting import Setting
from benchmarks.table import ways_table
from benchmarks.timing import Times, is_at_most, median_interval, take_turns
from benchmarks.ways import RAW, governed, sql_ways
from semantic.policy import Reader

NAME = "narrowed_read"
WHOLE = "bench"
NARROWED = ("hashed", "generalised", "counted")
NARROWING = f"""{POLICY}
  - permit: everything, but narrowed
    readers: [hashed, generalised, counted]
    metrics: ["*"]
  - restrict: pseudonyms
    readers: [hashed]
    metrics: ["*"]
    masks: {{category: hash, channel: hash, region: hash}}
  - restrict: the first letter
    readers: [generalised]
    metrics: ["*"]
    masks: {{category: {{first: 1}}, channel: {{first: 1}}, region: {{first: 1}}}}
  - restrict: no group of fewer than ten
    readers: [counted]
    metrics: ["*"]
    smallest_group: 10
"""
QUESTIONS = ("by local dimension", "by joined dimension", "three metrics by two")


def run(setting: Setting) -> list[Figure]:
    shop = setting.shop
    with published(shop, setting.scratch / NAME, policy_source=NARROWING) as behind_doors:
        figures = [
            figure
            for question in shop.questions
            if question.name in QUESTIONS
            for figure in _of_question(question, behind_doors, setting)
        ]
    setting.console.print(ways_table(f"{shop.name}, without ledger", figures))
    return figures


def _of_question(question: Question, behind_doors: Published, setting: Setting) -> Iterator[Figure]:
    setting.console.print(f"{behind_doors.data_set.name}: {question.name} ...")
    door = behind_doors.doors[UNKEPT]
    ways = {RAW: sql_ways(question, behind_doors)[RAW]} | {
        f"governed, {name}": governed(question.query, door, Reader(name=name))
        for name in (WHOLE, *NARROWED)
    }
    for way in ways.values():
        way()
    times = take_turns(ways, rounds=setting.rounds, seconds=setting.seconds)
    for name in times:
        yield _figure(behind_doors.data_set.name, question.name, name, times)


def _figure(data_set: str, question: str, way: str, times: Mapping[str, Times]) -> Figure:
    own, is_raw, is_whole = times[way], way == RAW, way == f"governed, {WHOLE}"
    ratios = own.ratios(times[RAW])
    return Figure(
        benchmark=NAME,
        name=f"{data_set}, {question}: {way}",
        value=own.median,
        unit="ms",
        peer=None if is_raw else RAW,
        ratio=None if is_raw else statistics.median(ratios),
        target=None if is_raw or is_whole else "<= 1.05",
        reached=None if is_raw or is_whole else is_at_most(median_interval(ratios), 1.05),
        details={
            "data_set": data_set,
            "query": question,
            "way": way,
            "quartiles": [round(item, 4) for item in own.quartiles],
            "ratio_interval_95": [round(item, 4) for item in median_interval(ratios)],
            "rounds": len(own.taken),
        },
    )
