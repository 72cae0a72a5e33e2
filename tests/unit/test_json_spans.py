"""Where the values of any JSON text stand, and what is no JSON."""

import json
import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.json_documents import (
    Object,
    Speller,
    Value,
    broken,
    documents,
    is_json,
    parse,
    spellers,
    texts,
    values,
)

from openai_proxy.domain.bodies import json_grammar
from openai_proxy.domain.bodies.json_spans import (
    DEEPEST_NESTING,
    DuplicateKey,
    JsonReader,
    LoneSurrogate,
    NotJson,
    Span,
    TooDeep,
    read_string,
    splice,
    write_string,
)

MIB = 1024 * 1024

# As long as the longest key or number that the strategies draw, spaces included.
SMALL_WINDOW_BYTES = 160
window_sizes = st.sampled_from([SMALL_WINDOW_BYTES, 64 * 1024])


def passes(text: bytes, window_bytes: int = 64 * 1024) -> bool:
    try:
        reader = JsonReader.at_start_of(text, window_bytes)
        reader.skip()
        reader.expect_end()
    except NotJson:
        return False
    return True


class TestWhatIsJson:
    """RFC 8259, to the letter: what the standard library takes, less NaN and byte order marks."""

    @given(documents, window_sizes)
    def test_every_spelling_of_every_value_passes(self, text: bytes, window_bytes: int) -> None:
        assert passes(text, window_bytes)

    def test_no_group_is_repeated_in_the_way_that_older_interpreters_get_wrong(self) -> None:
        spellings = b" ".join(v for v in vars(json_grammar).values() if isinstance(v, bytes))

        assert re.findall(rb"\)[*+?]\+", spellings)
        assert not re.findall(rb"(?<!\|\(\?!\))\)[*+?]\+", spellings)

    @given(broken(documents))
    @example(b"")
    @example(b" ")
    @example(b"01")
    @example(b"-")
    @example(b"1.")
    @example(b"1e")
    @example(b".5")
    @example(b"+1")
    @example(b"[1,]")
    @example(b"[,1]")
    @example(b"[1 2]")
    @example(b"[1}")
    @example(b'{"a":1,}')
    @example(b'{"a"}')
    @example(b"{a:1}")
    @example(b'{"a":[1]]')
    @example(b'"a\tb"')
    @example(b'"\\x"')
    @example(b'"\\u12g4"')
    @example(b'"open')
    @example(b'"open\\"')
    @example(b"nul")
    @example(b"nullnull")
    @example(b"NaN")
    @example(b"[-Infinity]")
    @example(b"\xef\xbb\xbf{}")
    @example('{"a":1}'.encode("utf-16"))
    @example(b'"\xed\xa0\x80"')
    @example(b'"\xc0\x80"')
    @example(b'"\xff"')
    @example(b"\xc2\xa0{}")
    @example(b"[\x0b1]")
    @example(b"[" * 500)
    @example(b"1" * 5000)
    @example(b"[1e400, -0, 0.0e-0]")
    def test_a_broken_text_passes_only_if_the_standard_library_takes_it(self, text: bytes) -> None:
        assert passes(text) == is_json(text)

    @given(st.binary(max_size=64))
    def test_any_bytes_pass_or_are_not_json(self, text: bytes) -> None:
        assert passes(text) == is_json(text)

    @pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b'[{"a":' * 100_000])
    def test_deep_nesting_is_refused_without_recursion(self, text: bytes) -> None:
        reader = JsonReader.at_start_of(text)

        with pytest.raises(TooDeep):
            reader.skip()

    def test_nesting_passes_up_to_the_limit(self) -> None:
        # The innermost array is flat and takes no step down.
        depth = DEEPEST_NESTING + 1

        assert passes(b"[" * depth + b"]" * depth)

    @pytest.mark.parametrize(
        "text",
        [
            b'"' + b"a" * MIB + b'"',
            b'["' + "漢".encode() * MIB + b'"]',
            b'{"a":"' + b"\\u00e9\\n" * MIB + b'","b":1}',
            b" " * MIB + b"[" + b"1," * MIB + b"1" + b" " * MIB + b"]" + b"\n" * MIB,
            b'{"a": {"b": 1}' + b" " * MIB + b"," + b'"c": 2}',
        ],
    )
    def test_strings_and_white_space_may_be_longer_than_a_window(self, text: bytes) -> None:
        assert passes(text)

    @pytest.mark.parametrize("text", [b'"' + b"a" * MIB, b'"' + b"a" * MIB + b'\n"'])
    def test_long_strings_are_checked_to_their_end(self, text: bytes) -> None:
        assert not passes(text)


WATCHED = {"a", "b"}
keys = st.sampled_from(["a", "b", "c", "", "é\n"])
small_documents = st.builds(Speller.spell, spellers, values(keys))


def strings_passed(reader: JsonReader, text: bytes) -> Iterator[str | None]:
    """The strings met on a walk through arrays and the watched keys of objects."""
    if literal := reader.string():
        characters = json.loads(text[literal.start : literal.end])
        yield characters
        return
    for _ in reader.members(WATCHED):
        yield from strings_passed(reader, text)
    for _ in reader.elements():
        yield from strings_passed(reader, text)


