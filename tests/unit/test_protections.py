"""Which parts of a text may never be removed."""

# ruff: noqa: RUF001 - quotation marks and digits of all languages are its subject

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tests.json_documents import Object, Speller, spellers, texts, values

from openai_proxy.adapters import tokenizer_for
from openai_proxy.domain.compression.keep_ratio import KeepRatio
from openai_proxy.domain.compression.text import CompressedText, compress_text
from openai_proxy.domain.protection.protections import (
    PROTECTIONS,
    ProtectedText,
    protect,
    protected_spans,
    strip_keep_tags,
)

MILLION = 1_000_000
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


def protected(text: str, *kinds: str) -> list[str]:
    return [text[start:end] for start, end in protected_spans(text, frozenset(kinds))]


def characters_of(found: ProtectedText) -> set[int]:
    return {at for start, end in found.spans for at in range(start, end)}


def protected_characters(text: str, kinds: frozenset[str]) -> set[int]:
    return characters_of(ProtectedText(text, protected_spans(text, kinds)))


class TestEverySpan:
    @given(any_texts, kinds)
    def test_lies_in_the_text_in_order_and_apart_from_the_next(
        self, text: str, kinds: frozenset[str]
    ) -> None:
        borders = [at for span in protected_spans(text, kinds) for at in span]

        assert borders == sorted(set(borders))
        assert all(0 <= at <= len(text) for at in borders)

    @given(any_texts, kinds)
    def test_is_protected_for_one_of_the_kinds_asked_for(
        self, text: str, kinds: frozenset[str]
    ) -> None:
        by_kind = [protected_characters(text, frozenset({kind})) for kind in kinds]

        assert protected_characters(text, kinds) == set[int]().union(*by_kind)

    @given(any_texts)
    def test_of_an_unknown_kind_is_none(self, text: str) -> None:
        assert protected_spans(text, frozenset({"poems"})) == ()

    @pytest.mark.parametrize(
        ("kind", "pattern", "spans"),
        [
            ("code", "\\", 0),
            ("code", "\\`", 0),
            ("code", "` `` ``` ```` ", 57_142),
            ("code", "```\n", 1),
            ("json", "[", 0),
            ("json", '["', 0),
            ("json", '["\\"', 0),
            ("urls", "a@", 0),
            ("urls", "http://a([{", 90_909),
            ("numbers", "-", 0),
            ("numbers", "1.", 1),
            ("quotes", '"', 1),
            ("quotes", "«„“‚‘", 200_000),
            ("tags", "<keep>", 0),
        ],
    )
    def test_is_found_in_linear_time_in_a_million_hostile_characters(
        self, kind: str, pattern: str, spans: int
    ) -> None:
        text = pattern * (MILLION // len(pattern))

        assert len(protected_spans(text, frozenset({kind}))) == spans


def code_spans_of_commonmark(text: str) -> Iterator[str]:
    """A plain reading of CommonMark section 6.1, in quadratic time."""
    position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2 if text[position + 1 : position + 2] in {"\\", "`"} else 1
        elif text[position] == "`":
            run = regex.compile("`+").match(text, position)
            assert run
            closer = regex.compile(f"(?<!`){run[0]}(?!`)").search(text, run.end())
            if closer:
                yield text[position : closer.end()]
            position = (closer or run).end()
        else:
            position += 1


class TestCode:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("see\n```py\nx = 1\n\n`y`\n```\nthen", "\n```py\nx = 1\n\n`y`\n```\n"),
            ("```\r\nx\r\n```", "```\r\nx\r\n```"),
            ("~~~\nnever closed\n\n```\n", "~~~\nnever closed\n\n```\n"),
            ("````\n```\n````\nthen", "````\n```\n````\n"),
            ("```\n~~~\n```\nthen", "```\n~~~\n```\n"),
            ("```\nx\n    ```\nstill", "```\nx\n    ```\nstill"),
            ("```\nx\n``` y\nstill", "```\nx\n``` y\nstill"),
            ("1. ```\n   x\n   ```\nthen", "1. ```\n   x\n   ```\n"),
            ("> ```\n> x\n> ```\nthen", "> ```\n> x\n> ```\n"),
            ("``` is ``` no fence\n", "``` is ```"),
            ("the `a b` of", "`a b`"),
            ("``a ` b`` `", "``a ` b``"),
            (r"\`not this` but `\`", r"` but `"),
            ("`over\nlines`", "`over\nlines`"),
        ],
    )
    def test_is_what_stands_in_fences_and_between_backticks(self, text: str, code: str) -> None:
        assert protected(text, "code") == [code]

    def test_does_not_reach_over_a_blank_line_outside_of_fences(self) -> None:
        assert protected("a ` stray\n \nand a ` stray", "code") == []

    @given(st.lists(st.sampled_from(["`", "``", "\\", "a", " "])).map("".join))
    def test_within_a_line_is_what_commonmark_says(self, line: str) -> None:
        line = f"a{line}"

        assert "".join(protected(line, "code")) == "".join(code_spans_of_commonmark(line))

    @given(st.text(), st.text(st.characters(exclude_characters="~")), st.text())
    def test_in_a_fence_is_protected_whatever_it_is(
        self, before: str, code: str, after: str
    ) -> None:
        before = before.replace("~", "").replace("`", "")
        block = f"\n~~~\n{code}\n~~~\n"

        assert protected(before + block + after, "code")[0] == block


