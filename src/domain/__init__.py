"""What the product decides, as a library: no service, no network, no files.

>>> from openai_proxy.adapters import tokenizer_for
>>> from openai_proxy.domain import KeepRatio, compress_text
>>> text = "The committee will meet again on Tuesday, after the votes have been counted."
>>> half = KeepRatio.from_tokens_to_keep_ratio(0.5)
>>> compressed = compress_text(text, half, tokenizer_for("gpt-4o"))
>>> compressed.tokens_before, compressed.tokens_billed
(15, 8)
>>> compressed.text
'The committee meet after the have counted.'

The same text always becomes the same: on every turn, in every process. Any
object with the three members of `Tokenizer` will do for a tokenizer.
"""

from .bodies.body_compression import compress_body
from .bodies.compressed_body import CompressedBody, TextInBody
from .compression.encodings import ModelEncoding, encoding_of_model
from .compression.keep_ratio import KEEP_ALL, InvalidRatio, KeepRatio, resolve_keep_ratio
from .compression.strategies import BUILT_IN, Strategy, UnknownStrategy
from .compression.text import ALGORITHM, CompressedText, compress_text
from .compression.units import Units
from .control.policy import CompressionPolicy
from .errors import ProxyError
from .ports import LogSink, Tokenizer, UpstreamClient
from .protection.protections import PROTECTIONS

__all__ = [
    "ALGORITHM",
    "BUILT_IN",
    "KEEP_ALL",
    "PROTECTIONS",
    "CompressedBody",
    "CompressedText",
    "CompressionPolicy",
    "InvalidRatio",
    "KeepRatio",
    "LogSink",
    "ModelEncoding",
    "ProxyError",
    "Strategy",
    "TextInBody",
    "Tokenizer",
    "Units",
    "UnknownStrategy",
    "UpstreamClient",
    "compress_body",
    "compress_text",
    "encoding_of_model",
    "resolve_keep_ratio",
]
