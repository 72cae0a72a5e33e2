"""Removing random tokens from a text until a given share of them is left.

The algorithm, `rtc/1`, in full; whoever follows it gets the same bytes.

1. *Encode.* The text's tokens in the model's encoding; special tokens are
   plain text. Runs of white space or of anything else longer than 65,536
   characters are encoded in parts of that length.
2. *Units.* The smallest runs of tokens that begin and end between two extended
   grapheme clusters (UAX 29); a strategy may join them to larger ones. A
   unit's cost is its number of tokens.
3. *Blocks.* A block ends before the first unit after its 512th token that
   begins with white space or would take it beyond 1024 tokens.
4. *Chance.* All strings are UTF-8, all words 64 bits, little-endian.
   link[0] = BLAKE2b-256("rtc/1" NUL encoding NUL strategy), keyed with the
   salt (with its BLAKE2b-512 if it has more than 64 bytes), where "weighted"
   is called "weighted/3", its third version;
   link[i] = BLAKE2b-256(link[i-1] + text of block i), for i from 1.
   The draws of block i are the words of SHAKE-128(link[i]), one a unit.
5. *Order.* Units by rising draw, rounded to a double (or as the strategy says).
6. *Target.* floor(keep ratio * tokens of the block + offset) - debt, exactly;
   the offset is 1/2 in the first block and the first word of link[i] over 2^64
   in the others. Debt: see 8.
7. *Cut.* B(k) is the number of tokens of the block's text with the first k of
   its n units, encoded again. Find k between low = 0 (1 in the first block)
   and high = n: while they are more than one apart, take middle =
   floor((low + high) / 2). If B(middle) is the target (or, behind the first
   block, one more or less), k is middle; a smaller one raises low to middle, a
   larger one lowers high. In the end k is high if B(low) + B(high) < 2 * target,
   else low; here both are counted.
   In the search not every B is. With half = floor((least + n) / 2), least being
   the first low, K(k) the cost of the first k units, loss = K(half) - B(half)
   and joints = half * (n - half): if 8 * |loss| <= K(half), B(k) is expected at
   E = K(k) - floor(loss * k * (n - k) / joints + 1/2). Let d be the floor of
   k * (half - k) / half for k below half, of (k - half) * (n - k) / (n - half)
   otherwise. Behind the first block and with d < 10, E stands for B; otherwise
   B is counted if E is within 1 + floor(sqrt(d)) of the target, and if it is
   not, it lies on the side of E.
8. *Protection.* Units that overlap a protected span, or what keeps it apart
   (the character before it unless it begins with white space and, unless it
   ends with white space, what is neither letter, digit nor white space behind
   it and one white space after that), are kept, whatever they cost. They are
   no part of the order, but have their draws; B counts them. In a block that
   has some, low begins at 0 and every B is computed. If k is the first low,
   what B(k) exceeds the target by is the next block's debt.
9. *Honesty.* The result is encoded again as a whole, and counted. A blank one,
   or one that is not smaller, is given up for the original.

None of the numbers at which B is computed depends on the target, and each side
taken is monotone in it: so what is kept at one ratio is part of what is kept
at any larger one. Nothing in a block depends on text behind it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from attrs import field, frozen

from ..protection.protections import ProtectedText
from ..protection.protections import protect as find_protected
from ..protection.text_spans import Span, set_apart
from .blocks import ALGORITHM, blocks_of, first_link, next_link, target_of
from .cut import Cut, cut
from .draws import draws_of
from .keep_ratio import KeepRatio
from .strategies import Strategy, strategy_named
from .tokenizer import Tokenizer
from .units import Units, encode, smallest_units

__all__ = ["ALGORITHM", "CompressedText", "compress_text"]


@frozen
class CompressedText:
    """What became of a text.

    Counts are tokens of the text's encoding: `tokens_before` of the original,
    `tokens_kept` the tokens of the original that were kept, and `tokens_billed`
    those of `text` encoded again, which is what the provider bills. All are 0
    if the text could not be encoded.
    """

    text: str
    tokens_before: int
    tokens_kept: int
    tokens_billed: int
    keep_ratio: KeepRatio
    strategy: str
    skipped: str | None = None
    """Why the text is the original, unchanged; None if it is not."""
    tokens_unmet: int = 0
    """How many tokens more than wanted had to stay: they are protected, or the last ones."""
    cuts: tuple[Cut, ...] = field(default=(), eq=False, repr=False)
    """What was kept of each block; none if the text is the original."""

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The text before, unit by unit, and whether each was kept.

        The marks of the protection `tags` are no part of it.
        """
        if not self.cuts:
            yield self.text, True
        for block in self.cuts:
            yield from zip(block.texts, map(bool, block.kept), strict=True)


