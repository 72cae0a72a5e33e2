"""How settings, rules and the operator's own strategies become one policy."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from openai_proxy.app.compression import (
    compression_problems,
    control_limits,
    load_policy,
    strategies_of,
)
from openai_proxy.app.settings import InvalidSettings, Settings
from openai_proxy.domain.compression.strategies import BUILT_IN
from openai_proxy.domain.control.policy import CompressionPolicy


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A strategy of the operator's own, by its dotted path."""
    (tmp_path / "own_ways.py").write_text(
        "from openai_proxy.domain.compression.strategies import Uniform\nmine = Uniform(name='mine')\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "own_ways", raising=False)
    return "own_ways:mine"


def rules_in(directory: Path, text: str) -> str:
    path = directory / "rules.toml"
    path.write_text(text)
    return str(path)


def test_a_strategy_named_by_a_path_is_loaded_and_requests_may_ask_for_it_by_its_name(
    module: str,
) -> None:
    settings = Settings(compression_strategy=module, compression_floor=Fraction(1, 4))

    policy = load_policy(settings)
    limits = control_limits(settings, policy)

    assert not isinstance(policy.strategy, str)
    assert policy.strategy.name == "mine"
    assert set(limits.strategies) == {*BUILT_IN, "mine"}
    assert (limits.allowed, limits.floor) == (True, Fraction(1, 4))


def test_a_rule_may_name_a_strategy_by_a_path_too(module: str, tmp_path: Path) -> None:
    rules = rules_in(tmp_path, f'[[rule]]\nstrategy = "{module}"\n')

    policy = load_policy(Settings(compression_rules=rules))

    assert set(strategies_of(policy)) == {*BUILT_IN, "mine"}


def test_rules_are_about_the_endpoints_and_roles_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        compression_rules=rules_in(tmp_path, "[[rule]]\ntarget_tokens = 100\n"),
        compression_endpoints=frozenset({"responses"}),
        compression_roles=frozenset({"tool"}),
    )

    policy = load_policy(settings)

    assert [endpoint for endpoint in ("chat", "responses") if policy.covers(endpoint)] == [
        "responses"
    ]
    assert policy.roles_at("responses") == {"tool"}


def test_without_rules_the_policy_is_that_of_the_settings() -> None:
    assert load_policy(Settings()) == CompressionPolicy(strategy=BUILT_IN["uniform"])


def test_every_problem_is_told_before_anything_is_served(tmp_path: Path) -> None:
    path = rules_in(tmp_path, "[[rule]]\nturn = 3\n")
    named = {"COMPRESSION_STRATEGY": "nowhere:It", "COMPRESSION_RULES": path}

    told = list(compression_problems(named))

    assert [problem.partition(";")[0] for problem in told] == [
        "COMPRESSION_STRATEGY: 'nowhere:It': nowhere cannot be imported: No module named 'nowhere'",
        f"COMPRESSION_RULES: {path}:1: the rule says nothing",
        f"COMPRESSION_RULES: {path}:2: turn: no such key",
    ]


@pytest.mark.parametrize(
    "settings",
    [Settings(compression_strategy="nowhere:It"), Settings(compression_rules="missing.toml")],
)
def test_a_policy_that_cannot_be_loaded_is_none(settings: Settings) -> None:
    with pytest.raises(InvalidSettings, match=r"^COMPRESSION_(STRATEGY|RULES): "):
        load_policy(settings)
