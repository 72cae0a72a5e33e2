"""The caller's key passes; the server's own is lent only to those who may have it."""

import json
import socket

import pytest
from tests.proxy_errors import assert_error_of_the_proxy
from tests.raw_client import Answer, connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import Headers, ScriptedUpstream

SERVER_KEY = "sk-the-servers-own"
OWN: tuple[bytes, bytes] = (b"Authorization", b"Bearer sk-callers-own")
LENT = [f"Bearer {SERVER_KEY}".encode()]


def _ask(proxy: RunningProxy, headers: Headers = ()) -> Answer:
    with connected(proxy.address) as client:
        return client.ask(b"GET", b"/v1/models", headers)


def _assert_refused(got: Answer, upstream: ScriptedUpstream, *names: str) -> None:
    assert_error_of_the_proxy(got, 401, "unauthorized")
    assert all(name in got.body.decode() for name in names)
    assert SERVER_KEY not in got.body.decode()
    assert upstream.requests == []


def _address_other_than_loopback() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # An address of the documentation's (RFC 5737); nothing is sent.
        if sock.connect_ex(("192.0.2.1", 9)) != 0 or sock.getsockname()[0].startswith("127."):
            pytest.skip("this machine has no other address")
        return str(sock.getsockname()[0])


@pytest.fixture(scope="module")
def lending(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(OPENAI_API_KEY=SERVER_KEY)


@pytest.fixture(scope="module")
def guarded(start_proxy: StartProxy) -> RunningProxy:
    return start_proxy(OPENAI_API_KEY=SERVER_KEY, PROXY_API_KEYS="pk-one,pk-two")


class TestACallerWithItsOwnKey:
    @pytest.mark.parametrize(
        "field",
        [
            OWN,
            (b"Authorization", b"Basic dXNlcjpwYXNz"),
            (b"Authorization", b"bearer  sk-odd spacing"),
            (b"Authorization", b""),
            (b"api-key", b"azure-key"),
            (b"x-goog-api-key", b"google-key"),
        ],
    )
    def test_is_relayed_with_that_key_and_no_other(
        self, lending: RunningProxy, upstream: ScriptedUpstream, field: tuple[bytes, bytes]
    ) -> None:
        name, value = field

        assert _ask(lending, [field]).status == 200

        received = upstream.requests[0]
        assert received.values(name) == [value]
        assert LENT[0] not in received.values(b"authorization")

    def test_is_lent_no_other_where_a_connection_field_takes_it_away(
        self, lending: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        _ask(lending, [(b"Connection", b"authorization"), OWN])

        assert [received.values(b"authorization") for received in upstream.requests] == [[]]

    def test_sends_both_where_it_has_two(
        self, lending: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        other = (b"Authorization", b"Bearer sk-second")

        _ask(lending, [OWN, other])

        assert upstream.requests[0].values(b"authorization") == [OWN[1], other[1]]


class TestACallerWithoutAKey:
    @pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:8000", b"[::1]:8000", b"LOCALHOST"])
    def test_on_this_machine_is_lent_the_servers(
        self, lending: RunningProxy, upstream: ScriptedUpstream, host: bytes
    ) -> None:
        assert _ask(lending, [(b"Host", host)]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT

    def test_in_a_page_of_this_machine_is_lent_the_servers(
        self, lending: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        origin = (b"Origin", b"http://localhost:3000")
        fetch = (b"Sec-Fetch-Site", b"same-site")

        assert _ask(lending, [origin, fetch]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT

    @pytest.mark.parametrize(
        "sign",
        [
            (b"X-Forwarded-For", b"127.0.0.1"),
            (b"Forwarded", b"for=127.0.0.1"),
            (b"Via", b"1.1 somebody"),
            (b"X-Real-IP", b"127.0.0.1"),
            (b"Host", b"rebound.example"),
            (b"Host", b"127.0.0.1.example"),
            (b"Host", b"localhost.example:8000"),
            (b"Origin", b"https://page.example"),
            (b"Origin", b"null"),
            (b"Sec-Fetch-Site", b"cross-site"),
        ],
    )
    def test_that_shows_a_sign_of_coming_from_farther_is_refused(
        self, lending: RunningProxy, upstream: ScriptedUpstream, sign: tuple[bytes, bytes]
    ) -> None:
        got = _ask(lending, [sign])

        _assert_refused(got, upstream, "PROXY_API_KEYS", "PROXY_OPEN")

    def test_on_another_address_is_granted_nothing_by_a_host_of_this_machine(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy(OPENAI_API_KEY=SERVER_KEY, HOST="0.0.0.0")

        with connected(f"{_address_other_than_loopback()}:{proxy.port}") as client:
            got = client.ask(b"GET", b"/v1/models", [(b"Host", b"localhost")])

        _assert_refused(got, upstream, "PROXY_API_KEYS", "PROXY_OPEN")

    def test_behind_a_platform_is_refused(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy(OPENAI_API_KEY=SERVER_KEY, K_SERVICE="openai-proxy")

        _assert_refused(_ask(proxy), upstream, "PROXY_API_KEYS", "PROXY_OPEN")

    def test_is_lent_it_anywhere_by_an_open_proxy_which_warns_at_start(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy(OPENAI_API_KEY=SERVER_KEY, PROXY_OPEN="true")

        assert _ask(proxy, [(b"X-Forwarded-For", b"203.0.113.9")]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT
        assert "PROXY_OPEN" in proxy.stdout + proxy.stderr

    def test_is_relayed_without_one_where_there_is_none_to_lend(
        self, proxy: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        assert _ask(proxy).status == 200
        assert upstream.requests[0].values(b"authorization") == []


class TestAProxyWithKeysOfItsOwn:
    @pytest.mark.parametrize("key", [b"pk-one", b"pk-two"])
    @pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer "])
    def test_replaces_its_key_by_the_servers(
        self, guarded: RunningProxy, upstream: ScriptedUpstream, scheme: bytes, key: bytes
    ) -> None:
        assert _ask(guarded, [(b"Authorization", scheme + key)]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT
        assert key not in b"".join(value for _, value in upstream.requests[0].headers)

    def test_leaves_authorization_to_a_caller_who_shows_the_key_elsewhere(
        self, guarded: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        assert _ask(guarded, [(b"X-Proxy-Api-Key", b"pk-one"), OWN]).status == 200
        assert upstream.requests[0].values(b"authorization") == [OWN[1]]
        assert upstream.requests[0].values(b"x-proxy-api-key") == []

    def test_lends_the_servers_key_to_a_caller_who_shows_only_the_proxys(
        self, guarded: RunningProxy, upstream: ScriptedUpstream
    ) -> None:
        assert _ask(guarded, [(b"X-Proxy-Api-Key", b"pk-two")]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT
        assert upstream.requests[0].values(b"x-proxy-api-key") == []

    @pytest.mark.parametrize(
        "fields",
        [
            [],
            [OWN],
            [(b"Authorization", b"Bearer pk-on")],
            [(b"Authorization", b"Bearer pk-one,pk-two")],
            [(b"Authorization", b"Bearer ")],
            [(b"Authorization", b"Basic pk-one")],
            [(b"Authorization", b"Bearer pk-one"), (b"Authorization", b"Bearer pk-two")],
            [(b"api-key", b"pk-one")],
            [(b"X-Proxy-Api-Key", b"wrong"), OWN],
            [(b"X-Proxy-Api-Key", b"")],
            [(b"X-Proxy-Api-Key", b"wrong"), (b"Authorization", b"Bearer pk-one")],
        ],
    )
    def test_refuses_whoever_shows_none_of_them(
        self, guarded: RunningProxy, upstream: ScriptedUpstream, fields: Headers
    ) -> None:
        _assert_refused(_ask(guarded, fields), upstream)

    def test_forwards_no_key_where_the_server_has_none(
        self, start_proxy: StartProxy, upstream: ScriptedUpstream
    ) -> None:
        proxy = start_proxy(PROXY_API_KEYS="pk-one")

        assert _ask(proxy, [(b"Authorization", b"Bearer pk-one")]).status == 200
        assert upstream.requests[0].values(b"authorization") == []

    def test_reads_keys_from_files(
        self,
        start_proxy: StartProxy,
        upstream: ScriptedUpstream,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        secrets = tmp_path_factory.mktemp("secrets")
        (secrets / "server").write_text(f"{SERVER_KEY}\n")
        (secrets / "callers").write_text("pk-one\npk-two\n")
        proxy = start_proxy(
            OPENAI_API_KEY_FILE=str(secrets / "server"),
            PROXY_API_KEYS_FILE=str(secrets / "callers"),
        )

        assert _ask(proxy, [(b"Authorization", b"Bearer pk-two")]).status == 200
        assert upstream.requests[0].values(b"authorization") == LENT


def test_health_needs_no_key(guarded: RunningProxy, upstream: ScriptedUpstream) -> None:
    with connected(guarded.address) as client:
        got = client.ask(b"GET", b"/health", [(b"Host", b"anything.example")])

    assert (got.status, json.loads(got.body)["status"]) == (200, "healthy")
    assert upstream.requests == []
