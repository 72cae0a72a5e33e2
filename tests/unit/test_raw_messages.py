"""Raw messages are httpx's own in every respect but what making them costs."""

import copy

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.adapters.upstream.raw_messages import RawFields, RawResponse

field_lists = st.lists(
    st.tuples(st.text("aBc-", min_size=1, max_size=3).map(str.encode), st.binary(max_size=5)),
    max_size=6,
)


class TestRawFields:
    @given(field_lists)
    def test_are_the_list_that_was_given(self, fields: list[tuple[bytes, bytes]]) -> None:
        assert RawFields(fields).raw == fields

    @given(field_lists)
    def test_are_looked_up_as_httpx_looks_them_up(self, fields: list[tuple[bytes, bytes]]) -> None:
        raw, indexed = RawFields(fields), httpx.Headers(fields)

        assert raw == indexed
        assert raw.multi_items() == indexed.multi_items()
        assert copy.deepcopy(raw).raw == raw.copy().raw == raw.raw == fields

    @given(field_lists)
    def test_may_be_changed(self, fields: list[tuple[bytes, bytes]]) -> None:
        raw, indexed = RawFields(list(fields)), httpx.Headers(fields)

        raw["a"] = indexed["a"] = "new"

        assert raw.raw == indexed.raw

    def test_have_no_other_attributes(self) -> None:
        with pytest.raises(AttributeError):
            RawFields([]).nothing  # noqa: B018 (looking is the test)


def test_a_raw_response_has_all_that_one_of_httpx_has() -> None:
    fields, body, extensions = [(b"X-Field", b"1")], httpx.ByteStream(b""), {"reason_phrase": b"OK"}
    built = httpx.Response(201, headers=fields, stream=body, extensions=extensions)

    raw = RawResponse(201, RawFields(fields), body, dict(extensions))

    assert {name: getattr(raw, name) for name in vars(built)} == vars(built)
