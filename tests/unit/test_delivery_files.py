"""What the files that deliver the product promise, read off the files."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec.yaml
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.dockerfile import stages

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LOCKS = sorted(ROOT.glob("requirements*.lock"))
*_, BUILD_STAGE, FINAL_STAGE = stages((ROOT / "Dockerfile").read_text())

PINNED_ACTION = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^ ]+)(?: ; [^\\]+)?"
    r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+$",
    re.MULTILINE,
)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked_versions(lock: Path) -> dict[str, Version]:
    found = LOCKED.finditer(lock.read_text())
    return {canonicalize_name(each["name"]): Version(each["version"]) for each in found}


def workflow_jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        jobs: dict[str, dict[str, Any]] = msgspec.yaml.decode(path.read_bytes())["jobs"]
        yield from ((f"{path.name}: {name}", job) for name, job in jobs.items())


def scripts() -> Iterator[str]:
    for _, job in workflow_jobs():
        yield from (step["run"] for step in job.get("steps", ()) if "run" in step)


class TestThePackages:
    def test_every_folder_of_modules_is_a_listed_package(self) -> None:
        modules = (ROOT / "src").rglob("*.py")
        folders = {module.parent.relative_to(ROOT / "src") for module in modules}

        listed = project()["tool"]["setuptools"]["packages"]

        assert sorted(listed) == sorted(".".join(("openai_proxy", *each.parts)) for each in folders)


class TestTheLocks:
    @pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
    def test_a_lock_holds_versions_and_hashes_and_nothing_else(self, lock: Path) -> None:
        rest = LOCKED.sub("", lock.read_text())

        assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []

    @pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
    def test_a_lock_names_no_index(self, lock: Path) -> None:
        assert re.search(r"://|--(extra-)?index|--find-links", lock.read_text()) is None

    @pytest.mark.parametrize(
        ("lock", "requirements"),
        [
            ("requirements.lock", project()["project"]["dependencies"]),
            ("requirements-ci.lock", project()["project"]["dependencies"]),
            ("requirements-ci.lock", project()["dependency-groups"]["dev"]),
            ("requirements-build.lock", project()["build-system"]["requires"]),
        ],
    )
    def test_a_lock_fulfils_what_the_project_requires(
        self, lock: str, requirements: list[str]
    ) -> None:
        locked = locked_versions(ROOT / lock)

        for requirement in map(Requirement, requirements):
            version = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement}: {version} is locked"

    def test_ci_tests_the_versions_that_the_image_ships(self) -> None:
        shipped = locked_versions(ROOT / "requirements.lock")
        tested = locked_versions(ROOT / "requirements-ci.lock")

        assert {name: tested[name] for name in shipped} == shipped


class TestTheDependencies:
    def test_no_h11_that_takes_malformed_chunks_is_shipped(self) -> None:
        assert locked_versions(ROOT / "requirements.lock")["h11"] >= Version("0.16")

    def test_ci_audits_what_is_shipped_and_lists_it(self) -> None:
        on_the_lock = [script for script in scripts() if "requirements.lock" in script]

        assert [script for script in on_the_lock if script.startswith("pip-audit --strict ")]
        assert [script for script in on_the_lock if script.startswith("cyclonedx-py ")]

    def test_releases_younger_than_a_week_are_left_out(self) -> None:
        dependabot = msgspec.yaml.decode((ROOT / ".github" / "dependabot.yml").read_bytes())

        assert {update["cooldown"]["default-days"] for update in dependabot["updates"]} == {7}
        assert "--exclude-newer '7 days'" in (ROOT / ".ci" / "lock").read_text()


class TestTheImage:
    def test_its_base_is_pinned_by_digest(self) -> None:
        base = stages((ROOT / "Dockerfile").read_text())[0].base

        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)

    def test_it_listens_on_8080_and_logs_json(self) -> None:
        environment = FINAL_STAGE.environment
        shown = {name: environment[name] for name in ("HOST", "PORT", "LOG_FORMAT")}

        assert shown == {"HOST": "0.0.0.0", "PORT": "8080", "LOG_FORMAT": "json"}
        assert FINAL_STAGE.values("EXPOSE") == ["8080"]

    def test_it_runs_as_a_number_that_is_not_root(self) -> None:
        assert FINAL_STAGE.values("USER") == ["65532:65532"]

    def test_it_starts_the_command_without_a_shell(self) -> None:
        assert FINAL_STAGE.values("ENTRYPOINT") == ['["openai-proxy"]']

    def test_what_it_fetches_is_held_against_hashes(self) -> None:
        (script,) = (step for step in BUILD_STAGE.values("RUN") if "requirements.lock" in step)

        fetching = [each for each in script.split("&&") if " install " in each]
        assert [each for each in fetching if "--require-hashes" not in each] == []

    def test_what_it_is_built_from_is_named_one_by_one(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text().splitlines()

        rules = [line for line in ignored if not line.startswith("#")]

        assert rules[0] == "*"
        assert ".env" not in {rule.removeprefix("!") for rule in rules}


class TestTheWorkflows:
    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_actions_are_pinned_by_commit_with_their_version_beside(self, path: Path) -> None:
        uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines()]
        foreign = [line for line in uses if line.startswith("uses: ") and "uses: ./" not in line]

        assert foreign
        assert [line for line in foreign if not PINNED_ACTION.fullmatch(line)] == []

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_nothing_is_permitted_unless_a_job_says_so(self, path: Path) -> None:
        assert msgspec.yaml.decode(path.read_bytes())["permissions"] == {}

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_strangers_code_never_runs_with_this_repositorys_rights(self, path: Path) -> None:
        assert re.search(r"pull_request_target|workflow_run", path.read_text()) is None

    def test_every_job_names_its_permissions(self) -> None:
        assert [name for name, job in workflow_jobs() if "permissions" not in job] == []

    def test_no_job_may_write_to_the_repository(self) -> None:
        may_write = {
            permission
            for _, job in workflow_jobs()
            for permission, access in job["permissions"].items()
            if access == "write"
        }

        assert may_write == {"id-token"}

    def test_every_job_with_steps_ends_after_some_minutes(self) -> None:
        endless = [
            name
            for name, job in workflow_jobs()
            if "steps" in job and job.get("timeout-minutes", 360) > 30
        ]

        assert endless == []

    def test_scripts_read_the_environment_and_no_expressions(self) -> None:
        assert [script for script in scripts() if "${{" in script] == []

    def test_the_key_of_an_account_is_used_where_no_federation_is_configured(self) -> None:
        steps = [step for _, job in workflow_jobs() for step in job.get("steps", ())]
        signing_in = [
            step for step in steps if "google-github-actions/auth@" in step.get("uses", "")
        ]

        provider = "vars.GCP_WORKLOAD_IDENTITY_PROVIDER"
        assert [step["if"] for step in signing_in] == [f"{provider} != ''", f"{provider} == ''"]
        assert ["credentials_json" in step["with"] for step in signing_in] == [False, True]

    def test_one_last_job_needs_all_others(self) -> None:
        jobs: dict[str, Any] = msgspec.yaml.decode(
            (ROOT / ".github" / "workflows" / "ci.yml").read_bytes()
        )["jobs"]

        *others, last = jobs

        assert jobs[last]["needs"] == others
        assert jobs[last]["if"] == "always()"


class TestTheScripts:
    @pytest.mark.parametrize("script", ["run.sh", ".ci/run", ".ci/lock"])
    def test_a_script_can_be_run_as_it_was_cloned(self, script: str) -> None:
        assert os.access(ROOT / script, os.X_OK)
