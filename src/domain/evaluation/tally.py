"""What a trial did to a conversation, in numbers that add up."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final

from attrs import evolve, field, frozen

from ..compression.text import CompressedText
from ..compression.tokenizer import Tokenizer
from ..compression.units import encode
from .conversations import Conversation, Replay, replay
from .removal_methods import Plan, Trial
from .survival import KINDS, Facts, Survival, kept_characters

_MILLION: Final = 1_000_000
_NOTHING: Final[Mapping[str, Survival]] = dict.fromkeys(KINDS, Survival())


@frozen
class Tally:
    """What a trial did to some texts, and to the requests in which they were sent."""

    texts: int = 0
    untouched: int = 0
    """Texts that stayed as they were, being too short, for example."""
    tokens_before: int = 0
    tokens_kept: int = 0
    tokens_billed: int = 0
    survival: Mapping[str, Survival] = field(default=_NOTHING)
    quartered: int = 0
    """Texts with enough content words to look at their quarters."""
    worst_quarters: int = 0
    """The sum of the shares that survive in the worst quarter of each, in millionths.

    Whole numbers add up to the same in any order.
    """
    replay: Replay = Replay()

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            texts=self.texts + other.texts,
            untouched=self.untouched + other.untouched,
            tokens_before=self.tokens_before + other.tokens_before,
            tokens_kept=self.tokens_kept + other.tokens_kept,
            tokens_billed=self.tokens_billed + other.tokens_billed,
            survival={kind: self.survival[kind] + other.survival[kind] for kind in KINDS},
            quartered=self.quartered + other.quartered,
            worst_quarters=self.worst_quarters + other.worst_quarters,
            replay=self.replay + other.replay,
        )

    @property
    def billed_share(self) -> float | None:
        return self.tokens_billed / self.tokens_before if self.tokens_before else None

    @property
    def kept_share(self) -> float | None:
        return self.tokens_kept / self.tokens_before if self.tokens_before else None

    @property
    def worst_quarter(self) -> float | None:
        """The mean over the texts of what survives in the worst quarter of each."""
        return self.worst_quarters / self.quartered / _MILLION if self.quartered else None


def tally_of(facts: Facts, compressed: CompressedText) -> Tally:
    """What became of one text."""
    pieces = [*compressed.pieces()]
    before = "".join(text for text, _ in pieces)
    if before != facts.text:  # The marks of `tags` are gone.
        facts = Facts.of(before)
    survivors = facts.survivors(kept_characters(pieces))
    worst = survivors.worst_quarter
    return Tally(
        texts=1,
        untouched=int(compressed.skipped is not None),
        tokens_before=compressed.tokens_before,
        tokens_kept=compressed.tokens_kept,
        tokens_billed=compressed.tokens_billed,
        survival=survivors.counts,
        quartered=int(worst is not None),
        worst_quarters=round((worst or 0) * _MILLION),
    )


Totals = tuple[Tally, ...]
"""What each trial of a plan did, in the plan's order."""


def no_totals(plan: Plan) -> Totals:
    """The totals of nothing."""
    return (Tally(),) * len(plan.trials)


def measure(conversations: Iterable[Conversation], plan: Plan, tokenizer: Tokenizer) -> Totals:
    """What each trial of the plan does to the conversations, in all."""
    return reduce(
        added,
        (_totals_of(conversation, plan, tokenizer) for conversation in conversations),
        no_totals(plan),
    )


def added(one: Totals, other: Totals) -> Totals:
    """The totals of two corpora as one."""
    return tuple(map(add, one, other))


def _totals_of(conversation: Conversation, plan: Plan, tokenizer: Tokenizer) -> Totals:
    facts = {text: Facts.of(text) for text in conversation.compressed_texts}
    bystanders = [
        0 if said.is_compressed else sum(len(encode(text, tokenizer)) for text in said.texts)
        for said in conversation.messages
    ]
    return tuple(
        _tally_of_conversation(conversation, facts, bystanders, trial, tokenizer)
        for trial in plan.trials
    )


def _tally_of_conversation(
    conversation: Conversation,
    facts: Mapping[str, Facts],
    bystanders: Sequence[int],
    trial: Trial,
    tokenizer: Tokenizer,
) -> Tally:
    total = Tally()
    message_tokens = [*bystanders]
    for index, said in enumerate(conversation.messages):
        if said.is_compressed:
            tallies = [tally_of(facts[text], trial.thin(text, tokenizer)) for text in said.texts]
            total = sum(tallies, start=total)
            message_tokens[index] = sum(tally.tokens_billed for tally in tallies)
    sent = replay(zip(conversation.ends_of_requests, message_tokens, strict=True))
    return evolve(total, replay=sent)
