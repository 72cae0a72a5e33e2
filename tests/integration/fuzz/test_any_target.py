"""Any target at all: the upstream gets it byte for byte, or nobody gets anything."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import for_a_while, short
from tests.raw_client import connected, request
from tests.running_proxy import RunningProxy
from tests.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.fuzz


@pytest.fixture(scope="module")
def evil() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as wrong_origin:
        yield wrong_origin


def test_no_target_leads_to_another_origin(
    proxy: RunningProxy, upstream: ScriptedUpstream, evil: ScriptedUpstream
) -> None:
    address = evil.address.encode()
    bait = [
        address,
        b"http://" + address,
        b"//",
        b"@",
        b"#",
        b"\\",
        b"/..",
        b"%2e%2e",
        b"..;",
        b":80",
    ]
    parts = st.sampled_from([*bait, b"/", b"/v1", b"?", b".", b"%2f", b"\t"]) | st.binary(
        max_size=4
    )

    @short
    @given(target=st.lists(parts, max_size=8).map(b"".join), fields=st.booleans())
    def check(target: bytes, *, fields: bool) -> None:
        upstream.requests.clear()
        lies = [(b"Host", address), (b"X-Forwarded-Host", address)] if fields else []
        with connected(proxy.address) as client:
            client.send(request(b"GET", target, lies))
            client.socket.settimeout(2)
            try:
                status = client.receive_answer().status
            except (ConnectionError, TimeoutError):
                status = 0

        assert status != 500
        assert evil.connections == 0
        for received in upstream.requests:
            path = target if target.startswith(b"/v1/") else b"/v1" + target
            assert received.target in {path, target}
            assert received.values(b"host") == [upstream.address.encode()]

    for_a_while(check)
