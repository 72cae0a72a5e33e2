"""What the provider bills for a conversation that is sent turn by turn."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.domain.evaluation.conversations import (
    CACHE_STEP,
    MESSAGE_TOKENS,
    PRIMING_TOKENS,
    SHORTEST_CACHED_PROMPT,
    Conversation,
    Message,
    Replay,
    cached_prefix,
    replay,
)
from openai_proxy.domain.savings.prices import Prices

PRICES = Prices(
    input=Decimal(10), output=Decimal(0), cached_input=Decimal(1), cache_write=Decimal(10)
)

turns = st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=20)


@given(turns)
def test_the_cache_never_serves_more_than_there_is(sent: list[tuple[bool, int]]) -> None:
    replayed = replay(sent)

    assert 0 <= replayed.cached_tokens <= replayed.prompt_tokens
    assert replayed.cost_with_cache(PRICES) <= replayed.cost_without_cache(PRICES)


@given(turns, turns)
def test_each_request_repeats_all_that_was_said_before(
    earlier: list[tuple[bool, int]], later: list[tuple[bool, int]]
) -> None:
    said = sum(tokens + MESSAGE_TOKENS for _, tokens in earlier)

    more = replay([*earlier, *later])

    requests = sum(ends for ends, _ in later)
    assert more.requests == replay(earlier).requests + requests
    assert more.prompt_tokens == (
        replay(earlier).prompt_tokens + replay(later).prompt_tokens + requests * said
    )


def test_the_second_request_finds_the_first_in_the_cache() -> None:
    replayed = replay([(False, 1200), (True, 100), (False, 50), (True, 10)])

    first = 1200 + 100 + 2 * MESSAGE_TOKENS
    second = first + 50 + 10 + 2 * MESSAGE_TOKENS
    assert replayed == Replay(2, first + second + 2 * PRIMING_TOKENS, 1280)
    assert replayed.cost_without_cache(PRICES) == Decimal(first + second + 6) / 100_000
    assert replayed.cost_with_cache(PRICES) == (
        Decimal(10 * (first + second + 6 - 1280) + 1280) / 1_000_000
    )


@given(st.integers(0, 10**6))
def test_a_prefix_is_cached_in_whole_steps_and_not_if_it_is_short(shared: int) -> None:
    cached = cached_prefix(shared)

    assert cached % CACHE_STEP == 0
    assert (
        cached == 0 if shared < SHORTEST_CACHED_PROMPT else shared - CACHE_STEP < cached <= shared
    )


def test_a_request_ends_with_the_last_of_the_users_messages_in_a_row() -> None:
    roles = ("system", "user", "user", "assistant", "user", "tool")
    conversation = Conversation(tuple(Message(role, ("x",)) for role in roles))

    assert [*conversation.ends_of_requests] == [False, False, True, False, True, False]


def test_only_what_the_user_said_is_compressed() -> None:
    conversation = Conversation(
        (Message("system", ("be kind",)), Message("user", ("a", "b")), Message("user", ("c",)))
    )

    assert [*conversation.compressed_texts] == ["a", "b", "c"]
