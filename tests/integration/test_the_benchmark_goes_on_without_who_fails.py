"""The benchmark measures the others when a contender does not start, or ends."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]

ENDS = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).handle_request()
sys.exit("out of paper")
"""


def test_a_line_says_who_fails_and_the_others_are_measured(tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text(ENDS)
    contenders = {
        "missing": str(tmp_path / "missing"),
        "failing": f"{sys.executable} -c error",
        "ending": f"{sys.executable} {script} {{port}}",
    }

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--quick", "--scenario", "chat"),
            *("--only", ",".join(["bytes", *contenders])),
            *(f"--contender={name}={command}" for name, command in contenders.items()),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
    )

    missing, failing, measured, ending = ended.stderr.splitlines()
    assert missing.startswith("missing cannot be started: [Errno 2] No such file")
    assert failing.startswith("failing does not answer: NameError: name 'error' is not defined")
    assert measured.startswith("chat: bytes over uvloop: rate ")
    assert ending == "ending has ended: out of paper; it is left out from here on"
    assert ended.returncode == 0
