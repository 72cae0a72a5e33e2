"""What is said about the settings of a process: every problem at once, and what is hardly meant."""

import logging
from pathlib import Path

import pytest

from openai_proxy.app.application import create_app
from openai_proxy.app.environment import load_settings, log_warnings
from openai_proxy.app.settings import InvalidSettings, Settings

MISSPELT = "COMPRESSION_RATOI: no such variable; did you mean COMPRESSION_RATIO?"


def write_dotenv(directory: Path, text: str) -> None:
    (directory / ".env").write_text(text)


class TestProblems:
    def test_those_of_files_are_told_with_those_of_values(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PORT", "abc")
        monkeypatch.setenv("PRICES_FILE", "/nope")
        monkeypatch.setenv("COMPRESSION_RULES", "/nor/this")
        monkeypatch.setenv("OPENAI_API_KEY_FILE", "/nor/that")

        with pytest.raises(InvalidSettings) as refused:
            load_settings(tmp_path)

        assert {problem.partition(":")[0] for problem in refused.value.problems} == {
            "PORT",
            "PRICES_FILE",
            "COMPRESSION_RULES",
            "OPENAI_API_KEY_FILE",
        }

    def test_a_path_that_cannot_be_one_is_told_once(self, tmp_path: Path) -> None:
        write_dotenv(tmp_path, 'PRICES_FILE="a\\tb"\n')

        with pytest.raises(InvalidSettings) as refused:
            load_settings(tmp_path)

        assert len(refused.value.problems) == 1
        assert refused.value.problems[0].startswith("PRICES_FILE: 'a\\tb' is not valid")


class TestWhereLogsGo:
    @pytest.fixture(autouse=True)
    def _nothing_else_is_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("LOG_DIR", "LOG_FORMAT", "K_SERVICE"):
            monkeypatch.delenv(name, raising=False)

    def problems(self, directory: Path, settings: str) -> tuple[str, ...]:
        write_dotenv(directory, settings)
        try:
            load_settings(directory)
        except InvalidSettings as invalid:
            return invalid.problems
        return ()

    @pytest.mark.parametrize("below", ["", "/logs"])
    def test_a_file_is_no_directory_and_has_none_below(self, tmp_path: Path, below: str) -> None:
        (tmp_path / "file").touch()

        problems = self.problems(tmp_path, f"LOG_DIR={tmp_path}/file{below}\n")

        assert [problem.partition(" takes no files; ")[::2] for problem in problems] == [
            (f"LOG_DIR: '{tmp_path}/file{below}'", "it must be a directory that can be written to")
        ]

    @pytest.mark.parametrize("below", ["", "/logs"])
    def test_a_directory_that_takes_no_files_is_refused_even_to_root(
        self, tmp_path: Path, below: str
    ) -> None:
        # Here the system makes all files, and nobody else any; not every system has /proc.
        closed = "/proc" if Path("/proc/self").exists() else "/dev/fd"

        assert len(self.problems(tmp_path, f"LOG_DIR={closed}{below}\n")) == 1

    def test_one_that_is_missing_is_made_when_it_is_needed(self, tmp_path: Path) -> None:
        assert self.problems(tmp_path, f"LOG_DIR={tmp_path}/logs/of/today\n") == ()
        assert not (tmp_path / "logs").exists()

    @pytest.mark.parametrize("elsewhere", ["LOG_FORMAT=json", "LOG_FORMAT=None", "K_SERVICE=proxy"])
    def test_it_does_not_matter_where_no_files_are_written(
        self, tmp_path: Path, elsewhere: str
    ) -> None:
        (tmp_path / "file").touch()

        assert self.problems(tmp_path, f"LOG_DIR={tmp_path}/file\n{elsewhere}\n") == ()


class TestWarnings:
    def test_a_misspelt_variable_in_the_dotenv_file_is_told_the_nearest_name(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_dotenv(tmp_path, "COMPRESSION_RATOI=2\n")

        log_warnings(Settings(), tmp_path)

        assert caplog.messages == [MISSPELT]

    def test_a_key_that_is_lent_to_everyone_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for settings in (
            {"PROXY_OPEN": "true"},
            {"PROXY_OPEN": "true", "OPENAI_API_KEY": "sk-canary"},
            {"PROXY_OPEN": "true", "OPENAI_API_KEY": "sk-canary", "PROXY_API_KEYS": "one"},
        ):
            log_warnings(Settings.from_env(settings), tmp_path)

        assert caplog.messages == [
            "PROXY_OPEN: everyone who reaches this proxy spends OPENAI_API_KEY"
        ]

    def test_an_application_that_another_server_runs_warns_too(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LOG_FORMAT", "none")
        write_dotenv(tmp_path, "COMPRESSION_RATOI=2\n")

        with caplog.at_level(logging.WARNING):
            create_app()

        assert caplog.messages == [MISSPELT]
