"""`/_proxy/` as somebody sees it who opens it in a browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import browser as browsers
from tests.browser import Browser, Page, running_browser
from tests.raw_client import connected
from tests.running_proxy import RunningProxy, StartProxy, run_command
from tests.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.skipif(
    browsers.EXECUTABLE is None, reason="neither Chromium nor Chrome is installed"
)

STORY = (
    "Once upon a time there was a miller who had 3 sons, a mill, an ass and a tomcat 🐈. "
    "The eldest took the mill, the second the ass, and the youngest was left with the cat."
)
MARKUP = (
    "<img src=x onerror=\"document.title='gone'\"> <script>alert(1)</script> & <b>so on</b> " * 3
)
REQUEST = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Tell tales."},
        {"role": "user", "content": [{"type": "text", "text": STORY}]},
    ],
}
SHOWN = ".text"
WHAT_WEB_DEV_CALLS_GOOD = 0.1
LAYOUT_SHIFT = """new Promise((tell) => {
    const sum = (list) => list.getEntries().reduce((sum, {value}) => sum + value, 0);
    const observer = new PerformanceObserver((list) => tell(sum(list)));
    observer.observe({type: "layout-shift", buffered: true});
    setTimeout(tell, 300, 0);  // Nobody is called where nothing moved.
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, proxy: RunningProxy) -> Iterator[Page]:
    with browser.page(f"{proxy.url}/_proxy/") as page:
        page.wait_until("document.querySelector('article del')")
        yield page
    assert page.complaints == []


def figures(page: Page) -> dict[str, str]:
    names = ("before", "kept", "billed", "wanted-ratio", "billed-ratio")
    return {name: page.text(f"[data-figure={name}]") for name in names}


def paste(page: Page, text: str) -> None:
    """Put a text where the example was, and wait until it is answered."""
    page.write("#pasted", text)
    shown = f"document.querySelector('{SHOWN}')?.textContent === {json.dumps(text)}"
    page.wait_until(f"{shown} && !document.querySelector('[aria-busy]')")


def account_of(text: str, directory: Path, keep: str, strategy: str = "uniform") -> dict[str, Any]:
    """What the command says about the same text."""
    file = directory / "text"
    file.write_text(text)
    told = run_command(
        *("compress", "--json", "--model", "gpt-4o", "--keep", keep, "--strategy", strategy),
        str(file),
        directory=directory,
        settings={},
    )
    (account,) = json.loads(told.stderr)["texts"]
    return dict(account)


def as_shown(account: dict[str, Any], keep: str) -> dict[str, str]:
    before, billed = account["tokens_before"], account["tokens_billed"]
    return {
        "before": str(before),
        "kept": str(account["tokens_kept"]),
        "billed": str(billed),
        "wanted-ratio": keep,
        "billed-ratio": f"{100 * billed / before:.1f}".removesuffix(".0") + "%",
    }


def test_a_text_is_shown_with_what_goes_struck_out_and_counted_as_by_the_command(
    page: Page, tmp_path: Path
) -> None:
    paste(page, STORY)

    account = account_of(STORY, tmp_path, "0.5")
    kept = "[...document.querySelector('.text').childNodes].filter((one) => one.nodeName !== 'DEL')"
    assert page.evaluate(f"{kept}.map((one) => one.textContent).join('')") == account["text"]
    assert figures(page) == as_shown(account, "50%")
    assert f"{account['tokens_billed']} of {account['tokens_before']} tokens" in page.text(
        "#summary"
    )


def test_moving_the_ratio_changes_what_goes(page: Page, tmp_path: Path) -> None:
    paste(page, STORY)

    page.press("#slider", "ArrowLeft")
    page.wait_until("document.querySelector('[data-figure=wanted-ratio]').textContent === '49%'")
    moved = page.evaluate("document.querySelector('[name=keep-ratio]').value")
    page.write("[name=keep-ratio]", "0.25")
    page.wait_until("document.querySelector('[data-figure=wanted-ratio]').textContent === '25%'")

    assert (moved, page.evaluate("document.getElementById('slider').value")) == ("0.49", "0.25")
    assert figures(page) == as_shown(account_of(STORY, tmp_path, "0.25"), "25%")
    assert page.text(SHOWN) == STORY


def test_all_strategies_stand_beside_one_another(page: Page, tmp_path: Path) -> None:
    paste(page, STORY)

    page.click('input[value="compare all"]')
    page.wait_until("document.querySelectorAll('article').length > 1")

    shown = page.evaluate(
        "[...document.querySelectorAll('article')].map((one) => ["
        "one.querySelector('h4').textContent, one.querySelector('[data-figure=billed]').textContent])"
    )
    assert {name: int(billed) for name, billed in shown} == {
        name: account_of(STORY, tmp_path, "0.5", name)["tokens_billed"]
        for name in ("uniform", "words", "weighted")
    }


def test_what_is_protected_is_not_struck_out(page: Page) -> None:
    paste(page, STORY)
    page.write("[name=keep-ratio]", "0.05")
    struck = "[...document.querySelectorAll('del')].some((one) => one.textContent.includes('3'))"
    page.wait_until(struck)

    page.click("input[value=numbers]")

    page.wait_until(f"document.querySelector('del') && !{struck}")


def test_markup_in_a_text_stays_text(page: Page) -> None:
    paste(page, MARKUP)

    found = "document.querySelectorAll('#accounts :is(img, script, b)').length"
    assert (page.text(SHOWN), page.evaluate(found)) == (MARKUP, 0)
    assert page.evaluate("document.title") == "openai-proxy"


def test_the_body_of_a_request_is_known_as_one(page: Page) -> None:
    page.write("#pasted", json.dumps(REQUEST))

    page.wait_until("document.querySelector('.place code')")
    assert page.text(".place code") == "/messages/1/content/0/text"
    assert page.text(SHOWN) == STORY
    assert "chat completions" in page.text("#reading-found")


def test_why_nothing_goes_is_said_in_words(page: Page) -> None:
    page.write("#pasted", json.dumps({"model": "gpt-4o", "input": STORY}))

    page.wait_until("document.querySelector('.note')")
    assert page.text(".note") == (
        "This proxy leaves requests to this endpoint alone (COMPRESSION_ENDPOINTS)."
    )


def test_an_error_is_said_in_words_until_it_is_mended(
    browser: Browser, proxy: RunningProxy
) -> None:
    with browser.page(f"{proxy.url}/_proxy/") as page:
        page.wait_until("document.querySelector('article del')")

        page.write("[name=keep-ratio]", "1.5")
        page.wait_until("!document.getElementById('problem').hidden")
        said = page.text("#problem")
        page.write("[name=keep-ratio]", "0.5")
        page.wait_until("document.getElementById('problem').hidden")

    assert said == (
        "tokens_to_keep_ratio: 1.5 is out of range; it must be a number above 0 and at most 1."
    )


def test_what_went_through_the_proxy_is_counted_while_one_looks(
    browser: Browser, start_proxy: StartProxy, upstream: ScriptedUpstream
) -> None:
    proxy = start_proxy(COMPRESSION_RATIO="2")
    upstream.forget()
    with browser.page(f"{proxy.url}/_proxy/") as page:
        page.wait_until("document.getElementById('ended').textContent === '0'")
        with connected(proxy.address) as client:
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": STORY}]}
            headers = [(b"Content-Type", b"application/json")]
            client.ask(b"POST", b"/v1/chat/completions", headers, json.dumps(body).encode())

        page.wait_until("document.getElementById('ended').textContent === '1'")

        assert "chat" in page.text("#endpoints tbody th")
        assert page.text("#endpoints tbody td") == "1"
        before, after = int(page.text("#tokens-before")), int(page.text("#tokens-after"))
        assert 0 < after < before == after + int(page.text("#tokens-saved"))
    assert len(upstream.requests) == 1


def test_it_does_not_ask_while_nobody_looks(page: Page) -> None:
    page.wait_until("document.getElementById('state').textContent === 'live'")

    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    paused = page.text("#state")
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    assert paused == "paused"
    page.wait_until("document.getElementById('state').textContent === 'live'")


def test_it_asks_nobody_but_the_proxy_and_puts_no_text_in_a_url(
    page: Page, proxy: RunningProxy, upstream: ScriptedUpstream
) -> None:
    paste(page, STORY)

    paths = {url.removeprefix(proxy.url) for url in page.asked}
    assert {path for path in paths if not re.fullmatch(r"/health|/_proxy/[\w./]*", path)} == set()
    assert upstream.requests == []


def test_a_key_as_password_opens_all_of_it(browser: Browser, start_proxy: StartProxy) -> None:
    proxy = start_proxy(PROXY_API_KEYS="pk-the-proxys-own", K_SERVICE="openai-proxy")

    with browser.page(f"http://me:pk-the-proxys-own@{proxy.address}/_proxy/") as page:
        page.wait_until("document.querySelector('article del')")
        page.wait_until("document.getElementById('state').textContent === 'live'")


def test_every_control_has_a_name_that_is_read_aloud(page: Page) -> None:
    roles = {"button", "checkbox", "combobox", "link", "radio", "slider", "spinbutton", "textbox"}
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]

    controls = [node for node in nodes if node.get("role", {}).get("value") in roles]

    assert len(controls) > len(roles)
    assert [node for node in controls if not node["name"]["value"]] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_stands_still(browser: Browser, proxy: RunningProxy, width: int) -> None:
    with browser.page("about:blank") as page:
        page.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.open(f"{proxy.url}/_proxy/")
        page.wait_until("document.querySelector('article del')")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(LAYOUT_SHIFT) < WHAT_WEB_DEV_CALLS_GOOD
