"""What the proxy's own pages take and give, as an OpenAPI document.

Written by hand: the API itself is relayed and is OpenAI's to describe.
"""

from collections.abc import Collection
from importlib.metadata import version
from typing import Any

from ...domain.compression.strategies import Strategy
from ...domain.control.policy import ENDPOINTS, CompressionPolicy
from ...domain.protection.protections import PROTECTIONS

Schema = dict[str, Any]


def openapi_document(policy: CompressionPolicy, strategies: Collection[str]) -> dict[str, Any]:
    """The document, for a proxy that compresses as `policy` says and knows these strategies."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "openai-proxy",
            "version": version("openai-proxy"),
            "description": "The proxy's own pages. Everything else is relayed to the upstream.",
        },
        "paths": {
            "/health": {"get": _open_to_all("Liveness", {"200": _json("Alive", _health())})},
            "/_proxy/ready": {
                "get": _open_to_all(
                    "Readiness",
                    {
                        "200": _json("Ready", _status("ready")),
                        "503": _json("Not yet, or not any more", _status("not ready")),
                    },
                )
            },
            "/_proxy/": {
                "get": _for_few(
                    "The page on which compression is tried and traffic watched",
                    {"200": _text("For a browser", "text/html")},
                )
            },
            "/_proxy/stats": {"get": _for_few("Savings", {"200": _json("The sums", _OBJECT)})},
            "/_proxy/metrics": {
                "get": _for_few("Metrics", {"200": _text("For Prometheus to collect")})
            },
            "/_proxy/compress": {"post": _compress(policy, strategies)},
            "/_proxy/docs": {
                "get": _for_few("This document", {"200": _json("OpenAPI 3.1", _OBJECT)})
            },
        },
        "components": {
            "schemas": {"Error": _error()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


_OBJECT: Schema = {"type": "object"}
_TEXT: Schema = {"type": "string"}
_RATIO: Schema = {"type": ["number", "null"]}


def _open_to_all(summary: str, answers: dict[str, Any]) -> Schema:
    return {"summary": summary, "security": [], "responses": answers}


def _for_few(summary: str, answers: dict[str, Any]) -> Schema:
    return {
        "summary": summary,
        "description": "For callers on the proxy's own machine and holders of one of its keys.",
        # The empty one stands for callers on the proxy's own machine.
        "security": [{"bearer": []}, {"basic": []}, {}],
        "responses": {**answers, "401": _refusal("Not for this caller")},
    }


def _compress(policy: CompressionPolicy, strategies: Collection[str]) -> Schema:
    described = _for_few(
        "What would become of a text or of a request; nothing is sent or logged",
        {
            "200": _json("What would be removed, and why", _OBJECT),
            "400": _refusal("No such question"),
            "413": _refusal("Beyond COMPRESSION_MAX_BODY_BYTES"),
        },
    )
    question = _question(policy, strategies)
    asked = {"required": True, "content": {"application/json": {"schema": question}}}
    return {**described, "requestBody": asked}


def _question(policy: CompressionPolicy, strategies: Collection[str]) -> Schema:
    # The defaults are those of the settings; what a rule says comes before them.
    shared: dict[str, Schema] = {
        "compression_ratio": {**_RATIO, "minimum": 1},
        "tokens_to_keep_ratio": {
            **_RATIO,
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": round(float(policy.keep_ratio.share), 6),
        },
        "strategy": {"enum": [None, *strategies], "default": _name_of(policy.strategy)},
        "protect": {
            "type": ["array", "null"],
            "items": {"enum": sorted(PROTECTIONS)},
            "default": sorted(policy.protect),
        },
    }
    about_text = {"text": _TEXT, "model": _TEXT}
    about_request = {"request": _OBJECT, "endpoint": {"enum": list(ENDPOINTS)}}
    return {
        "oneOf": [
            _closed(["text"], {**about_text, **shared}),
            _closed(["request"], {**about_request, **shared}),
        ]
    }


def _name_of(strategy: str | Strategy) -> str:
    return strategy if isinstance(strategy, str) else strategy.name


def _closed(required: list[str], properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _health() -> Schema:
    return _closed(
        ["status", "proxy_target"], {"status": {"const": "healthy"}, "proxy_target": _TEXT}
    )


def _status(word: str) -> Schema:
    return _closed(["status"], {"status": {"const": word}})


def _error() -> Schema:
    nullable = {"type": ["string", "null"]}
    inner = {"message": _TEXT, "type": {"const": "proxy_error"}, "param": nullable, "code": _TEXT}
    return _closed(["error"], {"error": _closed(list(inner), inner)})


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str, media_type: str = "text/plain") -> Schema:
    return {"description": description, "content": {media_type: {"schema": _TEXT}}}


def _refusal(description: str) -> Schema:
    return _json(description, {"$ref": "#/components/schemas/Error"})
