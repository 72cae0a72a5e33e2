"""Which parts of a text may never be removed."""

# ruff: noqa: RUF001 - quotation marks and digits of all languages are its subject

import unicodedata
from collections.abc import Sequence

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tests.protected_texts import (
    any_texts,
    characters_of,
    kinds,
    protected,
    protected_characters,
    unmarked,
)

from openai_proxy.domain.protection.protections import (
    ProtectedText,
    protect,
    protected_spans,
    strip_keep_tags,
)

MILLION = 1_000_000


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
