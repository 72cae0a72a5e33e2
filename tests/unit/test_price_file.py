"""What a file of prices may say, and what is said about one that is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_proxy.app.environment import load_settings
from openai_proxy.app.price_file import InvalidPrices, load_prices, read_prices
from openai_proxy.app.settings import InvalidSettings
from openai_proxy.domain.savings.prices import PriceList, Prices

EXAMPLE = Path(__file__).parents[2] / "prices.example.toml"
SOUND = '[[price]]\nmodel = "m"\ninput = 1\noutput = 2\n'


def problems_of(text: str) -> tuple[str, ...]:
    try:
        read_prices(text, source="prices.toml")
    except InvalidPrices as invalid:
        return invalid.problems
    return ()


class TestReadingPrices:
    def test_the_first_pattern_that_fits_counts_in_any_case(self) -> None:
        prices = read_prices(
            SOUND.replace('"m"', '"gpt-4o-mini*"')
            + SOUND.replace('"m"', '"gpt-*"').replace("1", "9"),
            source="prices.toml",
        )

        found = [prices.prices_of(name) for name in ("GPT-4o-mini-2024", "gpt-5", "o3")]

        assert [price and price.input for price in found] == [Decimal(1), Decimal(9), None]

    def test_cached_input_costs_what_input_does_unless_it_has_a_price(self) -> None:
        text = SOUND + SOUND.replace("1", "0.3") + "cached_input = 0.1\ncache_write = 4\n"

        assert read_prices(text, source="prices.toml") == PriceList(
            (
                ("m", Prices(Decimal(1), Decimal(2), Decimal(1), Decimal(1))),
                ("m", Prices(Decimal("0.3"), Decimal(2), Decimal("0.1"), Decimal(4))),
            )
        )

    def test_a_file_may_be_empty(self) -> None:
        assert read_prices("", source="prices.toml") == PriceList()

    def test_the_example_is_valid_and_says_that_its_prices_are_nobodys(self) -> None:
        patterns = [pattern for pattern, _ in load_prices(str(EXAMPLE)).entries]

        assert patterns == ["example-small*", "example-large*"]
        assert "NOT anybody's prices" in EXAMPLE.read_text(encoding="utf-8")


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("text", "problems"),
        [
            (SOUND.replace("1", '"1"'), ["3: input: must be a number of at least 0"]),
            (SOUND.replace("1", "-1").replace("2", "nan"), ["3: input: must", "4: output: must"]),
            (SOUND.replace("1", "true").replace("2", "inf"), ["3: input: must", "4: output: must"]),
            (SOUND.replace('"m"', '""'), ["2: model: must be the name of a model"]),
            (SOUND.replace('"m"', "3"), ["2: model: must be the name of a model"]),
            (SOUND + "inputs = 1\n", ["5: inputs: is not known; there are model, input"]),
            (SOUND + "[[price]]\n", ["5: model: is missing", "5: input: is", "5: output: is"]),
            (SOUND + "input = 1\n", ["5: Cannot overwrite a value"]),
            ("\ncurrency = 'EUR'\n" + SOUND, ["2: currency: only tables [[price]]"]),
            ("[price]\ninput = 1\n", ["1: price: write [[price]], in two brackets"]),
            ("price = [1]\n", ["1: price: write [[price]], in two brackets"]),
            ("\n[[price", ["2: Expected"]),
        ],
    )
    def test_every_problem_is_told_with_its_line(self, text: str, problems: list[str]) -> None:
        found = problems_of(text)

        expected = [f"prices.toml:{problem}" for problem in problems]
        assert [f[: len(e)] for f, e in zip(found, expected, strict=True)] == expected

    @given(
        st.text()
        | st.lists(st.sampled_from([*SOUND.split("\n"), "input = []", "[price.x]", "a.b = 1"])).map(
            "\n".join
        )
    )
    def test_any_text_reads_or_tells_a_line(self, text: str) -> None:
        assert all(problem.split(":")[1].isdigit() for problem in problems_of(text))

    def test_the_start_is_refused_with_file_line_and_reason(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "prices.toml"
        path.write_text(SOUND + "input = 1\n")

        def problems(setting: Path) -> tuple[str, ...]:
            monkeypatch.setenv("PRICES_FILE", str(setting))
            with pytest.raises(InvalidSettings) as raised:
                load_settings(tmp_path)
            return raised.value.problems

        assert problems(path) == (f"PRICES_FILE: {path}:5: Cannot overwrite a value",)
        assert problems(tmp_path) == (
            f"PRICES_FILE: {tmp_path} cannot be read; it must be a TOML file",
        )
