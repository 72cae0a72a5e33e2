"""What an answer says, in header fields, about the compression of its request."""

from collections.abc import Iterator

from ..control.policy import CompressionPolicy
from .compressed_body import CompressedBody

_PREFIX = b"x-compression-"


def compression_fields(
    policy: CompressionPolicy, compressed: CompressedBody
) -> list[tuple[bytes, bytes]]:
    """The fields for an answer to a request that `policy` applied to.

    In shadow they say what would have been billed. Counts of tokens are only
    there if something was counted.
    """
    return [(_PREFIX + name.encode(), value.encode()) for name, value in _facts(policy, compressed)]


def _facts(policy: CompressionPolicy, compressed: CompressedBody) -> Iterator[tuple[str, str]]:
    yield "status", compressed.status
    if compressed.skipped is not None:
        yield "reason", compressed.skipped
    before, billed = compressed.tokens_before, compressed.tokens_billed
    if before:
        yield "tokens-before", str(before)
        yield "tokens-after", str(billed)
    yield "keep-ratio", _share(_wanted(policy, compressed))
    if before:
        yield "billed-ratio", _share(billed / before)
    yield "texts", str(compressed.texts_compressed)


def _wanted(policy: CompressionPolicy, compressed: CompressedBody) -> float:
    """The share of tokens to keep: of all texts together, since rules may treat each its own way."""
    if not compressed.tokens_before:
        return float(policy.wanted_keep_ratio.share)
    wanted = sum(
        float(text.compressed.keep_ratio.share) * text.compressed.tokens_before
        for text in compressed.texts
    )
    return wanted / compressed.tokens_before


def _share(share: float) -> str:
    return f"{share:.4g}"
