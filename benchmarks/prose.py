"""Short news items in several scripts, and the names that they mention."""

import tomllib
from pathlib import Path
from typing import Final

from attrs import frozen


@frozen
class Prose:
    """News items in one language, a line each."""

    items: str
    names: tuple[str, ...]


def read_prose(path: Path) -> dict[str, Prose]:
    """The news items of each language."""
    languages = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Prose(language["items"], tuple(language["names"]))
        for name, language in languages.items()
    }


PROSE: Final = read_prose(Path(__file__).with_name("prose.toml"))
ENGLISH: Final = PROSE["English"].items
