"""The page has words for every reason that it may be given."""

import re
from pathlib import Path
from typing import get_args

from openai_proxy.domain.bodies.compressed_body import BodySkipReason, TextLeftReason

WORDS = Path(__file__).parents[2] / "src" / "adapters" / "inbound" / "web" / "words.js"


def test_every_reason_why_a_body_or_a_text_stays_has_a_sentence() -> None:
    said = dict(re.findall(r"^  (\w+): \"(.*\.)\",$", WORDS.read_text(), re.MULTILINE))

    assert {*get_args(BodySkipReason), *get_args(TextLeftReason)} - said.keys() == set()
