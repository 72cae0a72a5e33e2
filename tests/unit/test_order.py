"""The first units of an order are the same however little of it is sorted."""

import struct
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.compression.draws import Draws, draws_of
from openai_proxy.domain.compression.order import Rising, rising

LARGEST = 2**64 - 1


def beside(highest_byte: int, distance: int) -> int:
    return min(max((highest_byte << 56) + distance, 0), LARGEST)


words = st.integers(0, LARGEST)
# Such words are the same double, or nearly, and differ in their highest byte.
neighbours = st.builds(
    beside,
    st.integers(0, 256),
    st.sampled_from([-2049, -1025, -1024, -512, -1, 0, 1, 512, 1024, 1025, 2049]),
)


def drawn(numbers: Sequence[int]) -> Draws:
    return Draws(struct.pack(f"<{len(numbers)}Q", *numbers))


@given(st.lists(words | neighbours, max_size=40))
@example([LARGEST, LARGEST - 1, 0])
@example([1 << 56, (1 << 56) - 1])
def test_the_first_ones_are_those_of_the_whole_order(numbers: list[int]) -> None:
    order = sorted(range(len(numbers)), key=lambda index: float(numbers[index]))

    prefixes = Rising(drawn(numbers))

    assert [*prefixes] == order
    for number in range(len(numbers) + 1):
        mask = prefixes.mask(number)
        assert {index for index, chosen in enumerate(mask) if chosen} == {*order[:number]}


@given(st.binary(min_size=32, max_size=32), st.integers(0, 1100))
def test_draws_rise_in_the_same_order_whether_or_not_they_are_known_in_advance(
    link: bytes, count: int
) -> None:
    draws = draws_of(link, count)

    assert [*rising(draws)] == rising(tuple(draws))
