"""Every operation of OpenAI's published description passes unchanged, by both base forms.

openai_operations.tsv lists them with the content types that each sends and
answers with (description 2.3.0). Bodies are representative, not realistic:
what matters is that no byte of them is lost.
"""

import csv
import io
import itertools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from attrs import frozen
from tests.http_fields import end_to_end, lowered
from tests.raw_client import RawClient, chunked, request
from tests.scripted_upstream import (
    CHUNKED,
    Headers,
    ScriptedUpstream,
    Step,
    answer,
    chunk,
    end_of_chunks,
    head,
    receive,
)

OPERATIONS_FILE = Path(__file__).with_name("openai_operations.tsv")
NO_CONTENT = "-"


@frozen
class Operation:
    """An operation, and the content types that go either way; `-` for none."""

    method: str
    path: str
    sends: tuple[str, ...]
    status: int
    answers: tuple[str, ...]

    @classmethod
    def from_row(cls, row: dict[str, str]) -> Self:
        return cls(
            method=row["method"],
            path=row["path"],
            sends=tuple(row["sends"].split(",")),
            status=int(row["status"]),
            answers=tuple(row["answers"].split(",")),
        )


def _operations() -> Iterator[Operation]:
    with OPERATIONS_FILE.open() as lines:
        yield from map(Operation.from_row, csv.DictReader(lines, delimiter="\t"))


OPERATIONS = list(_operations())

AWKWARD_IDENTIFIERS = [
    b"a%2Fb%2fc%20d",
    b"ft:gpt-4o-mini:acme::7p4lURel",
    b"%E2%82%AC%F0%9F%99%82",
    b"...dots.v1.2...",
    b"id_" + b"0123456789abcdef" * 20,
    b"~-_!$&'()*+,;=:@",
    b"%25%2E%00%ff",
    b"v1",
]
AWKWARD_QUERIES = [
    b"",
    b"?limit=2&limit=3&after=",
    b"?include[]=a.b&include%5B%5D=c+d%20e",
    b"?&&=&x==y&/?:@",
]

EVERY_BYTE = bytes(range(256))
BOUNDARY = b"----boundary'()+_,-./:=?"
MULTIPART = b"multipart/form-data; boundary=" + b'"' + BOUNDARY + b'"'


def _multipart() -> bytes:
    part = b"--%s\r\nContent-Disposition: form-data; name=%s\r\nContent-Type: %s\r\n\r\n%s\r\n"
    parts = [
        part % (BOUNDARY, b'"purpose"', b"text/plain", b"fine-tune"),
        part % (BOUNDARY, b'"file"; filename="na\xc3\xafve.bin"', b"audio/wav", EVERY_BYTE * 9),
        part % (BOUNDARY, b'"image[]"; filename="a.png"', b"image/png", b"\r\n--" + EVERY_BYTE),
    ]
    return b"preamble\r\n" + b"".join(parts) + b"--" + BOUNDARY + b"--\r\nepilogue"


def _zip() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("SKILL.md", "# A skill\n" * 100)
    return archive.getvalue()


BODIES = {
    NO_CONTENT: b"",
    "application/json": b'{ "model" :"gpt-4o",\r\n\t"x":1.0e+2, "x": null, "\\u00e9":"\xc3\xa9\\/" }\n',
    "application/octet-stream": EVERY_BYTE * 100,
    "application/sdp": b"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    "application/zip": _zip(),
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 " + EVERY_BYTE,
    "multipart/form-data": _multipart(),
    "text/event-stream": b': hello\n\nevent: delta\r\ndata: {"x":\r\ndata: 1}\r\n\r\ndata: [DONE]\n\n',
    "video/mp4": b"\x00\x00\x00\x18ftypmp42" + EVERY_BYTE * 40,
}

SENT_FIELDS: Headers = [
    (b"Authorization", b"Bearer sk-callers-own"),
    (b"OpenAI-Beta", b"assistants=v2"),
    (b"User-Agent", b"OpenAI/Python 3.0.0"),
    (b"OpenAI-Beta", b"realtime=v1"),
    (b"X-Stainless-Retry-Count", b"0"),
    (b"Idempotency-Key", b"\xc3\xa9-\xff"),
    (b"Accept", b"*/*"),
]
ANSWERED_FIELDS: Headers = [
    (b"Date", b"Mon, 01 Jan 2024 00:00:00 GMT"),
    (b"Set-Cookie", b"__cf_bm=1; path=/; HttpOnly"),
    (b"OpenAI-Processing-Ms", b"17"),
    (b"X-Request-Id", b"req_\xc3\xa9"),
    (b"Set-Cookie", b"_cfuvid=2"),
    (b"CF-Ray", b"8c1-FRA"),
]


def test_all_operations_are_there() -> None:
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == 288


@pytest.mark.parametrize("base", [b"/v1", b""], ids=["/v1", ""])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: f"{op.method} {op.path}")
def test_an_operation_passes_unchanged_both_ways(
    client: RawClient, upstream: ScriptedUpstream, operation: Operation, base: bytes
) -> None:
    target = _filled(operation.path)
    for sent, answered in itertools.product(operation.sends, operation.answers):
        fields = [*SENT_FIELDS, *_content_type(sent)]
        answer_fields = [*ANSWERED_FIELDS, *_content_type(answered)]
        upstream.plays(receive(), *_answering(operation.status, answer_fields, answered))

        method = operation.method.encode()
        client.send(_asking(method, base + target, fields, sent))
        got = client.receive_answer()

        received = upstream.requests[-1]
        assert received.line == method + b" /v1" + target + b" HTTP/1.1"
        assert end_to_end(received.headers) == lowered(fields)
        assert received.body == BODIES[sent]
        assert (got.status, got.complete) == (operation.status, True)
        assert end_to_end(got.headers) == lowered(answer_fields)
        assert got.body == BODIES[answered]


def _filled(path: str) -> bytes:
    """The path with awkward identifiers and a query, other ones for paths of other lengths."""
    identifiers = itertools.islice(itertools.cycle(AWKWARD_IDENTIFIERS), len(path), None)
    filled = re.sub(rb"\{\w+\}", lambda _: next(identifiers), path.encode())
    return filled + AWKWARD_QUERIES[len(path) % len(AWKWARD_QUERIES)]


def _content_type(content: str) -> Headers:
    value = MULTIPART if content == "multipart/form-data" else content.encode()
    return [] if content == NO_CONTENT else [(b"Content-Type", value)]


def _asking(method: bytes, target: bytes, fields: Headers, content: str) -> bytes:
    body = BODIES[content]
    if content == NO_CONTENT:
        return request(method, target, fields)
    if content == "multipart/form-data":
        return request(method, target, [*fields, *CHUNKED], chunked(*_cut(body)))
    return request(method, target, fields, body)


def _answering(status: int, fields: Headers, content: str) -> list[Step]:
    body = BODIES[content]
    if content in ("application/json", NO_CONTENT):
        return [answer(status, fields, body)]
    return [head(status, [*fields, *CHUNKED]), *map(chunk, _cut(body)), end_of_chunks()]


def _cut(body: bytes) -> list[bytes]:
    return [body[:1], body[1:70], body[70:]] if len(body) > 70 else [body]
