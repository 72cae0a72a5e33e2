"""Any bytes at all from a client: the process lives, and no part of a request becomes a whole one."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import cut, for_a_while, mutated, short, whole_requests
from tests.raw_client import RawClient, chunked, connected, request
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import CHUNKED, ScriptedUpstream
from tests.unsound_requests import AMBIGUOUS_FRAMING, BAD_CHUNKS, OTHER_UNSOUND_HEADS, post
from tests.waiting import wait_until

pytestmark = pytest.mark.fuzz

LAST = (b"x-last", b"1")
SOUND = [
    request(b"GET", b"/v1/models?limit=1"),
    request(b"POST", b"/v1/responses", body=b'{"input": "hello"}'),
    request(b"POST", b"/v1/files", CHUNKED, chunked(b"hello", b"world")),
    request(b"HEAD", b"/v1/models") + request(b"GET", b"/v1/models"),
    request(b"GET", b"/v1/realtime", [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]),
    request(b"GET", b"/health"),
    request(b"POST", b"/_proxy/compress", body=b'{"text": "hello"}'),
]
SEEDS = [
    *SOUND,
    *AMBIGUOUS_FRAMING.values(),
    *OTHER_UNSOUND_HEADS.values(),
    *[post(b"Transfer-Encoding: chunked", body=body) for body in BAD_CHUNKS.values()],
]


def _said(client: RawClient) -> bytes:
    """All that the proxy says until it closes or falls silent."""
    client.socket.settimeout(0.03)
    said = b""
    try:
        while piece := client.socket.recv(65536):
            said += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return said


def _in_flight(client: RawClient) -> int:
    in_flight: int = json.loads(client.ask(b"GET", b"/_proxy/stats").body)["requests"]["in_flight"]
    return in_flight


def test_no_part_of_a_request_becomes_a_whole_one(
    proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    with connected(proxy.address, timeout_seconds=60) as bystander:

        @short
        @given(data=mutated(SEEDS), places=st.lists(st.integers(0, 500), max_size=3))
        def check(data: bytes, places: list[int]) -> None:
            upstream.requests.clear()
            with connected(proxy.address) as client:
                try:
                    for piece in cut(data, places):
                        client.send(piece)
                        time.sleep(0.0005)
                except OSError:
                    pass
                said = _said(client)
            wait_until(lambda: _in_flight(bystander) == 0)
            # Comes back when the upstream has seen all that was sent before it.
            bystander.ask(b"GET", b"/v1/last", [LAST])

            assert not re.search(rb"^HTTP/1\.1 500 ", said, re.MULTILINE), said
            seen = [
                received for received in upstream.requests if LAST[0] not in dict(received.headers)
            ]
            whole = [received for received in seen if received.complete]
            assert len(whole) <= whole_requests(data)
            for received in whole:
                lengths = received.values(b"content-length")
                assert len(lengths + received.values(b"transfer-encoding")) <= 1

        for_a_while(check)

        assert bystander.ask(b"GET", b"/v1/models").status == 200
    assert proxy.process.poll() is None
    assert "Traceback" not in proxy.stderr
