"""An answer is what its bytes say, wherever the network cut them."""

from contextlib import suppress
from itertools import pairwise

import httpx
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.adapters.upstream.answer import MAX_HEAD_BYTES, Answer

_tokens = st.text("abcXYZ-0123", min_size=1, max_size=12).map(str.encode)
_values = st.binary(max_size=20).map(
    lambda value: bytes(byte for byte in value if byte >= 0x20 and byte != 0x7F).strip()
)
_fields = st.lists(st.tuples(_tokens.map(lambda name: b"X-" + name), _values), max_size=5)
_pieces = st.lists(st.binary(min_size=1, max_size=50), max_size=6)


@frozen
class Sent:
    """An answer as an upstream might send it, and what is to be made of it."""

    wire: bytes
    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes


@st.composite
def answers(draw: st.DrawFn) -> Sent:
    fields, pieces = draw(_fields), draw(_pieces)
    body = b"".join(pieces)
    if draw(st.booleans()):
        fields.append((b"Content-Length", b"%d" % len(body)))
        framed = body
    else:
        fields.append((b"Transfer-Encoding", b"chunked"))
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        framed = chunks + b"0\r\n" + _head(draw(_fields)) + b"\r\n"
    interim = b"".join(
        b"HTTP/1.1 %d Wait\r\n%b\r\n" % (status, _head(draw(_fields)))
        for status in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2))
    )
    status = draw(st.sampled_from([200, 201, 404, 429, 500]))
    head = b"HTTP/1.1 %d Fine\r\n%b\r\n" % (status, _head(fields))
    return Sent(interim + head + framed, status, fields, body)


def _head(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(bounds)]


def _feed(answer: Answer, segments: list[bytes]) -> None:
    for segment in segments:
        answer.feed(segment)


def _body(answer: Answer) -> bytes:
    return b"".join([answer.take() for _ in range(len(answer.pieces))])


class TestAnAnswerInPieces:
    @given(answers(), st.lists(st.integers(0, 10_000), max_size=20))
    def test_says_the_same_wherever_it_is_cut(self, sent: Sent, cuts: list[int]) -> None:
        answer = Answer("GET")

        for segment in _cut(sent.wire, cuts):
            assert not answer.is_complete
            answer.feed(segment)

        assert answer.is_complete
        assert not answer.has_surplus
        assert answer.keeps_alive
        assert (answer.status, answer.reason, answer.fields) == (sent.status, b"Fine", sent.fields)
        assert answer.buffered_bytes == len(sent.body)
        assert _body(answer) == sent.body
        assert answer.is_taken
        assert answer.buffered_bytes == 0

    @given(answers(), st.binary(min_size=1), st.lists(st.integers(0, 10_000), max_size=20))
    def test_leaves_nothing_to_the_next(self, sent: Sent, more: bytes, cuts: list[int]) -> None:
        answer = Answer("GET")

        _feed(answer, [*_cut(sent.wire, cuts), more])

        assert answer.has_surplus
        assert _body(answer) == sent.body

    @given(answers(), st.data())
    def test_is_not_complete_before_its_last_byte(self, sent: Sent, data: st.DataObject) -> None:
        length = data.draw(st.integers(0, len(sent.wire) - 1))
        answer = Answer("GET")

        answer.feed(sent.wire[:length])

        assert not answer.is_complete
        with pytest.raises(httpx.RemoteProtocolError):
            answer.end(in_order=True)

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
    def test_raises_one_kind_of_error_whatever_came(self, wire: bytes, cuts: list[int]) -> None:
        answer = Answer("GET")

        with suppress(httpx.RemoteProtocolError):
            _feed(answer, _cut(wire, cuts))


class TestAnAnswerWithoutALength:
    def test_ends_with_a_connection_that_ends_in_order(self) -> None:
        answer = Answer("GET")
        answer.feed(b"HTTP/1.1 200 OK\r\n\r\nabc")

        answer.end(in_order=True)

        assert answer.is_complete
        assert not answer.keeps_alive

    def test_is_cut_by_a_connection_that_does_not(self) -> None:
        answer = Answer("GET")
        answer.feed(b"HTTP/1.1 200 OK\r\n\r\nabc")

        with pytest.raises(httpx.RemoteProtocolError, match="within the answer"):
            answer.end(in_order=False)


class TestADoubtfulAnswer:
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/0.9 200 OK\r\n\r\n",
            b"HTTP/1.1 099 Odd\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
        ],
    )
    def test_is_refused(self, head: bytes) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            Answer("GET").feed(head)

    @pytest.mark.parametrize("segment_bytes", [1000, 100_000_000])
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\n" + b"X: 1234567890\r\n" * 10_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + bytes(b"x" * MAX_HEAD_BYTES) + b"\r\n\r\n",
            b"HTTP/1.1 200 " + b"O" * (3 * MAX_HEAD_BYTES),
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10_000,
        ],
    )
    def test_is_refused_if_its_head_is_too_large(self, head: bytes, segment_bytes: int) -> None:
        answer = Answer("GET")

        with pytest.raises(httpx.RemoteProtocolError, match="larger than"):
            _feed(answer, _cut(head, list(range(0, len(head), segment_bytes))))

    def test_may_have_trailers_but_none_without_end(self) -> None:
        answer = Answer("GET")
        answer.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")

        with pytest.raises(httpx.RemoteProtocolError, match="larger than"):
            answer.feed(b"X: 1234567890\r\n" * 10_000)


def test_before_anything_was_asked_any_byte_is_too_much() -> None:
    answer = Answer.to_nothing()

    answer.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    assert answer.has_surplus
