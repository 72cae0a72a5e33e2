"""What compression saved or lost, told apart from what was billed and from what is only estimated.

Three accounts are kept, none of which is mixed with another:

- *estimated*: the tokens of texts before and after, by the proxy's own counts;
- *billed*: the tokens that the answers' `usage` names, by what they cost;
- *without compression*: what the same answers would have been billed for, had
  nothing been removed.

The last one is a supposition, and a cautious one. Had nothing been removed,
the provider's cache would have served at least as large a share of the input
as it did, and at least what had come in the same way minutes before, where it
is long enough to be cached. So the provider's discount is never booked as
ours, and compression that keeps the cache from hitting shows as a loss.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Self

from attrs import field, frozen, mutable

from ..bodies.compressed_body import CompressedBody, TextInBody
from ..bodies.compressed_frames import CompressedFrames
from ..bodies.usage import Usage
from ..http.endpoints import OTHER
from ..ports import RelayedRequest
from .prices import PriceList, Prices

MOST_MODELS = 50
_WELL_FORMED_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,99}", re.ASCII)

_MOST_PREFIXES = 10_000
_MOST_TEXTS = 1000
CACHE_SECONDS = 300.0
"""The provider keeps a prefix for 5 to 10 minutes after its last use."""
_CACHED_FROM = 1024
_CACHED_IN_STEPS_OF = 128

_MILLION = Decimal(1_000_000)


@frozen
class Cost:
    """US dollars, by what they are paid for."""

    uncached_input: Decimal = Decimal(0)
    cached_input: Decimal = Decimal(0)
    cache_write: Decimal = Decimal(0)
    output: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return self.uncached_input + self.cached_input + self.cache_write + self.output

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.uncached_input + other.uncached_input,
            self.cached_input + other.cached_input,
            self.cache_write + other.cache_write,
            self.output + other.output,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            self.uncached_input - other.uncached_input,
            self.cached_input - other.cached_input,
            self.cache_write - other.cache_write,
            self.output - other.output,
        )


@mutable
class Bill:
    """Tokens, by what they cost; a sum that every answer is added to."""

    uncached_input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0

    @classmethod
    def of(cls, usage: Usage) -> "Bill":
        """What an answer was billed for."""
        return cls(
            usage.fresh_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens
        )

    def __iadd__(self, other: "Bill") -> Self:
        self.uncached_input += other.uncached_input
        self.cached_input += other.cached_input
        self.cache_write += other.cache_write
        self.output += other.output
        return self

    def at(self, prices: Prices) -> Cost:
        """What these tokens cost."""
        return Cost(
            self.uncached_input * prices.input / _MILLION,
            self.cached_input * prices.cached_input / _MILLION,
            self.cache_write * prices.cache_write / _MILLION,
            self.output * prices.output / _MILLION,
        )


@mutable
class Account:
    """Sums over the answers of a model."""

    answers: int = 0
    billed: Bill = field(factory=Bill)
    without_compression: Bill = field(factory=Bill)

    def __iadd__(self, other: "Account") -> Self:
        self.answers += other.answers
        self.billed += other.billed
        self.without_compression += other.without_compression
        return self


@mutable
class Estimate:
    """Sums over the answered requests whose bodies were looked into, by the proxy's own counts."""

    requests: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    shadow_tokens_saved: int = 0
    """What would have been saved, had what was only tried been sent."""
    answers_without_usage: int = 0
    """Answers that do not say what was billed, such as streams not asked to."""

    def add_request(self, compressed: CompressedBody, *, has_usage: bool) -> None:
        """Add a request and its answer."""
        self.requests += 1
        self.answers_without_usage += not has_usage
        self._add_tokens(compressed)

    def add_frames(self, compressed: CompressedFrames) -> None:
        """Add a WebSocket's requests, whose answers nobody reads."""
        self.requests += compressed.frames
        self.answers_without_usage += compressed.frames
        self._add_tokens(compressed)

    def __iadd__(self, other: "Estimate") -> Self:
        self.requests += other.requests
        self.tokens_before += other.tokens_before
        self.tokens_after += other.tokens_after
        self.shadow_tokens_saved += other.shadow_tokens_saved
        self.answers_without_usage += other.answers_without_usage
        return self

    def _add_tokens(self, compressed: CompressedBody | CompressedFrames) -> None:
        before = compressed.tokens_before
        self.tokens_before += before
        self.tokens_after += before - tokens_saved(compressed)
        if compressed.status == "shadow":
            self.shadow_tokens_saved += before - compressed.tokens_billed


@frozen
class Money:
    """The accounts in US dollars, as far as prices are known."""

    billed: Cost
    without_compression: Cost
    priced_answers: int
    unpriced_models: tuple[str, ...]

    @property
    def saved(self) -> Cost:
        """Negative where compression cost more than it saved."""
        return self.without_compression - self.billed


