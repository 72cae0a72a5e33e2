"""The image, built in a folder by the steps of its Dockerfile, where no Docker engine runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from tests.dockerfile import Stage, stages


@frozen
class Image:
    """A folder that stands for the image's root, and the stage that says how it runs."""

    root: Path
    final_stage: Stage

    @property
    def environment(self) -> dict[str, str]:
        """All that a process in a container would see."""
        path = self.final_stage.environment["PATH"].replace("$PATH", "/usr/bin:/bin")
        return {**self.final_stage.environment, "PATH": self.inside(path), "HOME": str(self.root)}

    def inside(self, text: str) -> str:
        """The text with the image's paths made paths in the folder."""
        for path in ("/opt/openai-proxy", "/usr/local"):
            text = text.replace(path, f"{self.root}{path}")
        return text

    def exec_form(self, keyword: str) -> list[str]:
        """The words of the command that a keyword gives."""
        (value,) = self.final_stage.values(keyword)
        words: list[str] = json.loads(value[value.index("[") :])
        return words

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of its own."""
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=self.root,
            env={**self.environment, **settings},
            timeout=30,
        )

    @contextmanager
    def container(self, output: Path, **settings: str) -> Generator[subprocess.Popen[bytes]]:
        """What `docker run` would start, writing to the file `output`."""
        with output.open("wb") as written:
            process = subprocess.Popen(
                [*self.exec_form("ENTRYPOINT"), *self.exec_form("CMD")],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                env={**self.environment, **settings},
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def pull_base(root: Path) -> Path:
    """Lay out what stands for the base image; its pip."""
    subprocess.run([sys.executable, "-m", "venv", root / "usr" / "local"], check=True)
    return root / "usr" / "local" / "bin" / "pip"


def build(context: Path, root: Path) -> Image:
    """Carry out the Dockerfile in `context` upon the base in `root`, all stages in one folder."""
    every_stage = stages((context / "Dockerfile").read_text())
    image = Image(root, every_stage[-1])
    for stage in every_stage:
        directory = root
        for step in stage.instructions:
            match step.keyword:
                case "WORKDIR":
                    directory = root / step.value.lstrip("/")
                    directory.mkdir()
                case "COPY" if not step.value.startswith("--from="):
                    _copy(context, step.value.split(), directory)
                case "RUN":
                    _run(image.inside(step.value), directory, image, stage)
                case _:
                    pass
    return image


def _copy(context: Path, names: list[str], directory: Path) -> None:
    *sources, target = names
    for source in sources:
        if (context / source).is_dir():
            caches = shutil.ignore_patterns("__pycache__")
            shutil.copytree(context / source, directory / target, ignore=caches)
        else:
            shutil.copy(context / source, directory / target)


def _run(script: str, directory: Path, image: Image, stage: Stage) -> None:
    # The caller's environment says how package registries are reached.
    environment = {**os.environ, **stage.environment, "PATH": image.inside("/usr/local/bin:/bin")}
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
