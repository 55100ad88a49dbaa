"""The commands, and how they fail: one short message, what to do, and an exit code that is not zero."""

import os
import sys
from collections.abc import Iterable

import typer

from orchestration_assets.cli import (
    acknowledge,
    agents,
    approvals,
    archive,
    ask,
    backup,
    catalog,
    decisions,
    erasure,
    evidence,
    impact,
    integrity,
    keys,
    ledger,
    lineage,
    openlineage,
    outcomes,
    policy,
    reads,
    recall,
    recording,
    replay,
    run,
    serve,
    tokens,
    unused,
)
from orchestration_assets.cli.output import say
from semantic.errors import GovernedMetricsError

app = typer.Typer(
    name="governed-agents",
    help="Which agent read which data, when, at which version, and what was refused.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("catalog")(catalog.catalog)
app.command("ask")(ask.ask)
app.command("reads")(reads.reads)
app.command("unused")(unused.unused)
app.command("impact")(impact.impact)
app.command("lineage")(lineage.lineage)
app.command("recall")(recall.recall)
app.command("acknowledge")(acknowledge.acknowledge)
app.command("decisions")(decisions.decisions)
app.command("outcome")(outcomes.outcome)
app.command("outcomes")(outcomes.outcomes)
app.command("approvals")(approvals.list_approvals)
app.command("approve")(approvals.approve)
app.command("reject")(approvals.reject)
app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("replay")(replay.replay)
app.command("recording")(recording.recording)
app.command("verify")(integrity.verify)
app.command("prove")(integrity.prove)
app.command("checkpoint")(integrity.checkpoint)
app.command("evidence")(evidence.evidence)
app.command("backup")(backup.backup)
app.command("erase")(erasure.erase)
app.command("sweep")(erasure.sweep)
app.add_typer(agents.app, name="agents")
app.add_typer(archive.app, name="archive")
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.add_typer(ledger.app, name="ledger")
app.add_typer(openlineage.app, name="openlineage")
app.add_typer(tokens.app, name="tokens")


def main() -> None:
    """The command line. Exits 1 where a command was refused or could not be done, 2 where it was written wrongly."""
    if unreadable := _not_utf8(sys.argv[1:]):
        say(
            f"error: the argument '{unreadable}' is no text in UTF-8\nhint: write every argument in UTF-8"
        )
        sys.exit(2)
    try:
        app()
    except GovernedMetricsError as error:
        for line in (f"error: {error}", *getattr(error, "__notes__", ())):
            say(line)
        sys.exit(1)


def _not_utf8(arguments: Iterable[str]) -> str | None:
    """The first argument with bytes that are no text in UTF-8, these written as `\\xff`; None where there is none."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            return os.fsencode(argument).decode(errors="backslashreplace")
    return None
