"""Nothing is fetched: it starts and compresses with no network, an empty home and no cache."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_NETWORK = ["unshare", "--map-root-user", "--net"]


def _may_do_without_network() -> bool:
    if shutil.which(WITHOUT_NETWORK[0]) is None:
        return False
    return (
        subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _may_do_without_network(), reason="no network namespace may be made here")
def test_it_is_ready_soon_and_the_first_chat_is_compressed_at_once() -> None:
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
    print(ended.stdout)  # noqa: T201 (pytest -rP shows it)
    figures = json.loads(ended.stdout)
    assert (figures["has_network"], figures["status"], figures["is_compressed"]) == (
        False,
        200,
        True,
    )
    assert figures["ready_seconds"] < 3
    assert figures["first_chat_seconds"] < 1
