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

from .errors import Unauthorized
from .headers import PROXY_KEY_FIELD
from .ports import RawHeaders

_OWN_KEY_FIELDS = frozenset({b"authorization", b"api-key", b"x-goog-api-key"})
_SUBPROTOCOL_KEY = b"openai-insecure-api-key."
_FORWARDING_FIELDS = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
_AUTHORITY = re.compile(rb"(\[[0-9a-f:.]+\]|[^:/@\[\]]+)(:\d{1,5})?")

_HOW_TO_ALLOW = (
    "No API key came with this request, and the server's own is not lent to this caller: "
    "set PROXY_API_KEYS to the keys callers must present, or PROXY_OPEN=true to lend it to everyone."
)


@frozen
class Caller:
    """Who sends a request, as far as the request shows it."""

    address: str | None
    """The peer's IP address; None where there is none, such as on a Unix socket."""
    headers: RawHeaders
    """All fields as they arrived, names in lower case."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field `name`."""
        return [value for field_name, value in self.headers if field_name == name]

    @property
    def has_own_key(self) -> bool:
        """Whether the request brings any credential for the upstream, valid or not."""
        return any(name in _OWN_KEY_FIELDS for name, _ in self.headers) or any(
            _SUBPROTOCOL_KEY in value for value in self.values(b"sec-websocket-protocol")
        )

    @property
    def is_local(self) -> bool:
        """Whether the request comes from this machine and nothing says it came through it.

        A forwarding field means somebody farther off; a Host that does not name
        loopback, DNS rebinding; an Origin elsewhere, a web page that would spend
        the key of whoever looks at it.
        """
        return (
            _is_loopback(self.address)
            and not any(name in _FORWARDING_FIELDS for name, _ in self.headers)
            and all(_names_loopback(host) for host in self.values(b"host"))
            and all(_names_loopback(_host_of(origin)) for origin in self.values(b"origin"))
            and b"cross-site" not in self.values(b"sec-fetch-site")
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

    def upstream_credentials(self, caller: Caller) -> "Credentials":
        """What the request travels with. Raises Unauthorized if it may not travel."""
        if self.proxy_keys:
            return self._credentials_for_key_holder(caller)
        if caller.has_own_key or self.server_key is None:
            return CALLERS_OWN
        if self.is_open or self._is_trusted_neighbour(caller):
            return Credentials(self.server_key, replaces_own=True)
        raise Unauthorized(_HOW_TO_ALLOW)

    def may_see_local_pages(self, caller: Caller, *, allow_basic: bool = False) -> bool:
        """Whether the proxy's own pages are this caller's to see.

        `allow_basic` also takes a proxy's key as the password of HTTP Basic
        (RFC 7617), which is what a browser can send.
        """
        if self._is_trusted_neighbour(caller):
            return True
        presented = _bearer_tokens(caller)
        if allow_basic:
            presented += _basic_passwords(caller)
        return len(presented) == 1 and self._is_proxy_key(presented[0])

    def _credentials_for_key_holder(self, caller: Caller) -> "Credentials":
        presented = caller.values(PROXY_KEY_FIELD)
        if presented:
            if len(presented) > 1 or not self._is_proxy_key(presented[0]):
                raise Unauthorized("The key in X-Proxy-Api-Key is not one of this proxy's keys.")
            if caller.has_own_key or self.server_key is None:
                return CALLERS_OWN
            return Credentials(self.server_key, replaces_own=True)
        tokens = _bearer_tokens(caller)
        if len(tokens) == 1 and self._is_proxy_key(tokens[0]):
            return Credentials(self.server_key, replaces_own=True)
        raise Unauthorized(
            "This proxy wants one of its own keys, as 'Authorization: Bearer KEY' "
            "or, beside a key of your own, as 'X-Proxy-Api-Key: KEY'."
        )

    def _is_proxy_key(self, presented: bytes) -> bool:
        # Every key is compared, so that the time taken does not tell which one nearly matched.
        matches = [hmac.compare_digest(presented, key) for key in self.proxy_keys]
        return any(matches)

    def _is_trusted_neighbour(self, caller: Caller) -> bool:
        return not self.on_platform and caller.is_local


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


def _bearer_tokens(caller: Caller) -> list[bytes]:
    """The tokens of all Authorization fields; the scheme is case-insensitive (RFC 9110 11.1)."""
    return [_after_scheme(value, b"bearer") for value in caller.values(b"authorization")]


def _basic_passwords(caller: Caller) -> list[bytes]:
    passwords: list[bytes] = []
    for value in caller.values(b"authorization"):
        try:
            decoded = base64.b64decode(_after_scheme(value, b"basic"), validate=True)
        except binascii.Error:
            continue
        passwords.append(decoded.partition(b":")[2])
    return passwords


def _after_scheme(value: bytes, scheme: bytes) -> bytes:
    found, _, rest = value.strip().partition(b" ")
    return rest.strip() if found.lower() == scheme else b""


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
