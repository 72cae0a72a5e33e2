"""A proxy as most people would write it, on FastAPI and httpx's client."""

# It runs in an environment of its own: in the developer's there is no FastAPI.
# pyright: basic, reportMissingImports=false

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

UPSTREAM = os.environ["UPSTREAM_BASE_URL"]
NOT_SENT_ON = {"host", "connection", "content-length", "transfer-encoding"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Keep one client for all requests, without the limits that would queue the 101st."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=600) as client:  # noqa: TID251 that is the point
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.api_route("/v1/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def relay(request: Request, path: str) -> StreamingResponse:
    """Send the request on, and stream the answer back."""
    client: httpx.AsyncClient = request.app.state.client  # noqa: TID251 as above
    headers = {name: value for name, value in request.headers.items() if name not in NOT_SENT_ON}
    answer = await client.send(
        client.build_request(
            request.method,
            f"{UPSTREAM}/{path}",
            params=request.query_params,
            headers=headers,
            content=await request.body(),
        ),
        stream=True,
    )
    kept = {name: value for name, value in answer.headers.items() if name not in NOT_SENT_ON}
    return StreamingResponse(_body(answer), answer.status_code, kept)


async def _body(answer: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