def refuse(constant: str) -> None:
    raise ValueError(constant)


def values_found_by_trying(text: str) -> set[int]:
    """The characters of all objects and arrays that the standard parser reads."""
    decoder = json.JSONDecoder(parse_constant=refuse)
    characters = set[int]()
    position = 0
    while position < len(text):
        end = position + 1
        if text[position] in "[{":
            try:
                _, end = decoder.raw_decode(text, position)
                characters.update(range(position, end))
            except ValueError:
                pass
        position = end
    return characters


json_pieces = st.sampled_from(
    [
        *'[]{}",:\\1-a \n\x00',
        '"a"',
        '"a":',
        "[]",
        "{}",
        '\\"',
        "\\u00e9",
        "01",
        "1.5e3",
        "null",
        "NaN",
    ]
)


class TestJson:
    @given(json_documents)
    def test_document_is_protected_as_a_whole(self, document: str) -> None:
        assert protected(document, "json") == [document]

    @given(
        st.text(st.characters(exclude_characters="[{")),
        json_documents,
        st.text(st.characters(exclude_characters="[{")),
    )
    def test_is_found_wherever_it_stands(self, before: str, document: str, after: str) -> None:
        assert protected(before + document + after, "json") == [document]

    @given(st.lists(json_pieces, max_size=30).map("".join))
    @example('{"payload": "{"a": [1]}"}')
    @example('["[1,2]", "b" oops')
    @example('["["] , "]')
    @example('["["[1],')
    def test_is_what_a_parser_reads_that_tries_every_bracket(self, text: str) -> None:
        assert protected_characters(text, frozenset({"json"})) == values_found_by_trying(text)

    @pytest.mark.parametrize("scalar", ["12", '"text"', "null", "true", "-1.5"])
    def test_is_no_number_or_string_alone(self, scalar: str) -> None:
        assert protected(scalar, "json") == []

    def test_may_be_nested_deeper_than_any_parser_recurses(self) -> None:
        nested = '[{"a":' * 100_000 + "0" + "}]" * 100_000

        assert protected(f"{nested}]", "json") == [nested]


hosts = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,4}){1,2}", fullmatch=True)
paths = st.from_regex(r"(/[A-Za-z0-9_~%-]{1,5}(\.[a-z]{2})?){0,3}", fullmatch=True)
queries = st.from_regex(
    r"(\?[a-z]=[0-9a-f]{1,4}(&[a-z]=[a-z]){0,2})?(#[a-z]{1,3})?", fullmatch=True
)
urls = st.builds(
    "{}://{}{}{}".format, st.sampled_from(["http", "https", "ftp", "HTTPS"]), hosts, paths, queries
).filter(lambda url: not url.endswith("~"))
addresses = st.builds(
    "{}@{}".format, st.from_regex(r"[a-z0-9]([a-z0-9._+-]{0,8}[a-z0-9])?", fullmatch=True), hosts
)


