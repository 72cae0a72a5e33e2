"""The examples in the documentation run, and the front door opens on what it names."""

import doctest
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

from openai_proxy import adapters, domain


def modules_with_examples(package: ModuleType) -> Iterator[str]:
    """Only these are imported: some adapters want packages that need not be installed."""
    within = walk_packages(package.__path__, f"{package.__name__}.")
    for name in [package.__name__, *(module.name for module in within)]:
        spec = find_spec(name)
        if spec and spec.origin and ">>> " in Path(spec.origin).read_text(encoding="utf-8"):
            yield name


MODULES = [*modules_with_examples(domain), *modules_with_examples(adapters)]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_each_module_run(module: str) -> None:
    assert doctest.testmod(import_module(module)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(import_module(module)).attempted for module in MODULES) >= 20


@pytest.mark.parametrize("package", [domain, adapters])
def test_all_public_names_exist(package: ModuleType) -> None:
    names: list[str] = vars(package)["__all__"]

    assert [name for name in names if not hasattr(package, name)] == []
