"""The chat model of lm-evaluation-harness, with its user messages compressed as the proxy does it.

Importing this module registers it; the harness then knows it by name:

    lm_eval.simple_evaluate("openai-proxy-chat", {"keep_ratio": "0.7", ...}, apply_chat_template=True)
"""

# lm-eval comes with the extra of that name, which few install, and is not typed.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUntypedClassDecorator=false, reportUnknownArgumentType=false

import json
from typing import Any, Final

from lm_eval.api.registry import register_model
from lm_eval.models.openai_completions import LocalChatCompletion

from ...domain.bodies.body_compression import compress_body
from ...domain.compression.keep_ratio import KeepRatio, Number
from ...domain.compression.strategies import Strategy
from ...domain.control.policy import CompressionPolicy
from ..compression.strategy_loader import load_strategy
from ..compression.tokenizer import tokenizer_for

MODEL_NAME: Final = "openai-proxy-chat"


@register_model(MODEL_NAME)
class CompressedChat(LocalChatCompletion):
    """An OpenAI-compatible chat model that is asked with fewer tokens.

    `protect` lists kinds of spans as COMPRESSION_PROTECT does, separated by
    commas or blanks: the harness splits its own arguments at commas.
    """

    def __init__(
        self,
        *,
        keep_ratio: Number = 1,
        strategy: str | Strategy = "uniform",
        protect: str = "",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.policy = CompressionPolicy(
            keep_ratio=KeepRatio.from_tokens_to_keep_ratio(keep_ratio),
            strategy=load_strategy(strategy) if isinstance(strategy, str) else strategy,
            protect=frozenset(protect.replace(",", " ").split()),
        )

    def _create_payload(self, *args: Any, **options: Any) -> dict[str, Any]:
        payload = json.dumps(super()._create_payload(*args, **options)).encode()
        compressed: dict[str, Any] = json.loads(
            compress_body(payload, "chat", self.policy, tokenizer_for).body
        )
        return compressed
