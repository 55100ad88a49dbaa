"""`governed-agents replay`: past runs again, on what they were answered."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration_assets.cli.output import print_json, print_table, print_text, say
from orchestration_assets.cli.place import Place

if TYPE_CHECKING:
    from agent_resources.agent_run import Usage
    from agent_resources.decision import Decision
    from agent_resources.replay.recorded_run import RecordedRun

_SHOWN = 8
# What is played by the book, whatever it is told.
_NO_READERS = ("scripted:", "recorded:")


def replay(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="One or more runs, or the beginnings of them.")],
    agent: Annotated[str | None, typer.Option(help="The agent, where a run had several.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Another chat model, as in `model:` of an agent's file.")
    ] = None,
    prompt: Annotated[Path | None, typer.Option(help="Another prompt, in a Markdown file.")] = None,
    definition: Annotated[
        Path | None, typer.Option(help="An agent's YAML file, in place of the version that ran.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Read what a run did not ask from its snapshot.")
    ] = False,
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible server.")] = "",
    api_key_env: Annotated[
        str, typer.Option(help="The environment variable that holds the key of the model.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Runs agents again on what they were answered, with the same or another model or prompt, and sets the decisions side by side.

    Reads no warehouse, calls no tool, and tells an agent nothing that it may not read now. Of several runs it tells how many agree, and what they
    took: a regression set for a change. Exits 1 where one does not agree.

    Example: governed-agents replay 99691072 --prompt agents/operations_watch.md
    """
    from agent_resources.replay.recorded_run import recorded_run

    place = Place.of(context)
    change = _Change(model=model, prompt=prompt, file=definition)
    key = _key_in(api_key_env)
    found = [recorded_run(place.ledger, run, agent=agent) for run in runs]
    compared = [
        _compared(place, recorded, change, live=live, api_key=key, base_url=base_url)
        for recorded in found
    ]
    if as_json:
        print_json(compared)
    elif len(compared) == 1:
        _show(compared[0])
    else:
        _show_all(compared)
    if not all(item["agrees"] for item in compared):
        raise typer.Exit(1)


def _key_in(variable: str) -> str:
    """The key that stands in an environment variable, "" where none is named."""
    if variable and not os.environ.get(variable):
        raise typer.BadParameter(f"{variable} is not set, and the key is to be found there")
    return os.environ[variable] if variable else ""


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What is another than in the run: the model, the prompt, or the whole definition."""

    model: str | None
    prompt: Path | None
    file: Path | None


def _compared(
    place: Place,
    recorded: "RecordedRun",
    change: _Change,
    *,
    live: bool,
    api_key: str,
    base_url: str,
) -> dict[str, Any]:
    """One replay beside its run, as JSON values."""
    from agent_resources.priced_models import priced_models
    from agent_resources.replay.agreement import agreement
    from agent_resources.replay.definition import replayed_definition
    from agent_resources.replay.replay import replay_run

    definition = replayed_definition(
        place.ledger, recorded, model=change.model, prompt=change.prompt, file=change.file
    )
    folder = change.file.parent if change.file else None
    models = priced_models(definition, api_key=api_key, base_url=base_url, prices=folder)
    done = replay_run(recorded, definition, models, place.metrics, live=live)
    agreed = agreement(recorded.decision, done.decision) if done.decision else None
    return {
        "run": recorded.run_id,
        "agent": recorded.agent,
        "replay": done.replay_id,
        "agrees": bool(agreed and agreed.is_whole),
        "figures_shared": agreed.figures if agreed else 0.0,
        "same_words": bool(agreed and agreed.same_answer),
        "same_output": agreed.output if agreed else None,
        "not_recorded": done.not_recorded,
        "ended": done.ended,
        "model": done.model,
        "reads_no_prompt": change.prompt is not None and done.model.startswith(_NO_READERS),
        "before": _took(recorded.decision, recorded.usage, recorded.seconds),
        "after": _took(done.decision, done.usage, done.seconds),
    }


def _took(decision: "Decision | None", usage: "Usage", seconds: float | None) -> dict[str, Any]:
    cost = usage.cost_micros
    return {
        "decision": decision.model_dump(mode="json") if decision else None,
        "requests": usage.requests,
        "tokens": usage.input_tokens + usage.output_tokens,
        "cost_usd": None if cost is None else cost / 1_000_000,
        "seconds": None if seconds is None else round(seconds, 3),
    }


def _show(item: dict[str, Any]) -> None:
    before, after = item["before"], item["after"]
    rows: list[tuple[str, object, object]] = [
        ("answer", _answer(before), _answer(after) or item["ended"]),
        ("figures", _figures(before), _figures(after)),
        *(
            [("output", before["decision"]["output"], (after["decision"] or {}).get("output"))]
            if before["decision"]["output"]
            else []
        ),
        (
            "confidence",
            before["decision"]["confidence"],
            (after["decision"] or {}).get("confidence"),
        ),
        *(
            (name, before[name], after[name])
            for name in ("requests", "tokens", "cost_usd", "seconds")
        ),
    ]
    print_table(["", f"run {item['run'][:_SHOWN]}", "replay"], rows)
    for line in _remarks(item):
        say(line)


def _show_all(compared: list[dict[str, Any]]) -> None:
    print_table(
        [
            "run",
            "agent",
            "agrees",
            "figures shared",
            "tokens",
            "was",
            "cost $",
            "was",
            "seconds",
            "was",
            "ended",
        ],
        [
            (
                item["run"][:_SHOWN],
                item["agent"],
                "yes" if item["agrees"] else "no",
                f"{item['figures_shared']:.0%}",
                item["after"]["tokens"],
                item["before"]["tokens"],
                item["after"]["cost_usd"],
                item["before"]["cost_usd"],
                item["after"]["seconds"],
                item["before"]["seconds"],
                item["ended"],
            )
            for item in compared
        ],
    )
    agreed = sum(item["agrees"] for item in compared)
    tokens = [sum(item[key]["tokens"] for item in compared) for key in ("before", "after")]
    print_text(
        f"{agreed} of {len(compared)} agree; {tokens[1]:,} tokens, where the runs took {tokens[0]:,}."
    )
    for model in sorted({item["model"] for item in compared if item["reads_no_prompt"]}):
        say(f"{model} reads no prompt: name a model with --model.")


def _remarks(item: dict[str, Any]) -> list[str]:
    said = (
        "The figures agree."
        if item["agrees"]
        else f"They do not agree: {item['figures_shared']:.0%} of the figures stand in both."
    )
    if item["not_recorded"]:
        said += f" {item['not_recorded']} questions were refused, since the run had not asked them: try --live."
    if item["reads_no_prompt"]:
        return [said, f"{item['model']} reads no prompt: name a model with --model."]
    return [said]


def _answer(took: dict[str, Any]) -> str:
    return str(took["decision"]["answer"]) if took["decision"] else ""


def _figures(took: dict[str, Any]) -> str:
    if not took["decision"]:
        return ""
    figures = [figure for it in took["decision"]["findings"] for figure in it["figures"]]
    return "; ".join(f"{figure['name']} {figure['value']:g}" for figure in figures)
