"""The algorithm rtc/1 without protections, as plainly as it can be written: slow, and on one page.

Its sentences are those of openai_proxy.domain.compression.text, in their order.
"""

import hashlib
from fractions import Fraction
from math import floor, inf, isqrt

import regex

from openai_proxy.domain.compression.tokenizer import Tokenizer


def units_of(text: str, tokenizer: Tokenizer) -> list[tuple[str, int]]:
    """The text and the cost of each unit."""
    ends = {0}
    for grapheme in regex.finditer(r"\X", text):
        ends.add(len(text[: grapheme.end()].encode()))
    units: list[tuple[str, int]] = []
    start, at, cost = 0, 0, 0
    for spelling in tokenizer.decode_tokens_bytes(tokenizer.encode(text, disallowed_special=())):
        at, cost = at + len(spelling), cost + 1
        if at in ends:
            units.append((text.encode()[start:at].decode(), cost))
            start, cost = at, 0
    return units


def blocks_of(units: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    blocks: list[list[tuple[str, int]]] = [[]]
    for text, cost in units:
        so_far = sum(cost for _, cost in blocks[-1])
        if so_far >= 512 and (text[0].isspace() or so_far + cost > 1024):
            blocks.append([])
        blocks[-1].append((text, cost))
    return blocks


def words_of(digest: bytes) -> list[int]:
    return [int.from_bytes(digest[at : at + 8], "little") for at in range(0, len(digest), 8)]


def kept_units(
    block: list[tuple[str, int]], draws: list[int], target: int, number: int, tokenizer: Tokenizer
) -> set[int]:
    n = len(block)
    least, tolerance = (0, 1) if number else (1, 0)
    order = sorted(range(n), key=lambda index: float(draws[index]))

    def billed(k: int) -> int:
        text = "".join(block[index][0] for index in sorted(order[:k]))
        return len(tokenizer.encode(text, disallowed_special=()))

    def cost(k: int) -> int:
        return sum(block[index][1] for index in order[:k])

    half = (least + n) // 2
    loss = cost(half) - billed(half)

    def estimated(k: int) -> float:
        """B(k), or something on the same side of the target."""
        if 8 * abs(loss) > cost(half):
            return billed(k)
        expected = cost(k) - floor(Fraction(loss * k * (n - k), half * (n - half)) + Fraction(1, 2))
        near, far, width = (k, half - k, half) if k < half else (k - half, n - k, n - half)
        d = floor(Fraction(near * far, width))
        if number and d < 10:
            return expected
        if abs(expected - target) > 1 + isqrt(d):
            return inf if expected > target else -inf
        return billed(k)

    low, high = least, n
    while high - low > 1:
        middle = (low + high) // 2
        if abs(estimated(middle) - target) <= tolerance:
            return set(order[:middle])
        low, high = (middle, high) if estimated(middle) < target else (low, middle)
    return set(order[: high if billed(low) + billed(high) < 2 * target else low])


def thinned(text: str, share: Fraction, tokenizer: Tokenizer, salt: bytes = b"") -> str:
    """What strategy uniform leaves of a text of two tokens or more, before step 9."""
    names = f"rtc/1\0{tokenizer.name}\0uniform".encode()
    link = hashlib.blake2b(names, key=salt, digest_size=32).digest()
    result, debt = "", 0
    for number, block in enumerate(blocks_of(units_of(text, tokenizer))):
        whole = "".join(unit for unit, _ in block)
        link = hashlib.blake2b(link + whole.encode(), digest_size=32).digest()
        draws = words_of(hashlib.shake_128(link).digest(8 * len(block)))
        offset = Fraction(words_of(link)[0], 2**64) if number else Fraction(1, 2)
        target = floor(share * sum(cost for _, cost in block) + offset) - debt
        kept = kept_units(block, draws, target, number, tokenizer)
        left = "".join(unit for index, (unit, _) in enumerate(block) if index in kept)
        over = len(tokenizer.encode(left, disallowed_special=())) - target
        debt = max(0, over) if len(kept) == (0 if number else 1) else 0
        result += left
    return result
