"""The examples in the documentation run, and the front door opens on what it names."""

import doctest
from importlib import import_module
from pkgutil import iter_modules

import pytest

import openai_proxy.adapters
from openai_proxy import domain

MODULES = [
    "openai_proxy.domain",
    *(f"openai_proxy.domain.{module.name}" for module in iter_modules(domain.__path__)),
    "openai_proxy.adapters",
    "openai_proxy.adapters.compression.strategy_loader",
    "openai_proxy.adapters.compression.tokenizer",
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_each_module_run(module: str) -> None:
    assert doctest.testmod(import_module(module)).failed == 0


def test_there_are_examples() -> None:
    assert doctest.testmod(domain).attempted >= 5


@pytest.mark.parametrize("package", [domain, openai_proxy.adapters])
def test_all_public_names_exist(package: object) -> None:
    names: list[str] = vars(package)["__all__"]

    assert [name for name in names if not hasattr(package, name)] == []
