"""What was done to each text of a request, and why: down to the spans that went."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ..compression.blocks import ALGORITHM, first_link
from ..protection.protections import mark_spans
from ..protection.text_spans import Span
from .compressed_body import CompressedBody, TextInBody, TextLeftAlone


def explanation(compressed: CompressedBody, salt: bytes) -> dict[str, Any]:
    """All that there is to tell, as JSON has it. It holds the texts themselves."""
    before, billed = compressed.tokens_before, compressed.tokens_billed
    return {
        "algorithm": ALGORITHM,
        "status": compressed.status,
        "reason": compressed.skipped,
        "model": compressed.model,
        "encoding": compressed.encoding,
        "encoding_assumed": compressed.encoding_assumed,
        "tokens_before": before,
        "tokens_billed": billed,
        "billed_ratio": round(billed / before, 6) if before else None,
        "texts": [_text(text, seed(compressed, text, salt)) for text in compressed.texts],
        "left_alone": [_left_alone(text) for text in compressed.left_alone],
    }


def seed(compressed: CompressedBody, text: TextInBody, salt: bytes) -> str:
    """What the draw for `text` starts from: the first link of its chain, in hexadecimal."""
    return first_link(compressed.encoding, text.compressed.strategy, salt).hex()


def removed_spans(text: TextInBody) -> tuple[Span, ...]:
    """Where each removed unit stood in the original, and each mark of the protection `tags`.

    A unit with a mark inside is two spans. Without them, the original is what
    was sent. Positions count characters (code points).
    """
    pieces = list(text.compressed.pieces())
    stripped = sum(len(piece) for piece, _ in pieces) < len(text.original)
    marks = list(mark_spans(text.original)) if stripped else []
    positions = _outside(marks, len(text.original))
    return tuple(sorted([*marks, *_spans_of_removed(pieces, positions)]))


def _spans_of_removed(
    pieces: Sequence[tuple[str, bool]], positions: Sequence[int]
) -> Iterator[Span]:
    at = 0
    for piece, is_kept in pieces:
        end = at + len(piece)
        if not is_kept:
            # A stretch without a mark in it keeps its distance from the original.
            for _, run in groupby(range(at, end), lambda index: positions[index] - index):
                stretch = list(run)
                yield positions[stretch[0]], positions[stretch[-1]] + 1
        at = end


def _outside(marks: Sequence[Span], length: int) -> Sequence[int]:
    if not marks:
        return range(length)
    ends = [0, *(end for _, end in marks)]
    starts = [*(start for start, _ in marks), length]
    return [index for pair in zip(ends, starts, strict=True) for index in range(*pair)]


def _text(text: TextInBody, seed: str) -> dict[str, Any]:
    compressed = text.compressed
    return {
        "pointer": text.pointer,
        "role": text.role,
        "rule": text.rule,
        "strategy": compressed.strategy,
        "seed": seed,
        "keep_ratio": round(float(compressed.keep_ratio.share), 6),
        "skipped": compressed.skipped,
        "tokens_before": compressed.tokens_before,
        "tokens_kept": compressed.tokens_kept,
        "tokens_billed": compressed.tokens_billed,
        "tokens_unmet": compressed.tokens_unmet,
        "removed": removed_spans(text),
        "text": compressed.text,
    }


def _left_alone(text: TextLeftAlone) -> dict[str, Any]:
    return {
        "pointer": text.pointer,
        "role": text.role,
        "rule": text.rule,
        "reason": text.reason,
    }
