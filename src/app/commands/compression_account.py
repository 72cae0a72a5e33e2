"""The account of a compression on a terminal: what became of each text, and which tokens went."""

import json
from collections.abc import Iterator
from itertools import groupby

from attrs import frozen
from rich.console import Console
from rich.text import Text

from ...adapters.logs.text_format import one_field, without_control_characters
from ...domain.bodies.compressed_body import CompressedBody, TextInBody, TextLeftAlone
from ...domain.bodies.explanation import explanation, removed_spans, seed

_SEED_SHOWN = 12


@frozen
class Account:
    """What became of one input."""

    name: str
    compressed: CompressedBody
    salt: bytes
    is_request: bool

    def show(self, *, explain: bool, as_json: bool) -> None:
        """Write it to standard error."""
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        if as_json:
            # Not by the console, which would take a long line for prose.
            told = {"input": self.name, **explanation(self.compressed, self.salt)}
            console.file.write(json.dumps(told) + "\n")
            return
        console.print(f"{without_control_characters(self.name)}: {self._summary}")
        for text in self.compressed.texts:
            console.print("  " + ", ".join(self._facts(text)))
            if explain:
                console.print(marked(text, coloured=console.color_system is not None))
        for left in self.compressed.left_alone:
            console.print("  " + ", ".join(self._left_alone(left)))

    @property
    def _summary(self) -> str:
        compressed = self.compressed
        if not compressed.texts:
            return f"unchanged ({compressed.skipped})"
        before, billed = compressed.tokens_before, compressed.tokens_billed
        removed = 100 * (1 - billed / before) if before else 0.0
        assumed = ", assumed" if compressed.encoding_assumed else ""
        return (
            f"{before} tokens before, {billed} billed"
            f" ({removed:.1f} % less, {compressed.encoding}{assumed})"
        )

    def _facts(self, text: TextInBody) -> Iterator[str]:
        made = text.compressed
        yield from self._place(text.pointer, text.role, text.rule)
        yield f"strategy {one_field(made.strategy)}"
        yield f"seed {seed(self.compressed, text, self.salt)[:_SEED_SHOWN]}"
        yield f"keep ratio {float(made.keep_ratio.share):.4g}"
        yield f"{made.tokens_before} tokens before"
        if made.skipped is not None:
            yield f"unchanged ({made.skipped})"
            return
        yield f"{made.tokens_kept} kept"
        yield f"{made.tokens_billed} billed"
        yield f"units removed: {len(removed_spans(text))}"
        if made.tokens_unmet:
            yield f"{made.tokens_unmet} more than wanted, because they are protected"

    def _left_alone(self, left: TextLeftAlone) -> Iterator[str]:
        yield from self._place(left.pointer, left.role, left.rule)
        yield f"unchanged ({left.reason})"

    def _place(self, pointer: str, role: str, rule: str | None) -> Iterator[str]:
        if self.is_request:
            yield f"{one_field(pointer)} {one_field(role)}"
        yield "no rule" if rule is None else f"rule {one_field(rule)}"


def marked(text: TextInBody, *, coloured: bool) -> Text:
    """The original, with what was removed struck out in red, or in brackets without colour."""
    result = Text()
    for is_kept, pieces in groupby(text.compressed.pieces(), lambda piece: piece[1]):
        shown = without_control_characters("".join(piece for piece, _ in pieces))
        if is_kept:
            result.append(shown)
        elif coloured:
            result.append(shown, style="strike red")
        else:
            result.append(f"[-{shown}-]")
    return result
