"""The upstream and the proxies that the integration tests talk to.

All relay to one scripted upstream. The default proxy serves the whole session,
so what one test leaves behind is the next one's weather; tests that need other
settings start their own. `UPSTREAM_TRANSPORT=httpx pytest` runs them all over
the other transport.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.certificates import Authority
from tests.raw_client import RawClient, connected
from tests.running_proxy import RunningProxy, StartProxy, running_proxy
from tests.scripted_upstream import ScriptedUpstream
from tests.waiting import wait_until
from tests.websocket_upstream import WebSocketUpstream


@pytest.fixture(scope="session")
def _the_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(_the_upstream: ScriptedUpstream) -> Iterator[ScriptedUpstream]:
    """The upstream, with nothing scripted and nothing received."""
    _the_upstream.forget()
    yield _the_upstream
    _the_upstream.forget()


@pytest.fixture(scope="session")
def proxy(
    _the_upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProxy]:
    """The command with its defaults."""
    settings = {"UPSTREAM_BASE_URL": _the_upstream.url}
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def start_proxy(
    _the_upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartProxy]:
    """Starts the command with settings of the test's own; it runs until the module ends."""
    with ExitStack() as running:

        def start(**settings: str) -> RunningProxy:
            directory = tmp_path_factory.mktemp("proxy")
            all_settings = {"UPSTREAM_BASE_URL": _the_upstream.url, **settings}
            return running.enter_context(running_proxy(directory, all_settings))

        yield start


@pytest.fixture
def client(proxy: RunningProxy) -> Iterator[RawClient]:
    """A raw connection to the default proxy."""
    with connected(proxy.address) as client:
        yield client


@pytest.fixture(scope="session")
def _the_realtime_upstream() -> Iterator[WebSocketUpstream]:
    with WebSocketUpstream() as upstream:
        yield upstream


@pytest.fixture
def realtime(_the_realtime_upstream: WebSocketUpstream) -> WebSocketUpstream:
    """The upstream that speaks WebSocket, with nothing scripted and nothing received."""
    _the_realtime_upstream.forget()
    return _the_realtime_upstream


@pytest.fixture(scope="session")
def realtime_proxy(
    _the_realtime_upstream: WebSocketUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProxy]:
    """The command with its defaults, in front of that upstream."""
    settings = {"UPSTREAM_BASE_URL": _the_realtime_upstream.url}
    with running_proxy(tmp_path_factory.mktemp("proxy"), settings) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the tests trust for TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl command")
    return Authority.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def start_two(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartProxy]:
    """Starts two workers, with settings of the test's own, until the test ends."""
    with ExitStack() as running:

        def start(**settings: str) -> RunningProxy:
            directory = tmp_path_factory.mktemp("workers")
            all_settings = {"UPSTREAM_BASE_URL": upstream.url, "WORKERS": "2", **settings}
            proxy = running.enter_context(running_proxy(directory, all_settings))
            wait_until(lambda: proxy.stderr.count("Application startup complete") == 2)
            return proxy

        yield start
