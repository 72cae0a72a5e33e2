"""TLS towards the upstream: whom it trusts, and how it may end."""

import ssl

import httpx


def upstream_ssl_context() -> ssl.SSLContext:
    """As httpx's own: SSL_CERT_FILE or SSL_CERT_DIR if set, otherwise certifi's bundle."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def ended_in_order(connection: ssl.SSLObject | None) -> bool:
    """Whether the peer itself ended the stream; over TLS a bare FIN may be anyone's.

    RFC 9112 section 9.8: such an end counts only with a closure alert, after
    which reading gives an end of file rather than a wish for more bytes.
    """
    if connection is None:
        return True
    try:
        return not connection.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
