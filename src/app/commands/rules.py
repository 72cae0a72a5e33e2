"""`openai-proxy rules check`: what a file of rules says, and which rule takes which message."""

from collections.abc import Iterator
from pathlib import Path

import click
from attrs import evolve

from ...adapters import tokenizer_for
from ...adapters.logs.text_format import one_field
from ...domain.bodies.body_compression import BODY_REASONS
from ...domain.bodies.rule_verdicts import Verdict, verdicts
from ...domain.control.policy import ENDPOINTS, CompressionPolicy
from ...domain.control.rules import Condition, Instruction, Rules
from ...domain.control.rules_file import InvalidRules
from ..compression import read_rules
from .failure import fail, settings_or_fail


@click.group()
def rules() -> None:
    """Rules for single kinds of texts: what COMPRESSION_RULES may name."""


@rules.command()
@click.argument("file")
@click.option("--request", "request_file", metavar="FILE", help="The body of a request to try.")
@click.option("--endpoint", type=click.Choice(ENDPOINTS), help="With --request; chat without one.")
def check(file: str, request_file: str | None, endpoint: str | None) -> None:
    """Say what the rules in FILE mean, or every reason why they are not valid.

    With a request, say which rule takes each of its texts, and why the rules
    before it do not.
    """
    if endpoint is not None and request_file is None:
        fail(["--endpoint: only with --request"])
    # The very file to be checked may be the one that the environment names.
    policy = settings_or_fail(without=["COMPRESSION_RULES"]).policy
    policy = evolve(policy, rules=_rules(file, policy))
    if request_file is None:
        told = _in_words(policy)
    else:
        told = _verdicts(request_file, endpoint or "chat", policy)
    for line in told:
        click.echo(line)


def _rules(file: str, policy: CompressionPolicy) -> Rules:
    try:
        return read_rules(file, policy)
    except InvalidRules as invalid:
        fail(invalid.problems)


def _in_words(policy: CompressionPolicy) -> Iterator[str]:
    for number, rule in enumerate(policy.rules.rules, 1):
        name = "" if rule.name == str(number) else f" {rule.name}"
        yield f"rule {number}{name}: {rule.when}: {rule.then}"
    otherwise = Condition(endpoints=policy.endpoints, roles=policy.roles)
    yield f"otherwise: {otherwise}: {_settings_in_words(policy)}"


def _settings_in_words(policy: CompressionPolicy) -> Instruction:
    return Instruction(
        keep_ratio=policy.keep_ratio,
        strategy=policy.strategy,
        protect=policy.protect or None,
    )


def _verdicts(request_file: str, endpoint: str, policy: CompressionPolicy) -> Iterator[str]:
    try:
        body = Path(request_file).read_bytes()
        found = verdicts(body, endpoint, policy, tokenizer_for)
    except OSError as error:
        fail([f"{request_file}: {error.strerror}"])
    except tuple(BODY_REASONS) as error:
        fail([f"{request_file}: no request that could be compressed ({BODY_REASONS[type(error)]})"])
    if not found:
        yield f"no text in this request to {endpoint}"
    for verdict in found:
        yield from _in_detail(verdict, policy)


def _in_detail(verdict: Verdict, policy: CompressionPolicy) -> Iterator[str]:
    facts = verdict.facts
    where = f"{one_field(verdict.pointer)} ({facts.role}, turn {facts.turn}, {facts.tokens} tokens)"
    if verdict.rule is not None:
        yield f"{where}: rule {verdict.rule.name}: {verdict.rule.then}"
    elif verdict.is_chosen:
        yield f"{where}: no rule, so the settings: {_settings_in_words(policy)}"
    else:
        yield f"{where}: no rule, and not chosen by the settings: leave it alone"
    for passed in verdict.passed_over:
        yield f"    not rule {passed.rule.name}: {passed.reason}"
