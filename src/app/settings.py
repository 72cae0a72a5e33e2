"""The settings: one frozen value, read once from the environment, every problem named at once."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, Self, cast
from urllib.parse import urlsplit

from attrs import field, fields, frozen

from ..domain.compression.keep_ratio import (
    COMPRESSION_RATIO_RANGE,
    TOKENS_TO_KEEP_RATIO_RANGE,
    InvalidRatio,
    KeepRatio,
    resolve_keep_ratio,
)
from ..domain.control.policy import ENDPOINTS, MIB, ROLES, CompressionPolicy, Mode
from ..domain.protection.protections import PROTECTIONS
from . import readers

MOST_WORKERS = 64

_LOOP = "UPSTREAM_BASE_URL: {} is this proxy itself; it must be the API that requests are to reach"
_IN_A_LOOP = frozenset({"host", "port", "upstream_base_url"})
_FAMILIES = ("COMPRESSION_", "PROXY_", "UPSTREAM_")

MAY_STAND_IN_A_FILE = ("OPENAI_API_KEY", "PROXY_API_KEYS")
"""Each may be given as a file that holds it, by the variable of its name and `_FILE`."""


class InvalidSettings(ValueError):
    """Some settings are out of range; `problems` holds one line for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@frozen
class Secret:
    """A text that is never shown, neither by `repr` nor by `str`; an empty one shows as empty."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "********" if self.value else ""


NO_SALT = Secret("")


@frozen
class Variable:
    """An environment variable: its name, what it may hold, and what it means."""

    name: str
    default: str
    allowed: str
    meaning: str


def _setting(
    default: Any,
    read: Callable[[str], Any],
    *,
    allowed: str,
    meaning: str,
    shown_default: str | None = None,
    is_secret: bool = False,
) -> Any:
    shown = str(default) if shown_default is None else shown_default
    return field(
        default=default,
        metadata={
            "read": read,
            "default": shown,
            "allowed": allowed,
            "meaning": meaning,
            "is_secret": is_secret,
        },
    )


def _salt(text: str) -> Secret:
    return Secret(text)


def _key(text: str) -> Secret:
    return Secret(readers.visible_ascii(text))


def _keys(text: str) -> tuple[Secret, ...]:
    return tuple(_key(part) for part in re.split(r"[,\s]+", text) if part)


def _compression_ratio(text: str) -> str:
    KeepRatio.from_compression_ratio(text)
    return text


def _tokens_to_keep_ratio(text: str) -> str:
    KeepRatio.from_tokens_to_keep_ratio(text)
    return text


@frozen(kw_only=True)
class Settings:
    """All settings; each field is the environment variable of the same name in capitals."""

    openai_api_key: Secret | None = _setting(
        None,
        _key,
        is_secret=True,
        shown_default="unset",
        allowed="one key of visible ASCII characters",
        meaning="The server's own key, lent to callers without one who may use it.",
    )
    compression_ratio: str = _setting(
        "1.0",
        _compression_ratio,
        allowed=COMPRESSION_RATIO_RANGE,
        meaning="Keeps one token in so many: 2.0 keeps a half, 1.0 everything.",
    )
    tokens_to_keep_ratio: str | None = _setting(
        None,
        _tokens_to_keep_ratio,
        shown_default="unset",
        allowed=TOKENS_TO_KEEP_RATIO_RANGE,
        meaning="The share of tokens to keep; below 1 it wins over COMPRESSION_RATIO.",
    )
    host: str = _setting(
        "0.0.0.0",  # noqa: S104 - a container must listen on all of its interfaces.
        readers.text,
        allowed="an address or host name",
        meaning="Where to listen.",
    )
    port: int = _setting(
        8000,
        readers.whole_number(at_least=0, at_most=65535),
        allowed="a whole number from 0 (any free port) to 65535",
        meaning="The port to listen on.",
    )
    workers: int = _setting(
        1,
        readers.whole_number(at_least=1, at_most=MOST_WORKERS),
        allowed=f"a whole number from 1 to {MOST_WORKERS}",
        meaning="Processes that serve side by side; each counts MAX_CONCURRENCY for itself.",
    )
    upstream_base_url: str = _setting(
        "https://api.openai.com/v1",
        readers.base_url,
        allowed="an http or https URL without credentials, query or fragment",
        meaning="The API that requests are relayed to.",
    )
    upstream_connect_timeout_s: float = _setting(
        5.0,
        readers.seconds,
        allowed="a number of seconds above 0",
        meaning="How long connecting may take.",
    )
    upstream_read_timeout_s: float = _setting(
        600.0,
        readers.seconds,
        allowed="a number of seconds above 0",
        meaning="How long the upstream may stay silent; never a cap on a whole answer.",
    )
    upstream_transport: str = _setting(
        "native",
        readers.choice("native", "httpx"),
        allowed="native or httpx",
        meaning="What speaks to the upstream; httpx knows outgoing HTTP proxies, and HTTP/2 with the extra http2.",
    )
    proxy_api_keys: tuple[Secret, ...] = _setting(
        (),
        _keys,
        is_secret=True,
        shown_default="unset",
        allowed="keys of visible ASCII characters, separated by commas or white space",
        meaning="The keys that callers must present to use the proxy.",
    )
    proxy_open: bool = _setting(
        False,  # noqa: FBT003 - the default stands first everywhere here.
        readers.flag,
        shown_default="false",
        allowed="true or false",
        meaning="Lends the server's key to everyone.",
    )
    compression_mode: Mode = _setting(
        "on",
        readers.choice("on", "off", "shadow"),
        allowed="on, off or shadow",
        meaning="Whether a keep ratio below 1 is applied; shadow counts all and sends the original.",
    )
    compression_strategy: str = _setting(
        "uniform",
        readers.text,
        allowed="uniform, words, weighted or a dotted path package.module:name",
        meaning="How the tokens to remove are drawn.",
    )
    compression_protect: frozenset[str] = _setting(
        frozenset(),
        readers.choices(*PROTECTIONS, or_none=True),
        shown_default="none",
        allowed=f"any of {','.join(PROTECTIONS)}, or none",
        meaning="Spans that are never removed.",
    )
    compression_endpoints: frozenset[str] = _setting(
        frozenset({"chat"}),
        readers.choices(*ENDPOINTS),
        shown_default="chat",
        allowed=f"any of {','.join(ENDPOINTS)}",
        meaning="The endpoints whose bodies are compressed.",
    )
    compression_roles: frozenset[str] = _setting(
        frozenset({"user"}),
        readers.choices(*ROLES),
        shown_default="user",
        allowed=f"any of {','.join(ROLES)}",
        meaning="The roles whose messages are compressed.",
    )
    compression_min_tokens: int = _setting(
        0,
        readers.whole_number(at_least=0),
        allowed="a whole number of at least 0",
        meaning="Texts of fewer tokens pass untouched.",
    )
    compression_max_body_bytes: int = _setting(
        4 * MIB,
        readers.whole_number(at_least=0),
        allowed="a whole number of at least 0",
        meaning="Longer bodies stream through untouched.",
    )
    compression_max_text_bytes: int = _setting(
        MIB,
        readers.whole_number(at_least=0),
        allowed="a whole number of at least 0",
        meaning="Longer texts pass untouched.",
    )
    compression_salt: Secret = _setting(
        NO_SALT,
        _salt,
        is_secret=True,
        shown_default="empty",
        allowed="any text",
        meaning="Makes the choice of tokens unlike everyone else's.",
    )
    compression_rules: str | None = _setting(
        None,
        readers.text,
        shown_default="unset",
        allowed="the path of a TOML file",
        meaning="Rules for single kinds of texts, which come before the settings.",
    )
    compression_request_overrides: str = _setting(
        "allow",
        readers.choice("allow", "deny"),
        allowed="allow or deny",
        meaning="Whether the header fields of a request may say how it is compressed.",
    )
    compression_floor: Fraction = _setting(
        Fraction(0),
        readers.share,
        allowed="a number from 0 to 1",
        meaning="The smallest keep ratio that a request may ask for.",
    )
    log_format: str = _setting(
        "auto",
        readers.choice("auto", "text", "json", "none"),
        allowed="auto, text, json or none",
        meaning="Files and text, or JSON lines on stdout; on Cloud Run the latter even if text is asked for.",
    )
    log_dir: str = _setting(
        ".",
        readers.text,
        allowed="a directory",
        meaning="Where the log files are written.",
    )
    log_content: str = _setting(
        "auto",
        readers.choice("auto", "true", "false"),
        allowed="auto, true or false",
        meaning="Whether prompt text is logged; auto means in compression.log alone.",
    )
    log_max_bytes: int = _setting(
        10 * MIB,
        readers.whole_number(at_least=1),
        allowed="a whole number of at least 1",
        meaning="A log file that reaches this size is rotated.",
    )
    log_backups: int = _setting(
        3,
        readers.whole_number(at_least=0, at_most=1000),
        allowed="a whole number from 0 to 1000",
        meaning="How many rotated log files are kept.",
    )
    max_concurrency: int = _setting(
        1000,
        readers.whole_number(at_least=1),
        allowed="a whole number of at least 1",
        meaning="Requests under way at a time; more are answered 503.",
    )
    max_request_bytes: int | None = _setting(
        None,
        readers.whole_number(at_least=0),
        shown_default="unset",
        allowed="a whole number of at least 0",
        meaning="Longer request bodies are answered 413.",
    )
    sse_keepalive_s: float = _setting(
        0.0,
        readers.seconds_or_none,
        shown_default="0 (off)",
        allowed="a number of seconds, 0 for off",
        meaning="A silent event stream gets a comment after so long.",
    )
    shutdown_grace_s: float = _setting(
        8.0,
        readers.seconds,
        allowed="a number of seconds above 0",
        meaning="How long requests under way may take to end once the server is told to stop.",
    )
    prices_file: str | None = _setting(
        None,
        readers.text,
        shown_default="unset",
        allowed="a TOML file like prices.example.toml",
        meaning="What models cost; tells savings in money.",
    )
    k_service: str | None = _setting(
        None,
        readers.text,
        shown_default="unset",
        allowed="set by Cloud Run",
        meaning="Says that Cloud Run is the platform.",
    )
    google_cloud_project: str | None = _setting(
        None,
        readers.text,
        shown_default="unset",
        allowed="a project id",
        meaning="Completes the trace names in JSON logs.",
    )

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings from `environment`; an empty variable counts as unset.

        Raises InvalidSettings with a line for each variable that is out of range.
        """
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for attribute in fields(cls):
            name = attribute.name.upper()
            text = environment.get(name, "").strip()
            if not text:
                continue
            try:
                values[attribute.name] = attribute.metadata["read"](text)
            except InvalidRatio as problem:
                problems[attribute.name] = str(problem)
            except ValueError:
                problems[attribute.name] = _problem(name, text, attribute.metadata)
        settings = cls(**values)
        if settings.upstream_is_this_proxy and problems.keys().isdisjoint(_IN_A_LOOP):
            problems["upstream_base_url"] = _LOOP.format(settings.upstream_base_url)
        if problems:
            raise InvalidSettings(problems.values())
        return settings

    def shown(self, name: str) -> str:
        """The value of the variable `name` as text; secrets stay hidden."""
        value: object = getattr(self, name.lower())
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Fraction):
            return f"{float(value):g}"
        if isinstance(value, tuple | frozenset):
            return ",".join(sorted(map(str, cast("Iterable[object]", value))))
        return "" if value is None else str(value)

    @property
    def keep_ratio(self) -> KeepRatio:
        """What the two ratios resolve to."""
        return resolve_keep_ratio(self.compression_ratio, self.tokens_to_keep_ratio)

    @property
    def policy(self) -> CompressionPolicy:
        """What is compressed, and how, where neither a rule nor the request says otherwise."""
        return CompressionPolicy(
            keep_ratio=self.keep_ratio,
            strategy=self.compression_strategy,
            protect=self.compression_protect,
            salt=self.compression_salt.value.encode(),
            endpoints=self.compression_endpoints,
            roles=self.compression_roles,
            min_tokens=self.compression_min_tokens,
            max_text_bytes=self.compression_max_text_bytes,
            mode=self.compression_mode,
        )

    @property
    def on_platform(self) -> bool:
        """Whether this runs on Cloud Run."""
        return self.k_service is not None

    @property
    def logs_as_json(self) -> bool:
        """Whether log lines are JSON objects on stdout. On Cloud Run files are instance memory."""
        return self.log_format == "json" or (self.log_format != "none" and self.on_platform)

    @property
    def line_format(self) -> Literal["text", "json"]:
        """How what Python's own logging has to say is spelt."""
        return "json" if self.logs_as_json else "text"

    @property
    def logs_content(self) -> bool:
        """Whether prompt text may stand in a log."""
        if self.log_content == "auto":
            return not (self.logs_as_json or self.on_platform)
        return self.log_content == "true"

    @property
    def upstream_is_this_proxy(self) -> bool:
        """Whether every request would come straight back."""
        upstream = urlsplit(self.upstream_base_url)
        port = upstream.port or (443 if upstream.scheme == "https" else 80)
        host = upstream.hostname or ""
        return port == self.port and readers.names_this_machine(host, self.host)


def _problem(name: str, text: str, metadata: Mapping[str, Any]) -> str:
    shown = "the value" if metadata["is_secret"] else readers.shown(text)
    return f"{name}: {shown} is not valid; it must be {metadata['allowed']}"


def variables() -> Iterator[Variable]:
    """All environment variables, in the order of the documentation."""
    for attribute in fields(Settings):
        yield Variable(
            name=attribute.name.upper(),
            default=attribute.metadata["default"],
            allowed=attribute.metadata["allowed"],
            meaning=attribute.metadata["meaning"],
        )


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """A warning for each variable that looks like one of ours but is none."""
    known = {variable.name for variable in variables()}
    known |= {f"{name}_FILE" for name in MAY_STAND_IN_A_FILE}
    for name in sorted(environment):
        if name.startswith(_FAMILIES) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            yield f"{name}: no such variable{hint}"
