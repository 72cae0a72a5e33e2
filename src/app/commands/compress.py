"""`openai-proxy compress`: texts in, thinned texts out, as the proxy would send them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from attrs import evolve, frozen

from ...adapters import tokenizer_for
from ...adapters.compression.strategy_loader import load_strategy
from ...domain.bodies.body_compression import compress_body
from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compression_question import (
    Question,
    question_about_request,
    question_about_text,
)
from ...domain.compression.keep_ratio import InvalidRatio, KeepRatio, RatioNames, resolve_keep_ratio
from ...domain.compression.strategies import Strategy
from ...domain.control.policy import ENDPOINTS, CompressionPolicy, RequestOverrides
from ...domain.protection.protections import PROTECTIONS
from .. import readers
from ..compression import load_policy
from .failure import fail, settings_or_fail

_STANDARD_INPUT = "-"
_STDIN, _STDOUT = 0, 1
_RATIO_NAMES = RatioNames("--ratio", "--keep")


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--model", default="", help="Whose tokens are billed; o200k_base without one.")
@click.option("--ratio", metavar="NUMBER", help="Keep one token in so many, as COMPRESSION_RATIO.")
@click.option("--keep", metavar="SHARE", help="Keep this share, as TOKENS_TO_KEEP_RATIO.")
@click.option("--strategy", help="A built-in one, or your own as package.module:name.")
@click.option("--protect", metavar="KINDS", help=f"Any of {','.join(PROTECTIONS)}, or none.")
@click.option("--request", "is_request", is_flag=True, help="The input is the body of a request.")
@click.option("--endpoint", type=click.Choice(ENDPOINTS), help="With --request; chat without one.")
@click.option("--explain", is_flag=True, help="Show which tokens stay and which go.")
@click.option("--json", "as_json", is_flag=True, help="Give the account as JSON, a line an input.")
def compress(*, files: tuple[str, ...], explain: bool, as_json: bool, **options: Any) -> None:
    """Compress each FILE, or standard input, as the proxy would; nothing is sent.

    What the settings and rules of this environment say is overruled by the
    options. The result goes to standard output, byte for byte, and the account
    of it to standard error.
    """
    if problems := list(_contradictions(options)):
        fail(problems)
    policy = _policy(options)
    # Only this command needs what shows texts on a terminal.
    from .compression_account import Account  # noqa: PLC0415

    for given in _read_all(files or (_STANDARD_INPUT,)):
        asked = _question(given, options, policy)
        compressed = compress_body(asked.body, asked.endpoint, asked.policy, tokenizer_for)
        if compressed.skipped == "not_json":
            fail([f"{given.name}: not JSON; with --request it must be the body of a request"])
        _write(_result(given, compressed, is_request=options["is_request"]))
        account = Account(given.name, compressed, policy.salt, is_request=options["is_request"])
        account.show(explain=explain, as_json=as_json)


@frozen
class _Input:
    """What was read, and where from."""

    name: str
    content: bytes

    @property
    def text(self) -> str:
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            fail([f"{self.name}: not UTF-8 at byte {error.start}"])


def _contradictions(options: dict[str, Any]) -> Iterator[str]:
    """What one option says and another makes void."""
    if options["ratio"] is not None and options["keep"] is not None:
        yield "--keep: not with --ratio; either says how much to keep"
    if options["endpoint"] is not None and not options["is_request"]:
        yield "--endpoint: only with --request; a text counts as a message of a chat"
    if options["model"] and options["is_request"]:
        yield "--model: not with --request, whose body names the model"


def _policy(options: dict[str, Any]) -> CompressionPolicy:
    policy = load_policy(settings_or_fail())
    overrides = RequestOverrides(
        keep_ratio=_keep_ratio(options["ratio"], options["keep"]),
        strategy=_strategy(options["strategy"]),
        protect=_protect(options["protect"]),
    )
    return evolve(policy, overrides=overrides)


def _keep_ratio(ratio: str | None, keep: str | None) -> KeepRatio | None:
    if ratio is None and keep is None:
        return None
    try:
        return resolve_keep_ratio(ratio, keep, names=_RATIO_NAMES)
    except InvalidRatio as invalid:
        fail([str(invalid)])


def _strategy(name: str | None) -> Strategy | None:
    try:
        return None if name is None else load_strategy(name)
    except ValueError as error:
        fail([f"--strategy: {error}"])


def _protect(kinds: str | None) -> frozenset[str] | None:
    try:
        return None if kinds is None else readers.choices(*PROTECTIONS, or_none=True)(kinds)
    except ValueError:
        allowed = ", ".join(PROTECTIONS)
        fail([f"--protect: {readers.shown(kinds or '')} is not valid; it must be any of {allowed}"])


def _read_all(names: tuple[str, ...]) -> list[_Input]:
    """Every input, before anything is written: a misspelt name is no half-done work."""
    inputs: list[_Input] = []
    problems: list[str] = []
    for name in names:
        try:
            inputs.append(_read(name))
        except OSError as error:
            problems.append(f"{_shown(name)}: {error.strerror}")
    if problems:
        fail(problems)
    return inputs


def _read(name: str) -> _Input:
    if name == _STANDARD_INPUT:
        with open(_STDIN, "rb", closefd=False) as stdin:
            return _Input(_shown(name), stdin.read())
    return _Input(name, Path(name).read_bytes())


def _shown(name: str) -> str:
    return "standard input" if name == _STANDARD_INPUT else name


def _question(given: _Input, options: dict[str, Any], policy: CompressionPolicy) -> Question:
    if options["is_request"]:
        return question_about_request(given.content, options["endpoint"] or "chat", policy)
    return question_about_text(given.text, options["model"], policy)


def _result(given: _Input, compressed: CompressedBody, *, is_request: bool) -> bytes:
    if is_request:
        return compressed.body
    return compressed.texts[0].compressed.text.encode() if compressed.texts else given.content


def _write(result: bytes) -> None:
    try:
        # Not sys.stdout.buffer: under PYTHONUNBUFFERED it may write only the beginning.
        with open(_STDOUT, "wb", closefd=False) as stdout:
            stdout.write(result)
    except OSError as error:
        fail([f"standard output: {error.strerror}"])
