"""A real browser, driven over the DevTools protocol as a reader would use it: looking, typing, keys.

It reaches the loopback interface alone, and keeps nothing.
"""

import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from attrs import Factory, define
from tests.waiting import wait_until
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    # It is shown nothing but this proxy, and as root it starts in no sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
_KEY_CODES = {"ArrowLeft": 37, "Delete": 46}

EXECUTABLE = next(filter(None, map(shutil.which, _NAMES)), None)


@define
class Page:
    """A tab of the browser."""

    _browser: ClientConnection
    _session: str
    complaints: list[str] = Factory(list[str])
    """What the browser found wrong: errors of scripts, whatever a policy forbade."""
    asked: list[str] = Factory(list[str])
    """The URLs that were asked for."""
    _ids: Any = Factory(count)

    def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.command(f"{domain}.enable")
        self.command("Page.navigate", url=url)
        self.wait_until("document.readyState === 'complete'")

    def command(self, method: str, **parameters: Any) -> Any:
        """Have the browser do something, and take note of what it tells meanwhile."""
        number = next(self._ids)
        order = {"id": number, "sessionId": self._session, "method": method, "params": parameters}
        self._browser.send(json.dumps(order))
        while True:
            told = json.loads(self._browser.recv(timeout=10))
            if told.get("sessionId") != self._session:
                continue
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self._note(told["method"], told["params"])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, or of what it promises."""
        result = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        wait_until(lambda: bool(self.evaluate(f"Boolean({expression})")))

    def write(self, selector: str, text: str) -> None:
        """Write a text into a field, in place of what it holds."""
        self.evaluate(f"document.querySelector('{selector}').select()")
        if text:
            self.command("Input.insertText", text=text)
        else:
            self._press("Delete")

    def press(self, selector: str, key: str) -> None:
        """Press a key on a control."""
        self.evaluate(f"document.querySelector('{selector}').focus()")
        self._press(key)

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector('{selector}').click()")

    def text(self, selector: str) -> str:
        """The text of an element."""
        return str(self.evaluate(f"document.querySelector('{selector}').textContent"))

    def _press(self, key: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.command(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=_KEY_CODES[key],
            )

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"]["text"])
        elif event == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])


@define
class Browser:
    """A running browser."""

    _connection: ClientConnection
    _ids: Any = Factory(lambda: count(-1, -1))

    @contextmanager
    def page(self, url: str) -> Generator[Page]:
        """A tab in which `url` is opened, with cookies and passwords of its own."""
        context = self._command("Target.createBrowserContext")["browserContextId"]
        target = self._command("Target.createTarget", url="about:blank", browserContextId=context)
        session = self._command("Target.attachToTarget", flatten=True, **target)["sessionId"]
        page = Page(self._connection, session)
        page.open(url)
        try:
            yield page
        finally:
            self._command("Target.disposeBrowserContext", browserContextId=context)

    def _command(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=10))
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]


@contextmanager
def running_browser(profile: Path) -> Generator[Browser]:
    """Start the browser with an empty profile, and end it at last."""
    assert EXECUTABLE is not None
    process = subprocess.Popen(
        [EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    port_file = profile / "DevToolsActivePort"
    try:
        wait_until(lambda: port_file.exists() and "\n" in port_file.read_text())
        port, path = port_file.read_text().split("\n")[:2]
        address = f"ws://127.0.0.1:{port}{path}"
        with connect(address, max_size=None, proxy=None, ping_interval=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        process.wait(timeout=10)
