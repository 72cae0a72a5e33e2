"""Requests whose bytes could be read in two ways, or that are none; by what is wrong with each."""

SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def post(*lines: bytes, body: bytes = b"hello", version: bytes = b"HTTP/1.1") -> bytes:
    head = [b"POST /v1/responses " + version, b"Host: localhost", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(
    line: bytes = b"GET /v1/models HTTP/1.1", *lines: bytes, host: bytes = b"localhost"
) -> bytes:
    return b"\r\n".join([line, b"Host: " + host, *lines]) + b"\r\n\r\n"


AMBIGUOUS_FRAMING = {
    "length and chunked": post(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
    "chunked and length": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED_HELLO
    ),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 6"),
    "the same length twice": post(b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": post(b"Content-Length: 5, 5"),
    "a signed length": post(b"Content-Length: +5"),
    "a negative length": post(b"Content-Length: -5"),
    "a hexadecimal length": post(b"Content-Length: 0x5"),
    "an empty length": post(b"Content-Length: "),
    "a fractional length": post(b"Content-Length: 5.0"),
    "a length with a space inside": post(b"Content-Length: 1 5"),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999"),
    "a space before the colon": post(b"Content-Length : 5"),
    "a folded length": post(b"Content-Length:\r\n 5"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=CHUNKED_HELLO),
    "chunked, gzip": post(b"Transfer-Encoding: chunked, gzip", body=CHUNKED_HELLO),
    "chunked twice": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
    "chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED_HELLO),
    "identity": post(b"Transfer-Encoding: identity"),
    "xchunked": post(b"Transfer-Encoding: xchunked", body=CHUNKED_HELLO),
    "quoted chunked": post(b'Transfer-Encoding: "chunked"', body=CHUNKED_HELLO),
    "a vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKED_HELLO),
    "chunked in HTTP/1.0": post(
        b"Transfer-Encoding: chunked", body=CHUNKED_HELLO, version=b"HTTP/1.0"
    ),
    "a space before the colon of chunked": post(b"Transfer-Encoding : chunked", body=CHUNKED_HELLO),
    "a body lost to an upgrade": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5"
    ),
    "chunks lost to an upgrade": post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked", body=CHUNKED_HELLO
    ),
}

BAD_CHUNKS = {
    "a size that is no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a bare line feed after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare line feed after the data": b"5\r\nhello\n0\r\n\r\n",
    "a bare carriage return after the size": b"5\rhello\r\n0\r\n\r\n",
    "data longer than its size": b"4\r\nhello\r\n0\r\n\r\n",
    "a bare line feed in an extension": b"5;x=\ny\r\nhello\r\n0\r\n\r\n",
    "a bare line feed in the trailers": b"5\r\nhello\r\n0\r\nx: y\n\r\n",
    "a length among the trailers": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
}

OTHER_UNSOUND_HEADS = {
    "a bare line feed after the request line": get().replace(b"\r\n", b"\n", 1),
    "bare line feeds throughout": get().replace(b"\r\n", b"\n"),
    "a bare line feed at the end of the head": get()[:-2] + b"\n",
    "a bare carriage return in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\rb"),
    "a bare line feed in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\ny: b"),
    "NUL in a value": get(b"GET /v1/models HTTP/1.1", b"x: a\0b"),
    "NUL in a name": get(b"GET /v1/models HTTP/1.1", b"x\0y: a"),
    "a folded value": get(b"GET /v1/models HTTP/1.1", b"x: a\r\n b"),
    "a field without a colon": get(b"GET /v1/models HTTP/1.1", b"nonsense"),
    "a field without a name": get(b"GET /v1/models HTTP/1.1", b": nonsense"),
    "HTTP/0.9": get(b"GET /v1/models HTTP/0.9"),
    "HTTP/1.2": get(b"GET /v1/models HTTP/1.2"),
    "HTTP/2.0": get(b"GET /v1/models HTTP/2.0"),
    "no version": get(b"GET /v1/models"),
    "a space in the target": get(b"GET /v1/mod els HTTP/1.1"),
    "a byte beyond ASCII in the target": get(b"GET /v1/mod\xffels HTTP/1.1"),
    "a method in lower case": get(b"get /v1/models HTTP/1.1"),
    "CONNECT": get(b"CONNECT evil.example:443 HTTP/1.1"),
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "no host in HTTP/1.0": b"GET /v1/models HTTP/1.0\r\n\r\n",
    "two hosts": get(b"GET /v1/models HTTP/1.1", b"Host: localhost"),
    "an empty host": get(host=b""),
    "a host with a path": get(host=b"localhost/x"),
    "a host with credentials": get(host=b"user@localhost"),
}
