"""Nothing is fetched: it starts and compresses with no network, an empty home and no cache."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.figures import assert_at_most

WITHOUT_NETWORK = ["unshare", "--map-root-user", "--net"]
STARTS = 3


def _may_do_without_network() -> bool:
    if shutil.which(WITHOUT_NETWORK[0]) is None:
        return False
    return (
        subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _may_do_without_network(), reason="no network namespace may be made here")
def test_it_is_ready_soon_and_the_first_chat_is_compressed_at_once() -> None:
    starts = [_figures() for _ in range(STARTS)]

    assert {start["has_network"] for start in starts} == {False}
    assert {(start["status"], start["is_compressed"]) for start in starts} == {(200, True)}
    # The machine may be busy with something else; a start that is slow by itself always is.
    assert_at_most(3, min(start["ready_seconds"] for start in starts), "s until it was ready")
    assert_at_most(
        1, min(start["first_chat_seconds"] for start in starts), "s until a chat was compressed"
    )


def _figures() -> dict[str, Any]:
    ended = subprocess.run(
        [*WITHOUT_NETWORK, sys.executable, "-m", "tests.first_chat"],
        capture_output=True,
        check=False,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures
