"""Tells the figures at the end of a run."""

import pytest

from tests.faults.figures import LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in LINES:
        terminalreporter.write_line(line)
