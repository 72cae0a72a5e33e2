"""Paths and queries travel byte for byte, and none leads to another origin."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.figures import assert_at_most
from tests.raw_client import RawClient, connected
from tests.running_proxy import RunningProxy, StartProxy
from tests.scripted_upstream import ScriptedUpstream

ODD_BUT_LEGAL = [
    b"/v1/files/file-1/content",
    b"/v1/files/a%2Fb%2fc",
    b"/v1/files/%zz%",
    b"/v1/files/%E2%82%AC%80%00",
    b"/v1/files/a+b%20c%2B",
    b"/v1/files//double//slash/",
    b"/v1/files/semi;colon;v=1,2",
    b'/v1/files/"<>|^`{}\\',
    b"/v1/files/~!$&'()*+,;=:@",
    b"/v1/files/...",
    b"/v1/files/.hidden/..x/x..",
    b"/v1/files/" + b"long" * 500,
    b"/v1/models/ft:gpt-4o:acme::abc",
    b"/v1/models?limit=2&limit=3&after=",
    b"/v1/models?&&==&a&=b",
    b"/v1/models?q=../..&r=//evil.test/@x:80",
    b"/v1/models?include[]=a&include[]=b%5B%5D",
    b'/v1/models?q=%zz+%20"<>|^`{}\\?/:;',
    b"/v1/models?a=1?b=2",
    b"/v1/models/?x",
    b"/v1/models?",
    b"/v1/models??",
    b"/v1/models?x?",
]


@pytest.mark.parametrize("target", ODD_BUT_LEGAL)
def test_a_target_reaches_the_upstream_byte_for_byte(
    client: RawClient, upstream: ScriptedUpstream, target: bytes
) -> None:
    got = client.ask(b"GET", target)

    assert got.status == 200
    assert upstream.requests[0].target == target


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (b"/v1/models", b"/v1/models"),
        (b"/models", b"/v1/models"),
        (b"/v1/v1/models", b"/v1/v1/models"),
        (b"/V1/models", b"/v1/V1/models"),
        (b"/%761/models", b"/v1/%761/models"),
        (b"/v1models", b"/v1/v1models"),
        (b"/v1/", b"/v1/"),
        (b"/v1", b"/v1"),
        (b"/", b"/v1/"),
        (b"/v1?x=1", b"/v1?x=1"),
        (b"/v1//models", b"/v1//models"),
    ],
)
def test_one_leading_v1_is_the_upstreams_own(
    client: RawClient, upstream: ScriptedUpstream, asked: bytes, sent: bytes
) -> None:
    client.ask(b"GET", asked)

    assert upstream.requests[0].target == sent


@pytest.mark.parametrize(
    "asked",
    [
        b"/health/",
        b"/%68ealth",
        b"/Health",
        b"/health%2F",
        b"/%5Fproxy/ready",
        b"/_proxy%2Fready",
        b"/%5fproxy/compress?x=1",
    ],
)
def test_a_page_of_the_proxys_spelt_otherwise_is_the_upstreams(
    client: RawClient, upstream: ScriptedUpstream, asked: bytes
) -> None:
    client.ask(b"GET", asked)

    assert [received.target for received in upstream.requests] == [b"/v1" + asked]


@pytest.mark.parametrize("asked", [b"/health", b"/health?x=1", b"/_proxy/ready", b"/_proxy"])
def test_the_proxys_own_pages_stay_here(
    client: RawClient, upstream: ScriptedUpstream, asked: bytes
) -> None:
    client.ask(b"GET", asked)

    assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "sent"),
    [("", b"/models?x"), ("/", b"/models?x"), ("/a/b%2Fc/v2/", b"/a/b%2Fc/v2/models?x")],
)
def test_the_upstreams_base_path_stands_in_front(
    start_proxy: StartProxy, upstream: ScriptedUpstream, path: str, sent: bytes
) -> None:
    proxy = start_proxy(UPSTREAM_BASE_URL=f"http://{upstream.address}{path}")

    with connected(proxy.address) as client:
        client.ask(b"GET", b"/v1/models?x")

    assert upstream.requests[0].target == sent


DOTTED = [
    b"/..",
    b"/.",
    b"/v1/..",
    b"/v1/../admin",
    b"/v1/./models",
    b"/v1/models/..",
    b"/v1/models/.",
    b"/v1/models/../../../etc",
    b"/v1/%2e%2e/admin",
    b"/v1/%2E./admin",
    b"/v1/.%2e/admin",
    b"/v1/%2e/admin",
    b"/v1/..%2fadmin",
    b"/v1/x%2f..%2fadmin",
    b"/v1/x%5c..%5cadmin",
    b"/v1/..\\admin",
    b"/v1/x\\..\\admin",
    b"/v1/..;/admin",
    b"/v1/..;x=1/admin",
    b"/v1/..%3b/admin",
    b"/v1/..?x=1",
    b"/../v1/models",
    b"/v1//../admin",
]


def _refused(evil: bytes) -> list[bytes]:
    return [
        *DOTTED,
        b"http://" + evil + b"/v1/models",
        b"https://" + evil + b"/v1/models",
        b"HTTP://" + evil,
        b"ftp://" + evil + b"/x",
        b"//" + evil + b"/v1/models",
        b"///" + evil + b"/v1/models",
        b"//" + evil,
        b"@" + evil + b"/v1/models",
        b"." + evil + b"/v1/models",
        b":80@" + evil + b"/",
        b":" + evil.rpartition(b":")[2],
        b"\\\\" + evil + b"\\x",
        b"/\\" + evil + b"/../x",
        b"?x=http://" + evil,
        b"#http://" + evil,
        b"*",
        b"v1/models",
        evil,
        evil + b"/v1/models",
        b"/v1/models#fragment",
        b"/v1/models?x#y",
        b"/v1/caf\xe9",
        b"/v1/models?x=\x80",
        b"/v1/\x7f",
    ]


@pytest.fixture(scope="module")
def evil() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as wrong_origin:
        yield wrong_origin


def test_what_is_no_plain_path_is_refused(
    proxy: RunningProxy, upstream: ScriptedUpstream, evil: ScriptedUpstream
) -> None:
    hostile = _refused(evil.address.encode())

    statuses = {target: _status_of(proxy, target) for target in hostile}

    assert statuses == dict.fromkeys(hostile, 400)
    assert_at_most(0, evil.connections, f"connections elsewhere by {len(hostile)} targets")
    assert upstream.requests == []


def _status_of(proxy: RunningProxy, target: bytes) -> int:
    with connected(proxy.address) as client:
        return client.ask(b"GET", target, [(b"Authorization", b"Bearer sk-secret")]).status


def test_neither_host_nor_method_leads_elsewhere(
    proxy: RunningProxy, upstream: ScriptedUpstream, evil: ScriptedUpstream
) -> None:
    address = evil.address.encode()
    with connected(proxy.address) as client:
        client.ask(b"GET", b"/v1/models", [(b"Host", address), (b"X-Forwarded-Host", address)])
    with connected(proxy.address) as client:
        refused = client.ask(b"CONNECT", address)

    assert upstream.requests[0].values(b"host") == [upstream.address.encode()]
    assert len(upstream.requests) == 1
    assert refused.status == 400
    assert evil.connections == 0


tails = st.text("./\\;%2eEfFcC5@:?#+ab", max_size=24) | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=24
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=tails)
@example(tail="%2e%2e")
@example(tail="/..;/")
def test_whatever_follows_the_slash_the_upstream_gets_it_or_nobody_does(
    proxy: RunningProxy, upstream: ScriptedUpstream, tail: str
) -> None:
    target = b"/v1/" + tail.encode("latin-1")
    upstream.forget()

    with connected(proxy.address) as client:
        status = client.ask(b"GET", target).status

    if status == 200:
        assert [received.target for received in upstream.requests] == [target]
    else:
        assert (status, upstream.requests) == (400, [])
