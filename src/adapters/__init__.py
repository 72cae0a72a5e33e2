"""How the product meets the world.

>>> from openai_proxy.adapters import tokenizer_for
>>> tokenizer_for("gpt-4o").name
'o200k_base'
"""

from typing import Any

__all__ = ["tokenizer_for"]


def __getattr__(name: str) -> Any:
    # tiktoken is loaded by those who ask for a tokenizer, not by every other adapter.
    if name == "tokenizer_for":
        from .tokenizer import tokenizer_for  # noqa: PLC0415

        return tokenizer_for
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
