"""Any bytes at all from the upstream: what is cut never looks whole, and nothing is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import cut, for_a_while, mutated, short, whole_body
from tests.raw_client import connected
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import ScriptedUpstream, close, pause, receive, send

pytestmark = pytest.mark.fuzz

SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 502 Bad Gateway\r\nRetry-After: 1\r\nContent-Length: 3\r\n\r\nbad",
]


def test_a_clean_end_is_the_upstreams_own(proxy: RunningProxy, upstream: ScriptedUpstream) -> None:
    @short
    @given(raw=mutated(SEEDS), places=st.lists(st.integers(0, 300), max_size=3))
    def check(raw: bytes, places: list[int]) -> None:
        pieces = [step for piece in cut(raw, places) for step in (send(piece), pause(0.0005))]
        upstream.forget()
        # An idempotent request may be sent again; the second answer is the same.
        upstream.otherwise_plays(receive(), *pieces, close())
        with connected(proxy.address) as client:
            got = client.ask(b"GET", b"/v1/models")

        is_ours = b'"proxy_error"' in got.body
        assert not is_ours or got.status == 502
        if got.complete and not is_ours:
            assert got.body == whole_body(raw)

    for_a_while(check)

    upstream.forget()
    with connected(proxy.address) as client:
        assert client.ask(b"GET", b"/v1/models").status == 200
    assert "Traceback" not in proxy.stderr
