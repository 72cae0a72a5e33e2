"""Which adapter stands behind each port: the only place that names both."""

import hashlib
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from dependency_injector import containers, providers

from ..adapters.compression.fast_tokenizer import load_fast_encoding
from ..adapters.compression.threaded_compressor import ThreadedCompressor
from ..adapters.compression.tokenizer import Vocabularies, load_encoding
from ..adapters.inbound.exchange import RelaySettings
from ..adapters.inbound.relay import Relay
from ..adapters.inbound.traffic import Traffic
from ..adapters.inbound.websocket_relay import WebSocketRelay
from ..adapters.logs.fan_out import LogSinks
from ..adapters.logs.sinks import JsonLines, NoLogs, RotatingFiles
from ..adapters.metrics.counts import CountsNow, Metrics, OwnCounts
from ..adapters.metrics.prometheus import PrometheusPage
from ..adapters.metrics.request_spans import RequestSpans
from ..adapters.upstream.httpx_upstream import HttpxUpstream
from ..adapters.upstream.native_transport import NativeTransport
from ..adapters.upstream.stock_transport import httpx_transport
from ..adapters.upstream.tls import upstream_ssl_context
from ..adapters.upstream.websockets_upstream import WebsocketsUpstream
from ..domain.control.policy import CompressionPolicy
from ..domain.http.access import AccessPolicy
from ..domain.ports import Compressor, LogSink, UpstreamClient, UpstreamWebSockets
from ..domain.savings.prices import PriceList
from ..domain.savings.sums import Savings
from .compression import control_limits, load_policy
from .price_file import load_prices
from .settings import Settings
from .tracing import load_spans


def _transport(settings: Settings, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    if settings.upstream_transport == "httpx":
        return httpx_transport(settings.upstream_base_url)
    return NativeTransport(tls)


def _upstream(settings: Settings, transport: httpx.AsyncBaseTransport) -> HttpxUpstream:
    return HttpxUpstream(
        settings.upstream_base_url,
        transport,
        connect_timeout=settings.upstream_connect_timeout_s,
        read_timeout=settings.upstream_read_timeout_s,
    )


def _upstream_websockets(settings: Settings, tls: ssl.SSLContext) -> WebsocketsUpstream:
    return WebsocketsUpstream(
        settings.upstream_base_url,
        tls,
        connect_timeout=settings.upstream_connect_timeout_s,
        read_timeout=settings.upstream_read_timeout_s,
    )


def _log(settings: Settings) -> LogSink:
    if settings.log_format == "none":
        return NoLogs()
    if settings.logs_as_json:
        return JsonLines(
            sys.stdout, show_content=settings.logs_content, project=settings.google_cloud_project
        )
    return RotatingFiles(
        Path(settings.log_dir),
        max_bytes=settings.log_max_bytes,
        backups=settings.log_backups,
        show_content=settings.logs_content,
        terminal=sys.stderr,
    )


def _vocabularies(settings: Settings) -> Vocabularies:
    return Vocabularies(load_encoding if settings.tokenizer == "tiktoken" else load_fast_encoding)


def _compression(settings: Settings, vocabularies: Vocabularies) -> Compressor:
    # Workers compress side by side on the same processors.
    threads = max(1, _available_processors() // settings.workers)
    return ThreadedCompressor(vocabularies.tokenizer_for, threads=threads)


def _available_processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _prices(settings: Settings) -> PriceList | None:
    return None if settings.prices_file is None else load_prices(settings.prices_file)


def _own_counts(metrics: Metrics, traffic: Traffic, log: LogSink) -> OwnCounts:
    return OwnCounts(
        metrics,
        in_flight=lambda: traffic.in_flight,
        # Not every sink has something to lose.
        dropped=lambda: getattr(log, "dropped", 0),
    )


def _access(settings: Settings) -> AccessPolicy:
    own = settings.openai_api_key
    return AccessPolicy(
        server_key=None if own is None else own.value.encode(),
        proxy_keys=tuple(key.value.encode() for key in settings.proxy_api_keys),
        is_open=settings.proxy_open,
        on_platform=settings.on_platform,
    )


def _relay_settings(settings: Settings, policy: CompressionPolicy) -> RelaySettings:
    return RelaySettings(
        base_path=urlsplit(settings.upstream_base_url).path.encode(),
        via=_pseudonym(settings.upstream_base_url),
        policy=policy,
        control=control_limits(settings, policy),
        max_body_bytes=settings.compression_max_body_bytes,
        max_request_bytes=settings.max_request_bytes,
        max_concurrency=settings.max_concurrency,
        keep_alive_seconds=settings.sse_keepalive_s,
    )


def _pseudonym(upstream_base_url: str) -> bytes:
    # Replicas share it, so that a loop through any of them is seen; proxies in
    # a row have different upstreams and so different names.
    digest = hashlib.blake2b(upstream_base_url.encode(), digest_size=6).hexdigest()
    return f"openai-proxy-{digest}".encode()


class Container(containers.DeclarativeContainer):
    """All parts of the service, each built once, when it is first asked for."""

    settings: providers.Provider[Settings] = providers.Dependency(instance_of=Settings)
    vocabularies: providers.Provider[Vocabularies] = providers.Singleton(_vocabularies, settings)
    tls: providers.Provider[ssl.SSLContext] = providers.Singleton(upstream_ssl_context)
    transport: providers.Provider[httpx.AsyncBaseTransport] = providers.Singleton(
        _transport, settings, tls
    )
    upstream: providers.Provider[UpstreamClient] = providers.Singleton(
        _upstream, settings, transport
    )
    upstream_websockets: providers.Provider[UpstreamWebSockets] = providers.Singleton(
        _upstream_websockets, settings, tls
    )
    log: providers.Provider[LogSink] = providers.Singleton(_log, settings)
    policy: providers.Provider[CompressionPolicy] = providers.Singleton(load_policy, settings)
    compression: providers.Provider[Compressor] = providers.Singleton(
        _compression, settings, vocabularies
    )
    access: providers.Provider[AccessPolicy] = providers.Singleton(_access, settings)
    traffic: providers.Provider[Traffic] = providers.Singleton(Traffic)
    savings: providers.Provider[Savings] = providers.Singleton(Savings)
    prices: providers.Provider[PriceList | None] = providers.Singleton(_prices, settings)
    metrics: providers.Provider[Metrics] = providers.Singleton(Metrics, savings)
    counts: providers.Provider[CountsNow] = providers.Singleton(_own_counts, metrics, traffic, log)
    prometheus_page: providers.Provider[PrometheusPage] = providers.Singleton(
        PrometheusPage, counts, prices
    )
    spans: providers.Provider[RequestSpans] = providers.Singleton(load_spans)
    observers: providers.Provider[LogSink] = providers.Singleton(LogSinks, metrics, log, spans)
    """All that hear of what was relayed, the log among them."""
    relay_settings: providers.Provider[RelaySettings] = providers.Singleton(
        _relay_settings, settings, policy
    )
    relay: providers.Provider[Relay] = providers.Singleton(
        Relay,
        settings=relay_settings,
        access=access,
        upstream=upstream,
        compression=compression,
        log=observers,
        traffic=traffic,
    )
    websocket_relay: providers.Provider[WebSocketRelay] = providers.Singleton(
        WebSocketRelay,
        settings=relay_settings,
        access=access,
        upstream=upstream_websockets,
        compression=compression,
        log=observers,
        traffic=traffic,
    )
