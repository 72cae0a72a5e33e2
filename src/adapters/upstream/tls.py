"""Whom TLS connections to the upstream trust."""

import ssl

import httpx


def upstream_ssl_context() -> ssl.SSLContext:
    """As httpx's own: SSL_CERT_FILE or SSL_CERT_DIR if set, otherwise certifi's bundle."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
