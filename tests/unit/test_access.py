"""Whose key a request travels with."""

import base64
import hmac
import sys
from contextlib import suppress
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.domain.errors import Unauthorized
from openai_proxy.domain.http.access import CALLERS_OWN, AccessPolicy, Credentials
from openai_proxy.domain.http.request_head import RequestHead

Field = tuple[bytes, bytes]

LENT = Credentials(b"sk-server", replaces_own=True)
LOCAL_HOST: Field = (b"host", b"localhost:8000")

loopback_peers = st.sampled_from(["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
other_peers = st.sampled_from(
    ["10.0.0.7", "192.168.1.2", "8.8.8.8", "fe80::1", "::ffff:8.8.8.8", None]
)
loopback_hosts = st.sampled_from([b"localhost", b"LOCALHOST:80", b"127.0.0.1:8000", b"[::1]:8000"])
own_keys = st.sampled_from(
    [
        (b"authorization", b"Bearer sk-own"),
        (b"authorization", b""),
        (b"api-key", b"own"),
        (b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-own"),
    ]
)
signs_of_distance = st.sampled_from(
    [
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"forwarded", b"for=127.0.0.1"),
        (b"via", b"1.1 somebody"),
        (b"x-real-ip", b"127.0.0.1"),
        (b"host", b"evil.example"),
        (b"host", b"localhost@evil.example"),
        (b"host", b"localhost.evil.example"),
        (b"host", b"127.0.0.1.evil.example"),
        (b"origin", b"https://evil.example"),
        (b"origin", b"null"),
        (b"sec-fetch-site", b"cross-site"),
    ]
)


def request(*fields: Field, peer: str | None = "127.0.0.1") -> RequestHead:
    return RequestHead(
        method="POST", raw_path=b"/v1/responses", query=b"", headers=fields, peer=peer
    )


class TestWithoutProxyKeys:
    access = AccessPolicy(server_key=b"sk-server")

    @given(own_keys, st.one_of(loopback_peers, other_peers))
    def test_a_request_with_a_key_of_its_own_is_relayed_with_it(
        self, own: Field, peer: str | None
    ) -> None:
        assert self.access.upstream_credentials(request(own, LOCAL_HOST, peer=peer)) == CALLERS_OWN

    @given(loopback_peers, loopback_hosts)
    def test_the_servers_key_is_lent_on_this_machine(self, peer: str, host: bytes) -> None:
        assert self.access.upstream_credentials(request((b"host", host), peer=peer)) == LENT

    @given(other_peers)
    def test_it_is_lent_to_no_other_machine(self, peer: str | None) -> None:
        with pytest.raises(Unauthorized, match=r"PROXY_API_KEYS .* PROXY_OPEN"):
            self.access.upstream_credentials(request(LOCAL_HOST, peer=peer))

    @given(signs_of_distance)
    def test_it_is_not_lent_to_a_request_that_came_from_farther(self, sign: Field) -> None:
        with pytest.raises(Unauthorized):
            self.access.upstream_credentials(request(LOCAL_HOST, sign))

    def test_a_page_of_this_machine_may_use_it(self) -> None:
        page = request(LOCAL_HOST, (b"origin", b"http://localhost:3000"))

        assert self.access.upstream_credentials(page) == LENT

    def test_it_is_not_lent_where_a_platform_stands_in_front(self) -> None:
        access = AccessPolicy(server_key=b"sk-server", on_platform=True)

        with pytest.raises(Unauthorized):
            access.upstream_credentials(request(LOCAL_HOST))

    @given(other_peers)
    def test_an_open_proxy_lends_it_to_everyone(self, peer: str | None) -> None:
        access = AccessPolicy(server_key=b"sk-server", is_open=True, on_platform=True)

        assert access.upstream_credentials(request(peer=peer)) == LENT

    @given(other_peers)
    def test_without_a_servers_key_a_keyless_request_is_the_upstreams_to_refuse(
        self, peer: str | None
    ) -> None:
        assert AccessPolicy().upstream_credentials(request(peer=peer)) == CALLERS_OWN

    def test_naming_authorization_in_connection_does_not_borrow_the_servers_key(self) -> None:
        smuggled = request(
            LOCAL_HOST, (b"authorization", b"Bearer sk-own"), (b"connection", b"authorization")
        )

        assert self.access.upstream_credentials(smuggled) == CALLERS_OWN


class TestWithProxyKeys:
    access = AccessPolicy(server_key=b"sk-server", proxy_keys=(b"first", b"second"))

    @given(st.sampled_from([b"Bearer first", b"bearer second", b"BEARER  first "]))
    def test_one_of_them_as_bearer_borrows_the_servers_key(self, value: bytes) -> None:
        assert self.access.upstream_credentials(request((b"authorization", value))) == LENT

    def test_beside_a_key_of_ones_own_it_lets_that_one_pass(self) -> None:
        both = request((b"x-proxy-api-key", b"second"), (b"authorization", b"Bearer sk-own"))

        assert self.access.upstream_credentials(both) == CALLERS_OWN

    def test_alone_in_its_own_field_it_borrows_the_servers_key(self) -> None:
        assert self.access.upstream_credentials(request((b"x-proxy-api-key", b"first"))) == LENT

    @given(
        st.lists(
            st.one_of(
                own_keys,
                st.sampled_from(
                    [
                        (b"x-proxy-api-key", b""),
                        (b"x-proxy-api-key", b"firs"),
                        (b"x-proxy-api-key", b"first, second"),
                        (b"authorization", b"Bearer firs"),
                        (b"authorization", b"Basic first"),
                        (b"authorization", b"first"),
                    ]
                ),
            )
        )
    )
    def test_anything_else_is_refused_even_on_this_machine(self, fields: list[Field]) -> None:
        with pytest.raises(Unauthorized):
            self.access.upstream_credentials(request(LOCAL_HOST, *fields))

    @pytest.mark.parametrize("presented", [b"first", b"second", b"neither"])
    def test_whatever_is_presented_is_compared_with_every_key_in_constant_time(
        self, presented: bytes
    ) -> None:
        called: list[object] = []

        def note(_frame: FrameType, event: str, function: object) -> None:
            if event == "c_call":
                called.append(function)

        sys.setprofile(note)
        try:
            with suppress(Unauthorized):
                self.access.upstream_credentials(request((b"x-proxy-api-key", presented)))
        finally:
            sys.setprofile(None)

        assert called.count(hmac.compare_digest) == len(self.access.proxy_keys)

    def test_two_authorizations_are_no_proof(self) -> None:
        two = request((b"authorization", b"Bearer first"), (b"authorization", b"Bearer sk-own"))

        with pytest.raises(Unauthorized):
            self.access.upstream_credentials(two)

    def test_a_proxys_key_never_travels_even_if_there_is_none_to_lend(self) -> None:
        access = AccessPolicy(proxy_keys=(b"first",))
        own = (b"authorization", b"Bearer first")

        credentials = access.upstream_credentials(request(own))

        assert credentials.apply_to([own, (b"accept", b"*/*")]) == [(b"accept", b"*/*")]


class TestApplyingCredentials:
    def test_the_callers_own_stay_where_they_are(self) -> None:
        fields = [(b"authorization", b"Bearer sk-own"), (b"accept", b"*/*")]

        assert CALLERS_OWN.apply_to(fields) == fields

    def test_a_lent_key_replaces_every_credential(self) -> None:
        fields = [(b"authorization", b"Bearer first"), (b"accept", b"*/*"), (b"api-key", b"x")]

        assert LENT.apply_to(fields) == [
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer sk-server"),
        ]

    def test_no_key_is_shown_by_repr(self) -> None:
        assert "sk-server" not in repr(LENT)
        assert "sk-server" not in repr(AccessPolicy(server_key=b"sk-server"))


class TestLocalPages:
    access = AccessPolicy(proxy_keys=(b"first",))
    remote = "10.0.0.7"

    def test_they_are_for_this_machine(self) -> None:
        assert self.access.may_see_local_pages(request(LOCAL_HOST))
        assert not self.access.may_see_local_pages(request(LOCAL_HOST, peer=self.remote))

    def test_they_are_for_whoever_has_a_proxys_key(self) -> None:
        bearer = request((b"authorization", b"Bearer first"), peer=self.remote)
        stranger = request((b"authorization", b"Bearer other"), peer=self.remote)

        assert self.access.may_see_local_pages(bearer)
        assert not self.access.may_see_local_pages(stranger)

    @pytest.mark.parametrize(
        ("credentials", "allowed"),
        [(b"anyone:first", True), (b":first", True), (b"first:", False), (b"first", False)],
    )
    def test_a_browser_may_send_it_as_password(self, credentials: bytes, allowed: bool) -> None:  # noqa: FBT001
        basic = (b"authorization", b"Basic " + base64.b64encode(credentials))
        head = request(basic, peer=self.remote)

        assert self.access.may_see_local_pages(head, allow_basic=True) == allowed
        assert not self.access.may_see_local_pages(head)
