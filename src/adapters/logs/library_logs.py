"""How what Python's own logging has to say leaves the process.

That is what uvicorn and other libraries log, warnings, and exceptions that
nobody caught. It goes through a queue like everything else that is logged: a
server that waits for its standard error stands still.

    configure_logging("json")  # and uvicorn.run(..., log_config=None)
"""

import logging
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from . import json_format, text_format
from .outputs import Output, Stream
from .records import timestamp
from .writer import LogWriter, Write

LogFormat = Literal["text", "json"]

_log = logging.getLogger("openai_proxy")

_SAID_ALREADY = "ASGI callable returned without completing response."
"""What uvicorn adds as an error of ours to each answer that the upstream breaks off."""

_QUIET = ("httpcore", "httpx", "websockets")
"""Libraries that log whole URLs and header fields below WARNING."""

# The last line of defence: a library's message may quote what it could not handle.
# uvicorn logs the query of each WebSocket, for one.
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\"]+|\bsk-[\w-]{8,}")
_QUERY = re.compile(r"(/[^\s'\"?]*)\?[^\s'\"]+")


def configure_logging(log_format: LogFormat) -> None:
    """Send all of it to standard error, as lines of text or of JSON.

    uvicorn must not configure logging again: run it with `log_config=None`.
    """
    send_logs_to(QueuedLines(log_format, standard_error(log_format).write))


def standard_error(log_format: LogFormat, patience_seconds: float | None = None) -> Output:
    """Where lines go unless another process writes them."""
    spelling = json_format if log_format == "json" else text_format
    return Output(
        Stream(sys.stderr, patience_seconds), lambda count: spelling.dropped_notice(count).encode()
    )


def send_logs_to(handler: logging.Handler) -> None:
    """Have `handler` take all that is logged, in place of whoever did before."""
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # uvicorn looks at this logger's own level before it builds lines for debugging.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.INFO)
    server.addFilter(_is_news)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # The access log costs more than the relay and repeats queries; ours takes its place.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    _log_what_nobody_caught()


class Lines(logging.Handler):
    """Spells records as lines, each on the spot, since a record's arguments may change."""

    def __init__(self, log_format: LogFormat, put: Callable[[bytes], None]) -> None:
        super().__init__()
        self._spell = json_record if log_format == "json" else text_record
        self.put = put

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line on."""
        self.put(self._spell(record).encode(errors="backslashreplace"))


class QueuedLines(Lines):
    """Writes the lines without keeping whoever logs waiting."""

    def __init__(self, log_format: LogFormat, write: Write[bytes]) -> None:
        # Seldom and often last words: they do not wait for company.
        self._writer = LogWriter(write, gathering_seconds=0)
        super().__init__(log_format, self._writer.put)

    def close(self) -> None:
        """Write what is queued, for a second at most. Python calls this at its exit."""
        self._writer.close()
        super().close()


def json_record(record: logging.LogRecord) -> str:
    """A record as one JSON object, with the stack trace where Error Reporting looks for it."""
    fields = {
        "severity": _severity(record.levelno),
        "time": timestamp(record.created),
        "message": redacted(_message(record)),
        "logger": record.name,
    }
    stack_trace = _stack_trace(record)
    return json_format.json_line(
        {**fields, "stack_trace": redacted(stack_trace)} if stack_trace else fields
    )


def text_record(record: logging.LogRecord) -> str:
    """A record as a line, with what goes on over several behind bars."""
    message = redacted(f"{_message(record)}\n{_stack_trace(record)}".strip())
    first, *rest = message.split("\n")
    line = (
        f"{timestamp(record.created)} {record.levelname} {record.name}:"
        f" {text_format.without_control_characters(first)}\n"
    )
    return line + (text_format.quoted("\n".join(rest)) if rest else "")


def redacted(text: str) -> str:
    """The text without what looks like a credential or the query of a URL.

    >>> redacted('"WebSocket /v1/realtime?model=m&api_key=k" [accepted]')
    '"WebSocket /v1/realtime?[redacted]" [accepted]'
    """
    return _QUERY.sub(r"\1?[redacted]", _CREDENTIALS.sub("[redacted]", text))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:  # noqa: BLE001 the arguments are a library's, and so is their __str__
        return "a record that cannot be formatted"


def _stack_trace(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[1] is not None:
        return logging.Formatter().formatException(record.exc_info)
    return record.stack_info or ""


def _severity(level: int) -> str:
    for severity in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO):
        if level >= severity:
            return logging.getLevelName(severity)
    return "DEBUG"


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _SAID_ALREADY


def _log_what_nobody_caught() -> None:
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    _log.critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    # A thread may end itself by SystemExit, which is no accident.
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _log.critical("uncaught exception in a thread", exc_info=args.exc_value)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    _log.error("exception that could not be raised", exc_info=args.exc_value)
