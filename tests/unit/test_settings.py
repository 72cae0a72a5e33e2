"""How the environment becomes settings."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openai_proxy.app.readers import Secret, package
from openai_proxy.app.settings import InvalidSettings, Settings, unknown_variables, variables

NAMES = [variable.name for variable in variables()]

environments = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(
        st.text(), st.sampled_from(["0", "-1", "nan", "1e9", "true", "none", "http://[", "2.0"])
    ),
)


class TestReadingTheEnvironment:
    def test_an_empty_environment_gives_the_documented_defaults(self) -> None:
        settings = Settings.from_env({})

        assert settings == Settings()
        assert settings.keep_ratio.share == 1
        assert (settings.port, settings.upstream_base_url) == (8000, "https://api.openai.com/v1")

    @given(st.sampled_from(NAMES), st.sampled_from(["", " ", "\n"]))
    def test_a_blank_variable_counts_as_unset(self, name: str, blank: str) -> None:
        assert Settings.from_env({name: blank}) == Settings()

    @given(environments)
    @example({"UPSTREAM_BASE_URL": "http://["})
    @example({"PORT": "٣"})
    @example({"COMPRESSION_RATIO": "1e999999999"})
    @example({"UPSTREAM_READ_TIMEOUT_S": "nan"})
    def test_any_environment_gives_settings_or_a_line_for_each_bad_variable(
        self, environment: dict[str, str]
    ) -> None:
        try:
            Settings.from_env(environment)
            problems: tuple[str, ...] = ()
        except InvalidSettings as invalid:
            problems = invalid.problems

        named = [problem.partition(":")[0] for problem in problems]
        assert len(set(named)) == len(named)
        assert set(named) <= set(environment)
        assert all(problem.isprintable() and "must be" in problem for problem in problems)

    def test_every_problem_is_named_at_once(self) -> None:
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_env(
                {"PORT": "70000", "COMPRESSION_RATIO": "0.5", "TOKENS_TO_KEEP_RATIO": "50%"}
            )

        assert refused.value.problems == (
            (
                "COMPRESSION_RATIO: 0.5 is below 1.0; it must be a finite number of at least 1.0; "
                "to keep that share, set TOKENS_TO_KEEP_RATIO=0.5"
            ),
            "TOKENS_TO_KEEP_RATIO: 50% is not a number; it must be a number above 0 and at most 1",
            "PORT: '70000' is not valid; it must be a whole number from 0 (any free port) to 65535",
        )

    def test_both_ratios_resolve_together(self) -> None:
        settings = Settings.from_env({"COMPRESSION_RATIO": "2.0", "TOKENS_TO_KEEP_RATIO": "1.0"})

        assert settings.keep_ratio.share == Fraction(1, 2)

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://host/v1",
            "api.openai.com/v1",
            "http://",
            "http://user:secret@host/v1",
            "http://host/v1?x=1",
            "http://host/v1#x",
            "http://host:99999",
            "http://host/a b",
            "http://bücher.example/v1",
        ],
    )
    def test_an_upstream_that_is_no_plain_http_url_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidSettings, match=r"^UPSTREAM_BASE_URL: "):
            Settings.from_env({"UPSTREAM_BASE_URL": url})

    @pytest.mark.parametrize(
        "url", ["http://localhost:8000/v1", "http://127.0.0.1:8000", "http://[::1]:8000/v1"]
    )
    def test_an_upstream_that_is_the_proxy_itself_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidSettings, match="is this proxy itself"):
            Settings.from_env({"UPSTREAM_BASE_URL": url})

    def test_such_an_upstream_is_named_beside_other_problems(self) -> None:
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_env(
                {"UPSTREAM_BASE_URL": "http://localhost:8000/v1", "MAX_CONCURRENCY": "0"}
            )

        named = [problem.partition(":")[0] for problem in refused.value.problems]
        assert named == ["MAX_CONCURRENCY", "UPSTREAM_BASE_URL"]

    def test_no_upstream_is_suspected_while_the_port_is_unknown(self) -> None:
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_env({"UPSTREAM_BASE_URL": "http://localhost:8000/v1", "PORT": "abc"})

        assert [problem.partition(":")[0] for problem in refused.value.problems] == ["PORT"]


class TestCompressionSettings:
    def test_compression_switched_off_covers_nothing(self) -> None:
        settings = Settings.from_env({"COMPRESSION_MODE": "off", "COMPRESSION_RATIO": "2"})

        assert not settings.policy.compresses

    def test_lists_are_read_in_any_case_and_spacing(self) -> None:
        settings = Settings.from_env(
            {"COMPRESSION_ENDPOINTS": "chat, Responses", "COMPRESSION_PROTECT": "none"}
        )

        assert settings.policy.endpoints == {"chat", "responses"}
        assert settings.policy.protect == frozenset()

    @pytest.mark.parametrize("name", ["COMPRESSION_ENDPOINTS", "COMPRESSION_ROLES"])
    def test_at_least_one_endpoint_and_one_role_must_be_named(self, name: str) -> None:
        with pytest.raises(InvalidSettings, match=rf"^{name}: 'none' is not valid"):
            Settings.from_env({name: "none"})


class TestSecrets:
    def test_keys_are_shown_nowhere(self) -> None:
        settings = Settings.from_env(
            {
                "OPENAI_API_KEY": "sk-canary",
                "PROXY_API_KEYS": "canary-one,\ncanary-two\n",
                "COMPRESSION_SALT": "canary-salt",
            }
        )

        assert [key.value for key in settings.proxy_api_keys] == ["canary-one", "canary-two"]
        assert "canary" not in f"{settings!r}{settings}"
        assert "canary" not in "".join(map(settings.shown, NAMES))
        assert str(Secret("canary")) == "********"

    def test_a_secret_that_is_not_set_shows_as_empty(self) -> None:
        assert Settings().shown("COMPRESSION_SALT") == ""
        assert str(Secret("")) == ""

    def test_credentials_in_a_refused_url_are_not_shown(self) -> None:
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_env({"UPSTREAM_BASE_URL": "https://me:canary@api.example/v1"})

        assert "'https://***@api.example/v1' is not valid" in str(refused.value)

    def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_shown(self) -> None:
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_env({"OPENAI_API_KEY": "sk-canary\nx: y"})

        assert "canary" not in str(refused.value)
        assert str(refused.value).startswith("OPENAI_API_KEY: ")


class TestPackages:
    def test_a_package_is_named_in_any_case(self) -> None:
        assert Settings.from_env({"TOKENIZER": "QuickTok"}).tokenizer == "quicktok"

    @pytest.mark.parametrize("name", ["not_installed_anywhere", "json"])
    def test_a_package_that_is_not_installed_or_not_asked_about_is_refused(self, name: str) -> None:
        tokenizer = package("tiktoken", "not_installed_anywhere", extra="fast")

        with pytest.raises(ValueError):  # noqa: PT011 - it says nothing, its caller does.
            tokenizer(name)

        assert tokenizer.allowed == (
            "tiktoken, or not_installed_anywhere if the extra fast is installed"
        )


class TestUnknownVariables:
    def test_a_misspelt_variable_is_told_the_nearest_name(self) -> None:
        assert list(unknown_variables(["COMPRESION", "COMPRESSION_RATOI", "HOME", "PORT"])) == [
            "COMPRESSION_RATOI: no such variable; did you mean COMPRESSION_RATIO?"
        ]

    def test_a_single_key_for_callers_is_told_that_there_may_be_several(self) -> None:
        assert list(
            unknown_variables(["PROXY_API_KEY", "PROXY_API_KEYS", "PROXY_API_KEYS_FILE"])
        ) == ["PROXY_API_KEY: no such variable; did you mean PROXY_API_KEYS?"]
