"""What run.sh does, with a `uv` that only repeats what it was asked for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "run.sh"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script, and the only `uv` that it can find."""
    shutil.copy(SCRIPT, tmp_path)
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    uv.chmod(0o755)
    return tmp_path


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "run.sh", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **settings},
    )


def test_it_runs_the_command_with_the_arguments_as_they_are(folder: Path) -> None:
    done = run(folder, "serve", "two words", "*")

    assert done.stdout.splitlines() == ["run", "openai-proxy", "serve", "two words", "*"]


def test_it_says_what_to_do_about_a_missing_key_and_starts_all_the_same(folder: Path) -> None:
    done = run(folder)

    assert "export OPENAI_API_KEY=" in done.stderr
    assert done.stdout.splitlines() == ["run", "openai-proxy"]


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_API_KEY_FILE"])
def test_it_is_silent_where_a_key_is_set(folder: Path, name: str) -> None:
    assert run(folder, **{name: "sk-tranquility"}).stderr == ""


@pytest.mark.parametrize("line", ["OPENAI_API_KEY=sk-tranquility", "export OPENAI_API_KEY_FILE=k"])
def test_it_is_silent_where_a_key_stands_in_the_env_file(folder: Path, line: str) -> None:
    (folder / ".env").write_text(f"COMPRESSION_RATIO=2.0\n{line}\n")

    assert run(folder).stderr == ""


def test_a_key_that_is_commented_out_is_missing(folder: Path) -> None:
    (folder / ".env").write_text("# OPENAI_API_KEY=sk-tranquility\n")

    assert "OPENAI_API_KEY is not set" in run(folder).stderr
