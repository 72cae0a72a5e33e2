"""What the supervisor of several processes does when one of them ends too soon."""

import signal
import subprocess
import sys
import textwrap

from tests.waiting import PATIENCE_SECONDS


def supervise(jobs: str, pause_seconds: float = 1) -> subprocess.CompletedProcess[bytes]:
    """Run a supervisor of these jobs to its end; they may use what stands above them."""
    imports = (
        "import os, signal, sys, time\nfrom openai_proxy.app.supervisor import Supervisor, end_by\n"
    )
    wait = "code = supervisor.wait()\nsupervisor.stop(grace_seconds=1)\nend_by(code)\n"
    script = imports + f"supervisor = Supervisor({pause_seconds})\n" + textwrap.dedent(jobs) + wait
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


def test_the_pause_after_a_death_ends_when_all_are_to_end() -> None:
    ended = supervise(
        """
        whose, own = os.pipe()

        def dying():
            os.write(own, b"%d " % os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)

        def ending():
            pid = int(os.read(whose, 20))
            while os.path.exists(f"/proc/{pid}"):
                time.sleep(0.01)
            os.kill(os.getppid(), signal.SIGTERM)

        supervisor.start("dying one", dying)
        supervisor.start("ending one", ending)
        """,
        pause_seconds=60,
    )

    assert ended.returncode == -signal.SIGTERM
