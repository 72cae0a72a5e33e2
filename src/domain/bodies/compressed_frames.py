"""What became of all the frames of a WebSocket that ask for a response, as sums."""

from typing import Self

from attrs import frozen

from .compressed_body import BodySkipReason, BodyStatus, CompressedBody


@frozen
class CompressedFrames:
    """Frames added up, so that a session may last and stay as small as it was."""

    frames: int
    model: str
    """As the last of them names it."""
    text_count: int
    texts_compressed: int
    tokens_before: int
    tokens_billed: int
    skipped: BodySkipReason | None = None
    """Why the last of them was left unchanged; None if any was not."""
    is_shadow: bool = False
    """Whether the originals were sent although texts got shorter."""

    @classmethod
    def of(cls, frame: CompressedBody) -> Self:
        """A single frame."""
        is_unchanged = frame.skipped is not None
        return cls(
            frames=1,
            model=frame.model,
            text_count=frame.text_count,
            texts_compressed=frame.texts_compressed,
            tokens_before=frame.tokens_before,
            tokens_billed=frame.tokens_before if is_unchanged else frame.tokens_billed,
            skipped=frame.skipped,
            is_shadow=frame.is_shadow,
        )

    def __add__(self, later: "CompressedFrames") -> "CompressedFrames":
        return CompressedFrames(
            frames=self.frames + later.frames,
            model=later.model,
            text_count=self.text_count + later.text_count,
            texts_compressed=self.texts_compressed + later.texts_compressed,
            tokens_before=self.tokens_before + later.tokens_before,
            tokens_billed=self.tokens_billed + later.tokens_billed,
            skipped=None if self.skipped is None else later.skipped,
            is_shadow=self.is_shadow or later.is_shadow,
        )

    @property
    def status(self) -> BodyStatus:
        """What became of the texts in one word."""
        if self.skipped is not None:
            return "skipped"
        return "shadow" if self.is_shadow else "applied"
