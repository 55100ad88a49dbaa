"""`governed-agents policy`: publishing who may read what."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.policy_check import check_policy, check_reach
from semantic.policy_file import load_policy, policy_text

app = typer.Typer(help="The central policy.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def policy() -> None:
    """The central policy: who may read what."""


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The policy.yaml of the platform team.")],
) -> None:
    """Makes a policy the current one. From then on, a process that presents another is refused.

    Example: governed-agents policy publish policy.yaml
    """
    place = Place.find()
    loaded = load_policy(file)
    if place.snapshots.current_version():
        check_policy(loaded, place.catalog)
        check_reach(loaded, place.catalog, MetricFlowCompiler(place.catalog))
    published = place.ledger.publish_policy(
        loaded.hash, policy_text(loaded), by=getpass.getuser(), run_id=None
    )
    say(f"{'Published' if published else 'Already current:'} {loaded.hash}")
