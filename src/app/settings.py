"""The settings: one frozen value, read once from the environment, every problem named at once."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from attrs import fields, frozen

from ..domain.compression.keep_ratio import InvalidRatio, KeepRatio, resolve_keep_ratio
from ..domain.control.policy import ENDPOINTS, MIB, ROLES, CompressionPolicy, Mode
from ..domain.protection.protections import PROTECTIONS
from . import readers
from .readers import Secret
from .variables import Variable, as_text, setting

MOST_WORKERS = 64

_LOOP = "UPSTREAM_BASE_URL: {} is this proxy itself; it must be the API that requests are to reach"
_IN_A_LOOP = frozenset({"HOST", "PORT", "UPSTREAM_BASE_URL"})
_FAMILIES = ("COMPRESSION_", "PROXY_", "UPSTREAM_")

MAY_STAND_IN_A_FILE = ("OPENAI_API_KEY", "PROXY_API_KEYS")
"""Each may be given as a file that holds it, by the variable of its name and `_FILE`."""


class InvalidSettings(ValueError):
    """Some settings are out of range; `problems` holds one line for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@frozen(kw_only=True)
class Settings:
    """All settings; each field is the environment variable of the same name in capitals."""

    openai_api_key: Secret | None = setting(
        None,
        readers.KEY,
        meaning="The server's own key, lent to callers without one who may use it.",
    )
    compression_ratio: str = setting(
        "1.0",
        readers.COMPRESSION_RATIO,
        meaning="Keeps one token in so many: 2.0 keeps a half, 1.0 everything.",
    )
    tokens_to_keep_ratio: str | None = setting(
        None,
        readers.TOKENS_TO_KEEP_RATIO,
        meaning="The share of tokens to keep; below 1 it wins over COMPRESSION_RATIO.",
    )
    host: str = setting(
        "0.0.0.0",  # noqa: S104 - a container must listen on all of its interfaces.
        readers.text("an address or host name"),
        meaning="Where to listen.",
    )
    port: int = setting(
        8000,
        readers.whole_number(at_least=0, at_most=65535),
        allowed="a whole number from 0 (any free port) to 65535",
        meaning="The port to listen on.",
    )
    workers: int = setting(
        1,
        readers.whole_number(at_least=1, at_most=MOST_WORKERS),
        meaning="Processes that serve side by side; each counts MAX_CONCURRENCY for itself.",
    )
    upstream_base_url: str = setting(
        "https://api.openai.com/v1",
        readers.BASE_URL,
        meaning="The API that requests are relayed to.",
    )
    upstream_connect_timeout_s: float = setting(
        5.0,
        readers.SECONDS,
        meaning="How long connecting may take, the TLS handshake included; beyond it 504.",
    )
    upstream_read_timeout_s: float = setting(
        600.0,
        readers.SECONDS,
        meaning="How long the upstream may stay silent; never a cap on a whole answer.",
    )
    upstream_transport: str = setting(
        "native",
        readers.choice("native", "httpx"),
        meaning="What speaks to the upstream; httpx knows outgoing HTTP proxies, and HTTP/2 with the extra http2.",
    )
    proxy_api_keys: tuple[Secret, ...] = setting(
        (),
        readers.KEYS,
        meaning="The keys that callers must present to use the proxy.",
    )
    proxy_open: bool = setting(
        False,  # noqa: FBT003 - the default stands first everywhere here.
        readers.FLAG,
        meaning="Lends the server's key to everyone.",
    )
    compression_mode: Mode = setting(
        "on",
        readers.choice("on", "off", "shadow"),
        meaning="Whether a keep ratio below 1 is applied; shadow counts all and sends the original.",
    )
    compression_strategy: str = setting(
        "uniform",
        readers.text("uniform, words, weighted or a dotted path package.module:name"),
        meaning="How the tokens to remove are drawn.",
    )
    compression_protect: frozenset[str] = setting(
        frozenset(),
        readers.choices(*PROTECTIONS, or_none=True),
        shown_default="none",
        meaning="Spans that are never removed.",
    )
    compression_endpoints: frozenset[str] = setting(
        frozenset({"chat"}),
        readers.choices(*ENDPOINTS),
        meaning="The endpoints whose bodies are compressed.",
    )
    compression_roles: frozenset[str] = setting(
        frozenset({"user"}),
        readers.choices(*ROLES),
        meaning="The roles whose messages are compressed.",
    )
    compression_min_tokens: int = setting(
        0,
        readers.whole_number(at_least=0),
        meaning="Texts of fewer tokens pass untouched.",
    )
    compression_max_body_bytes: int = setting(
        4 * MIB,
        readers.whole_number(at_least=0),
        meaning="Longer bodies stream through untouched.",
    )
    compression_max_text_bytes: int = setting(
        MIB,
        readers.whole_number(at_least=0),
        meaning="Longer texts pass untouched.",
    )
    tokenizer: str = setting(
        "tiktoken",
        readers.package("tiktoken", "quicktok", extra="fast"),
        meaning="What finds the tokens of a text; both find the same ones, quicktok faster.",
    )
    compression_salt: Secret = setting(
        Secret(""),
        readers.SECRET,
        shown_default="empty",
        meaning="Makes the choice of tokens unlike everyone else's.",
    )
    compression_rules: str | None = setting(
        None,
        readers.text("the path of a TOML file"),
        meaning="Rules for single kinds of texts, which come before the settings.",
    )
    compression_request_overrides: str = setting(
        "allow",
        readers.choice("allow", "deny"),
        meaning="Whether the header fields of a request may say how it is compressed.",
    )
    compression_floor: Fraction = setting(
        Fraction(0),
        readers.SHARE,
        meaning="The smallest keep ratio that a request may ask for.",
    )
    log_format: str = setting(
        "auto",
        readers.choice("auto", "text", "json", "none"),
        meaning="Files and text, or JSON lines on stdout; on Cloud Run the latter even if text is asked for.",
    )
    log_dir: str = setting(
        ".",
        readers.text("a directory"),
        meaning="Where the log files are written.",
    )
    log_content: str = setting(
        "auto",
        readers.choice("auto", "true", "false"),
        meaning="Whether prompt text is logged; auto means in compression.log alone.",
    )
    log_max_bytes: int = setting(
        10 * MIB,
        readers.whole_number(at_least=1),
        meaning="A log file that reaches this size is rotated.",
    )
    log_backups: int = setting(
        3,
        readers.whole_number(at_least=0, at_most=1000),
        meaning="How many rotated log files are kept.",
    )
    max_concurrency: int = setting(
        1000,
        readers.whole_number(at_least=1),
        meaning="Requests under way at a time; more are answered 503.",
    )
    max_request_bytes: int | None = setting(
        None,
        readers.whole_number(at_least=0),
        meaning="Longer request bodies are answered 413.",
    )
    sse_keepalive_s: float = setting(
        0.0,
        readers.SECONDS_OR_NONE,
        shown_default="0 (off)",
        meaning="A silent event stream gets a comment after so long.",
    )
    shutdown_grace_s: float = setting(
        8.0,
        readers.SECONDS,
        meaning="How long requests under way may take to end once the server is told to stop.",
    )
    prices_file: str | None = setting(
        None,
        readers.text("a TOML file like prices.example.toml"),
        meaning="What models cost; tells savings in money.",
    )
    k_service: str | None = setting(
        None,
        readers.text("set by Cloud Run"),
        meaning="Says that Cloud Run is the platform.",
    )
    google_cloud_project: str | None = setting(
        None,
        readers.text("a project id"),
        meaning="Completes the trace names in JSON logs.",
    )

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings from `environment`; an empty variable counts as unset.

        Raises InvalidSettings with a line for each variable that is out of range.
        """
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for variable in variables():
            text = environment.get(variable.name, "").strip()
            if not text:
                continue
            try:
                values[variable.name.lower()] = variable.reader(text)
            except InvalidRatio as problem:
                problems[variable.name] = str(problem)
            except ValueError:
                problems[variable.name] = variable.problem_with(text)
        settings = cls(**values)
        if settings.upstream_is_this_proxy and problems.keys().isdisjoint(_IN_A_LOOP):
            problems["UPSTREAM_BASE_URL"] = _LOOP.format(settings.upstream_base_url)
        if problems:
            raise InvalidSettings(problems.values())
        return settings

    def shown(self, name: str) -> str:
        """The value of the variable `name` as text; secrets stay hidden."""
        return as_text(getattr(self, name.lower()))

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


def variables() -> Iterator[Variable]:
    """All environment variables, in the order of the documentation."""
    for attribute in fields(Settings):
        yield Variable(attribute.name.upper(), **attribute.metadata)


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """A warning for each variable that looks like one of ours but is none."""
    known = {variable.name for variable in variables()}
    known |= {f"{name}_FILE" for name in MAY_STAND_IN_A_FILE}
    for name in sorted(environment):
        if name.startswith(_FAMILIES) and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            yield f"{name}: no such variable{hint}"
