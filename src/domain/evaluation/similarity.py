"""How near texts stay to their originals, as far as embeddings can tell.

Pooled embeddings reward plain truncation, so a cosine alone says little: it
comes with its confidence band, and with whether a text, thinned, is still
nearer to its own original than to any other.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from heapq import nsmallest
from math import fsum, sqrt
from operator import mul
from statistics import fmean, stdev
from typing import Final, Protocol

from attrs import frozen

from ..compression.tokenizer import Tokenizer
from .removal_methods import Plan

Vector = Sequence[float]

SAMPLE_TEXTS: Final = 200
"""How many texts are embedded at most."""
_Z_95: Final = 1.959964
"""Half the width of a 95 % band, in standard errors of the mean."""


class Embedder(Protocol):
    """A model that places texts of like meaning near one another."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """A vector for each text; its length does not matter."""
        ...


@frozen
class Similarity:
    """What embeddings say about the outcomes of a trial."""

    cosine: float
    """The mean over the texts."""
    low: float
    high: float
    """The ends of the band in which that mean lies with 95 % confidence."""
    finds_itself: float
    """The share of texts that are nearest to their own original."""


@frozen
class Nearness:
    """How near one text stays to its original."""

    cosine: float
    finds_itself: bool
    """Whether no other original is nearer."""


def sample(texts: Iterable[str], count: int = SAMPLE_TEXTS) -> Sequence[str]:
    """`count` different texts, or all: a random choice that is the same every time."""
    chosen: dict[bytes, str] = {}
    for text in texts:
        chosen[_digest(text)] = text
        if len(chosen) == 2 * count:
            chosen = dict(nsmallest(count, chosen.items()))
    return [text for _, text in nsmallest(count, chosen.items())]


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass")).digest()


def similarities(
    texts: Sequence[str], plan: Plan, tokenizer: Tokenizer, embedder: Embedder
) -> Iterable[Similarity]:
    """For each trial of the plan, what it leaves of the sampled texts."""
    originals = normal(embedder.embed(texts))
    for trial in plan.trials:
        thinned = [trial.thin(text, tokenizer).text for text in texts]
        yield similarity(originals, normal(embedder.embed(thinned)))


def similarity(originals: Sequence[Vector], thinned: Sequence[Vector]) -> Similarity:
    """Compare vectors of length 1, one by one and each with all."""
    near = nearness(originals, thinned)
    cosines = [one.cosine for one in near]
    mean = fmean(cosines)
    error = stdev(cosines) / sqrt(len(cosines)) if len(cosines) > 1 else 0.0
    found = fmean(one.finds_itself for one in near)
    return Similarity(mean, mean - _Z_95 * error, mean + _Z_95 * error, found)


def nearness(originals: Sequence[Vector], thinned: Sequence[Vector]) -> Sequence[Nearness]:
    """The same for each vector by itself."""
    cosines = [_dot(*pair) for pair in zip(originals, thinned, strict=True)]
    return [
        Nearness(own, all(own >= _dot(other, vector) for other in originals))
        for own, vector in zip(cosines, thinned, strict=True)
    ]


def normal(vectors: Iterable[Vector]) -> Sequence[Vector]:
    """The vectors with length 1."""
    return [[value / (_norm(vector) or 1.0) for value in vector] for vector in vectors]


def _norm(vector: Vector) -> float:
    return sqrt(_dot(vector, vector))


def _dot(one: Vector, other: Vector) -> float:
    return fsum(map(mul, one, other))
