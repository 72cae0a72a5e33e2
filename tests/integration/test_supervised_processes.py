"""What the supervisor of several processes does when one of them ends too soon."""

import subprocess
import sys
import textwrap

from tests.waiting import PATIENCE_SECONDS


def supervise(jobs: str) -> subprocess.CompletedProcess[bytes]:
    """Run a supervisor of these jobs to its end; they may use what stands above them."""
    imports = (
        "import os, signal, sys, time\nfrom openai_proxy.app.supervisor import Supervisor, end_by\n"
    )
    wait = "code = supervisor.wait()\nsupervisor.stop(grace_seconds=1)\nend_by(code)\n"
    script = imports + "supervisor = Supervisor()\n" + textwrap.dedent(jobs) + wait
    return subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, timeout=PATIENCE_SECONDS
    )


def test_a_process_that_cannot_start_ends_all_with_its_exit_code() -> None:
    ended = supervise("""
        supervisor.start("sound one", lambda: time.sleep(60))
        supervisor.start("unsound one", lambda: sys.exit(3))
    """)

    assert ended.returncode == 3


def test_an_interrupt_during_the_start_ends_all_without_a_word() -> None:
    ended = supervise("""
        def interrupted():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            os.kill(os.getppid(), signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        supervisor.start("interrupted one", interrupted)
    """)

    assert (ended.returncode, ended.stderr) == (0, b"")
