"""The file of an agent, and the prompt beside it, as what they define; or what is wrong with them, told with file and line."""

from collections import Counter
from pathlib import Path

from agent_resources.agent import AgentDefinition, Mode
from agent_resources.errors import AgentDefinitionError
from agent_resources.import_path import HOW, imported, wrong_import
from agent_resources.output_type import check_output, field_names
from agent_resources.prices import PRICES_FILE, load_prices, price_of
from agent_resources.tool import check_tools
from semantic.errors import did_you_mean
from semantic.yaml_file import YamlFile, load_yaml, validate


def load_agent(
    path: Path, *, model: str | None = None, mode: Mode | None = None
) -> AgentDefinition:
    """The agent of a YAML file, with `model` and `mode` in place of its own where they are given. Raises `AgentDefinitionError` with file and line."""
    file = load_yaml(path, AgentDefinitionError)
    written = validate(AgentDefinition, file, AgentDefinitionError)
    instructions = _instructions(written.instructions, file)
    definition = written.model_copy(
        update={
            "instructions": instructions,
            "model": model or written.model,
            "mode": mode or written.mode,
        }
    )
    _refuse_twice(definition, file)
    _refuse_unpriced(definition, file)
    check_tools(definition.tools, file)
    check_output(definition.output, file)
    _refuse_unknown_fields(definition, file)
    _refuse_unknown_judge(definition, file)
    _refuse_nobody(definition, file)
    return definition


def _refuse_nobody(definition: AgentDefinition, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` where the agent may propose something and nobody may answer."""
    if definition.may_propose and not definition.approvers:
        raise AgentDefinitionError(
            f"{file.where('approval')}: a person has to approve what '{definition.name}' proposes, and nobody is named",
            hint="name them in approval: {by: [...]}, or give the agent an owner",
        )


def _refuse_twice(definition: AgentDefinition, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` where a metric is asked for twice."""
    for position, name in enumerate(definition.metrics):
        if name in definition.metrics[:position]:
            times = Counter(definition.metrics)[name]
            raise AgentDefinitionError(
                f"{file.where('metrics', position)}: asks for '{name}' {times} times",
                hint="name each metric once",
            )


def _refuse_unpriced(definition: AgentDefinition, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` where the agent's dollars are limited and nobody knows what its models cost."""
    prices = load_prices(file.path.parent)
    if definition.limits.dollars is None:
        return
    for name in filter(None, (definition.model, *definition.fallbacks)):
        if price_of(name, prices) is None:
            known = prices.models if prices else ()
            raise AgentDefinitionError(
                f"{file.where('limits', 'dollars')}: what '{name}' costs is not known, so dollars of it cannot be limited",
                hint=did_you_mean(name, known)
                or f"write its price into {PRICES_FILE} beside the agent's file, or limit tokens",
            )


def _refuse_unknown_fields(definition: AgentDefinition, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` where a field that states nothing of data is none of the agent's output."""
    known = field_names(definition.output)
    for position, name in enumerate(definition.grounding.no_figures):
        if name not in known:
            raise AgentDefinitionError(
                f"{file.where('grounding', 'no_figures', position)}: the agent's output has no field '{name}'",
                hint=did_you_mean(name, known)
                or (f"its fields: {', '.join(known)}" if known else "it has no output of its own"),
            )


def _refuse_unknown_judge(definition: AgentDefinition, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` where the function that tells outcomes is not there."""
    if definition.outcome is None:
        return
    path = definition.outcome.call
    wrong = wrong_import("the outcome's", path)
    if wrong is None and not callable(imported(path)):
        wrong = (f"the outcome's '{path}' cannot be called", HOW)
    if wrong is not None:
        message, hint = wrong
        raise AgentDefinitionError(f"{file.where('outcome', 'call')}: {message}", hint=hint)


def _instructions(written: str, file: YamlFile) -> str:
    """The text of the prompt: of the file that is named, or as it is written in the agent's own. One word names a file."""
    if len(written.split()) != 1:
        return written
    path = (file.path.parent / written.strip()).resolve()
    if not path.is_relative_to(file.path.parent.resolve()):
        raise AgentDefinitionError(
            f"{file.where('instructions')}: the prompt {written} lies outside the agent's folder"
        )
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        beside = [item.name for item in file.path.parent.glob("*.md")]
        raise AgentDefinitionError(
            f"{file.where('instructions')}: cannot read the prompt {path}",
            hint=did_you_mean(path.name, beside)
            or "write the prompt in a Markdown file beside the agent's YAML",
        ) from error
    if not text:
        raise AgentDefinitionError(f"{file.where('instructions')}: the prompt {path} is empty")
    return text
