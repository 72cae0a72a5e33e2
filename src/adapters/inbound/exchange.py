"""What relaying requests and relaying WebSockets have in common: how each begins, fails and ends."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from attrs import field, frozen, mutable

from ...domain.bodies.compressed_body import CompressedBody
from ...domain.bodies.compressed_frames import CompressedFrames
from ...domain.bodies.usage import Usage
from ...domain.control.policy import MIB, CompressionPolicy
from ...domain.control.request_control import ControlLimits
from ...domain.errors import ProxyError
from ...domain.http.access import AccessPolicy
from ...domain.http.request_head import RequestHead
from ...domain.http.tracing import trace_id
from ...domain.ports import Compressor, LogSink, RelayedRequest
from .asgi import Receive, Scope, Send
from .downstream import ClientLeft
from .traffic import Traffic

_log = logging.getLogger(__name__)


@frozen
class RelaySettings:
    """What the relays need to know, fixed at start."""

    base_path: bytes
    """Path of the upstream's base URL, without a slash at its end."""
    via: bytes
    """The pseudonym under which this proxy appears in Via (RFC 9110 section 7.6.3)."""
    policy: CompressionPolicy = field(factory=CompressionPolicy)
    control: ControlLimits = field(factory=ControlLimits)
    max_body_bytes: int = 4 * MIB
    """Longer bodies are never compressed, and never held in memory."""
    max_request_bytes: int | None = None
    max_concurrency: int = 1000
    keep_alive_seconds: float = 0
    """Silence after which an event stream gets a comment; 0 never."""


class ClientSide(Protocol):
    """The client's side of an exchange, as far as it is the same for both kinds."""

    status: int | None
    bytes_received: int
    bytes_sent: int
    has_left: bool

    @property
    def is_answered(self) -> bool:
        """Whether the client got all that there was for it."""
        ...

    async def fail(self, error: ProxyError) -> None:
        """Say that something went wrong, in the way that is still open."""
        ...

    def stop_watching(self) -> None:
        """End the watch for the client's leaving."""
        ...


Side = TypeVar("Side", bound=ClientSide)
Compressed = TypeVar("Compressed", bound=CompressedBody | CompressedFrames)


@mutable(kw_only=True)
class Exchange(Generic[Side, Compressed]):
    """One request or WebSocket under way, and what becomes known of it."""

    head: RequestHead
    downstream: Side
    request_id: str
    started_at: float = field(factory=time.time)
    started: float = field(factory=time.monotonic)
    compressed: Compressed | None = None
    compression_seconds: float | None = None
    error: str | None = None

    @property
    def first_byte_seconds(self) -> float | None:
        """How long the client waited for the answer to begin, where it is one answer."""
        return None

    @property
    def usage(self) -> Usage | None:
        """What the answer says was billed, where it is one answer."""
        return None

    def as_relayed(self) -> RelayedRequest:
        """What the log is told of it, now that it has ended."""
        head, downstream = self.head, self.downstream
        return RelayedRequest(
            request_id=self.request_id,
            started_at=self.started_at,
            duration_seconds=time.monotonic() - self.started,
            method=head.method,
            path=head.raw_path.decode("latin-1"),
            status=downstream.status,
            request_bytes=downstream.bytes_received,
            response_bytes=downstream.bytes_sent,
            complete=downstream.is_answered,
            error=self.error,
            compression=self.compressed,
            trace=trace_id(head.value(b"x-cloud-trace-context"), head.value(b"traceparent")),
            first_byte_seconds=self.first_byte_seconds,
            compression_seconds=self.compression_seconds,
            usage=self.usage,
        )


Begun = TypeVar("Begun", bound=Exchange[Any, Any])


@frozen(eq=False, kw_only=True)
class ExchangeRelay(ABC, Generic[Begun]):
    """A raw ASGI application that tells client and log of every end there is."""

    settings: RelaySettings
    access: AccessPolicy
    compression: Compressor
    log: LogSink
    traffic: Traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay one exchange, whatever becomes of it, and take note of it."""
        exchange = self._begin(scope, receive, send)
        downstream: ClientSide = exchange.downstream
        try:
            await self._relay(exchange)
        except ProxyError as error:
            exchange.error = error.code
            await downstream.fail(error)
        except ClientLeft:
            pass
        except Exception:  # noqa: BLE001 whatever it was, the client gets an answer
            _log.exception("A request could not be relayed")
            exchange.error = ProxyError.code
            await downstream.fail(ProxyError("The proxy failed to relay this request."))
        except asyncio.CancelledError:
            # The watcher cancels when the client leaves; anybody else means it.
            if not downstream.has_left:
                raise
        finally:
            self.traffic.leave()
            downstream.stop_watching()
            self.log.record_request(exchange.as_relayed())

    @abstractmethod
    def _begin(self, scope: Scope, receive: Receive, send: Send) -> Begun:
        """Enter the traffic."""

    @abstractmethod
    async def _relay(self, exchange: Begun, /) -> None:
        """The way there and back. Raises whatever stands in it."""
