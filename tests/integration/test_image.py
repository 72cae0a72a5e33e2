"""What the image does, shown by carrying out its Dockerfile in a clean folder.

This needs a package registry, as building the image does. The network, the user
and the read-only root are the Docker engine's: the workflow for CI has them.
"""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from tests.image import Image, build, pull_base

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 15.0


@frozen
class BuiltImage:
    image: Image
    sources: frozenset[str]
    """The names of the files that it was built from, below `src`."""
    wheel: frozenset[str]
    """The names of the files in the wheel that was installed."""


@frozen
class Container:
    image: Image
    process: subprocess.Popen[bytes]
    port: str
    output: Path

    def is_healthy(self) -> bool:
        """Whether the image's own health check says so."""
        return self.image.run(*self.image.exec_form("HEALTHCHECK"), PORT=self.port).returncode == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    root = tmp_path_factory.mktemp("image")
    pip = pull_base(root)
    skip_without_a_registry(pip, tmp_path_factory.mktemp("download"))
    image = build(PROJECT, root)
    (wheel,) = (root / "build" / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = frozenset(archive.namelist())
    sources = frozenset(path.as_posix() for path in files_in(root / "build" / "src"))
    # The final stage has nothing of it.
    shutil.rmtree(root / "build")
    return BuiltImage(image, sources, names)


@pytest.fixture(scope="module")
def image(built: BuiltImage) -> Image:
    return built.image


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    port = free_port()
    output = tmp_path / "output"
    with image.container(output, PORT=port) as process:
        started = Container(image, process, port, output)
        wait_until_healthy(started)
        yield started


def skip_without_a_registry(pip: Path, directory: Path) -> None:
    if "CI" in os.environ:
        return
    asked = subprocess.run(
        [pip, "download", "--no-deps", "--no-cache-dir", "idna"],
        check=False,
        capture_output=True,
        cwd=directory,
    )
    if asked.returncode != 0:
        pytest.skip("no package registry answers, and the image installs from one")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def wait_until_healthy(container: Container) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and container.process.poll() is None:
        if container.is_healthy():
            return
    raise AssertionError(f"never healthy:\n{container.output.read_text()}")


def files_in(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def when_written(folder: Path) -> dict[Path, int]:
    return {path: (folder / path).stat().st_mtime_ns for path in files_in(folder)}


class TestTheWheel:
    def test_it_holds_the_package_alone(self, built: BuiltImage) -> None:
        folders = {name.split("/")[0] for name in built.wheel}

        assert {folder.split("-")[0] for folder in folders} == {"openai_proxy"}

    def test_it_holds_all_that_the_sources_hold(self, built: BuiltImage) -> None:
        package = {name for name in built.wheel if name.startswith("openai_proxy/")}

        assert package == {f"openai_proxy/{name}" for name in built.sources}

    def test_it_holds_the_vocabularies_and_says_that_it_is_typed(self, built: BuiltImage) -> None:
        data = {name for name in built.wheel if name.endswith((".gz", "py.typed"))}

        assert data == {
            "openai_proxy/adapters/compression/vocabularies/cl100k_base.tiktoken.gz",
            "openai_proxy/adapters/compression/vocabularies/o200k_base.tiktoken.gz",
            "openai_proxy/py.typed",
        }

    def test_its_command_works_with_the_sources_gone(self, image: Image) -> None:
        done = image.run("openai-proxy", "--version")

        assert done.returncode == 0, done.stderr
        assert "0.1.0" in done.stdout


class TestAContainer:
    def test_it_finds_itself_healthy(self, container: Container) -> None:
        assert container.is_healthy()

    def test_it_finds_itself_unhealthy_where_nothing_answers(self, image: Image) -> None:
        check = image.run(*image.exec_form("HEALTHCHECK"), PORT=free_port())

        assert check.returncode != 0

    def test_it_writes_no_file(self, image: Image, container: Container) -> None:
        before = when_written(image.root)

        container.process.send_signal(signal.SIGTERM)
        container.process.wait(timeout=10)

        assert when_written(image.root) == before

    def test_it_leaves_on_sigterm(self, container: Container) -> None:
        container.process.send_signal(signal.SIGTERM)

        assert container.process.wait(timeout=10) in {0, 128 + signal.SIGTERM, -signal.SIGTERM}

    def test_every_line_it_prints_is_a_json_object_with_a_severity(
        self, container: Container
    ) -> None:
        container.process.send_signal(signal.SIGTERM)
        container.process.wait(timeout=10)

        lines = [json.loads(line) for line in container.output.read_text().splitlines()]

        assert lines
        assert [line for line in lines if "severity" not in line] == []

    def test_it_compiles_nothing_when_it_starts(self, image: Image) -> None:
        modules = [
            module
            for module in (image.root / "opt").rglob("openai_proxy/**/*.py")
            if not Path(importlib.util.cache_from_source(str(module))).is_file()
        ]

        assert modules == []