class Savings:
    """The accounts since the start. Memory is bounded, whatever callers send."""

    def __init__(self) -> None:
        self.estimate = Estimate()
        self.models: dict[str, Account] = {}
        self._recent = RecentTexts()

    @property
    def billed(self) -> Bill:
        """What all answers were billed for."""
        total = Bill()
        for account in self.models.values():
            total += account.billed
        return total

    def add(self, request: RelayedRequest) -> None:
        """Take a request that has ended into account, if it was answered and so billed."""
        usage, compressed = request.usage, request.compression
        if isinstance(compressed, CompressedFrames):
            self.estimate.add_frames(compressed)
            return
        if request.status != 200 or (usage is None and compressed is None):
            return
        repeated = 0
        if compressed is not None:
            repeated = self._recent.repeated_tokens(
                compressed.model, compressed.texts, request.started_at
            )
            self.estimate.add_request(compressed, has_usage=usage is not None)
        if usage is not None:
            self._bill(usage, compressed, repeated)

    def __iadd__(self, other: "Savings") -> Self:
        self.estimate += other.estimate
        for model, account in other.models.items():
            mine = self._account(model)
            mine += account
        return self

    def money(self, prices: PriceList) -> Money:
        """The accounts at these prices."""
        priced = {
            model: found for model in self.models if (found := prices.prices_of(model)) is not None
        }
        accounts = {model: self.models[model] for model in priced}
        return Money(
            billed=_total(account.billed.at(priced[m]) for m, account in accounts.items()),
            without_compression=_total(
                account.without_compression.at(priced[m]) for m, account in accounts.items()
            ),
            priced_answers=sum(account.answers for account in accounts.values()),
            unpriced_models=tuple(model for model in self.models if model not in priced),
        )

    def _bill(self, usage: Usage, compressed: CompressedBody | None, repeated: int) -> None:
        model = usage.model or (compressed.model if compressed else "")
        account = self._account(known_model(model, self.models))
        billed = Bill.of(usage)
        account.answers += 1
        account.billed += billed
        account.without_compression += (
            billed if compressed is None else without_compression(usage, compressed, repeated)
        )

    def _account(self, model: str) -> Account:
        if model not in self.models:
            self.models[model] = Account()
        return self.models[model]


class RecentTexts:
    """Which beginnings of conversations came by in the last minutes, a bounded number of them."""

    def __init__(self, capacity: int = _MOST_PREFIXES) -> None:
        self._capacity = capacity
        self._seen: dict[int, float] = {}

    def __reduce__(self) -> tuple[type["RecentTexts"], tuple[int]]:
        # Accounts may be copied into another process; there, nothing has come by.
        return RecentTexts, (self._capacity,)

    def repeated_tokens(self, model: str, texts: Sequence[TextInBody], at: float) -> int:
        """How many tokens of the texts, from the first on, came before; takes note of them all.

        `at` is a time in seconds.
        """
        prefix, tokens, repeats = hash(model), 0, True
        for text in islice(texts, _MOST_TEXTS):
            prefix = hash((prefix, text.role, text.original))
            seen_at = self._seen.pop(prefix, None)
            self._seen[prefix] = at
            repeats = repeats and seen_at is not None and at - seen_at <= CACHE_SECONDS
            tokens += text.compressed.tokens_before if repeats else 0
        while len(self._seen) > self._capacity:
            del self._seen[next(iter(self._seen))]
        return tokens


def tokens_saved(compressed: CompressedBody | CompressedFrames) -> int:
    """How many tokens fewer were sent, by the proxy's own counts."""
    if compressed.status != "applied":
        return 0
    return compressed.tokens_before - compressed.tokens_billed


def without_compression(usage: Usage, compressed: CompressedBody, repeated: int) -> Bill:
    """What an answer would have been billed for; `repeated` tokens of its texts came before."""
    saved = tokens_saved(compressed)
    if saved <= 0:
        return Bill.of(usage)
    total = usage.input_tokens + saved
    share_as_now = total * usage.cached_tokens // max(1, usage.input_tokens)
    cached = max(share_as_now, _cacheable(total * repeated // compressed.tokens_before))
    rest = total - cached
    not_cached_now = usage.input_tokens - usage.cached_tokens
    written = rest * usage.cache_write_tokens // max(1, not_cached_now)
    return Bill(rest - written, cached, written, usage.output_tokens)


def known_model(name: str, known: Mapping[str, object]) -> str:
    """`name` if it is well formed and there is room for another, otherwise `other`."""
    if name in known:
        return name
    has_room = len(known) < MOST_MODELS
    return name if has_room and _WELL_FORMED_MODEL.fullmatch(name) else OTHER


def verdict(money: Money) -> str:
    """The account in a sentence."""
    saved = money.saved.total
    if not money.priced_answers:
        return _why_no_money(money.unpriced_models)
    if saved < 0:
        return (
            f"Compression lost about {-saved:.4f} USD: "
            "what it removed would have cost less than the cached input it prevented."
        )
    if saved == 0:
        return "Compression has neither saved nor lost anything."
    return f"Compression saved about {saved:.4f} USD of {money.without_compression.total:.4f} USD."


def _why_no_money(unpriced_models: Sequence[str]) -> str:
    if not unpriced_models:
        return "No answer has said yet what was billed."
    first, *others = unpriced_models
    more = f" and {len(others)} more" if others else ""
    return f"Nothing is said in money: PRICES_FILE has no price for {first}{more}."


def _cacheable(tokens: int) -> int:
    """How much of a repeated beginning the provider's cache would serve."""
    return 0 if tokens < _CACHED_FROM else tokens - tokens % _CACHED_IN_STEPS_OF


def _total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())
