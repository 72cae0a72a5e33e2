"""The table of threats names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"


def test_every_threat_names_a_test_that_exists() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| (?!Threat)\w", line)]
    named = {row: re.findall(r"`([\w./]+\.py)`", row.rpartition(" | ")[2]) for row in rows}

    assert len(rows) > 20
    assert [row for row, tests in named.items() if not tests] == []
    tests = {test for tests in named.values() for test in tests}
    assert [test for test in tests if not (ROOT / "tests/integration" / test).exists()] == []
