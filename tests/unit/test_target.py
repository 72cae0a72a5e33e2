"""Where a request goes."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from openai_proxy.domain.errors import BadRequest
from openai_proxy.domain.http.target import compressible_endpoint, upstream_target

VISIBLE = bytes(range(0x21, 0x7F)).replace(b"#", b"")
BASE = b"/base/v1"

visible_bytes = st.lists(st.sampled_from(list(VISIBLE))).map(bytes)
queries = st.just(b"") | visible_bytes.map(lambda query: b"?" + query)
plain_segments = st.lists(
    st.sampled_from(list(VISIBLE.translate(None, b"./\\;%"))), min_size=1
).map(bytes)
plain_paths = st.lists(plain_segments, min_size=1).map(lambda parts: b"/" + b"/".join(parts))
dots = st.sampled_from([b".", b"..", b"%2e", b"%2E.", b".%2e", b"%2e%2E"])
separators = st.sampled_from([b"/", b"\\", b";", b"%2f", b"%2F", b"%5c", b"%3B"])


class TestForwardingATarget:
    @given(plain_paths, queries)
    @example(b"/files/%2F..%zz", b"")
    @example(b'/a"<>|b//c', b"?x=+&x=&&y")
    def test_path_and_query_arrive_byte_for_byte(self, path: bytes, query: bytes) -> None:
        assume(path.split(b"/")[1] != b"v1" and b"%2F.." not in path)

        target = upstream_target(BASE, path, query)

        assert target == BASE + path + query

    @given(plain_paths)
    def test_one_leading_v1_is_dropped(self, path: bytes) -> None:
        assert upstream_target(BASE, b"/v1" + path, b"") == BASE + path

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            (b"/v1", b"/base/v1"),
            (b"/v1/v1/models", b"/base/v1/v1/models"),
            (b"/V1/models", b"/base/v1/V1/models"),
            (b"/v1x/models", b"/base/v1/v1x/models"),
            (b"/%761/models", b"/base/v1/%761/models"),
            (b"/v1//models", b"/base/v1//models"),
            (b"/v1/files/a.b..c/...", b"/base/v1/files/a.b..c/..."),
        ],
    )
    def test_only_a_segment_spelt_v1_is_dropped(self, path: bytes, target: bytes) -> None:
        assert upstream_target(BASE, path, b"") == target

    def test_an_upstream_without_base_path_gets_at_least_a_slash(self) -> None:
        assert upstream_target(b"", b"/v1", b"") == b"/"


class TestStayingBelowTheBasePath:
    @given(st.binary(), st.just(b"") | st.binary().map(lambda query: b"?" + query))
    @example(b"@evil/x", b"")
    @example(b".evil/x", b"")
    @example(b"http://evil/x", b"")
    @example(b"//evil/x", b"")
    @example(b"/v1/%2e%2e/x", b"")
    def test_any_target_starts_with_the_base_path_or_is_refused(
        self, path: bytes, query: bytes
    ) -> None:
        try:
            target = upstream_target(BASE, path, query)
        except BadRequest:
            return

        assert target.startswith(BASE)
        assert target[len(BASE) : len(BASE) + 1] in (b"", b"/", b"?")
        assert set(target) <= set(VISIBLE)

    @given(plain_paths, separators, dots, st.one_of(st.just(b""), separators))
    def test_a_dot_segment_is_refused_however_it_is_spelt(
        self, path: bytes, before: bytes, dot: bytes, after: bytes
    ) -> None:
        with pytest.raises(BadRequest):
            upstream_target(BASE, path + before + dot + after, b"")


class TestRecognisingAnEndpoint:
    @pytest.mark.parametrize("prefix", [b"", b"/v1"])
    def test_the_three_endpoints_are_known_in_both_base_forms(self, prefix: bytes) -> None:
        paths = [b"/chat/completions", b"/responses", b"/completions"]

        assert [compressible_endpoint("POST", prefix + path) for path in paths] == [
            "chat",
            "responses",
            "completions",
        ]

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", b"/v1/chat/completions"),
            ("POST", b"/v1/chat/completions/abc"),
            ("POST", b"/v1/responses/abc/cancel"),
            ("POST", b"/v1/embeddings"),
        ],
    )
    def test_nothing_else_is(self, method: str, path: bytes) -> None:
        assert compressible_endpoint(method, path) is None
