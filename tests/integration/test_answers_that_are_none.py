"""An answer that could be read in two ways, or that no server may send, is a 502 and not a 500."""

import json

import pytest
from tests.raw_client import RawClient
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import ScriptedUpstream, close, receive, send

UNSOUND_FIELDS = {
    "NUL in a value": b"x: a\x00b",
    "a control byte in a value": b"x: a\x01b",
    "an escape sequence in a value": b"x: \x1b[2J",
    "DEL in a value": b"x: a\x7fb",
    "a bare carriage return in a value": b"x: a\rb",
    "a space in a name": b"x y: a",
    "a byte beyond ASCII in a name": b"x\xe9: a",
    "a space before the colon": b"x : a",
    "no name": b": a",
    "no colon": b"nonsense",
}

UNSOUND_STATUS_LINES = {
    "a status beyond 599": b"HTTP/1.1 600 Beyond",
    "a status of 999": b"HTTP/1.1 999 Request Denied",
    "a status of two digits": b"HTTP/1.1 99 Short",
    "a status of four digits": b"HTTP/1.1 1000 Long",
    "a status of zero": b"HTTP/1.1 000 None",
    "another protocol": b"ICY 200 OK",
    "two spaces": b"HTTP/1.1  200 OK",
    "NUL in the reason": b"HTTP/1.1 200 \x00OK",
    "an escape sequence in the reason": b"HTTP/1.1 200 O\x1bK",
}

HEADS = {
    **{name: b"HTTP/1.1 200 OK\r\n" + field for name, field in UNSOUND_FIELDS.items()},
    **UNSOUND_STATUS_LINES,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_that_is_none_is_a_502(
    proxy: RunningProxy, client: RawClient, upstream: ScriptedUpstream, head: bytes
) -> None:
    upstream.plays(receive(), send(head + b"\r\nContent-Length: 4\r\n\r\nbody"), close())

    got = client.ask(b"GET", b"/v1/models")

    error = json.loads(got.body)["error"]
    assert (got.status, error["type"], error["code"]) == (
        502,
        "proxy_error",
        "upstream_protocol_error",
    )
    assert client.ask(b"GET", b"/v1/models").status == 200
    assert "Traceback" not in proxy.stderr


@pytest.mark.parametrize("status", [200, 226, 299, 418, 430, 451, 520, 599])
def test_a_status_that_no_library_knows_is_passed_on(
    client: RawClient, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.plays(receive(), send(b"HTTP/1.1 %d Odd\r\nContent-Length: 4\r\n\r\nbody" % status))

    got = client.ask(b"GET", b"/v1/models")

    assert (got.status, got.body) == (status, b"body")


@pytest.mark.parametrize("value", [b"a\tb", bytes(range(0x80, 0x100)), b"", b'",;()<>@[]{}\\'])
def test_a_value_of_unusual_bytes_is_passed_on(
    client: RawClient, upstream: ScriptedUpstream, value: bytes
) -> None:
    upstream.plays(
        receive(), send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx: %s\r\n\r\n" % value)
    )

    got = client.ask(b"GET", b"/v1/models")

    assert got.values(b"x") == [value]
