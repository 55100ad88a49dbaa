"""The property of triggers, under random schedules: every value that was published is told to a run that began after it, and nothing is done twice.

Values change between ticks, while a run waits or fails, back and forth; the code location is reloaded, a person materializes, two daemons ask for the same.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration_assets.location import Ran, agent_key, fork
from tests.orchestration_assets.triggers.playing import NEWEST_DAY, Played, write_agents

BOSS = agent_key("boss")
FAR = agent_key("boss_far")
AMOUNTS = (6.1, 7.1, 9.1, 20.1)
FAR_ENOUGH = 5
STEPS = 12
_VALUE = re.compile(rf"{NEWEST_DAY}:? ([0-9.]+)|before ([0-9.]+)|in between ([0-9., ]+)")


class Schedule:
    """One play: what happened to the shop, and what its agents made of it."""

    def __init__(self, shop: Played, mood: Path, chance: random.Random) -> None:
        self.shop = shop
        self._mood = mood
        self._chance = chance
        self._waiting: list[dg.RunRequest] = []
        self._ended: set[str | None] = set()
        self._failed_on = ""
        self._far_from = 0
        self.published: list[float] = [6.1]
        self.asked: list[str] = []
        self.told: dict[dg.AssetKey, list[str]] = {BOSS: [], FAR: []}

    def play(self) -> None:
        """Random steps: something changes, or does not, and somebody looks, or does not."""
        changes = (self._sell, self._there_and_back, self._publish_the_same, self._reload)
        looks = (
            self._tick,
            self._tick,
            self._ask_and_wait,
            self._run_what_waits,
            self._fail,
            self._ask_twice,
            self._materialize,
        )
        for _ in range(STEPS):
            for _ in range(self._chance.choice((1, 1, 2))):
                self._chance.choice(changes)()
            self._chance.choice(looks)()
        self._run_what_waits()
        self._there_and_back()
        self._tick()

    def _there_and_back(self) -> None:
        before = self.published[-1]
        self._sell()
        self._set(before)

    def _sell(self) -> None:
        self._set(self._chance.choice(AMOUNTS))

    def _set(self, amount: float) -> None:
        self.shop.sell(amount)
        self.published.append(amount)

    def _publish_the_same(self) -> None:
        self.shop.publish()

    def _tick(self) -> None:
        for request in self._look():
            self._run(request)
        if not self._waiting and not any(self._mood.iterdir()):
            self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        """After a tick whose runs have ended, unless one of them failed on just these values."""
        if self._failed_on == self.shop.current.metrics["revenue"].since:
            return
        heard = {value for text in self.told[BOSS] for value in values_in(text)}
        assert {f"{3 + amount:g}" for amount in self.published} <= heard
        reference, *since = self.published[self._far_from :]
        assert not any(abs(amount - reference) >= FAR_ENOUGH for amount in since)

    def _look(self) -> tuple[dg.RunRequest, ...]:
        """A tick; a run that was asked for and waits goes on, so that the daemon is not asked again."""
        requests = self.shop.look().requests
        assert self._ended.isdisjoint(request.run_key for request in requests)
        waiting = {request.run_key for request in self._waiting}
        return tuple(request for request in requests if request.run_key not in waiting)

    def _ask_and_wait(self) -> None:
        self._waiting.extend(self._look())

    def _run_what_waits(self) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._run(request)

    def _fail(self) -> None:
        for agent in ("boss", "boss_far"):
            (self._mood / f"{agent}.fails").touch()
        self._tick()
        for agent in ("boss", "boss_far"):
            (self._mood / f"{agent}.fails").unlink()

    def _ask_twice(self) -> None:
        first, second = self._look(), self._look()
        assert first == second
        for request in (*first, *second):
            self._run(request)

    def _reload(self) -> None:
        self.shop.instance.dispose()
        self.shop = Played(self.shop.folder, self.shop.agents)

    def _materialize(self) -> None:
        ran = self.shop.run([BOSS])
        if ran.success:
            self._note(BOSS)

    def _run(self, request: dg.RunRequest) -> None:
        [key] = request.asset_selection or ()
        assert isinstance(key, dg.AssetKey)
        ran: Ran = self.shop.run_requested(request)
        self._ended.add(request.run_key)
        if ran.success:
            self.asked.append(str(request.run_key))
            self._note(key)
        elif "does not answer" in "".join(ran.failures.values()):
            self._failed_on = self.shop.current.metrics["revenue"].since

    def _note(self, key: dg.AssetKey) -> None:
        self.told[key].append(self.shop.why(key.path[-1]))
        if key == FAR:
            self._far_from = len(self.published) - 1


@pytest.fixture
def schedule(
    built_shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Schedule]:
    mood = tmp_path / "mood"
    mood.mkdir()
    monkeypatch.setenv("CORNER_SHOP_MOOD", str(mood))
    far = {"on": {"value_changed": {"metrics": "revenue", "at_least": FAR_ENOUGH}}}
    agents = write_agents(tmp_path / "agents", {"boss": {}, "boss_far": far})
    shop = Played(fork(built_shop, tmp_path / "shop"), agents)
    shop.settle()
    made = Schedule(shop, mood, random.Random(request.param))
    yield made
    made.shop.instance.dispose()


@pytest.mark.parametrize(
    "schedule",
    [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 40))],
    indirect=True,
)
def test_no_value_is_lost_and_none_is_worked_on_twice(schedule: Schedule) -> None:
    schedule.told[BOSS].append(f"{NEWEST_DAY} 9.1")
    schedule.play()
    assert schedule.shop.look().agents == []
    assert len(schedule.asked) == len(set(schedule.asked)), "the same was done twice"
    for text in schedule.told[FAR]:
        assert "by 5 or more" in text, "who waits for much ran for less"


def values_in(text: str) -> list[str]:
    """The values of the newest day that a run was told."""
    found = [part for groups in _VALUE.findall(text) for part in groups if part]
    return [value.strip(" .") for part in found for value in part.split(",")]
