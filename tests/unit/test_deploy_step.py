"""What the deployment asks of Google Cloud, with a `gcloud` that only writes down its arguments."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec.yaml
import pytest
from attrs import frozen

from openai_proxy.app.settings import Settings

WORKFLOW = Path(__file__).resolve().parents[2] / ".github" / "workflows" / "deploy.yml"

GCLOUD = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> calls
case "$1 $2" in
    "secrets list") cat secrets ;;
    "run services") echo https://openai-proxy.example ;;
esac
"""


@frozen
class Project:
    """A Google Cloud project, as far as the deployment sees it."""

    directory: Path
    secrets: tuple[str, ...] = ()

    def deploy(self, **variables: str) -> list[str]:
        """Run the deployment's step; what it asked for, a line a call."""
        gcloud = self.directory / "gcloud"
        gcloud.write_text(GCLOUD)
        gcloud.chmod(0o755)
        (self.directory / "secrets").write_text("".join(f"{name}\n" for name in self.secrets))
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", deploy_step()["run"]],
            check=True,
            cwd=self.directory,
            env={
                "PATH": f"{self.directory}:{os.environ['PATH']}",
                "SERVICE": "openai-proxy",
                "REGION": "us-central1",
                "PROJECT": "apollo-11",
                "IMAGE": "registry.example/openai-proxy:1969",
                "GITHUB_OUTPUT": str(self.directory / "outputs"),
                **dict.fromkeys(deploy_step()["env"], ""),
                **variables,
            },
        )
        return (self.directory / "calls").read_text().splitlines()

    def outputs(self) -> str:
        return (self.directory / "outputs").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def deploy_step() -> dict[str, Any]:
    steps: list[dict[str, Any]] = msgspec.yaml.decode(WORKFLOW.read_bytes())["jobs"]["cloud-run"][
        "steps"
    ]
    (step,) = (step for step in steps if step.get("id") == "deploy")
    return step


def the_deployment(calls: list[str]) -> str:
    (call,) = (call for call in calls if call.startswith("run deploy"))
    return call


def test_both_ratios_come_from_the_repositorys_variables() -> None:
    assert deploy_step()["env"] == {
        "COMPRESSION_RATIO": "${{ vars.COMPRESSION_RATIO }}",
        "TOKENS_TO_KEEP_RATIO": "${{ vars.TOKENS_TO_KEEP_RATIO }}",
    }


def test_both_ratios_reach_the_service(project: Project) -> None:
    calls = project.deploy(COMPRESSION_RATIO="2.0", TOKENS_TO_KEEP_RATIO="0.7")

    assert "COMPRESSION_RATIO=2.0;TOKENS_TO_KEEP_RATIO=0.7" in the_deployment(calls)


def test_a_ratio_that_is_not_set_reaches_the_service_empty(project: Project) -> None:
    calls = project.deploy(COMPRESSION_RATIO="2.0")

    assert "COMPRESSION_RATIO=2.0;TOKENS_TO_KEEP_RATIO=;" in the_deployment(calls)


def test_the_keys_in_secret_manager_are_handed_to_the_service(tmp_path: Path) -> None:
    project = Project(tmp_path, ("DATABASE_PASSWORD", "OPENAI_API_KEY", "PROXY_API_KEYS"))

    calls = project.deploy()

    keys = "OPENAI_API_KEY=OPENAI_API_KEY:latest,PROXY_API_KEYS=PROXY_API_KEYS:latest"
    assert the_deployment(calls).endswith(f"--update-secrets {keys}")


def test_a_project_without_keys_is_deployed_without_them(project: Project) -> None:
    calls = project.deploy()

    assert "--update-secrets" not in the_deployment(calls)


def test_streams_may_last_as_long_as_cloud_run_allows(project: Project) -> None:
    calls = project.deploy()

    assert "--timeout 3600 " in the_deployment(calls)


def test_an_instance_takes_no_more_requests_than_the_proxy_does(project: Project) -> None:
    (concurrency,) = re.findall(r"--concurrency (\d+) ", the_deployment(project.deploy()))

    assert int(concurrency) <= Settings().max_concurrency


def test_an_instance_has_memory_and_a_quick_start(project: Project) -> None:
    deployment = the_deployment(project.deploy())

    assert "--memory 1Gi " in deployment
    assert "--cpu-boost " in deployment


def test_the_services_address_is_passed_on(project: Project) -> None:
    project.deploy()

    assert project.outputs() == "url=https://openai-proxy.example\n"