class TestUrls:
    @given(
        urls | addresses,
        st.sampled_from(["", ".", ",", "!", "?", ":", ");", '".', "'", "…", "。", ">"]),
    )
    def test_are_protected_without_the_punctuation_behind_them(self, url: str, behind: str) -> None:
        assert protected(f"(see {url}{behind} Then", "urls") == [url]

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            (
                "(https://en.wikipedia.org/wiki/Foo_(bar))",
                ["https://en.wikipedia.org/wiki/Foo_(bar)"],
            ),
            ("[it](http://a.org/x), <http://b.org>", ["http://a.org/x", "http://b.org"]),
            ("请看https://example.com/路径?x=1。然后", ["https://example.com/路径?x=1"]),
            ("**http://[::1]:8080/a[0]**", ["http://[::1]:8080/a[0]"]),
            ("postgres://u:p@db:5432/x", ["postgres://u:p@db:5432/x"]),
            ("mailto:Ann@x.org?subject=Hi!", ["mailto:Ann@x.org?subject=Hi"]),
            ("git@github.com:ann/x.git.", ["git@github.com:ann/x.git"]),
            ("www.example.org/a, please", ["www.example.org/a"]),
            ("@ann wrote http:// and a@b :// www.", []),
        ],
    )
    def test_are_found_in_many_spellings(self, text: str, found: list[str]) -> None:
        assert protected(text, "urls") == found


NUMBER = regex.compile(r"\p{N}+(?:[.,]\p{N}+)*")
SPELT_NUMBERS = """
    42 -5 +5 −5 ±3 1,234.56 1.234,56 1'234 .5 1e-5 ½ 10² ٣٫١٤ १२३ ３
    50% 50％ 5‰ $1,234 -$5 $-5 €5 5€ ¥500 5,00€ #7 10kg 25°C 100µs 5кг 3個 12명 21st
    2024-01-15 15/01/2024 15.1.2024 2024年1月15日 3:45pm 2024-01-15T10:30:00.5+02:00 ’90s
    v1.2.3-rc1 1.2.3 0xFF 1920x1080 5:3 3–5 550e8400-e29b-41d4-a716-446655440000
"""


class TestNumbers:
    @given(any_texts)
    def test_are_protected_in_every_script(self, text: str) -> None:
        digits = {at for at, char in enumerate(text) if unicodedata.category(char) in {"Nd", "Nl"}}

        assert digits <= protected_characters(text, frozenset({"numbers"}))

    @given(any_texts)
    @example("3 apples and 4 pears")
    @example("3 in fig.4")
    @example("3 or .5")
    def test_do_not_become_one_when_all_between_them_is_removed(self, text: str) -> None:
        rest = "".join(protected(text, "numbers"))

        assert NUMBER.findall(rest) == NUMBER.findall(text)

    @pytest.mark.parametrize("number", SPELT_NUMBERS.split())
    def test_keep_sign_currency_and_unit(self, number: str) -> None:
        [found] = protected(f"about {number}, or so", "numbers")

        assert found.strip(" ,") == number


words = st.text("abcxyzäßéñžщд", min_size=1, max_size=6)
apostrophes = st.sampled_from("'’")
contractions = st.builds("{}{}{}".format, words, apostrophes, words)
possessives = st.builds("{}{}".format, words, apostrophes)
PAIRED_MARKS = "“” „“ „” ‚‘ ‘’ «» »« ”” »» ‹› 「」 『』 《》 \"\" ''"


