"""Which part of the API a path belongs to: a small fixed set of names, whatever is asked for."""

from functools import lru_cache

OTHER = "other"

ENDPOINT_CLASSES = frozenset(
    {
        "assistants",
        "audio",
        "batches",
        "chat",
        "chatkit",
        "completions",
        "containers",
        "content_provenance_checks",
        "conversations",
        "embeddings",
        "evals",
        "files",
        "fine_tuning",
        "images",
        "models",
        "moderations",
        "organization",
        "projects",
        "realtime",
        "responses",
        "skills",
        "threads",
        "uploads",
        "vector_stores",
        "videos",
    }
)


@lru_cache(maxsize=128)
def endpoint_class(path: str) -> str:
    """The first segment below the API's root if it is one of the API's, otherwise `other`.

    >>> endpoint_class("/v1/chat/completions"), endpoint_class("/files/a"), endpoint_class("/x")
    ('chat', 'files', 'other')
    """
    first, _, rest = path[1:].partition("/")
    if first == "v1":
        first = rest.partition("/")[0]
    return first if first in ENDPOINT_CLASSES else OTHER
