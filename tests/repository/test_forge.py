"""Files that a forge reads: its workflow, the changelog, the licence."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.site import ROOT

FOLDER = ROOT / ".github"
TEXT = (FOLDER / "workflows" / "ci.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands() -> str:
    """Returns every command that its jobs run."""
    return "\n".join(step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step)


def test_has_a_workflow_that_the_linter_finds_nothing_in() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    found = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--persona", "pedantic", FOLDER],
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr


def test_pins_the_actions_of_others_by_commit() -> None:
    used = re.findall(r"uses: (.+)", TEXT)

    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("name", JOBS)
def test_bounds_every_job_in_time_and_rights(name: str) -> None:
    assert WORKFLOW["permissions"] == {}
    assert JOBS[name]["permissions"] == {"contents": "read"}
    assert JOBS[name]["timeout-minutes"] <= 90


def test_runs_what_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z]+)", commands())) <= targets
    for script in re.findall(r"(?:^|\s)(\.?\w+/[\w-]+(?:\.sh)?)(?= |$)", commands(), re.MULTILINE):
        if (ROOT / script).parent.is_dir():
            assert os.access(ROOT / script, os.X_OK), script
    assert {".ci/run", "compose/make-secrets.sh"} <= set(commands().split())


def test_runs_the_suite_on_the_servers_that_are_pinned() -> None:
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    pinned = set(re.findall(r"image: ((?:mongo|redis):[\d.]+)", compose))
    servers = JOBS["servers"]["strategy"]["matrix"]["include"]

    assert {servers[0]["mongodb"], servers[0]["redis"]} == pinned
    majors = {name: {one[name].split(":")[1].split(".")[0] for one in servers}
              for name in ("mongodb", "redis")}  # fmt: skip
    assert majors == {"mongodb": {"7", "8"}, "redis": {"7", "8"}}


def test_types_the_commands_that_the_page_on_kubernetes_has() -> None:
    (call,) = re.findall(r"\.ci/commands (\S+) '(.+)' \| bash", commands())
    printed = subprocess.run(
        [ROOT / ".ci" / "commands", *call], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    steps = ["kind create", "k8s/make-secrets.sh", "docker build", "kind load", "kubectl apply -k"]
    assert [printed.find(step) for step in steps] == sorted(printed.find(step) for step in steps)
    assert all(step in printed for step in [*steps, "rollout status deployment/web", "seed_demo"])
    assert "overlays/prod" not in printed
    assert subprocess.run(["bash", "-n"], input=printed, text=True, check=False).returncode == 0


def test_runs_before_a_commit_what_ci_runs_before_the_tests() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]

    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make check"]
    assert "\nmake check\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_keeps_a_changelog_of_releases_with_dates() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    dates = []
    for release in releases:
        match = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", release)
        assert match, release
        dates.append(datetime.date.fromisoformat(match[1]))

    assert first == "[Unreleased]"
    assert dates == sorted(dates, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


def test_is_licensed_in_the_exact_words() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert hashlib.sha256(text).hexdigest() == (
        "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    )
    assert project["license"] == "Apache-2.0"
    label = f'org.opencontainers.image.licenses="{project["license"]}"'
    assert label in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "Copyright 2026 the Bookingsite authors" in (ROOT / "NOTICE").read_text("utf-8")
