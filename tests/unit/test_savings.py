"""What compression saved or lost, apart from what was billed."""

from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st
from tests.log_entries import NOON, a_compression, a_request, a_text

from openai_proxy.domain.bodies.compressed_body import CompressedBody
from openai_proxy.domain.bodies.compressed_frames import CompressedFrames
from openai_proxy.domain.bodies.usage import Usage
from openai_proxy.domain.ports import RelayedRequest
from openai_proxy.domain.savings.prices import PriceList, Prices
from openai_proxy.domain.savings.sums import (
    CACHE_SECONDS,
    MOST_MODELS,
    Bill,
    Cost,
    Estimate,
    RecentTexts,
    Savings,
    tokens_saved,
    verdict,
)

MODEL = "gpt-4o-2024-08-06"
PRICES = Prices(
    input=Decimal("2.50"),
    output=Decimal("10.00"),
    cached_input=Decimal("0.25"),
    cache_write=Decimal("3.125"),
)
PRICE_LIST = PriceList((("gpt-4o*", PRICES),))

counts = st.integers(0, 10**6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, fresh = draw(counts), draw(counts), draw(counts)
    return Usage(MODEL, cached + written + fresh, cached, written, draw(counts))


@st.composite
def compressions(draw: st.DrawFn) -> CompressedBody:
    before = draw(st.integers(1, 10**5))
    return halved("some text", before=before, after=draw(st.integers(1, before)))


def halved(*texts: str, before: int, after: int) -> CompressedBody:
    return a_compression(
        *(a_text(text, tokens_before=before, tokens_billed=after) for text in texts)
    )


def answered(
    usage: Usage | None,
    compressed: CompressedBody | CompressedFrames | None = None,
    at: float = NOON,
) -> RelayedRequest:
    return a_request(usage=usage, compression=compressed, started_at=at)


def savings_of(*requests: RelayedRequest) -> Savings:
    savings = Savings()
    for request in requests:
        savings.add(request)
    return savings


def saved_by(*requests: RelayedRequest) -> Decimal:
    return savings_of(*requests).money(PRICE_LIST).saved.total


class TestAKnownConversation:
    """Three turns, each repeating those before it, thinned to a half."""

    DOCUMENT, FIRST, SECOND = "a long document", "a question", "another question"
    TURNS = (
        answered(Usage(MODEL, 1010, 0, 0, 100), halved(DOCUMENT, before=2000, after=1000)),
        answered(
            Usage(MODEL, 2120, 1024, 0, 200),
            halved(DOCUMENT, FIRST, before=2000, after=1000),
            NOON + 60,
        ),
        answered(
            Usage(MODEL, 3330, 2048, 1024, 300),
            halved(DOCUMENT, FIRST, SECOND, before=2000, after=1000),
            NOON + 120,
        ),
    )

    def test_the_bill_is_what_the_answers_said(self) -> None:
        account = savings_of(*self.TURNS).models[MODEL]

        assert (account.answers, account.billed) == (3, Bill(2364, 3072, 1024, 600))

    def test_without_compression_repeated_turns_would_have_come_from_the_cache(self) -> None:
        supposed = savings_of(*self.TURNS).models[MODEL].without_compression

        # The turns had 2010, 4120 and 6330 tokens; half of the second is a repetition and
        # two thirds of the third, of which the cache takes 2048 and 4096. Of what is left
        # of the third, as large a share was written to the cache as of what was sent.
        written = (6330 - 4096) * 1024 // (3330 - 2048)
        assert supposed == Bill(
            uncached_input=2010 + (4120 - 2048) + (6330 - 4096 - written),
            cached_input=2048 + 4096,
            cache_write=written,
            output=100 + 200 + 300,
        )

    def test_the_money_is_right_to_four_decimals(self) -> None:
        money = savings_of(*self.TURNS).money(PRICE_LIST)

        assert [round(cost.total, 4) for cost in (money.billed, money.without_compression)] == [
            Decimal("0.0159"),  # 0.00591 + 0.000768 + 0.0032 + 0.006
            Decimal("0.0244"),  # 0.01133 + 0.001536 + 0.005575 + 0.006
        ]
        assert money.saved == Cost(
            uncached_input=Decimal("0.00542"),
            cached_input=Decimal("0.000768"),
            cache_write=Decimal("0.002375"),
        )
        assert verdict(money) == "Compression saved about 0.0086 USD of 0.0244 USD."

    def test_the_estimate_is_apart_from_it(self) -> None:
        estimate = savings_of(*self.TURNS, answered(None, self.TURNS[0].compression)).estimate

        assert (estimate.requests, estimate.answers_without_usage) == (4, 1)
        assert (estimate.tokens_before, estimate.tokens_after) == (14_000, 7_000)


class TestWhoseTheSavingIs:
    @given(st.lists(usages(), max_size=5))
    def test_without_compression_nothing_is_saved_or_lost_however_much_was_cached(
        self, bills: list[Usage]
    ) -> None:
        assert saved_by(*(answered(usage) for usage in bills)) == 0

    @given(usages(), compressions())
    @example(Usage(MODEL, 0), halved("x", before=10, after=1))
    def test_a_text_never_seen_saves_at_most_what_its_tokens_cost(
        self, usage: Usage, compressed: CompressedBody
    ) -> None:
        dearest = max(PRICES.input, PRICES.cache_write)

        saved = saved_by(answered(usage, compressed))

        # Each kind of token is rounded down once.
        assert saved + dearest / 10**6 >= 0
        assert saved <= (tokens_saved(compressed) + 2) * dearest / 10**6

    @given(st.integers(1, 10**6), compressions())
    def test_input_that_all_came_from_the_cache_saves_no_more_than_its_price_there(
        self, tokens: int, compressed: CompressedBody
    ) -> None:
        saved = saved_by(answered(Usage(MODEL, tokens, tokens), compressed))

        assert saved == tokens_saved(compressed) * PRICES.cached_input / 10**6

    @pytest.mark.parametrize("changes", [{"is_shadow": True}, {"skipped": "no_text_shorter"}])
    def test_what_was_not_sent_shorter_saves_nothing(self, changes: dict[str, Any]) -> None:
        compressed = a_compression(a_text("x", tokens_before=5000, tokens_billed=10), **changes)
        usage = Usage(MODEL, 5000)

        assert saved_by(answered(usage, compressed), answered(usage, compressed)) == 0

    def test_what_a_shadow_would_have_saved_is_told_apart(self) -> None:
        shadow = a_compression(a_text("x", tokens_before=50, tokens_billed=20), is_shadow=True)

        estimate = savings_of(answered(None, shadow)).estimate

        assert estimate == Estimate(
            requests=1,
            tokens_before=50,
            tokens_after=50,
            shadow_tokens_saved=30,
            answers_without_usage=1,
        )

    @given(bodies=st.lists(compressions(), min_size=1, max_size=5), is_shadow=st.booleans())
    def test_the_requests_of_a_websocket_are_estimated_as_if_each_had_come_alone(
        self, *, bodies: list[CompressedBody], is_shadow: bool
    ) -> None:
        bodies = [evolve(body, is_shadow=is_shadow) for body in bodies]
        bodies.append(evolve(halved("y", before=9, after=9), skipped="no_text_shorter"))
        session = reduce(add, map(CompressedFrames.of, bodies))

        savings = savings_of(a_request(status=101, compression=session))

        alone = savings_of(*(answered(None, body) for body in bodies))
        assert (savings.models, savings.estimate) == ({}, alone.estimate)

    @pytest.mark.parametrize("status", [None, 101, 400, 429, 502])
    def test_only_an_answer_saves_anything(self, status: int | None) -> None:
        usage, compressed = Usage(MODEL, 100), halved("x", before=200, after=100)
        savings = savings_of(a_request(status=status, usage=usage, compression=compressed))

        assert (savings.models, savings.estimate.requests) == ({}, 0)


class TestALoss:
    """The cache serves prompts from 1024 tokens on, for a tenth of the price here."""

    def test_a_prompt_thinned_below_what_is_cached_loses(self) -> None:
        short = answered(Usage(MODEL, 900), halved("the same again", before=1800, after=900))

        once, twice = saved_by(short), saved_by(short, short)

        # 900 tokens at 2.50 a million; then 1792 of 1800 would have come from the cache.
        assert once == Decimal("0.00225")
        assert twice - once == Decimal("0.00002") + Decimal("0.000448") - Decimal("0.00225")
        money = savings_of(*[short] * 10).money(PRICE_LIST)
        assert money.saved.total == Decimal("-0.013788")
        assert verdict(money).startswith("Compression lost about 0.0138 USD: ")

    def test_a_conversation_whose_cache_misses_on_every_turn_loses(self) -> None:
        texts = [f"turn {number}" for number in range(10)]
        turns = [
            answered(Usage(MODEL, 500 * n), halved(*texts[:n], before=1000, after=500), NOON + n)
            for n in range(1, 11)
        ]

        assert saved_by(*turns) < 0

    def test_what_repeats_after_the_cache_forgot_it_is_no_loss(self) -> None:
        compressed = halved("the same again", before=1800, after=900)
        times = (NOON, NOON + CACHE_SECONDS + 1)

        assert saved_by(*(answered(Usage(MODEL, 900), compressed, at) for at in times)) > 0

    @pytest.mark.parametrize(
        ("models", "said"),
        [
            ([], "No answer has said yet what was billed."),
            (["o3"], "Nothing is said in money: PRICES_FILE has no price for o3."),
            (["o3", "o4"], "Nothing is said in money: PRICES_FILE has no price for o3 and 1 more."),
        ],
    )
    def test_without_a_known_price_the_verdict_says_which_is_missing(
        self, models: list[str], said: str
    ) -> None:
        money = savings_of(*(answered(Usage(model, 5)) for model in models)).money(PRICE_LIST)

        assert (money.priced_answers, money.unpriced_models) == (0, tuple(models))
        assert verdict(money) == said


class TestMemory:
    def test_only_so_many_models_have_an_account_and_only_well_formed_ones(self) -> None:
        names = ["", "a b", "x" * 101, "<script>", "ä", *(f"model-{n}" for n in range(200))]
        savings = savings_of(*(answered(Usage(name, 1)) for name in names))

        assert len(savings.models) == MOST_MODELS
        assert savings.models["other"].answers == len(names) - (MOST_MODELS - 1)
        assert {"", "a b", "<script>", "ä"}.isdisjoint(savings.models)

    def test_only_so_many_conversations_are_remembered(self) -> None:
        recent = RecentTexts(capacity=3)
        texts = [a_text(str(number), tokens_before=10) for number in range(4)]

        first_time = [recent.repeated_tokens(MODEL, [text], NOON) for text in texts]
        again = [recent.repeated_tokens(MODEL, [text], NOON) for text in reversed(texts)]

        assert (first_time, again) == ([0, 0, 0, 0], [10, 10, 10, 0])

    def test_a_beginning_repeats_up_to_the_first_text_that_is_new(self) -> None:
        recent = RecentTexts()
        a, b, c = (a_text(name, tokens_before=10) for name in "abc")
        recent.repeated_tokens(MODEL, [a, b, c], NOON)

        assert recent.repeated_tokens(MODEL, [a, c, b], NOON) == 10
        assert recent.repeated_tokens(MODEL, [b, c], NOON) == 0
        assert recent.repeated_tokens("o3", [a], NOON) == 0
