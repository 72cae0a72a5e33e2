"""Which trace a request belongs to."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.domain.http.tracing import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER_TRACE = "105445aa7843bc8bf206b12000100000"


def hex_digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=length, max_size=length).filter(
        lambda digits: digits.strip("0") != ""
    )


traces = hex_digits(32)
spans = st.integers(0, 2**64 - 1).map(str)
versions = st.integers(0, 254).map("{:02x}".format)
flags = st.integers(0, 255).map("{:02x}".format)


class TestTraceparent:
    @given(versions, traces, hex_digits(16), flags)
    def test_a_well_formed_field_names_its_trace(
        self, version: str, trace: str, parent: str, flags: str
    ) -> None:
        assert trace_id(None, f"{version}-{trace}-{parent}-{flags}".encode()) == trace

    @given(st.integers(1, 254).map("{:02x}".format), st.binary(max_size=20))
    def test_a_later_version_may_say_more(self, version: str, more: bytes) -> None:
        field = f"{version}-{TRACE}-00f067aa0ba902b7-01-".encode() + more

        assert trace_id(None, field) == TRACE

    @given(st.binary(max_size=80))
    @example(f"ff-{TRACE}-00f067aa0ba902b7-01".encode())
    @example(f"00-{TRACE}-00f067aa0ba902b7-01-more".encode())
    @example(f"00-{TRACE}-00f067aa0ba902b7-01\n".encode())
    @example(f"01-{TRACE}-00f067aa0ba902b7-01more".encode())
    @example(f"00-{TRACE.upper()}-00f067aa0ba902b7-01".encode())
    @example(f"00-{'0' * 32}-00f067aa0ba902b7-01".encode())
    @example(f"00-{TRACE}-0000000000000000-01".encode())
    @example(f"00-{TRACE}-00f067aa0ba902b7".encode())
    @example(b"")
    def test_any_other_field_names_none(self, field: bytes) -> None:
        assert trace_id(None, field) is None


class TestXCloudTraceContext:
    @given(traces, st.none() | spans, st.sampled_from(["", ";o=0", ";o=1"]))
    def test_its_id_counts_with_or_without_span_and_options(
        self, trace: str, span: str | None, options: str
    ) -> None:
        field = trace + (f"/{span}" if span is not None else "") + options

        assert trace_id(field.encode(), None) == trace

    def test_its_id_is_read_in_any_case(self) -> None:
        assert trace_id(TRACE.upper().encode(), None) == TRACE

    @given(st.binary(max_size=60))
    @example(f"{TRACE}/span;o=1".encode())
    @example(f"{TRACE}\n".encode())
    @example(f"{TRACE}0/1".encode())
    @example(f"{'0' * 32}/1;o=1".encode())
    def test_any_other_field_names_none(self, field: bytes) -> None:
        assert trace_id(field, None) is None


class TestBothFields:
    def test_the_platforms_own_field_comes_first(self) -> None:
        traceparent = f"00-{TRACE}-00f067aa0ba902b7-01".encode()

        assert trace_id(OTHER_TRACE.encode(), traceparent) == OTHER_TRACE

    @given(st.binary(max_size=60))
    def test_a_malformed_one_does_not_hide_the_other(self, malformed: bytes) -> None:
        traceparent = f"00-{TRACE}-00f067aa0ba902b7-01".encode()

        assert trace_id(malformed, traceparent) == TRACE

    @given(st.none() | st.binary(), st.none() | st.binary())
    def test_whatever_arrives_the_answer_is_32_hex_digits_or_none(
        self, cloud: bytes | None, traceparent: bytes | None
    ) -> None:
        found = trace_id(cloud, traceparent)

        assert found is None or (len(found) == 32 and set(found) <= set(string.hexdigits.lower()))
