"""The shipped command as a child process: started as a user would, watched from outside."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from attrs import define

COMMAND = Path(sys.executable).with_name("openai-proxy")

TRANSPORT = os.environ.get("UPSTREAM_TRANSPORT", "native")
"""Which transport the tests run the command with."""

_START_SECONDS = 15.0
_STOP_SECONDS = 15.0
_ATTEMPTS = 3
_PASSED_ON = ("PATH", "SYSTEMROOT", "UPSTREAM_TRANSPORT")


@define
class RunningProxy:
    """An `openai-proxy` that answers on a loopback port."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path
    """Its working directory, home and place for logs."""

    @property
    def address(self) -> str:
        """Host and port, as the Host field names them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return (self.directory / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    @property
    def request_log(self) -> Path:
        return self.directory / "proxy_requests.log"

    @property
    def compression_log(self) -> Path:
        return self.directory / "compression.log"

    def resident_bytes(self) -> int:
        """Physical memory in use; Linux tells it in pages."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self) -> float:
        """How long it has kept processors busy so far, all threads together."""
        # The clock that clock_getcpuclockid(3) gives for a process on Linux.
        return time.clock_gettime(~self.pid << 3 | 2)

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def open_descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def terminate(self, timeout_seconds: float = _STOP_SECONDS) -> int:
        """Send SIGTERM and wait for the end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_seconds)


class StartProxy(Protocol):
    """The fixture that starts the command with settings of the test's own."""

    def __call__(self, **settings: str) -> RunningProxy: ...


@contextmanager
def running_proxy(directory: Path, settings: Mapping[str, str]) -> Generator[RunningProxy]:
    """Start the command with these settings and no others, and end it at last."""
    proxy = _start(directory, settings)
    try:
        yield proxy
    finally:
        with suppress(subprocess.TimeoutExpired):
            proxy.terminate()
        proxy.process.kill()
        proxy.process.wait()


def run_command(
    *arguments: str, directory: Path, settings: Mapping[str, str], timeout_seconds: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, for those of its ways that have one."""
    return subprocess.run(
        [COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
        env=_environment(directory, settings),
        timeout=timeout_seconds,
    )


def wait_for(path: Path, text: str, timeout_seconds: float = 5.0) -> str:
    """The content of the file at `path` once it holds `text`; logs are written behind the answer."""
    deadline = time.monotonic() + timeout_seconds
    content = ""
    while time.monotonic() < deadline:
        content = path.read_text() if path.exists() else ""
        if text in content:
            return content
        time.sleep(0.01)
    raise AssertionError(f"{path.name} never held {text!r} but:\n{content}")


def _start(directory: Path, settings: Mapping[str, str], attempts: int = _ATTEMPTS) -> RunningProxy:
    proxy = _spawn(directory, settings)
    if _answers(proxy):
        return proxy
    # Somebody else may have taken the port between the look and the start.
    if attempts > 1 and "address already in use" in proxy.stderr.lower():
        return _start(directory, settings, attempts - 1)
    raise AssertionError(f"openai-proxy did not start:\n{proxy.stdout}\n{proxy.stderr[-1000:]}")


def _spawn(directory: Path, settings: Mapping[str, str]) -> RunningProxy:
    port = _free_port()
    where = {"HOST": "127.0.0.1", "PORT": str(port), "LOG_DIR": str(directory)}
    with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=directory,
            env=_environment(directory, {**where, **settings}),
        )
    return RunningProxy(process, port, directory)


def _environment(directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "HOME": str(directory), **settings}


def _answers(proxy: RunningProxy) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and proxy.process.poll() is None:
        with suppress(OSError):
            return _health(proxy.port) == http.HTTPStatus.OK
        time.sleep(0.02)
    proxy.process.kill()
    proxy.process.wait()
    return False


def _health(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