class TestQuotes:
    @given(
        st.sampled_from(PAIRED_MARKS.split()),
        st.lists(words | contractions, min_size=1).map(" ".join),
    )
    def test_of_many_languages_are_protected_with_their_marks(
        self, marks: str, quotation: str
    ) -> None:
        quoted = f"{marks[0]}{quotation}{marks[1]}"

        assert protected(f"He said {quoted}, and left.", "quotes") == [quoted]

    @given(st.lists(words | contractions | possessives).map(" ".join))
    def test_are_not_made_of_apostrophes(self, text: str) -> None:
        assert protected(text, "quotes") == []

    @pytest.mark.parametrize(
        ("text", "quotations"),
        [
            ("“a ‘b’ c”", ["“a ‘b’ c”"]),
            ("« salut », dit-il", ["« salut »"]),
            ('他说"再见"然后“走”了', ['"再见"', "“走”"]),
            ('"안녕"이라고', ['"안녕"']),
            ('5\'10" by 6\'2" and "z"', ['"z"']),
            ('x = f("a", "b")', ['"a"', '"b"']),
            ('"over\nlines"', ['"over\nlines"']),
            ('"never closed\n\nsaid "x"', ['"x"']),
            ('" spaced "', []),
        ],
    )
    def test_pair_as_a_reader_would_pair_them(self, text: str, quotations: list[str]) -> None:
        assert protected(text, "quotes") == quotations


unmarked = st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=1)
pieces = st.lists(st.sampled_from(["<keep>", "</keep>"]) | unmarked)


class TestTags:
    @given(st.lists(st.tuples(unmarked, unmarked)))
    def test_are_removed_and_what_they_hold_is_protected(
        self, pairs: Sequence[tuple[str, str]]
    ) -> None:
        tagged = "".join(f"{plain}<keep>{kept}</keep>" for plain, kept in pairs)

        stripped = strip_keep_tags(tagged)

        assert stripped.text == "".join(plain + kept for plain, kept in pairs)
        assert [stripped.text[start:end] for start, end in stripped.spans] == [
            kept for _, kept in pairs
        ]

    @given(pieces, pieces)
    def test_protect_the_same_when_the_text_grows(self, now: list[str], later: list[str]) -> None:
        before = strip_keep_tags("".join(now))
        after = strip_keep_tags("".join(now + later))

        assert after.text.startswith(before.text)
        assert characters_of(before) <= characters_of(after)

    @given(unmarked)
    def test_leave_a_text_without_marks_as_it_is(self, text: str) -> None:
        assert strip_keep_tags(text) == ProtectedText(text, ())

    @pytest.mark.parametrize(
        ("tagged", "stripped"),
        [
            ("a <keep>b", ProtectedText("a b", ((2, 3),))),
            ("a</keep> b", ProtectedText("a</keep> b", ())),
            ("<keep>a<keep>b</keep>c</keep>d", ProtectedText("abcd", ((0, 3),))),
            ("<keep></keep>a", ProtectedText("a", ())),
            ("<KEEP>a</KEEP>", ProtectedText("<KEEP>a</KEEP>", ())),
        ],
    )
    def test_may_nest_and_stay_open(self, tagged: str, stripped: ProtectedText) -> None:
        assert strip_keep_tags(tagged) == stripped

    @given(any_texts, kinds)
    def test_are_looked_for_first_and_the_other_kinds_in_what_is_left(
        self, text: str, kinds: frozenset[str]
    ) -> None:
        stripped = strip_keep_tags(text)
        others = protected_characters(stripped.text, kinds)

        both = protect(text, kinds | {"tags"})

        assert both.text == stripped.text
        assert characters_of(both) == characters_of(stripped) | others

    @given(any_texts, kinds)
    def test_are_ordinary_text_where_nobody_asked_for_them(
        self, text: str, kinds: frozenset[str]
    ) -> None:
        others = kinds - {"tags"}

        assert protect(text, others) == ProtectedText(text, protected_spans(text, others))


PROSE = "The carrier said it would try again on the next working day and left a card."

