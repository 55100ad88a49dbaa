"""Reads of those from whom something is withheld: masks and small groups, beside the SQL for those from whom nothing is."""

from collections.abc import Iterator

from benchmarks.answered import Answered
from benchmarks.door import POLICY
from benchmarks.figure import Figure
from benchmarks.published import UNKEPT, Published, published
from benchmarks.question import Question
from benchmarks.rows import figures_of, refuse_other_figures
from benchmarks.setting import Setting
from benchmarks.table import ways_table
from benchmarks.timing import take_turns
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
    whole = f"governed, {WHOLE}"
    refuse_other_figures(
        f"{NAME}, {question.name}: {whole}", ways[whole](), figures_of(ways[RAW]())
    )
    answered = Answered(
        benchmark=NAME,
        data_set=behind_doors.data_set.name,
        question=question.name,
        times=take_turns(ways, rounds=setting.rounds, seconds=setting.seconds),
    )
    yield answered.figure(RAW)
    yield answered.figure(whole, peer=RAW)
    for name in NARROWED:
        yield answered.figure(f"governed, {name}", peer=RAW, at_most=1.05)
