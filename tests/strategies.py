# ruff: noqa: RUF001 - letters that look like others are what is to be tested.
"""What the domain's properties are drawn from."""

from fractions import Fraction

from hypothesis import strategies as st

from openai_proxy.domain.compression.keep_ratio import KeepRatio

FRAGMENTS = (
    *[
        " the",
        " of",
        " token",
        " Quokka",
        "ly",
        "ing",
        "'s",
        ".",
        ",",
        " -",
        "?",
        "!",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "  ",
        "\t",
        " 42",
        "1,024",
        "3.14",
        "2026-05-03",
    ],
    *[" der", " Straße", "größte", "über", " naïve", "café", "ẹ́", "́"],
    *["我们", "喜欢", "天气", "。", "，", "東京", "です", "カタカナ", "ｶﾞ", "한국어", "한"],
    *[" في", " العربية", "مُحَمَّد", "\u0600١", " नमस्ते", "क्षि", "हिन्दी", " สวัสดี", "ที่", "น้ำ"],
    *["😀", "👍🏽", "👩\u200d🚀", "👨\u200d👩\u200d👧", "🏳️\u200d🌈", "🇩🇪", "🇯🇵", "\u200d", "️", "❤️"],
    *[
        "def f(x):",
        "    return",
        '{"a": [1, 2]}',
        '"',
        "\\",
        "/",
        "https://example.com/a?b=c",
        "QUJDREVG",
        "aaaaaaaa",
    ],
    *["<|endoftext|>", "<|im_start|>", "\x00", "\x7f", "�", "\u2028", "\xa0"],
)

texts = st.lists(st.integers(0, len(FRAGMENTS) - 1), max_size=120).map(
    lambda numbers: "".join(FRAGMENTS[number] for number in numbers)
) | st.text(st.characters(exclude_categories=["Cs"]))
"""Texts in all sorts of scripts, mostly of a few dozen tokens."""

long_texts = st.tuples(texts.filter(bool), texts, st.integers(2, 40)).map(
    lambda parts: f"{parts[0]} " * parts[2] + parts[1]
)
"""Texts that often go beyond one block."""

any_texts = texts | st.text()
"""Texts that may hold lone surrogates, too."""

shares = st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=1000)
keep_ratios = shares.map(KeepRatio)
"""Keep ratios that compress."""
