"""httpx's own transport."""

import httpx


def httpx_transport() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits())
