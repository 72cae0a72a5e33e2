"""A proxy that was told to stop says so, begins nothing new, and ends what it began."""

import threading
from collections.abc import Iterator

import pytest
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import RawClient, connected, request
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import (
    EVENT_STREAM,
    ScriptedUpstream,
    end_of_chunks,
    event,
    head,
    until,
)

ASK = request(b"GET", b"/v1/responses/r?stream=true")


class Draining:
    """A proxy that was told to stop while it relays a stream, and a connection opened before."""

    def __init__(self, proxy: RunningProxy, stream: RawClient, bystander: RawClient) -> None:
        self.proxy = proxy
        self.stream = stream
        self.bystander = bystander
        self.may_end = threading.Event()


@pytest.fixture
def draining(start_proxy: StartProxy, upstream: ScriptedUpstream) -> Iterator[Draining]:
    proxy = start_proxy()
    with connected(proxy.address) as stream, connected(proxy.address) as bystander:
        draining = Draining(proxy, stream, bystander)
        upstream.plays(
            head(200, EVENT_STREAM), until(draining.may_end), event(b"1"), end_of_chunks()
        )
        assert bystander.ask(b"GET", b"/_proxy/ready").status == 200
        stream.send(ASK)
        upstream.next_request()
        proxy.process.terminate()
        while bystander.ask(b"GET", b"/health").status == 200:
            if bystander.ask(b"GET", b"/_proxy/ready").status == 503:
                break
        yield draining
        draining.may_end.set()
        proxy.process.wait(9)


def test_a_connection_opened_before_hears_that_it_is_not_ready(draining: Draining) -> None:
    assert draining.bystander.ask(b"GET", b"/_proxy/ready").status == 503
    assert draining.bystander.ask(b"GET", b"/health").status == 200


def test_a_new_request_is_told_to_come_again(
    draining: Draining, upstream: ScriptedUpstream
) -> None:
    upstream.forget()

    refused = draining.bystander.ask(b"GET", b"/v1/models")

    assert_error_of_the_proxy(refused, 503, "overloaded")
    assert refused.values(b"retry-after") == [b"1"]
    assert upstream.requests == []


def test_what_was_under_way_ends_whole_and_the_rest_is_closed(draining: Draining) -> None:
    draining.may_end.set()
    answer = draining.stream.receive_answer()

    assert (answer.body, answer.complete) == (b"data: 1\n\n", True)
    assert draining.proxy.process.wait(3) in (0, 143, -15)
    assert draining.bystander.is_closed()
