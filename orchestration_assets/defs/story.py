"""The story that `make demo` tells, with real runs: land, build, publish, let agents run, and ask who read what.

python -m orchestration_assets.defs.story .demo
"""

import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration_assets.definitions import DBT_PROJECT, build_demo
from orchestration_assets.defs.desk import DESK
from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger, Read, ReadQuestion, find_reads
from semantic.ledger.approvals import Approval, ApprovalState, approvals

START = "2013-01-01"
BEFORE_THE_BLIZZARD = "2013-02-07"
BLIZZARD = ("2013-02-08", "2013-02-09")
CORRECTION = "delta_arrivals_2013-02-07"
AGENTS_SENSOR, APPROVALS_SENSOR = "agents_on_changed_values", "agents_approvals"
DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  pools: {default_limit: 1}
"""


class Demonstration:
    """A fresh Dagster instance and warehouse, and the days that are landed in it."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._console = console
        self._log = folder / "demo.log"
        self.home = folder / "dagster_home"
        self.warehouse = folder / "warehouse" / "nyc_flights.duckdb"
        (folder / DESK).unlink(missing_ok=True)
        for path in (self.home, self.warehouse.parent):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        (self.home / "dagster.yaml").write_text(DAGSTER_YAML)
        os.environ["DAGSTER_HOME"] = str(self.home)
        os.environ["NYC_FLIGHTS_WAREHOUSE"] = str(self.warehouse)
        _prepare_dbt()
        self._definitions = build_demo()
        self._repository = self._definitions.get_repository_def()
        self._job = self._definitions.resolve_implicit_global_asset_job_def()
        self.instance = dg.DagsterInstance.get()

    def land(
        self, first: str, last: str, *, corrections: Sequence[str] = (), with_agents: bool = False
    ) -> None:
        """Lands days, builds dbt, publishes a snapshot and its metrics; and with them the agents where that is asked."""
        selection = [
            key
            for key in self._job.asset_layer.executable_asset_keys
            if key.path[0] not in ("actions", "history")
            and (with_agents or key.path[0] != "agents")
        ]
        name = f"{first} to {last}" if first != last else first
        with self._step(f"landing {name}, building dbt, publishing a snapshot"):
            self._run(
                selection,
                run_config={"ops": {"arrivals": {"config": {"corrections": list(corrections)}}}},
                tags={
                    "dagster/asset_partition_range_start": first,
                    "dagster/asset_partition_range_end": last,
                },
            )

    def tick(self) -> list[str]:
        """One tick of the sensors; the runs of agents that are asked for are run. Returns the agents that ran."""
        with self._step("the sensor looks for values that have changed"):
            result = self._evaluate(AGENTS_SENSOR)
        if not result.run_requests:
            for line in (result.skip_message or "").splitlines():
                self._console.print(f"    [dim]{escape(line)}[/dim]")
        ran = []
        for request in result.run_requests or ():
            agent = request.tags["governed_agents/agent"]
            with self._step(f"running {agent}, because {request.tags['governed_agents/because']}"):
                self._run(
                    list(request.asset_selection or ()),
                    tags={**request.tags, "dagster/run_key": str(request.run_key)},
                )
            ran.append(agent)
        self._evaluate(APPROVALS_SENSOR)
        return ran

    def _evaluate(self, name: str) -> SensorExecutionData:
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self._repository,
            sensor_name=name,
            resources=self._repository.get_top_level_resources(),
        ) as context:
            return self._repository.get_sensor_def(name).evaluate_tick(context)

    def decision(self, agent: str) -> tuple[str, str]:
        """The answer and the findings of an agent's last run."""
        latest = self.instance.get_latest_materialization_event(dg.AssetKey(["agents", agent]))
        materialization = latest.asset_materialization if latest else None
        if materialization is None:
            return "did not run", ""
        metadata = materialization.metadata
        if "answer" not in metadata:
            return f"came to no decision: {metadata['limit'].value}", ""
        return str(metadata["answer"].value), str(metadata["findings"].value)

    def run_agent(self, agent: str) -> None:
        """Runs one agent. Raises `GovernedMetricsError` where it fails."""
        with self._step(f"running {agent}"):
            self._run([dg.AssetKey(["agents", agent])], tags={"governed_agents/agent": agent})

    def waiting(self) -> list[Approval]:
        """What agents propose, the newest last."""
        ledger = Ledger.open(self.home / "governed_agents" / "ledger.db")
        try:
            return approvals(ledger)
        finally:
            ledger.close()

    def reads(self) -> list[Read]:
        """Everything on record, but for the refresh."""
        ledger = Ledger.open(self.home / "governed_agents" / "ledger.db")
        try:
            return list(find_reads(ledger, ReadQuestion(without_agent="refresh")))
        finally:
            ledger.close()

    def _run(
        self,
        selection: list[dg.AssetKey],
        *,
        run_config: dict[str, object] | None = None,
        tags: dict[str, str],
    ) -> None:
        job = self._definitions.resolve_implicit_global_asset_job_def()
        with self._log.open("a") as log, redirect_stdout(log):
            result = job.execute_in_process(
                instance=self.instance,
                asset_selection=selection,
                run_config=run_config,
                tags=tags,
                raise_on_error=False,
            )
        if not result.success:
            failures = [
                str(event.step_failure_data.error.message if event.step_failure_data.error else "")
                for event in result.get_step_failure_events()
            ]
            raise GovernedMetricsError(
                "A run of the demonstration failed:\n" + "\n".join(failures),
                hint="`make ui` shows the run",
            )

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        with self._console.status(escape(what)):
            yield
        self._console.print(f"  {escape(what)} [dim]{time.monotonic() - started:.1f} s[/dim]")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A part of the story: what it is called, what it is about, and what happens in it."""

    title: str
    about: str
    happens: Callable[[Console, Demonstration], None]


def _the_first_days(console: Console, demo: Demonstration) -> None:
    demo.land(START, BEFORE_THE_BLIZZARD, with_agents=True)
    for agent in ("operations_watch", "analyst_dl", "network_planner"):
        show_decision(console, demo, agent)


def _the_blizzard(console: Console, demo: Demonstration) -> None:
    demo.land(*BLIZZARD)
    _run_who_has_to_look_again(console, demo)
    show_decision(console, demo, "operations_watch")


def _the_same_days(console: Console, demo: Demonstration) -> None:
    demo.land(*BLIZZARD)
    _run_who_has_to_look_again(console, demo)


def _the_correction(console: Console, demo: Demonstration) -> None:
    demo.land(BEFORE_THE_BLIZZARD, BEFORE_THE_BLIZZARD, corrections=[CORRECTION])
    _run_who_has_to_look_again(console, demo)
    show_decision(console, demo, "analyst_dl")


def _who_is_asked(console: Console, demo: Demonstration) -> None:
    show_proposals(console, demo.waiting())


def _who_read_what(console: Console, demo: Demonstration) -> None:
    print_reads(console, demo.reads())


CHAPTERS = (
    Chapter(
        title="January to 7 February",
        about="The first days are landed, and every agent runs.",
        happens=_the_first_days,
    ),
    Chapter(
        title="8 and 9 February: the blizzard",
        about="New days come in. Who has to look again?",
        happens=_the_blizzard,
    ),
    Chapter(
        title="The same days again",
        about="The same data is landed once more. Nothing has changed.",
        happens=_the_same_days,
    ),
    Chapter(
        title="A late correction for one carrier",
        about="Delta's arrivals of 7 February are corrected. Only those who can see Delta have to look again.",
        happens=_the_correction,
    ),
    Chapter(
        title="What waits for a person",
        about="The watch would tell the operations desk. It tells nobody by itself.",
        happens=_who_is_asked,
    ),
    Chapter(
        title="Who read what, when, at which version",
        about="From the ledger.",
        happens=_who_read_what,
    ),
)


def tell(folder: Path, chapters: Sequence[Chapter] = CHAPTERS) -> None:
    """Tells the story, from an empty warehouse to the question of who read what."""
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160)
    started = time.monotonic()
    _head(console, "Flights out of New York, 2013", "Preparing a fresh Dagster instance.")
    demo = Demonstration(folder, console)
    for number, chapter in enumerate(chapters, start=1):
        _head(console, f"{number}  {chapter.title}", chapter.about)
        chapter.happens(console, demo)
    console.print(
        f"\nDone in {time.monotonic() - started:.0f} s. Ask the record yourself:\n"
        "  .venv/bin/governed-agents reads --covering 2013-02-09 --metric cancellation_rate\n"
        "  .venv/bin/governed-agents reads --refused\n"
        "  .venv/bin/governed-agents ask cancelled_flights flights --as operations_watch --by carrier "
        "--from 2013-02-08 --to 2013-02-09\n"
        "and see the graph, the values and the reads in the Dagster UI:\n"
        "  [bold]make ui[/bold]"
    )


def _chapter(number: str) -> Chapter:
    for place, chapter in enumerate(CHAPTERS, start=1):
        if number == str(place):
            return chapter
    raise GovernedMetricsError(
        f"There is no chapter '{number}'", hint=f"they are 1 to {len(CHAPTERS)}"
    )


def _run_who_has_to_look_again(console: Console, demo: Demonstration) -> None:
    console.print(f"  ran: [bold]{', '.join(demo.tick()) or 'nobody'}[/bold]")


def _prepare_dbt() -> None:
    """Parses the dbt project where its artifacts are missing or old."""
    from dbt.cli.main import dbtRunner

    manifest = DBT_PROJECT / "target" / "semantic_manifest.json"
    sources = [path for path in DBT_PROJECT.rglob("*") if path.suffix in (".sql", ".yml")]
    newest = max(path.stat().st_mtime for path in sources if "target" not in path.parts)
    if manifest.is_file() and manifest.stat().st_mtime > newest:
        return
    folder = str(DBT_PROJECT)
    result = dbtRunner().invoke(
        ["--quiet", "parse", "--project-dir", folder, "--profiles-dir", folder]
    )
    if not result.success:
        raise GovernedMetricsError(f"dbt cannot parse {folder}", hint=str(result.exception or ""))


def show_decision(console: Console, demo: Demonstration, agent: str) -> None:
    answer, findings = demo.decision(agent)
    console.print(f"\n  [bold]{agent}[/bold]: {escape(answer)}")
    for line in findings.splitlines():
        console.print(f"    {escape(line)}")


def show_proposals(console: Console, proposals: Sequence[Approval]) -> None:
    """What agents proposed, the oldest first, what became of it, and how to answer what still waits."""
    for item in proposals:
        why = f": {item.why}" if item.why else ""
        console.print(
            f"  {item.code}  {item.agent}, [bold]{item.state}[/bold]{escape(why)}", highlight=False
        )
    waiting = [item for item in proposals if item.state is ApprovalState.PENDING]
    for item in waiting:
        console.print(
            f"\n  {item.terms.by[0]} answers it, known by a token:\n"
            f"    export GOVERNED_AGENTS_TOKEN=$(.venv/bin/governed-agents tokens mint {item.terms.by[0]})\n"
            f"    .venv/bin/governed-agents approvals {item.code}\n"
            f'    .venv/bin/governed-agents approve {item.code} --why "the crews are needed"\n'
            "  and the sensor has it done, once, while `make ui` runs.",
            soft_wrap=True,
        )


def print_reads(console: Console, reads: Sequence[Read]) -> None:
    """One row per run, reader, metric and outcome, oldest first, with the days of data that it covered."""
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for column in ("at (UTC)", "run", "reader", "outcome", "metric", "data version", "covers"):
        table.add_column(column, overflow="fold")
    by_run: dict[tuple[str | None, str | None], dict[tuple[str, str], list[Read]]] = {}
    for read in sorted(reads, key=lambda item: item.at):
        of_run = by_run.setdefault((read.run_id, read.agent), {})
        of_run.setdefault((read.metric, read.outcome), []).append(read)
    for (run_id, reader), found in by_run.items():
        first = True
        for (metric, outcome), same in sorted(found.items()):
            starts = [read.covers_from for read in same if read.covers_from]
            ends = [read.covers_to for read in same if read.covers_to]
            table.add_row(
                same[0].at[11:19] if first else "",
                (run_id or "")[:8] if first else "",
                reader if first else "",
                f"[red]{outcome}[/red]" if outcome == "refused" else outcome,
                metric,
                ", ".join(dict.fromkeys((read.data_version or "")[:8] for read in same)),
                f"{min(starts)} to {max(ends)}" if starts and ends else "",
            )
            first = False
    console.print(table)


def _head(console: Console, title: str, about: str) -> None:
    console.print(f"\n[bold cyan]{title}[/bold cyan]\n{about}")


def be_quiet() -> None:
    """Leaves the terminal to the story; what Dagster and dbt have to say is in the Dagster UI."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def main(folder: str = ".demo", *numbers: str) -> int:
    """Tells the story in a folder, or only some of its chapters. Returns 1, with the error, where it cannot be told to its end."""
    be_quiet()
    try:
        tell(Path(folder).resolve(), [_chapter(number) for number in numbers] or CHAPTERS)
    except GovernedMetricsError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
