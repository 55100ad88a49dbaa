"""How many wrong statements are found, and how many right ones are taken for wrong. Last figures: docs/grounding.md."""

import pytest

from tests.agent_resources.grounding.labelled_set import load_statements, measure
from tests.faults.figures import tell

KINDS = ("number", "percentage", "date", "ranking", "derived")


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("development", 0.9, 0.88), ("held_out", 0.8, 0.7)]
)
def test_wrong_statements_are_found(name: str, precision: float, recall: float) -> None:
    statements = load_statements(name)
    measured = measure(statements)
    tell(f"grounding, {name}: {measured}")
    assert measured.precision >= precision
    assert measured.recall >= recall


def test_half_of_the_statements_are_wrong_and_all_kinds_are_among_them() -> None:
    statements = [*load_statements("development"), *load_statements("held_out")]
    assert len({item["text"] for item in statements}) == len(statements) == 360
    assert sum(item["supported"] for item in statements) == 180
    for kind in KINDS:
        assert sum(item["about"] == kind for item in statements) == 72
