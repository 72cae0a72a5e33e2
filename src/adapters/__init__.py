"""How the product meets the world.

>>> from openai_proxy.adapters import tokenizer_for
>>> tokenizer_for("gpt-4o").name
'o200k_base'
"""

from ..domain.compression.tokenizer import Tokenizer

__all__ = ["tokenizer_for"]


def tokenizer_for(model: str, *, fast: bool = False) -> Tokenizer:
    """The real encoding whose tokens `model` bills, loaded once in a process.

    A `fast` one finds the same tokens several times faster. Raises ImportError
    if the extra `fast` is not installed.
    """
    # Only those who ask for a tokenizer wait for tiktoken to load.
    from .compression import fast_tokenizer, tokenizer  # noqa: PLC0415

    return fast_tokenizer.tokenizer_for(model) if fast else tokenizer.tokenizer_for(model)
