"""The errors that the proxy itself answers with: OpenAI's shape, and nothing given away."""

import json
import re

from tests.raw_client import Answer

_REVEALING = re.compile(
    r"127\.0|localhost|\.invalid|httpx|httpcore|h11|httptools|uvicorn|litestar|Errno|Traceback",
    re.IGNORECASE,
)


def assert_error_of_the_proxy(got: Answer, status: int, code: str) -> None:
    assert (got.status, got.complete) == (status, True), got
    assert got.values(b"content-type") == [b"application/json"]
    error = json.loads(got.body)["error"]
    assert error == {
        "message": error["message"],
        "type": "proxy_error",
        "param": None,
        "code": code,
    }
    assert not _REVEALING.search(error["message"])
