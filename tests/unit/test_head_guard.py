"""Which request heads are refused outright."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.domain.errors import BadRequest, RequestTooLarge
from openai_proxy.domain.http.head_guard import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_TARGET_BYTES,
    check_head,
)
from openai_proxy.domain.http.request_head import RequestHead

Field = tuple[bytes, bytes]
HOST: Field = (b"host", b"proxy.example")


def request(*fields: Field, **others: object) -> RequestHead:
    head: dict[str, object] = {"method": "POST", "raw_path": b"/v1/x", "query": b""}
    return RequestHead(**{**head, "headers": fields, **others})  # type: ignore[arg-type]


CONTROL_CHARACTERS = [*(code for code in range(0x20) if code != 0x09), 0x7F]
ALLOWED_IN_VALUE = [code for code in range(0x100) if code not in CONTROL_CHARACTERS]


class TestSoundHeads:
    @given(st.integers(0, 10**19 - 1))
    def test_one_length_is_sound(self, length: int) -> None:
        check_head(request(HOST, (b"content-length", b"%d" % length)))

    @pytest.mark.parametrize("spelling", [b"chunked", b"Chunked"])
    def test_chunks_are_sound_in_any_case(self, spelling: bytes) -> None:
        check_head(request(HOST, (b"transfer-encoding", spelling)))

    @given(st.lists(st.sampled_from(ALLOWED_IN_VALUE), max_size=200).map(bytes))
    def test_any_other_byte_may_stand_in_a_value(self, value: bytes) -> None:
        check_head(request(HOST, (b"x-bytes", value)))

    def test_an_upgrade_without_body_is_sound(self) -> None:
        check_head(request(HOST, (b"upgrade", b"h2c"), (b"content-length", b"0")))


class TestAmbiguousFraming:
    @pytest.mark.parametrize(
        "fields",
        [
            [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
            [(b"content-length", b"5"), (b"content-length", b"6")],
            [(b"content-length", b"5, 5")],
            [(b"content-length", b"+5")],
            [(b"content-length", b"-1")],
            [(b"content-length", b"0x5")],
            [(b"content-length", b"5 ")],
            [(b"content-length", b"")],
            [(b"content-length", b"1" * 20)],
            [(b"transfer-encoding", b"gzip, chunked")],
            [(b"transfer-encoding", b"chunked, identity")],
            [(b"transfer-encoding", b"identity")],
            [(b"transfer-encoding", b"xchunked")],
            [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
            [(b"upgrade", b"h2c"), (b"content-length", b"5")],
            [(b"upgrade", b"h2c"), (b"transfer-encoding", b"chunked")],
        ],
    )
    def test_it_is_refused(self, fields: list[Field]) -> None:
        with pytest.raises(BadRequest):
            check_head(request(HOST, *fields))

    def test_chunks_are_refused_from_a_client_of_http_1_0(self) -> None:
        with pytest.raises(BadRequest, match=r"HTTP/1\.0"):
            check_head(request(HOST, (b"transfer-encoding", b"chunked"), http_version="1.0"))


class TestOtherUnsoundHeads:
    @pytest.mark.parametrize("version", ["0.9", "2", "2.0", "1.2", "3"])
    def test_other_versions_are_refused(self, version: str) -> None:
        with pytest.raises(BadRequest, match=r"HTTP/1\.0 and HTTP/1\.1"):
            check_head(request(HOST, http_version=version))

    def test_connect_is_refused(self) -> None:
        with pytest.raises(BadRequest, match="CONNECT"):
            check_head(request(HOST, method="CONNECT"))

    @pytest.mark.parametrize(
        "hosts", [[], [b"a", b"a"], [b"a", b"b"], [b""], [b"a b"], [b"a/b"], [b"u@a"], [b"a:b"]]
    )
    def test_anything_but_one_valid_host_is_refused(self, hosts: list[bytes]) -> None:
        with pytest.raises(BadRequest, match="Host"):
            check_head(request(*[(b"host", host) for host in hosts]))

    @given(st.binary(), st.sampled_from(CONTROL_CHARACTERS), st.binary())
    def test_control_characters_are_refused_in_a_value(
        self, before: bytes, forbidden: int, after: bytes
    ) -> None:
        with pytest.raises(BadRequest, match="control character"):
            check_head(request(HOST, (b"x", before + bytes([forbidden]) + after)))


class TestLimits:
    def test_as_many_fields_as_allowed_pass_and_one_more_does_not(self) -> None:
        allowed = [HOST, *[(b"x", b"")] * (MAX_FIELDS - 1)]

        check_head(request(*allowed))
        with pytest.raises(RequestTooLarge) as refused:
            check_head(request(*allowed, (b"x", b"")))

        assert refused.value.status == 431

    def test_as_many_bytes_as_allowed_pass_and_one_more_does_not(self) -> None:
        room = MAX_HEAD_BYTES - len(b"".join(HOST)) - 1

        check_head(request(HOST, (b"x", b"a" * room)))
        with pytest.raises(RequestTooLarge) as refused:
            check_head(request(HOST, (b"x", b"a" * (room + 1))))

        assert refused.value.status == 431

    def test_a_target_as_long_as_allowed_passes_and_a_longer_one_does_not(self) -> None:
        check_head(request(HOST, raw_path=b"/" * MAX_TARGET_BYTES))
        with pytest.raises(RequestTooLarge) as refused:
            check_head(request(HOST, raw_path=b"/" * MAX_TARGET_BYTES, query=b"x"))

        assert refused.value.status == 414
