"""Corpora in many scripts that come with packages of Debian and PyPI, and with Python itself."""

import subprocess
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import yaml
from attrs import frozen

FEWEST_BYTES: Final = 200
"""Shorter prose is headings and notes."""
LINES_OF_A_TRANSCRIPT: Final = 40

_TASKS_WITH_QUESTIONS: Final = ("/gsm8k/", "/bbh/cot_fewshot/", "/mmlu/flan_cot_fewshot/")
_MODULES: Final = ("bisect.py", "configparser.py", "heapq.py", "json/decoder.py", "textwrap.py")
_OTHER_MODULES: Final = ("csv.py", "fractions.py", "gettext.py", "http/cookies.py", "shlex.py")
_ENGLISH: Final = "C"
_MALLARD: Final = "{http://projectmallard.org/1.0/}"


def debian_package(name: str, directory: Path) -> Path:
    """Download a package of Debian, and unpack it below `directory`."""
    unpacked = directory / name
    if not unpacked.exists():
        _run("apt-get", "download", "-qq", name, cwd=directory)
        (package,) = directory.glob(f"{name}_*.deb")
        _run("dpkg-deb", "-x", package, unpacked)
    return unpacked


def python_package(name: str, directory: Path) -> zipfile.ZipFile:
    """Download the wheel of a package of PyPI into `directory`."""
    pattern = f"{name.replace('-', '_')}-*.whl"
    if not [*directory.glob(pattern)]:
        _run("pip", "download", "-q", "--no-deps", "-d", directory, name)
    (wheel,) = directory.glob(pattern)
    return zipfile.ZipFile(wheel)


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True)  # noqa: S603 - the commands above, no others


def prose(language: str, directory: Path) -> Iterator[str]:
    """Help pages of GNOME (CC BY-SA 3.0), without the paragraphs that nobody has translated."""
    pages = debian_package("gnome-user-docs", directory) / "usr/share/help"
    for page in sorted((pages / language / "gnome-help").glob("*.page")):
        english = pages / _ENGLISH / "gnome-help" / page.name
        untranslated = {*_paragraphs(english)} if language != _ENGLISH else frozenset[str]()
        text = "\n\n".join(one for one in _paragraphs(page) if one not in untranslated)
        if len(text.encode()) >= FEWEST_BYTES:
            yield text


def _paragraphs(page: Path) -> Iterator[str]:
    for paragraph in ET.parse(page).iter(f"{_MALLARD}p"):  # noqa: S314 - from a signed package
        yield " ".join("".join(paragraph.itertext()).split())


def dialogue(language: str, directory: Path) -> Iterator[str]:
    """Small talk of chatterbot-corpus (BSD), as transcripts."""
    with python_package("chatterbot-corpus", directory) as wheel:
        for name in sorted(wheel.namelist()):
            if f"/{language}/" in name and name.endswith(".yml"):
                spoken = _spoken(yaml.safe_load(wheel.read(name))["conversations"])
                while lines := [*islice(spoken, LINES_OF_A_TRANSCRIPT)]:
                    yield "\n".join(lines)


def _spoken(conversations: Iterable[Sequence[Any]]) -> Iterator[str]:
    return (f"- {line}" for said in conversations for line in said if isinstance(line, str))


def questions(directory: Path) -> Iterator[str]:
    """Questions with numbers among the worked examples of lm-eval (MIT)."""
    with python_package("lm-eval", directory) as wheel:
        for name in sorted(wheel.namelist()):
            if name.endswith(".yaml") and any(task in name for task in _TASKS_WITH_QUESTIONS):
                task = yaml.load(wheel.read(name), _TaskLoader)  # noqa: S506 - it makes nothing
                for question in _worked_examples(task):
                    if any(map(str.isdigit, question)):
                        yield question


class _TaskLoader(yaml.SafeLoader):
    """Reads a task's definition without the functions that it names."""


def _nothing(_loader: _TaskLoader, _tag: str, _node: object) -> None:
    return None


_TaskLoader.add_multi_constructor("!", _nothing)  # pyright: ignore[reportUnknownMemberType] - the stub is bare here


def _worked_examples(task: Mapping[str, Any]) -> Iterator[str]:
    config: Mapping[str, Any] = task.get("fewshot_config") or {}
    samples: Iterable[Mapping[str, str]] = config.get("samples") or ()
    for sample in samples:
        for key in ("question", "input", "problem"):
            if key in sample:
                yield sample[key]


def code(_: Path, modules: Sequence[str] = _MODULES) -> Iterator[str]:
    """Modules of Python's standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    for name in modules:
        yield (library / name).read_text(encoding="utf-8")


def sayings(package: str, folder: str, directory: Path) -> Iterator[str]:
    """What the program `fortune` says, where it is longer than a line or two."""
    cookies = debian_package(package, directory) / "usr/share/games/fortunes" / folder
    for file in sorted(cookies.iterdir()):
        if file.is_file() and not file.suffix:
            for saying in file.read_text(encoding="utf-8").split("\n%\n"):
                text = " ".join(saying.split())
                if len(text.encode()) >= FEWEST_BYTES:
                    yield text


@frozen
class Corpus:
    """Texts in one language."""

    language: str
    """By its code in ISO 639-1."""
    read: Callable[[Path], Iterable[str]]
    is_held_out: bool = True
    """Whether nobody looked at it to choose the weights of `weighted`."""


CORPORA: Final[Mapping[str, Corpus]] = {
    "prose, English": Corpus("en", partial(prose, _ENGLISH), is_held_out=False),
    "prose, Russian": Corpus("ru", partial(prose, "ru"), is_held_out=False),
    "prose, Chinese": Corpus("zh", partial(prose, "zh_CN"), is_held_out=False),
    "questions with numbers, English": Corpus("en", questions, is_held_out=False),
    "dialogue, Ukrainian": Corpus("uk", partial(dialogue, "ukrainian"), is_held_out=False),
    "dialogue, Japanese": Corpus("ja", partial(dialogue, "japanese"), is_held_out=False),
    "dialogue, Korean": Corpus("ko", partial(dialogue, "korean"), is_held_out=False),
    "code, Python": Corpus("en", code, is_held_out=False),
    "prose, German": Corpus("de", partial(prose, "de")),
    "prose, French": Corpus("fr", partial(prose, "fr")),
    "prose, Spanish": Corpus("es", partial(prose, "es")),
    "prose, Polish": Corpus("pl", partial(prose, "pl")),
    "prose, Turkish": Corpus("tr", partial(prose, "tr")),
    "prose, Greek": Corpus("el", partial(prose, "el")),
    "prose, Hindi": Corpus("hi", partial(prose, "hi")),
    "prose, Persian": Corpus("fa", partial(prose, "fa")),
    "prose, Japanese": Corpus("ja", partial(prose, "ja")),
    "dialogue, English": Corpus("en", partial(dialogue, "english")),
    "dialogue, Chinese": Corpus("zh", partial(dialogue, "chinese")),
    "dialogue, Persian": Corpus("fa", partial(dialogue, "persian")),
    "sayings, English": Corpus("en", partial(sayings, "fortunes", "")),
    "sayings, Russian": Corpus("ru", partial(sayings, "fortunes-ru", "ru")),
    "code, more Python": Corpus("en", partial(code, modules=_OTHER_MODULES)),
}
"""What is tried, by name."""
