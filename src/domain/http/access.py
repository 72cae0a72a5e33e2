"""Whose key a request travels with, and who may see the proxy's own pages.

A request that brings a key of its own is relayed with it. One that does not
may be lent the server's key: to whoever presents one of the proxy's keys, or,
where there are none, to a caller on this very machine and to nobody else.
"""

import base64
import binascii
import hmac
import re
from ipaddress import ip_address

from attrs import field, frozen

from ..errors import Unauthorized
from .headers import PROXY_KEY_FIELD
from .request_head import RequestHead

_OWN_KEY_FIELDS = frozenset({b"authorization", b"api-key", b"x-goog-api-key"})
_SUBPROTOCOL_KEY = b"openai-insecure-api-key."
_FORWARDING_FIELDS = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
_AUTHORITY = re.compile(rb"(\[[0-9a-f:.]+\]|[^:/@\[\]]+)(:\d{1,5})?")

_HOW_TO_ALLOW = (
    "No API key came with this request, and the server's own is not lent to this caller: "
    "set PROXY_API_KEYS to the keys callers must present, or PROXY_OPEN=true to lend it to everyone."
)


@frozen
class AccessPolicy:
    """Who may use what, fixed at start."""

    server_key: bytes | None = field(default=None, repr=False)
    """The key lent to those who may use it."""
    proxy_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """The keys that callers must present; none means the loopback rule holds."""
    is_open: bool = False
    """Whether the server's key is lent to everyone."""
    on_platform: bool = False
    """Whether a platform stands in front, so that a loopback peer means nothing."""

    def upstream_credentials(self, head: RequestHead) -> "Credentials":
        """What the request travels with. Raises Unauthorized if it may not travel."""
        if self.proxy_keys:
            return self._credentials_for_key_holder(head)
        if _brings_own_key(head) or self.server_key is None:
            return CALLERS_OWN
        if self.is_open or self._is_trusted_neighbour(head):
            return Credentials(self.server_key, replaces_own=True)
        raise Unauthorized(_HOW_TO_ALLOW)

    def may_see_local_pages(self, head: RequestHead, *, allow_basic: bool = False) -> bool:
        """Whether the proxy's own pages are this caller's to see.

        `allow_basic` also takes a proxy's key as the password of HTTP Basic
        (RFC 7617), which is what a browser can send.
        """
        if self._is_trusted_neighbour(head):
            return True
        presented = _bearer_token(head) or (_basic_password(head) if allow_basic else None)
        return presented is not None and self._is_proxy_key(presented)

    def _credentials_for_key_holder(self, head: RequestHead) -> "Credentials":
        presented = head.values(PROXY_KEY_FIELD)
        if presented:
            if len(presented) > 1 or not self._is_proxy_key(presented[0]):
                raise Unauthorized("The key in X-Proxy-Api-Key is not one of this proxy's keys.")
            if _brings_own_key(head) or self.server_key is None:
                return CALLERS_OWN
            return Credentials(self.server_key, replaces_own=True)
        token = _bearer_token(head)
        if token is not None and self._is_proxy_key(token):
            return Credentials(self.server_key, replaces_own=True)
        raise Unauthorized(
            "This proxy wants one of its own keys, as 'Authorization: Bearer KEY' "
            "or, beside a key of your own, as 'X-Proxy-Api-Key: KEY'."
        )

    def _is_proxy_key(self, presented: bytes) -> bool:
        # Every key is compared, so that the time taken does not tell which one nearly matched.
        matches = [hmac.compare_digest(presented, key) for key in self.proxy_keys]
        return any(matches)

    def _is_trusted_neighbour(self, head: RequestHead) -> bool:
        return not self.on_platform and is_local(head)


@frozen
class Credentials:
    """What stands in the Authorization field upstream."""

    lent_key: bytes | None = field(default=None, repr=False)
    replaces_own: bool = False
    """Whether the caller's own credentials are the proxy's and stay here."""

    def apply_to(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """`headers` with these credentials in place of the caller's, if they are not the caller's."""
        if not self.replaces_own:
            return headers
        kept = [field for field in headers if field[0] not in _OWN_KEY_FIELDS]
        if self.lent_key is not None:
            kept.append((b"authorization", b"Bearer " + self.lent_key))
        return kept


CALLERS_OWN = Credentials()


def is_local(head: RequestHead) -> bool:
    """Whether the request comes from this machine and nothing says it only came through it.

    A forwarding field means somebody farther off; a Host that does not name
    loopback, DNS rebinding; an Origin elsewhere, a web page that would spend
    the key of whoever looks at it.
    """
    return (
        _is_loopback(head.peer)
        and _FORWARDING_FIELDS.isdisjoint(head.first_values)
        and all(_names_loopback(host) for host in head.values(b"host"))
        and all(_names_loopback(_host_of(origin)) for origin in head.values(b"origin"))
        and b"cross-site" not in head.values(b"sec-fetch-site")
    )


def _brings_own_key(head: RequestHead) -> bool:
    """Whether the request brings any credential for the upstream, valid or not."""
    return not _OWN_KEY_FIELDS.isdisjoint(head.first_values) or any(
        _SUBPROTOCOL_KEY in value for value in head.values(b"sec-websocket-protocol")
    )


def _bearer_token(head: RequestHead) -> bytes | None:
    return _authorization(head, b"bearer")


def _basic_password(head: RequestHead) -> bytes | None:
    try:
        user_and_password = base64.b64decode(_authorization(head, b"basic") or b"", validate=True)
    except binascii.Error:
        return None
    return user_and_password.partition(b":")[2] or None


def _authorization(head: RequestHead, scheme: bytes) -> bytes | None:
    """What follows `scheme`, which is case-insensitive (RFC 9110 section 11.1), if it is alone."""
    values = head.values(b"authorization")
    if len(values) != 1:
        return None
    found, _, credentials = values[0].strip().partition(b" ")
    return (credentials.strip() or None) if found.lower() == scheme else None


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _names_loopback(authority: bytes) -> bool:
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None:
        return False
    host = match[1].decode("latin-1").strip("[]")
    return host == "localhost" or _is_loopback(host)


def _host_of(origin: bytes) -> bytes:
    return origin.partition(b"://")[2]