def strings_parsed(value: Value) -> Iterator[str | None]:
    match value:
        case str():
            yield value
        case Object():
            watched = [key for key, _ in value.members if key in WATCHED]
            if len(watched) > len(set(watched)):
                raise DuplicateKey
            for key, item in value.members:
                if key in WATCHED:
                    yield from strings_parsed(item)
        case list() | tuple():
            for item in value:
                yield from strings_parsed(item)
        case _:
            pass


def strings_or_duplicate(strings: Iterator[str | None]) -> list[str | None] | type[DuplicateKey]:
    try:
        return list(strings)
    except DuplicateKey:
        return DuplicateKey


class TestWalking:
    """A walk meets what a parser builds, and leaves the rest unbuilt but checked."""

    @given(small_documents, window_sizes)
    @example(b'{"a": 1, "\\u0061": 2}', SMALL_WINDOW_BYTES)
    @example(b'{"c": 1, "c": {"a": 1, "a": 2}, "b": ["x"]}', SMALL_WINDOW_BYTES)
    def test_watched_keys_and_elements_come_in_order_and_once(
        self, text: bytes, window_bytes: int
    ) -> None:
        reader = JsonReader.at_start_of(text, window_bytes)

        met = strings_or_duplicate(strings_passed(reader, text))

        assert met == strings_or_duplicate(strings_parsed(parse(text)))

    @given(broken(small_documents))
    @example(b'{"a":"x" ["y"]}')
    @example(b'["x" ["y"]]')
    @example(b'{"a":{"b":1}{"b":2}}')
    @example(b'{"a":1,}')
    @example(b'{,"a":1}')
    @example(b'["x",]')
    @example(b'["x"')
    def test_a_walk_to_the_end_takes_nothing_that_is_not_json(self, text: bytes) -> None:
        text = b"[" + text + b"]"
        try:
            reader = JsonReader.at_start_of(text)
            strings = strings_or_duplicate(strings_passed(reader, text))
            assume(strings is not DuplicateKey)
            reader.expect_end()
        except NotJson:
            assert not is_json(text)
        else:
            assert is_json(text)

    def test_a_bookmark_stays_when_the_reader_moves_on(self) -> None:
        reader = JsonReader.at_start_of(b'["first", "second"]')
        places = [reader.bookmark() for _ in reader.elements()]

        assert [place.string() for place in places] == [Span(1, 8), Span(10, 18)]

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            (b'"user"', "user"),
            (b'"us\\u0065r"', "user"),
            (b'"\\ud800"', None),
            (b'"' + b"n" * 1000 + b'"', None),
            (b"null", None),
            (b"7", None),
        ],
    )
    def test_a_name_is_a_short_string_that_utf8_can_spell(
        self, value: bytes, name: str | None
    ) -> None:
        assert JsonReader.at_start_of(value).name() == name


class TestStrings:
    @given(texts, spellers)
    def test_reading_undoes_every_spelling(self, characters: str, speller: Speller) -> None:
        text = speller.spell(characters)
        literal = JsonReader.at_start_of(text).string()

        assert literal is not None
        assert read_string(text, literal) == characters

    @given(texts)
    def test_what_is_written_is_read_back(self, characters: str) -> None:
        literal = write_string(characters)

        assert passes(literal)
        assert read_string(literal, Span(0, len(literal))) == characters

    def test_only_what_must_be_is_escaped(self) -> None:
        assert write_string('é漢🙂/\x7f "\\\n\x01') == '"é漢🙂/\x7f \\"\\\\\\n\\u0001"'.encode()

    @pytest.mark.parametrize("text", [rb'"\ud800"', rb'"\udc00\ud800"', rb'"a\uD83Dz\uDE42"'])
    def test_half_a_surrogate_pair_is_no_text(self, text: bytes) -> None:
        with pytest.raises(LoneSurrogate):
            read_string(text, Span(0, len(text)))

    def test_a_whole_surrogate_pair_is_one_character(self) -> None:
        assert read_string(rb'"\ud83d\uDE42"', Span(0, 14)) == "🙂"


class TestSplicing:
    @given(st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=5))))
    def test_spans_are_replaced_and_nothing_else(
        self, pieces: list[tuple[bytes, bytes, bytes]]
    ) -> None:
        text, spans = b"", list[Span]()
        for before, old, _ in pieces:
            spans.append(Span(len(text + before), len(text + before + old)))
            text += before + old

        spliced = splice(
            text, [(span, new) for span, (_, _, new) in zip(spans, pieces, strict=True)]
        )

        assert spliced == b"".join(before + new for before, _, new in pieces)


class TestCost:
    """Memory that grows with what is asked for, not with what is passed."""

    @pytest.mark.parametrize(
        "text",
        [
            b'{"messages":[' + b'{"role":"user","content":"a"},' * 30_000 + b"0]}",
            b"[" + b"[]," * 300_000 + b"[]]",
            b"[" + b"[[]]," * 20_000 + b"[]]",
            b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(70_000)) + b"}",
            b'{"content":"' + b"a" * MIB + b'"}',
            b'{"content":"' + "漢".encode() * (MIB // 3) + b'"}',
        ],
        ids=["messages", "empty arrays", "nested arrays", "keys", "string", "wide string"],
    )
    def test_passing_a_large_text_builds_next_to_nothing(self, text: bytes) -> None:
        tracemalloc.start()

        assert passes(text)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MIB // 2
