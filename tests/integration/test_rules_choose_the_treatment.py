"""Rules in a file decide what becomes of each text, and the command explains them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.http_fields import Headers, values_of
from tests.raw_client import Answer, connected
from tests.running_proxy import RunningProxy, StartProxy, run_command, wait_for
from tests.scripted_upstream import ScriptedUpstream

JSON = (b"Content-Type", b"application/json")
STORY = "Once upon a time there was a miller who had three sons, a mill, an ass and a tomcat. " * 12
EXAMPLE = Path(__file__).parents[2] / "rules.example.toml"

RULES = """
[[rule]]
name = "first"
max_turn = 1
compress = false

[[rule]]
name = "tools"
role = "tool"
target_tokens = 60
"""


@pytest.fixture(scope="module")
def ruled(start_proxy: StartProxy, tmp_path_factory: pytest.TempPathFactory) -> RunningProxy:
    file = tmp_path_factory.mktemp("rules") / "rules.toml"
    file.write_text(RULES)
    return start_proxy(COMPRESSION_RULES=str(file), COMPRESSION_RATIO="4")


def _said(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": f"{n} {STORY}"} for n, role in enumerate(roles)]


def _ask(proxy: RunningProxy, said: list[dict[str, str]], headers: Headers = ()) -> Answer:
    body = json.dumps({"model": "gpt-4o", "messages": said}).encode()
    with connected(proxy.address) as client:
        return client.ask(b"POST", b"/v1/chat/completions", [JSON, *headers], body)


def _kept(upstream: ScriptedUpstream) -> list[float]:
    """How much of each message arrived."""
    sent: dict[str, Any] = json.loads(bytes(upstream.requests[-1].body))
    return [len(message["content"]) / len(f"0 {STORY}") for message in sent["messages"]]


def test_each_text_is_treated_as_the_first_rule_says_that_takes_it(
    ruled: RunningProxy, upstream: ScriptedUpstream
) -> None:
    got = _ask(ruled, _said("system", "user", "tool", "user"))

    system, first, tool, second = _kept(upstream)
    assert (system, first) == (1, 1)
    assert 0.15 < second < 0.35
    assert values_of(got.headers, b"x-compression-texts") == [b"2"]
    entry = wait_for(ruled.compression_log, "rule tools")
    assert "keep ratio 0.25" in entry
    assert tool < 0.5


def test_each_turn_repeats_the_turns_before_it_byte_for_byte(
    ruled: RunningProxy, upstream: ScriptedUpstream
) -> None:
    said = _said(*["user", "assistant", "tool"] * 4)

    for turn in range(1, len(said) + 1):
        _ask(ruled, said[:turn])

    bodies = [bytes(request.body).removesuffix(b"]}") for request in upstream.requests]
    assert all(later.startswith(before) for before, later in pairwise(bodies))


def test_a_request_comes_before_a_rule_but_never_touches_what_it_leaves_alone(
    ruled: RunningProxy, upstream: ScriptedUpstream
) -> None:
    _ask(ruled, _said("user", "tool"), [(b"X-Tokens-To-Keep-Ratio", b"0.8")])

    left_alone, thinned = _kept(upstream)
    assert left_alone == 1
    assert 0.7 < thinned < 0.9


def test_bad_rules_stop_the_start_with_file_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nrole = "usr"\ncompress = false\n\n[[rule]]\nturn = 2\n')

    ended = run_command(directory=tmp_path, settings={"COMPRESSION_RULES": str(file), "PORT": "x"})

    told = [
        line.removeprefix(f"error: COMPRESSION_RULES: {file}:") for line in _lines(ended.stderr)
    ]
    assert ended.returncode == 2
    assert [line.partition(";")[0] for line in told] == [
        "2: role: 'usr' is not valid",
        "5: the rule says nothing",
        "6: turn: no such key",
        "error: PORT: 'x' is not valid",
    ]


def _lines(text: str) -> list[str]:
    return text.splitlines()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, ": No such file or directory"),
        (b"\n\xff", ":2: not UTF-8"),
        (b"a =", ":1: Invalid value"),
    ],
    ids=["missing", "not UTF-8", "not TOML"],
)
def test_a_file_that_cannot_be_read_stops_the_start(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "rules.toml"
    if content is not None:
        file.write_bytes(content)

    ended = run_command(directory=tmp_path, settings={"COMPRESSION_RULES": "rules.toml"})

    assert ended.returncode == 2
    assert ended.stderr == f"error: COMPRESSION_RULES: rules.toml{reason}\n"


class TestCheckingRules:
    def test_it_says_what_each_rule_means(self, tmp_path: Path) -> None:
        ended = run_command(
            "rules", "check", str(EXAMPLE), directory=tmp_path, settings={"COMPRESSION_RATIO": "2"}
        )

        assert ended.returncode == 0
        assert _lines(ended.stdout)[2:5:2] == [
            (
                "rule 3 tool results: endpoint chat or responses, role tool, tokens at least 500: "
                "keep 0.6 of its tokens, strategy weighted, protect numbers, urls"
            ),
            (
                "rule 5 long messages: endpoint chat, role user, tokens at least 200: "
                "keep 0.6667 of its tokens, strategy weighted"
            ),
        ]
        assert _lines(ended.stdout)[-1] == (
            "otherwise: endpoint chat, role user: keep 0.5 of its tokens, strategy uniform"
        )

    def test_it_says_which_rule_takes_which_message_and_why_those_before_do_not(
        self, tmp_path: Path
    ) -> None:
        said = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Who is there?"},
            {"role": "assistant", "content": "A miller."},
            {"role": "user", "content": "And who else?"},
        ]
        body = {"model": "gpt-4o", "messages": said}
        (tmp_path / "body.json").write_text(json.dumps(body))
        (tmp_path / "rules.toml").write_text(RULES)

        ended = run_command(
            *("rules", "check", "rules.toml", "--request", "body.json"),
            directory=tmp_path,
            # The file that the environment names is not the one that is asked about.
            settings={"COMPRESSION_RULES": "missing.toml", "COMPRESSION_RATIO": "2"},
        )

        assert ended.stderr == ""
        assert _lines(ended.stdout) == [
            (
                "/messages/0/content (system, turn 0, 3 tokens): "
                "no rule, and not chosen by the settings: leave it alone"
            ),
            "    not rule first: the role is system, not user",
            "    not rule tools: the role is system, not tool",
            "/messages/1/content (user, turn 1, 4 tokens): rule first: leave it alone",
            (
                "/messages/2/content (assistant, turn 1, 4 tokens): "
                "no rule, and not chosen by the settings: leave it alone"
            ),
            "    not rule first: the role is assistant, not user",
            "    not rule tools: the role is assistant, not tool",
            (
                "/messages/3/content (user, turn 2, 4 tokens): "
                "no rule, so the settings: keep 0.5 of its tokens, strategy uniform"
            ),
            "    not rule first: the turn is 2, not at most 1",
            "    not rule tools: the role is user, not tool",
        ]

    def test_it_names_every_problem(self, tmp_path: Path) -> None:
        (tmp_path / "rules.toml").write_text('[[rule]]\nrole = "usr"\nratio = 2\ncompress = 1\n')

        ended = run_command("rules", "check", "rules.toml", directory=tmp_path, settings={})

        assert ended.returncode == 2
        assert [line.split(";")[0] for line in _lines(ended.stderr)] == [
            "error: rules.toml:2: role: 'usr' is not valid",
            "error: rules.toml:3: ratio: no such key",
            "error: rules.toml:4: compress: 1 is not valid",
        ]

    def test_an_endpoint_without_a_request_is_an_error(self, tmp_path: Path) -> None:
        ended = run_command(
            *("rules", "check", str(EXAMPLE), "--endpoint", "chat"), directory=tmp_path, settings={}
        )

        assert (ended.returncode, ended.stderr) == (2, "error: --endpoint: only with --request\n")

    @pytest.mark.parametrize("body", [None, "[]", '{"messages": 1', ""])
    def test_a_request_that_is_none_is_an_error_of_one_line(
        self, tmp_path: Path, body: str | None
    ) -> None:
        if body is not None:
            (tmp_path / "body.json").write_text(body)

        ended = run_command(
            *("rules", "check", str(EXAMPLE), "--request", "body.json"),
            directory=tmp_path,
            settings={},
        )

        assert ended.returncode == 2
        assert ended.stderr.startswith("error: body.json: ")
        assert ended.stderr.count("\n") == 1
