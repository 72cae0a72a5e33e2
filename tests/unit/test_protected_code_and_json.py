"""What counts as code and as JSON, which may never be removed."""

import json
from collections.abc import Iterator

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from tests.protected_texts import json_documents, protected, protected_characters


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
