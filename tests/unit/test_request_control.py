"""What a request may ask of compression in its own header fields."""

from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import keep_ratios, shares

from openai_proxy.domain.compression.keep_ratio import KeepRatio, resolve_keep_ratio
from openai_proxy.domain.compression.strategies import BUILT_IN, Uniform
from openai_proxy.domain.control.policy import CompressionPolicy, Mode
from openai_proxy.domain.control.request_control import ControlLimits, controlled_policy
from openai_proxy.domain.control.rules import Instruction
from openai_proxy.domain.errors import BadRequest
from openai_proxy.domain.http.headers import request_headers
from openai_proxy.domain.http.request_head import RequestHead

FIELDS = (
    b"x-compression",
    b"x-compression-ratio",
    b"x-tokens-to-keep-ratio",
    b"x-compression-strategy",
)
LIMITS = ControlLimits()

policies = st.builds(
    CompressionPolicy,
    keep_ratio=keep_ratios,
    strategy=st.sampled_from(list(BUILT_IN)),
    mode=st.sampled_from(["on", "off", "shadow"]),
)
ratios_as_written = st.decimals(1, 100, places=3).map(str)
shares_as_written = st.integers(1, 1000).map(lambda thousandths: str(thousandths / 1000))


def asking(**fields: str) -> RequestHead:
    """A request with such fields, underscores for hyphens."""
    headers = [
        (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()
    ]
    return RequestHead("POST", b"/v1/chat/completions", b"", headers)


def refusal(head: RequestHead, limits: ControlLimits = LIMITS) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        controlled_policy(CompressionPolicy(), head, limits)
    return refused.value


class TestWhatARequestAsksFor:
    @given(policies, st.text(alphabet="abc-", min_size=1))
    def test_one_that_asks_for_nothing_gets_the_policy_itself(
        self, policy: CompressionPolicy, name: str
    ) -> None:
        head = RequestHead("POST", b"/", b"", [(name.encode(), b"off"), (b"x-other", b"2")])

        assert controlled_policy(policy, head, LIMITS) is policy

    @given(policies, ratios_as_written | st.none(), shares_as_written | st.none())
    def test_both_ratios_resolve_together_and_replace_those_below(
        self, policy: CompressionPolicy, ratio: str | None, keep: str | None
    ) -> None:
        fields = {"x-compression-ratio": ratio, "x-tokens-to-keep-ratio": keep}
        sent = {name: value for name, value in fields.items() if value is not None}
        rule = Instruction(keep_ratio=KeepRatio(Fraction(1, 7)), target_tokens=5)

        treatment = controlled_policy(policy, asking(**sent), LIMITS).treatment(rule)

        if sent:
            assert treatment.keep_ratio == resolve_keep_ratio(ratio, keep)
            assert treatment.target_tokens is None
        else:
            assert treatment == policy.treatment(rule)

    @pytest.mark.parametrize("mode", ["on", "off", "shadow"])
    def test_the_mode_is_replaced_in_any_case_and_with_white_space(self, mode: Mode) -> None:
        policy = CompressionPolicy(mode="off" if mode == "on" else "on")

        controlled = controlled_policy(policy, asking(x_compression=f" {mode.title()} "), LIMITS)

        assert controlled == evolve(policy, mode=mode)

    def test_a_strategy_is_chosen_by_the_name_of_one_that_the_operator_offers(self) -> None:
        own = Uniform(name="Mine")
        limits = ControlLimits(strategies={**BUILT_IN, "Mine": own})
        chosen = [
            controlled_policy(
                CompressionPolicy(), asking(x_compression_strategy=name), limits
            ).treatment()
            for name in ("weighted", "Mine")
        ]

        assert [treatment.strategy for treatment in chosen] == [BUILT_IN["weighted"], own]

    def test_none_of_it_goes_upstream(self) -> None:
        head = RequestHead("GET", b"/", b"", [(name, b"?") for name in FIELDS])

        assert request_headers(head, via=b"x") == [(b"via", b"1.1 x")]


class TestWhatIsRefused:
    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize(
        "value", ["", "nan", "-1", "0", "50%", "inf", "os:system", "é", "1e999999999", "\x7f" * 999]
    )
    def test_a_bad_value_is_refused_by_the_name_of_its_field(
        self, field: bytes, value: str
    ) -> None:
        error = refusal(asking(**{field.decode(): value}))

        assert error.status == 400
        assert str(error.param).lower().encode() == field
        assert str(error).startswith(f"{error.param}: ")
        assert "must be" in str(error)
        assert str(error).isprintable()
        assert len(str(error)) < 600

    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_sent_twice_is_refused_whatever_it_says(self, field: bytes) -> None:
        head = RequestHead("POST", b"/", b"", [(field, b"on"), (field, b"on")])

        assert "second value" in str(refusal(head))

    @pytest.mark.parametrize("field", FIELDS)
    def test_every_field_is_refused_where_the_operator_denies_them(self, field: bytes) -> None:
        error = refusal(asking(**{field.decode(): "on"}), ControlLimits(allowed=False))

        assert str(error.param).lower().encode() == field
        assert "is denied here" in str(error)

    @given(shares, shares)
    def test_less_than_the_floor_is_refused_and_no_more_than_that(
        self, floor: Fraction, wanted: Fraction
    ) -> None:
        limits = ControlLimits(floor=floor)
        head = asking(x_tokens_to_keep_ratio=f"{float(wanted):.3f}")
        asked = Fraction(f"{float(wanted):.3f}")

        if asked < floor:
            assert "COMPRESSION_FLOOR" in str(refusal(head, limits))
        else:
            controlled = controlled_policy(CompressionPolicy(), head, limits)
            assert controlled.wanted_keep_ratio.share == asked

    def test_the_floor_holds_for_the_compression_ratio_too(self) -> None:
        error = refusal(asking(x_compression_ratio="3"), ControlLimits(floor=Fraction(1, 2)))

        assert str(error) == (
            "X-Compression-Ratio: '3' keeps too little; "
            "the keep ratio must be at least 0.5 (COMPRESSION_FLOOR)."
        )
        assert error.param == "X-Compression-Ratio"

    def test_a_dotted_path_is_no_name_even_of_a_built_in_strategy(self) -> None:
        path = "openai_proxy.domain.compression.strategies:Uniform"

        assert str(refusal(asking(x_compression_strategy=path))) == (
            "X-Compression-Strategy: 'openai_proxy.domain.compression.strategies:Uniform' is not valid; "
            "it must be uniform, words or weighted."
        )
