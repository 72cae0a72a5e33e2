"""The guide to Cloud Run names what the workflow reads and what the logs hold."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.log_entries import a_compression, a_request

from openai_proxy.adapters.logs.json_format import request_line

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "DEPLOYMENT_SETUP.md").read_text()
WORKFLOW = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()


def a_logged_request() -> dict[str, Any]:
    request = a_request(compression=a_compression(), error="upstream_timeout")
    line: dict[str, Any] = json.loads(request_line(request, None))
    return line


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:secrets|vars)\.([A-Z_]+)", WORKFLOW))))
def test_it_explains_every_secret_and_variable_of_the_deployment(name: str) -> None:
    assert f"| `{name}` |" in GUIDE


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?:jsonPayload\.|(?=httpRequest\.))(\w+(?:\.\w+)*)", GUIDE)))
)
def test_the_fields_that_it_reads_stand_in_the_logs(path: str) -> None:
    value: Any = a_logged_request()

    for name in path.split("."):
        assert name in value
        value = value[name]
