"""What a catalogue costs in a model's context: dbt's manifest, every metric as JSON, and the text that a reader is given.

Tokens are those of the byte-pair encoding that comes with the `anthropic` package, version 0.38: other models count otherwise,
and the ratios stay about the same.
"""

import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

from tokenizers import Tokenizer

from benchmarks.data_sets.many_metrics import parse_many_metrics
from benchmarks.door import READER, open_durable
from benchmarks.figure import Figure
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from semantic.catalog_text import catalog_text
from semantic.governed_metrics import GovernedMetrics, MetricDescription
from semantic.policy import Reader

NAME = "catalog_tokens"
MANIFEST = "semantic_manifest.json"
MANY = 1_000
SCOPED = 10


def run(setting: Setting) -> list[Figure]:
    setting.console.print(f"Parsing a project of {MANY:,} metrics ...")
    targets = {
        setting.flights.name: setting.flights.target,
        f"{MANY:,} metrics": parse_many_metrics(setting.scratch / NAME / str(MANY), MANY),
    }
    count = tokens_of()
    figures = [
        figure
        for name, target in targets.items()
        for figure in _of_catalog(name, target, setting.scratch / NAME / f"state of {name}", count)
    ]
    setting.console.print(figures_table("A catalogue in a model's context", figures))
    return figures


def tokens_of() -> Callable[[str], int]:
    """Counts the tokens of a text."""
    written = resources.files("anthropic").joinpath("tokenizer.json").read_text("utf-8")
    tokenizer = Tokenizer.from_str(written)
    return lambda text: len(tokenizer.encode(text))


def _of_catalog(
    name: str, target: Path, state: Path, count: Callable[[str], int]
) -> Iterator[Figure]:
    state.mkdir(parents=True)
    with open_durable(target, state) as door:
        described = door.describe_all(READER)
        scoped = described[:SCOPED]
        texts = {
            f"dbt's {MANIFEST}": _compact((target / MANIFEST).read_text()),
            f"all {len(described):,} metrics as JSON": _as_json(described),
            f"all {len(described):,} metrics as catalogue text": catalog_text(described),
            f"the {len(scoped)} metrics of one agent as catalogue text": _of_agent(door, scoped),
        }
    tokens = {what: count(text) for what, text in texts.items()}
    manifest, *_ = tokens
    for what, found in tokens.items():
        yield Figure(
            benchmark=NAME,
            name=f"{name}: {what}",
            value=found,
            unit="tokens",
            peer=manifest if what != manifest else None,
            ratio=found / tokens[manifest] if what != manifest else None,
            details={"characters": len(texts[what])},
        )


def _of_agent(door: GovernedMetrics, scoped: tuple[MetricDescription, ...]) -> str:
    asks = frozenset(item.metric.name for item in scoped)
    return catalog_text(door.describe_all(Reader(name=READER.name, asks=asks)))


def _compact(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"))


def _as_json(described: tuple[MetricDescription, ...]) -> str:
    """What a listing of metrics with their dimensions holds, as semantic layers give it to models."""
    return json.dumps(
        [
            {
                "name": item.metric.name,
                "label": item.metric.label,
                "description": item.metric.description,
                "type": item.metric.type.value,
                "unit": item.metric.unit,
                "dimensions": [
                    {"name": found.name, "kind": found.kind.value, "grains": found.grains}
                    for found in item.dimensions
                ],
            }
            for item in described
        ],
        separators=(",", ":"),
    )
