"""What survives of a text is what still stands there whole and apart."""

from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import texts

from openai_proxy.domain.evaluation import survival
from openai_proxy.domain.evaluation.survival import KINDS, Facts, Survival


def found(kind: str, text: str) -> list[str]:
    return [text[start:end] for start, end in Facts.of(text).spans[kind]]


def kept(text: str, *removed: str) -> bytes:
    """The characters of `text` but for the first occurrence of each of `removed`."""
    mask = bytearray(b"\1" * len(text))
    for part in removed:
        start = text.index(part)
        mask[start : start + len(part)] = bytes(len(part))
    return bytes(mask)


@given(texts)
def test_everything_survives_in_a_text_that_stays(text: str) -> None:
    facts = Facts.of(text)

    outcome = facts.survivors(b"\1" * len(text)).counts

    assert outcome == {
        kind: Survival(len(spans), len(spans)) for kind, spans in facts.spans.items()
    }
    assert facts.survivors(b"\1" * len(text)).worst_quarter in (None, 1.0)


@given(texts)
def test_nothing_survives_in_a_text_that_goes(text: str) -> None:
    outcome = Facts.of(text).survivors(bytes(len(text))).counts

    assert {one.survived for one in outcome.values()} == {0}


@given(texts, st.data())
def test_what_is_found_does_not_depend_on_what_is_kept(text: str, data: st.DataObject) -> None:
    facts = Facts.of(text)
    mask = data.draw(st.binary(min_size=len(text), max_size=len(text)))
    mask = bytes(byte & 1 for byte in mask)

    outcome = facts.survivors(mask).counts

    assert {kind: one.found for kind, one in outcome.items()} == {
        kind: len(spans) for kind, spans in facts.spans.items()
    }
    assert all(0 <= one.survived <= one.found for one in outcome.values())


class TestWhatIsLookedFor:
    def test_numbers_with_their_points_and_hyphens(self) -> None:
        assert found(
            "numbers", "On 2024-01-15 it cost 1,234.50, at 10:30, and 3個 \u0663\u066b\u0665."
        ) == [
            "2024-01-15",
            "1,234.50",
            "10:30",
            "3",
            "\u0663\u066b\u0665",
        ]

    def test_names_that_do_not_begin_a_sentence_and_wherever_else_they_stand(self) -> None:
        text = "Yesterday Ada Lovelace met Bruno. Ada was late. Nobody waited."

        assert found("names", text) == ["Ada", "Lovelace", "Bruno", "Ada"]

    def test_names_and_identifiers_among_letters_without_case(self) -> None:
        text = "请用 LibreOffice的写作工具。本は Frank Herbertによって書かれ、parse_line(U盘(小))"

        assert found("names", text) == ["LibreOffice", "Frank", "Herbert"]
        assert found("identifiers", text) == ["LibreOffice", "parse_line"]

    def test_negations_of_many_languages(self) -> None:
        text = "I don't; ich nicht; я не; 我不去; 行きません; मैं नहीं; لا أعرف; Not Notts."

        assert found("negations", text) == [
            *("don't", "nicht", "не", "不", "ません", "नहीं", "لا", "Not"),
        ]

    def test_identifiers_of_programs(self) -> None:
        text = "Call parse_line(text) with maxDepth or _private, not this."

        assert found("identifiers", text) == ["parse_line", "maxDepth", "_private"]

    def test_words_that_are_not_grammar(self) -> None:
        text = "The old harbour of the town, and die alte Brücke в городе: 1988."

        assert found("content_words", text) == [
            *("old", "harbour", "town", "alte", "Brücke", "городе"),
        ]

    def test_pairs_of_characters_where_no_spaces_are_written(self) -> None:
        assert found("content_words", "供水公司的通知です") == ["供水", "水公", "公司", "通知"]


class TestWhatSurvives:
    def test_a_fact_that_lost_a_character_does_not(self) -> None:
        text = "It cost 1,234.50 in all."

        outcome = Facts.of(text).survivors(kept(text, ",2")).counts

        assert outcome["numbers"] == Survival(1, 0)

    def test_a_number_that_another_has_come_to_touch_does_not(self) -> None:
        text = "3 apples, 14 pears"

        outcome = Facts.of(text).survivors(kept(text, " apples, ")).counts

        assert outcome["numbers"] == Survival(2, 0)

    def test_a_number_beside_which_only_a_space_remains_does(self) -> None:
        text = "3 apples, 14 pears"

        outcome = Facts.of(text).survivors(kept(text, " apples,")).counts

        assert outcome["numbers"] == Survival(2, 2)

    def test_characters_that_always_touch_others_do(self) -> None:
        text = "供水公司通知"

        outcome = Facts.of(text).survivors(kept(text, "公司")).counts

        assert outcome["content_words"] == Survival(5, 2)


class TestTheWorstQuarter:
    TEXT = "alpha beta gamma delta epsilon zeta theta iota"

    def test_is_the_one_that_loses_most(self) -> None:
        assert Facts.of(self.TEXT).survivors(kept(self.TEXT, "delta", "iota")).worst_quarter == 0.5

    def test_shows_what_truncation_does(self) -> None:
        facts = Facts.of(self.TEXT)
        half = len(self.TEXT) // 2

        truncated = b"\1" * half + bytes(len(self.TEXT) - half)

        assert facts.survivors(truncated).worst_quarter == 0.0

    def test_says_nothing_of_a_text_with_too_few_words(self) -> None:
        assert Facts.of("one harbour").survivors(bytes(11)).worst_quarter is None


def test_every_kind_is_explained() -> None:
    assert all(kind in (survival.__doc__ or "") for kind in KINDS)
