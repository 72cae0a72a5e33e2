"""Texts of which parts are protected, and what is found in them."""

# ruff: noqa: RUF001 - quotation marks and digits of all languages are its subject

from hypothesis import strategies as st
from tests.json_documents import Object, Speller, spellers, texts, values

from openai_proxy.domain.protection.protections import PROTECTIONS, ProtectedText, protected_spans

CHARACTERS = "`~\\\"'[]{}()<>:;,.!?@/-+$€%°_ \t\r\na1٣½中é\u0301\ud800“”„‘’‚«»‹›「」『』《》"
SEQUENCES = """
    ``` ~~~ word don't 2024-01-15 v1.2 $1,234.56 http:// www. a@b.c mailto: <keep> </keep>
    [] {} "a" "a": \\" null -1.5e3 01 NaN
"""

fragments = st.sampled_from([*CHARACTERS, *SEQUENCES.split(), "\n\n", "\n```", "- ", "> "])
hostile_texts = st.lists(fragments).map("".join)
any_texts = st.text(st.characters(exclude_categories=())) | hostile_texts
kinds = st.frozensets(st.sampled_from(PROTECTIONS))
json_values = st.lists(values(), max_size=5) | st.builds(
    Object, st.lists(st.tuples(texts, values()), max_size=5).map(tuple)
)
json_documents = st.builds(Speller.spell, spellers, json_values).map(
    lambda document: document.decode().strip(" \t\r\n")
)
unmarked = st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=1)


def protected(text: str, *kinds: str) -> list[str]:
    return [text[start:end] for start, end in protected_spans(text, frozenset(kinds))]


def characters_of(found: ProtectedText) -> set[int]:
    return {at for start, end in found.spans for at in range(start, end)}


def protected_characters(text: str, kinds: frozenset[str]) -> set[int]:
    return characters_of(ProtectedText(text, protected_spans(text, kinds)))
