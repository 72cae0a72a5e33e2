"""How the product meets the world.

>>> from openai_proxy.adapters import tokenizer_for
>>> tokenizer_for("gpt-4o").name
'o200k_base'
"""

from ..domain.compression.tokenizer import Tokenizer

__all__ = ["tokenizer_for"]


def tokenizer_for(model: str) -> Tokenizer:
    """The real encoding whose tokens `model` bills, loaded once in a process."""
    # Only those who ask for a tokenizer wait for tiktoken to load.
    from .compression.tokenizer import tokenizer_for  # noqa: PLC0415

    return tokenizer_for(model)
