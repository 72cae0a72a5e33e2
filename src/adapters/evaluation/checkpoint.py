"""How far an evaluation has come, in a small file, so that it can go on after it was stopped."""

import json
from collections.abc import Iterable
from functools import reduce
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Self

from attrs import asdict, frozen

from ...domain.evaluation.conversations import Conversation, Replay
from ...domain.evaluation.removal_methods import Plan
from ...domain.evaluation.survival import Survival
from ...domain.evaluation.tally import Tally, Totals, added, no_totals


class NotThisEvaluation(ValueError):
    """A checkpoint of other settings or of another corpus, or none; the message is one line."""


@frozen
class Checkpoint:
    """What was measured of the first conversations of a corpus."""

    digest: str
    """Of the settings and of those conversations, one after the other."""
    conversations: int
    totals: Totals

    @classmethod
    def at_start(cls, plan: Plan, encoding: str) -> Self:
        """Before the first conversation."""
        trials = [(trial.method.name, str(trial.keep_ratio.share)) for trial in plan.trials]
        return cls(_chained("", [encoding, *trials]), 0, no_totals(plan))

    def after(self, batch: Iterable[Conversation], totals: Totals) -> "Checkpoint":
        """With some more conversations and what was measured of them."""
        batch = [*batch]
        return Checkpoint(
            digest=_after(self.digest, batch),
            conversations=self.conversations + len(batch),
            totals=added(self.totals, totals),
        )

    def continues(self, start: "Checkpoint", corpus: Iterable[Conversation]) -> bool:
        """Whether it comes from `start` by measuring the first conversations of `corpus`."""
        return _after(start.digest, islice(corpus, self.conversations)) == self.digest

    def save(self, path: Path) -> None:
        """Write it to `path`, all of it or nothing."""
        written = path.with_suffix(".new")
        written.write_text(json.dumps(asdict(self)), encoding="utf-8")
        written.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises NotThisEvaluation if the file is none."""
    try:
        document = json.loads(path.read_bytes())
        totals = tuple(map(_tally, document["totals"]))
        return Checkpoint(str(document["digest"]), int(document["conversations"]), totals)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotThisEvaluation(f"{path}: is no checkpoint of this version") from error


def _tally(document: dict[str, Any]) -> Tally:
    survival = {kind: Survival(**counts) for kind, counts in document["survival"].items()}
    rebuilt: dict[str, Any] = {"survival": survival, "replay": Replay(**document["replay"])}
    return Tally(**{**document, **rebuilt})


def _after(digest: str, conversations: Iterable[Conversation]) -> str:
    return reduce(_chained, map(asdict, conversations), digest)


def _chained(before: str, value: object) -> str:
    text = before + json.dumps(value)
    return blake2b(text.encode(), digest_size=16).hexdigest()
