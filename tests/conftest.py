"""Hypothesis profiles, `--hypothesis-profile=thorough` for long runs; and `--figures`."""

import pytest
from hypothesis import HealthCheck, settings
from tests.figures import table

settings.register_profile(
    "ci", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("ci"), max_examples=2000)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", action="store_true", help="list what was measured, at its worst")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("figures"):
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(table()))
