"""A decision held against the reads of its run."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from agent_resources.agent_run import ReadOfRun
from agent_resources.decision import Decision, Figure
from agent_resources.grounding.evidence import Table, table_of
from agent_resources.grounding.statement import Vocabulary
from agent_resources.grounding.trace import Claim, Trace, trace_figure, trace_text


@dataclass(frozen=True, kw_only=True)
class GroundedText:
    """A text of a decision, and each of its claims with the read that carries it."""

    text: str
    traces: tuple[Trace, ...]

    @property
    def untraced(self) -> tuple[Claim, ...]:
        return tuple(trace.claim for trace in self.traces if not trace.is_grounded)


def ground(
    decision: Decision,
    reads: Sequence[ReadOfRun],
    *,
    tolerance: float = 0.0,
    no_figures: Collection[str] = (),
) -> list[GroundedText]:
    """Each text and figure of a decision, with what carries its claims.

    The answer is held against every read that the decision cites, a finding against those that its figures cite, and a figure against its
    own. Of the agent's own output each text and number is held against every cited read, but for the fields in `no_figures`. `tolerance` is the share of a value by which a number may differ from it, beyond the digits that it is stated in.
    """
    known = [table for table in map(table_of, reads) if table is not None]
    vocabulary = Vocabulary.of(known)
    everywhere = _cited(known, decision.figures())
    grounded = [_text(decision.answer, everywhere, vocabulary, tolerance)]
    for finding in decision.findings:
        cited = _cited(known, finding.figures)
        grounded.append(_text(finding.statement, cited, vocabulary, tolerance))
        grounded += [_figure(item, cited, vocabulary, tolerance) for item in finding.figures]
    for name, value in _fields_of(decision.output or {}, no_figures):
        if isinstance(value, str):
            grounded.append(_text(value, everywhere, vocabulary, tolerance))
        else:
            trace = trace_figure(name, value, None, everywhere, vocabulary, tolerance=tolerance)
            grounded.append(GroundedText(text=name, traces=(trace,)))
    return grounded


def _fields_of(
    output: object, without: Collection[str], name: str = "output"
) -> Iterator[tuple[str, str | int | float]]:
    """The texts and numbers in an output, each with the name of the field that it stands in."""
    match output:
        case dict():
            for key, value in output.items():
                if key not in without:
                    yield from _fields_of(value, without, key)
        case list():
            for value in output:
                yield from _fields_of(value, without, name)
        case bool():
            return
        case str() | int() | float():
            yield name.replace("_", " "), output


def untraced_claims(text: str, reads: Sequence[ReadOfRun]) -> list[str]:
    """The claims of a text that no cell of these reads carries, as they stand in it."""
    known = [table for table in map(table_of, reads) if table is not None]
    return [claim.text for claim in _text(text, known, Vocabulary.of(known), 0.0).untraced]


def _text(
    text: str, cited: Sequence[Table], vocabulary: Vocabulary, tolerance: float
) -> GroundedText:
    return GroundedText(
        text=text, traces=tuple(trace_text(text, cited, vocabulary, tolerance=tolerance))
    )


def _figure(
    figure: Figure, cited: Sequence[Table], vocabulary: Vocabulary, tolerance: float
) -> GroundedText:
    own = [table for table in cited if table.read_id == figure.read_id]
    trace = trace_figure(
        figure.name, figure.value, figure.unit, own, vocabulary, tolerance=tolerance
    )
    return GroundedText(text=figure.name, traces=(trace,))


def _cited(known: Sequence[Table], figures: Sequence[Figure]) -> list[Table]:
    ids = {figure.read_id for figure in figures}
    return [table for table in known if table.read_id in ids]
