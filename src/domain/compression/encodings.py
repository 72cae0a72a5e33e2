"""Which token encoding a model uses, from its name alone."""

from attrs import frozen

_CL100K_NAMES = frozenset({"gpt-4", "davinci-002", "babbage-002"})
_CL100K_PREFIXES = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-")
_O200K_PREFIXES = (
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.5",
    "gpt-5",
    "gpt-6",
    "o1",
    "o3",
    "o4",
    "chatgpt-4o",
    "gpt-oss",
)


@frozen
class ModelEncoding:
    """The encoding of a model; `assumed` where the model is not one we know."""

    name: str
    assumed: bool = False


def encoding_of_model(model: str) -> ModelEncoding:
    """The encoding whose tokens `model` bills.

    Fine-tuned names (`ft:base:org:...`) and names with a provider's prefix
    (`openai/gpt-4o`) count as their base model.

    >>> encoding_of_model("ft:gpt-4.1-mini:acme::abc").name
    'o200k_base'
    >>> encoding_of_model("mistral-large")
    ModelEncoding(name='o200k_base', assumed=True)
    """
    name = model.strip().lower()
    if name.startswith("ft:"):
        name = name.removeprefix("ft:").partition(":")[0]
    name = name.rpartition("/")[2]
    if name in _CL100K_NAMES or name.startswith(_CL100K_PREFIXES):
        return ModelEncoding("cl100k_base")
    return ModelEncoding("o200k_base", assumed=not name.startswith(_O200K_PREFIXES))