prose = st.lists(st.sampled_from(PROSE.split()), min_size=10, max_size=40).map(" ".join)
mixed_texts = st.lists(prose | fragments.filter("\ud800".__ne__), max_size=20).map(" ".join)
keep_ratios = st.integers(1, 9).map(lambda tenths: KeepRatio(Fraction(tenths, 10)))
compressors = st.builds(
    partial,
    st.just(compress_text),
    keep_ratio=keep_ratios,
    tokenizer=st.sampled_from(["gpt-4o", "gpt-4"]).map(tokenizer_for),
    strategy=st.sampled_from(["uniform", "words", "weighted"]),
)
Compressor = Callable[..., CompressedText]
counted_things = st.lists(
    st.builds(
        "{}{}{}".format,
        st.integers(0, 9999) | st.sampled_from(["10kg", "5%", "1,234.50"]),
        st.sampled_from([" ", "-", "/", ", ", ".\n", " (", ": "]),
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
    ),
    max_size=20,
).map(" ".join)
PROTECTED = [
    "https://example.org/path?q=deep",
    "www.example.org",
    "ann@example.org",
    "`run_all()`",
    '{"id": 7}',
    '"over and over"',
    "<keep>Qatar</keep>",
]
between_words = st.lists(
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
        st.sampled_from([" ", "\n", " (", ": "]),
        st.sampled_from(PROTECTED),
        st.sampled_from([" ", ", ", ".\n", "). ", ": "]),
        st.sampled_from(["Stunden", "eingabegerät", "unbelievable", "sondages"]),
    ),
    max_size=20,
).map(" ".join)
WITH_NEIGHBOURS = regex.compile(
    "[\\w`]*(?:"
    + "|".join(regex.escape(regex.sub("</?keep>", "", one)) for one in PROTECTED)
    + ")[\\w`]*"
)
WITH_DIGITS = regex.compile(r"[^\W_]*\d[^\W_]*")


def contains_in_order(text: str, parts: Iterable[str]) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position) + len(part)
        if position < len(part):
            return False
    return True


class TestCompressingWithProtections:
    @given(compressors, mixed_texts, kinds)
    def test_keeps_every_protected_span_in_order(
        self, compress: Compressor, text: str, kinds: frozenset[str]
    ) -> None:
        found = protect(text, kinds)

        compressed = compress(text, protect=kinds)

        spans = (found.text[start:end] for start, end in found.spans)
        assert contains_in_order(compressed.text, spans)

    @given(compressors, json_documents)
    def test_returns_a_json_document_as_it_was(self, compress: Compressor, document: str) -> None:
        compressed = compress(document, protect=frozenset({"json"}))

        assert compressed.text == document

    @given(compressors, prose, json_documents, prose)
    def test_leaves_the_json_in_a_text_what_it_was(
        self, compress: Compressor, before: str, document: str, after: str
    ) -> None:
        compressed = compress(f"{before}\n{document}\n{after}", protect=frozenset({"json"}))

        assert compressed.tokens_billed < compressed.tokens_before
        assert document in compressed.text

    @given(compressors, mixed_texts)
    def test_makes_no_number_of_two(self, compress: Compressor, text: str) -> None:
        compressed = compress(text, protect=frozenset({"numbers"}))

        assert NUMBER.findall(compressed.text) == NUMBER.findall(text)

    @given(compressors, counted_things)
    @example(
        partial(compress_text, keep_ratio=KeepRatio(Fraction(1, 5)), tokenizer=tokenizer_for("")),
        "Die 24-Stunden-Uhr und die 24 Stunden der Uhr",
    )
    def test_leaves_no_part_of_a_word_stuck_to_a_number(
        self, compress: Compressor, text: str
    ) -> None:
        compressed = compress(text, protect=frozenset({"numbers"}))

        assert WITH_DIGITS.findall(compressed.text) == WITH_DIGITS.findall(text)

    @given(compressors, between_words)
    def test_leaves_no_part_of_a_word_stuck_to_what_is_protected(
        self, compress: Compressor, text: str
    ) -> None:
        compressed = compress(text, protect=frozenset(PROTECTIONS))

        stripped = strip_keep_tags(text).text
        found = WITH_NEIGHBOURS.findall(stripped)
        assert WITH_NEIGHBOURS.findall(compressed.text) == found

    @given(compressors, st.lists(st.tuples(prose, unmarked), min_size=1, max_size=3))
    def test_removes_the_tags_and_keeps_what_they_hold(
        self, compress: Compressor, pairs: list[tuple[str, str]]
    ) -> None:
        tagged = "".join(f"{plain} <keep>{kept}</keep> " for plain, kept in pairs)

        compressed = compress(tagged, protect=frozenset({"tags"}))

        assert "<keep>" not in compressed.text
        assert "</keep>" not in compressed.text
        assert contains_in_order(compressed.text, (kept for _, kept in pairs))
