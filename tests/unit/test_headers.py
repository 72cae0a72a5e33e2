"""Which header fields travel on."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from openai_proxy.domain.errors import BadRequest, LoopDetected
from openai_proxy.domain.http.headers import request_headers, response_headers
from openai_proxy.domain.http.request_head import RawHeaders, RequestHead

HOP_BY_HOP = [
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
]
STOP_HERE = [
    b"host",
    b"content-length",
    b"x-forwarded-for",
    b"x-forwarded-anything",
    b"forwarded",
    b"x-real-ip",
    b"cf-connecting-ip",
    b"x-cloud-trace-context",
    b"x-serverless-authorization",
    b"x-goog-iap-jwt-assertion",
    b"x-proxy-api-key",
    b"x-compression",
    b"x-compression-ratio",
    b"x-compression-strategy",
    b"x-tokens-to-keep-ratio",
]

ME = b"openai-proxy-0123456789ab"
values = st.binary(max_size=len(ME) - 1)
names = st.from_regex(rb"[a-z][a-z0-9-]{0,12}", fullmatch=True)
end_to_end_names = st.one_of(
    names.map(lambda name: b"x-end-" + name),
    st.sampled_from([b"authorization", b"cookie", b"accept-encoding", b"expect", b"traceparent"]),
    st.sampled_from([b"x-goog-api-key", b"x-goog-user-project", b"via", b"user-agent"]),
)
end_to_end = st.lists(st.tuples(end_to_end_names, values))
hop_by_hop = st.lists(st.tuples(st.sampled_from(HOP_BY_HOP), values))
stopping_here = st.lists(st.tuples(st.sampled_from(HOP_BY_HOP + STOP_HERE), values))


@st.composite
def interleaved(
    draw: st.DrawFn, removed: st.SearchStrategy[list[tuple[bytes, bytes]]]
) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Fields of both kinds shuffled together, and those that must survive, in order."""
    surviving = draw(end_to_end)
    gone = draw(removed)
    named = {
        token.strip().lower()
        for name, value in gone
        if name == b"connection"
        for token in value.split(b",")
    }
    order = draw(st.permutations([True] * len(surviving) + [False] * len(gone)))
    kept, lost = iter(surviving), iter(gone)
    mixed = [next(kept) if keep else next(lost) for keep in order]
    return mixed, [field for field in surviving if field[0] not in named]


def sent_on(headers: RawHeaders, *, via: bytes) -> list[tuple[bytes, bytes]]:
    return request_headers(RequestHead("GET", b"/", b"", headers), via=via)


class TestRequestFields:
    @given(interleaved(stopping_here))
    def test_end_to_end_fields_pass_in_order_with_duplicates_and_the_others_stop(
        self, fields: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]
    ) -> None:
        mixed, surviving = fields
        te = [(b"te", b"trailers")] if (b"te", b"trailers") in mixed else []

        sent = sent_on(mixed, via=ME)

        assert sent == [*surviving, *te, (b"via", b"1.1 " + ME)]

    @given(names, values)
    def test_what_connection_names_stops_here(self, name: bytes, value: bytes) -> None:
        fields = [(b"connection", b"close , " + name.upper()), (name, value)]

        assert sent_on(fields, via=ME) == [(b"via", b"1.1 " + ME)]

    @pytest.mark.parametrize(
        "asked",
        [
            [b"trailers"],
            [b"Trailers"],
            [b"trailers, deflate"],
            [b"deflate;q=0.5 ,\tTRAILERS "],
            [b"gzip", b"trailers", b"trailers"],
        ],
    )
    def test_te_passes_as_trailers_alone(self, asked: list[bytes]) -> None:
        fields = [(b"te", value) for value in asked]

        assert sent_on(fields, via=ME) == [(b"te", b"trailers"), (b"via", b"1.1 " + ME)]

    @pytest.mark.parametrize("value", [b"", b"gzip", b"trailers;q=0.5", b"no trailers"])
    def test_te_without_trailers_stops_here(self, value: bytes) -> None:
        assert sent_on([(b"te", value)], via=ME) == [(b"via", b"1.1 " + ME)]

    def test_a_request_that_was_here_before_is_a_loop(self) -> None:
        sent_before = sent_on([(b"via", b"1.1 other")], via=b"me")

        with pytest.raises(LoopDetected):
            sent_on(sent_before, via=b"me")
        assert sent_on(sent_before, via=b"you")[-1] == (b"via", b"1.1 you")

    @given(names.map(lambda name: b"x-compression-" + name), values)
    @example(b"x-compression-ration", b"2")
    @example(b"x-compression-" + b"x" * 60_000, b"2")
    def test_a_control_field_that_there_is_none_of_is_refused_with_those_that_there_are(
        self, name: bytes, value: bytes
    ) -> None:
        assume(name not in STOP_HERE)

        with pytest.raises(BadRequest) as refused:
            sent_on([(name, value)], via=ME)

        assert str(refused.value) == (
            f"{refused.value.param}: no such field; there are X-Compression, "
            "X-Compression-Ratio, X-Compression-Strategy, X-Tokens-To-Keep-Ratio."
        )
        assert refused.value.param == name[:64].decode().title()


class TestAnswerFields:
    @given(interleaved(hop_by_hop), st.integers(200, 599))
    def test_end_to_end_fields_pass_in_order_with_duplicates(
        self, fields: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]], status: int
    ) -> None:
        mixed, surviving = fields

        assert response_headers(mixed, status=status) == surviving

    def test_names_become_lower_case_and_values_stay(self) -> None:
        assert response_headers(
            [(b"Set-Cookie", b"A=B"), (b"SET-COOKIE", b"\xff")], status=200
        ) == [
            (b"set-cookie", b"A=B"),
            (b"set-cookie", b"\xff"),
        ]

    def test_a_repeated_content_length_is_said_once(self) -> None:
        fields = [(b"Content-Length", b"5"), (b"Content-Length", b"5")]

        assert response_headers(fields, status=200) == [(b"content-length", b"5")]

    def test_an_answer_without_content_announces_none(self) -> None:
        fields = [(b"Content-Length", b"5"), (b"ETag", b'"x"')]

        assert response_headers(fields, status=304) == [(b"etag", b'"x"')]
        assert response_headers(fields, status=200, is_head=True)[0] == (b"content-length", b"5")