def compress_text(
    text: str,
    keep_ratio: KeepRatio,
    tokenizer: Tokenizer,
    *,
    strategy: str | Strategy = "uniform",
    salt: bytes = b"",
    protect: frozenset[str] = frozenset(),
) -> CompressedText:
    """Remove tokens until what is left is billed as `keep_ratio` of the text.

    Whatever the text, this gives an answer: where nothing can be removed, the
    original with the reason, which is one of keep_all, one_token, blank,
    not_smaller, lone_surrogates, tokenizer_failed and strategy_failed. A text
    from which only the marks of `tags` were taken is not the original.

    Raises UnknownStrategy if `strategy` is a name, but not a built-in one's.
    """
    chosen = strategy_named(strategy) if isinstance(strategy, str) else strategy
    try:
        tokens = _tokens_to_thin(text, keep_ratio, tokenizer)
        cuts = _cuts_of(text, tokens, keep_ratio, _Draw(tokenizer, chosen, salt), protect)
        result = "".join(block.text for block in cuts)
        billed = _bill_of(result, tokens, tokenizer)
    except _LeftAlone as why:
        count = why.tokens
        return CompressedText(text, count, count, count, keep_ratio, chosen.name, why.reason)
    return CompressedText(
        text=result,
        tokens_before=len(tokens),
        tokens_kept=sum(block.tokens_kept for block in cuts),
        tokens_billed=billed,
        keep_ratio=keep_ratio,
        strategy=chosen.name,
        tokens_unmet=cuts[-1].tokens_over,
        cuts=cuts,
    )


class _LeftAlone(Exception):
    """There is a reason to send the original."""

    def __init__(self, reason: str, tokens: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tokens = tokens


def _tokens_to_thin(text: str, keep_ratio: KeepRatio, tokenizer: Tokenizer) -> list[int]:
    tokens = _tokens_of(text, tokenizer)
    if not keep_ratio.compresses:
        raise _LeftAlone("keep_all", len(tokens))
    if len(tokens) <= 1:
        raise _LeftAlone("one_token", len(tokens))
    return tokens


def _tokens_of(text: str, tokenizer: Tokenizer) -> list[int]:
    try:
        text.encode()
        return encode(text, tokenizer)
    except UnicodeEncodeError as error:
        raise _LeftAlone("lone_surrogates") from error
    except Exception as error:  # Whatever a tokenizer trips over, its text is left alone.
        raise _LeftAlone("tokenizer_failed") from error


def _bill_of(result: str, tokens: Sequence[int], tokenizer: Tokenizer) -> int:
    if not result.strip():
        raise _LeftAlone("blank", len(tokens))
    billed = len(_tokens_of(result, tokenizer))
    if billed >= len(tokens):
        raise _LeftAlone("not_smaller", len(tokens))
    return billed


@frozen
class _Draw:
    """Everything that decides what is removed first."""

    tokenizer: Tokenizer
    strategy: Strategy
    salt: bytes

    def first_link(self) -> bytes:
        return first_link(self.tokenizer.name, self.strategy.name, self.salt)

    def order(self, block: Units, link: bytes) -> Sequence[int]:
        order = self.strategy.order(block, draws_of(link, len(block)))
        if len(order) != len(block):
            raise ValueError("a strategy must order all units of a block")
        return order


def _cuts_of(
    text: str, tokens: Sequence[int], keep_ratio: KeepRatio, draw: _Draw, protect: frozenset[str]
) -> tuple[Cut, ...]:
    found = find_protected(text, protect) if protect else ProtectedText(text, ())
    left = tokens if found.text == text else _tokens_of(found.text, draw.tokenizer)
    if not left:
        return ()
    try:
        smallest = smallest_units(left, draw.tokenizer)
        units = smallest.joined(draw.strategy.starts(smallest))
        spans = [set_apart(found.text, span) for span in found.spans]
        return tuple(_thinned_blocks(units, _pinned(units, spans), keep_ratio, draw))
    except Exception as error:  # Whatever an operator's strategy does, the text is left alone.
        raise _LeftAlone("strategy_failed", len(tokens)) from error


def _thinned_blocks(
    units: Units, pinned: bytes, keep_ratio: KeepRatio, draw: _Draw
) -> Iterator[Cut]:
    link = draw.first_link()
    first, position, debt = True, 0, 0
    for block in blocks_of(units):
        link = next_link(link, block)
        stay = pinned[position : position + len(block)]
        made = cut(
            block,
            draw.order(block, link),
            target_of(link, len(block.tokens), keep_ratio, first=first) - debt,
            draw.tokenizer,
            pinned=stay,
            first=first,
        )
        yield made
        first, position, debt = False, position + len(block), made.tokens_over


def _pinned(units: Units, spans: Sequence[Span]) -> bytes:
    """A byte for each unit, 1 if it overlaps any of the spans."""
    pinned = bytearray(len(units))
    if spans:
        offsets = [*accumulate(map(len, units.texts[:-1]), initial=0)]
        for start, end in spans:
            first, last = bisect_right(offsets, start) - 1, bisect_left(offsets, end)
            pinned[first:last] = b"\1" * (last - first)
    return bytes(pinned)
