"""The demonstration's agents on a chat model that the environment names, in place of scripts: what `make demo-llm` runs.

python -m orchestration_assets.defs.with_models .demo-llm
"""

import os
import sys
from pathlib import Path

from rich.console import Console

from semantic.errors import GovernedMetricsError

MODEL, BASE_URL, KEY, MODE = (
    "GOVERNED_AGENTS_MODEL",
    "GOVERNED_AGENTS_BASE_URL",
    "GOVERNED_AGENTS_API_KEY",
    "GOVERNED_AGENTS_MODE",
)
WHAT_TO_SET = f"""\
No chat model is named. Set
  {MODEL}     openai:gpt-5-mini, anthropic:claude-sonnet-4-5, or the name that a server of your own knows it by
  {BASE_URL}  the address of an OpenAI-compatible server, as http://127.0.0.1:8080/v1; not for a provider
  {KEY}   the key, where one is needed; or the provider's own variable, as OPENAI_API_KEY
  {MODE}      constrained, for a model without good tool calling: one JSON action per turn
and run `make demo-llm` again."""
AGENTS = ("operations_watch", "analyst_dl", "network_planner")


def tell(folder: Path, console: Console) -> int:
    """Lands the first days, and lets each agent run on its model. Returns how many came to no decision."""
    from orchestration_assets.defs.story import (
        BEFORE_THE_BLIZZARD,
        START,
        Demonstration,
        be_quiet,
        print_reads,
        show_decision,
    )

    be_quiet()
    demo = Demonstration(folder, console)
    console.print(f"The agents run on {os.environ[MODEL]}.")
    demo.land(START, BEFORE_THE_BLIZZARD)
    failed = 0
    for agent in AGENTS:
        try:
            demo.run_agent(agent)
        except GovernedMetricsError as error:
            failed += 1
            console.print(f"    {error.message}", markup=False, highlight=False)
            continue
        show_decision(console, demo, agent)
    console.print()
    print_reads(console, demo.reads())
    console.print(f"\nDAGSTER_HOME={demo.home} governed-agents reads --refused", markup=False)
    return failed


def main(folder: str = ".demo-llm") -> int:
    """Returns 2, and says what to set, where no model is named; 1 where an agent came to no decision."""
    error = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    if not os.environ.get(MODEL):
        error.print(WHAT_TO_SET)
        return 2
    if os.environ.get(MODE, "") not in ("", "tools", "constrained"):
        error.print(f"{MODE} is '{os.environ[MODE]}'; it is tools or constrained")
        return 2
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    return 1 if tell(Path(folder).resolve(), console) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
